use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

/// A series' name, taken apart by carbon's rules (carbon: `util.py`, `TaggedSeries.parse`, and whisper's paths).
fn parse_back(name: &str) -> Result<(Vec<&str>, BTreeMap<&str, &str>), String> {
    if name.len() > SERIES_MAX {
        return Err(format!("{} bytes", name.len()));
    }
    let mut parts = name.split(';');
    let path: Vec<&str> = parts.next().unwrap_or_default().split('.').collect();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if let Some(bad) = path
        .iter()
        .find(|part| part.is_empty() || part.len() > 250 || !part.bytes().all(is_plain))
    {
        return Err(format!("component {bad:?}"));
    }
    let mut tags = BTreeMap::new();
    let mut last = "";
    for part in parts {
        let (tag, value) = part.split_once('=').ok_or(format!("tag {part:?}"))?;
        let is_kept = |byte: u8| is_plain(byte) || b".:".contains(&byte);
        if tag <= last || value.is_empty() || value.len() > 250 || !value.bytes().all(is_kept) {
            return Err(format!("tag {part:?}"));
        }
        last = tag;
        tags.insert(tag, value);
    }
    Ok((path, tags))
}

/// What a framework may call something: mostly what is hard to tell apart.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,2}[-_. /;=~0-2]{0,2}[ab]{0,2}",
        ".{0,30}",
        Just(format!("web.{UUID}")),
        Just("web\n1 1 1445000000".to_owned()),
        Just("w\u{435}b".to_owned()),
        Just("x".repeat(1_000)),
        Just("none".to_owned()),
        "[ab]--[0-9a-f]{8}",
    ]
}

fn maybe() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of(text().prop_map(Arc::from))
}

prop_compose! {
    fn origin()(
        (framework, role, executor_id, source) in (maybe(), maybe(), maybe(), maybe()),
        (task_id, task_name, container_id, persistence_id) in (maybe(), maybe(), maybe(), maybe()),
        labels in proptest::collection::vec((prop_oneof![Just("team".to_owned()), text()], text()), 0..4),
    ) -> Origin {
        Origin {
            framework,
            role,
            executor_id,
            source,
            task_id,
            task_name,
            container_id,
            persistence_id,
            labels: labels
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
            ..Origin::default()
        }
    }
}

fn all_settings() -> Vec<NamesSettings> {
    let labels = vec![LabelRule {
        label: "team".to_owned(),
        tag: "team".to_owned(),
    }];
    let template = |template: &str| NamesSettings {
        templates: vec![(Kind::Task, template.to_owned())],
        labels: labels.clone(),
        ..settings()
    };
    let mut many = tagged();
    many.labels.clone_from(&labels);
    many.tags
        .extend(["role", "task_id", "task_name", "container_id", "team"].map(str::to_owned));
    vec![
        settings(),
        tagged(),
        many,
        template("{prefix}.{host}.tasks.{framework}.{team}.{app}-{slot}"),
        template("{prefix}.{host}.tasks.{app}-{framework}.{slot}_{role}"),
        template("{prefix}.{host}.tasks.{container_id}-{app}.{task_id}.{slot}"),
        template("{prefix}.{host}.tasks.{slot}"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_two_subjects_have_one_series_and_carbon_reads_back_what_was_meant(
        origins in proptest::collection::vec(origin(), 1..12),
        along in proptest::collection::hash_set(text(), 0..4),
    ) {
        for settings in all_settings() {
            let mut registry = registry(&settings, 60);
            for kind in [Kind::Task, Kind::Container, Kind::DiskVolume] {
                let all: Vec<_> = origins.iter().enumerate().map(|(id, origin)| Someone {
                    id: id.to_string(),
                    origin: origin.clone(),
                    is_complete: true,
                }).collect();
                registry.take_in(kind, all.iter(), 0);
            }
            let mut seen = HashSet::new();
            let mut labels = HashSet::new();
            let mut wanted = 0;
            for kind in [Kind::Task, Kind::Container, Kind::DiskVolume] {
                for (id, _) in origins.iter().enumerate() {
                    let entry = registry.call(kind, &id.to_string()).unwrap();
                    let alongs = along.iter().map(|along| Name::Known(&VOLUME_USED, Some(along)));
                    let unknown = along.iter().map(|name| Name::Unknown(name));
                    for name in alongs.chain(unknown).chain([Name::Known(&USED, None)]) {
                        let series = series(&entry.head, name);
                        let parsed = parse_back(&series);
                        prop_assert!(parsed.is_ok(), "{:?}: {}", parsed, series);
                        wanted += 1;
                        // A name that no table has may be that of one that a table has: that is for the model to see to.
                        prop_assert!(seen.insert(series.clone()), "twice: {}", series);
                    }
                    let told: Vec<_> = entry.head.labels().map(|(name, value)| format!("{name}={value}")).collect();
                    prop_assert!(labels.insert((kind, told.clone())), "labels twice: {:?}", told);
                }
            }
            prop_assert_eq!(seen.len(), wanted);
        }
    }

    #[test]
    fn a_name_has_a_bound_whatever_it_is_made_of(origin in origin(), along in text()) {
        for settings in all_settings() {
            let mut registry = registry(&settings, 60);
            let one = Someone { id: "a".to_owned(), origin: origin.clone(), is_complete: true };
            registry.take_in(Kind::Task, [&one].into_iter(), 0);
            let head = &registry.call(Kind::Task, "a").unwrap().head;
            let huge = format!("{along}{}", "y.".repeat(1_000));
            for name in [Name::Unknown(&huge), Name::Known(&VOLUME_USED, Some(&huge))] {
                let series = series(head, name);
                prop_assert!(parse_back(&series).is_ok(), "{}", series);
            }
        }
    }
}

#[test]
fn a_pod_that_is_called_like_another_s_instance_cannot_take_its_series() {
    let template = "{prefix}.{host}.containers.{framework}-{app}.{slot}".to_owned();
    let settings = NamesSettings {
        templates: vec![(Kind::Container, template)],
        ..settings()
    };
    let mut registry = registry(&settings, 60);
    let of = |id: &str, framework: &str, executor: &str| {
        let mut one = someone(&format!("{id}={executor}"));
        one.origin.framework = Some(framework.into());
        one
    };
    let all = [of("a", "x", "y-z"), of("b", "x-y", "z")];
    registry.take_in(Kind::Container, all.iter(), 0);
    let mut name = |id| {
        series(
            &registry.call(Kind::Container, id).unwrap().head,
            Name::Known(&USED, None),
        )
    };
    assert_ne!(name("a"), name("b"), "both are called x-y-z");
}
