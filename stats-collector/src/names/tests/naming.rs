use super::super::variable::VARIABLES;
use super::*;

fn head(settings: &NamesSettings, subject: &Subject) -> Head {
    head_of(settings, subject, &Origin::default())
}

fn head_of(settings: &NamesSettings, subject: &Subject, origin: &Origin) -> Head {
    naming(settings).head(subject, origin)
}

fn errors(settings: &NamesSettings) -> Vec<String> {
    let errors = Naming::new(settings).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn with(kind: Kind, template: &str) -> NamesSettings {
    NamesSettings {
        templates: vec![(kind, template.to_owned())],
        ..settings()
    }
}

#[test]
fn by_default_series_are_called_by_app_and_slot_below_prefix_host_and_kind() {
    let wanted = [
        (Kind::Container, "containers.web.3"),
        (Kind::Nested, "nested.web.3"),
        (Kind::Standalone, "standalone.web.3"),
        (Kind::Task, "tasks.web.3"),
        (Kind::DiskContainer, "disk.containers.web.3"),
        (Kind::DiskNested, "disk.nested.web.3"),
        (Kind::DiskTask, "disk.tasks.web.3"),
        (Kind::DiskVolume, "disk.volumes.web.3"),
        (Kind::App, "apps.web"),
        (Kind::Agent, "agent"),
        (Kind::Host, "host"),
        (Kind::Watcher, "disk.watcher"),
        (Kind::Collector, "collector"),
    ];
    for (kind, path) in wanted {
        let subject = match kind {
            Kind::App => subject(kind, "web", None),
            _ if kind.has_instances() => subject(kind, "web", Some(3)),
            _ => subject(kind, "", None),
        };
        let head = head(&settings(), &subject);
        let wanted = format!("mesos.node-1_example_com.{path}.cpus_used");
        assert_eq!(series(&head, Name::Known(&USED, None)), wanted);
    }
}

#[test]
fn what_a_field_has_several_numbers_along_is_a_component_where_the_field_says() {
    let head = head(&settings(), &subject(Kind::Container, "web", Some(0)));
    let of = |field, along| series(&head, Name::Known(field, Some(along)));
    let base = "mesos.node-1_example_com.containers.web.0";
    assert_eq!(
        of(&VOLUME_USED, "data"),
        format!("{base}.disk_statistics.data.used_bytes")
    );
    assert_eq!(of(&DEVICE_READ, "sda"), format!("{base}.blkio.read.sda"));
    assert_eq!(
        of(&DEVICE_READ, "a b"),
        format!("{base}.blkio.read.a_b--c8687a08")
    );
    let uuid = of(&VOLUME_USED, &format!("web#data#{UUID}"));
    assert!(
        uuid.starts_with(&format!("{base}.disk_statistics.web_data--")) && !uuid.contains(UUID),
        "{uuid}"
    );
}

#[test]
fn names_that_no_table_has_keep_their_components() {
    let agent = head(&settings(), &subject(Kind::Agent, "", None));
    let of = |name| series(&agent, Name::Unknown(name));
    let base = "mesos.node-1_example_com.agent";
    assert_eq!(of("slave/cpus_used"), format!("{base}.slave.cpus_used"));
    assert_ne!(of("slave/a.b"), of("slave/a/b"));
    let container = head(&settings(), &subject(Kind::Container, "web", Some(0)));
    let of = |name| series(&container, Name::Unknown(name));
    let base = "mesos.node-1_example_com.containers.web.0";
    assert_eq!(
        of("net_rate_statistics.tx"),
        format!("{base}.net_rate_statistics.tx")
    );
    assert_ne!(of("a/b"), of("a.b"));
    assert_ne!(of("a..b"), of("a.b"));
}

#[test]
fn tags_tell_subjects_apart_and_the_kind_is_in_the_name() {
    let web = subject(Kind::Container, "web", Some(0));
    let origin = Origin {
        framework: Some("marathon".into()),
        task_id: Some(format!("web.{UUID}").into()),
        ..Origin::default()
    };
    let head = head_of(&tagged(), &web, &origin);
    assert_eq!(
        series(&head, Name::Known(&USED, None)),
        "mesos.containers.cpus_used;app=web;framework=marathon;host=node-1_example_com;slot=0"
    );
    assert_eq!(
        series(&head, Name::Known(&VOLUME_USED, Some("/mnt/data 1"))),
        "mesos.containers.disk_statistics.used_bytes;app=web;framework=marathon;host=node-1_example_com;slot=0;\
         volume=_mnt_data_1--935dff41"
    );
    assert_eq!(
        series(&head, Name::Known(&DEVICE_READ, Some("8:0"))),
        "mesos.containers.blkio.read;app=web;device=8:0;framework=marathon;host=node-1_example_com;slot=0"
    );
    let agent = subject(Kind::Agent, "", None);
    let agent = head_of(&tagged(), &agent, &Origin::default());
    assert_eq!(
        series(&agent, Name::Unknown("slave/uptime_secs")),
        "mesos.agent.slave.uptime_secs;host=node-1_example_com"
    );
}

#[test]
fn ids_and_labels_are_tags_when_they_are_named_and_only_those_that_are_known() {
    let mut settings = tagged();
    settings
        .tags
        .extend(["task_id", "container_id", "team"].map(str::to_owned));
    settings.labels = vec![LabelRule {
        label: "com.example/team".to_owned(),
        tag: "team".to_owned(),
    }];
    let web = subject(Kind::Task, "web", Some(1));
    let origin = Origin {
        task_id: Some(format!("web.{UUID}").into()),
        labels: vec![
            ("secret".into(), "hunter2".into()),
            ("com.example/team".into(), "~pay;ments\n".into()),
        ],
        ..Origin::default()
    };
    let head = head_of(&settings, &web, &origin);
    let labels: Vec<_> = head.labels().collect();
    let task_id = format!("web.{UUID}");
    let wanted = [
        ("app", "web"),
        ("host", "node-1_example_com"),
        ("slot", "1"),
        ("task_id", task_id.as_str()),
        ("team", "_pay_ments_--f99885f7"),
    ];
    assert_eq!(labels, wanted);
}

#[test]
fn a_template_may_use_what_is_known_of_its_kind() {
    let mut settings = with(
        Kind::Container,
        "{prefix}.{host}.containers.{framework}.{role}.{team}.{app}-{slot}",
    );
    settings.labels = vec![LabelRule {
        label: "team".to_owned(),
        tag: "team".to_owned(),
    }];
    let web = subject(Kind::Container, "web", Some(12));
    let origin = Origin {
        framework: Some("My Framework".into()),
        labels: vec![("team".into(), "pay".into())],
        ..Origin::default()
    };
    let head = head_of(&settings, &web, &origin);
    assert_eq!(
        series(&head, Name::Known(&USED, None)),
        "mesos.node-1_example_com.containers.My_Framework--577c23a8.none.pay.web-12.cpus_used"
    );
    let labels: Vec<_> = head.labels().map(|(name, _)| name).collect();
    assert_eq!(
        labels,
        ["app", "framework", "host", "slot", "team"],
        "those who know labels alone tell it apart as well"
    );
}

#[test]
fn a_template_may_tell_containers_by_their_ids() {
    let settings = with(Kind::Container, "{prefix}.{host}.containers.{container_id}");
    let web = subject(Kind::Container, "web", Some(0));
    let origin = Origin {
        container_id: Some(UUID.into()),
        ..Origin::default()
    };
    let name = series(&head_of(&settings, &web, &origin), Name::Known(&USED, None));
    assert_eq!(
        name,
        format!("mesos.node-1_example_com.containers.{UUID}.cpus_used")
    );
}

#[test]
fn a_template_that_cannot_be_is_refused_with_the_reason() {
    let cases = [
        (
            "{prefix}.{host}.containers.{ap}.{slot}",
            "has the unknown variable \"ap\"; did you mean \"app\"?",
        ),
        (
            "{prefix}.{host}.containers.{colour}.{slot}",
            "has the unknown variable \"colour\"",
        ),
        (
            "{prefix}.{host}.containers.{persistence_id}.{slot}",
            "has the variable \"persistence_id\", which this kind has not",
        ),
        (
            "{prefix}.{host}.containers..{app}.{slot}",
            "has an empty component",
        ),
        (
            "{prefix}.{host}.con tainers.{app}.{slot}",
            "holds ' ': allowed are A-Z a-z 0-9 _ - and variables in braces",
        ),
        (
            "{prefix}.{host}.containers.{app.{slot}",
            "has the unknown variable \"app.{slot\"",
        ),
        (
            "{prefix}.{host}.containers.{app}.{slot",
            "has a brace without its other one",
        ),
        (
            "{prefix}.{host}.containers.{app}",
            "lacks {slot}: two instances would write the same series",
        ),
        (
            "{prefix}.{host}.containers.{task_id}",
            "lacks {slot}: two instances would write the same series",
        ),
        (
            "{prefix}.containers.{app}.{slot}",
            "lacks {host}: two agents would write the same series",
        ),
    ];
    for (template, why) in cases {
        let errors = errors(&with(Kind::Container, template));
        assert_eq!(
            errors,
            [format!("template {template:?} of containers {why}")]
        );
    }
    let runs_into = errors(&with(
        Kind::Container,
        "{prefix}.{host}.containers.{app}{slot}",
    ));
    assert!(
        runs_into[0].contains("has {slot} where it runs into its neighbours"),
        "{runs_into:?}"
    );
    let apps = errors(&with(Kind::App, "{prefix}.{host}.apps.all"));
    assert!(
        apps[0].contains("two apps would write the same series"),
        "{apps:?}"
    );
}

#[test]
fn templates_that_could_meet_are_refused() {
    let meets = |kind, template| {
        let errors = errors(&with(kind, template));
        assert!(
            errors
                .iter()
                .any(|error| error.contains("could give the same series")),
            "{errors:?}"
        );
    };
    meets(Kind::Task, "{prefix}.{host}.containers.{app}.{slot}");
    meets(Kind::Container, "{prefix}.{host}.{app}.{slot}");
    meets(Kind::Host, "{prefix}.{host}");
    let apart = with(
        Kind::Container,
        "{prefix}.{host}.containers.{framework}.{app}.{slot}",
    );
    assert!(Naming::new(&apart).is_ok());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let rule = |label: &str, tag: &str| LabelRule {
        label: label.to_owned(),
        tag: tag.to_owned(),
    };
    let settings = NamesSettings {
        tags: ["app", "app", "frmework", "slot"].map(str::to_owned).into(),
        labels: vec![
            rule("a", "1a"),
            rule("b", "app"),
            rule("c", "c"),
            rule("d", "c"),
            rule("e", "name"),
        ],
        templates: vec![(Kind::Task, "{host}.{app}.{slot}".to_owned())],
        ..tagged()
    };
    assert_eq!(
        errors(&settings),
        [
            "label \"a\" cannot become tag \"1a\": a tag has letters, digits and _, and begins with no digit",
            "label \"b\" cannot become tag \"app\", which series have of themselves: rename it",
            "two labels would become tag \"c\": rename one",
            "label \"e\" cannot become tag \"name\", which series have of themselves: rename it",
            "tag \"app\" is named twice",
            "unknown tag \"frmework\"; did you mean \"framework\"?",
            "tag \"host\" is missing: without it two instances or two agents would write the same series",
            "a template for tasks has no meaning with tags: name the variables under tags instead",
        ]
    );
}

#[test]
fn what_would_be_too_long_is_refused_at_the_start() {
    let mut settings = with(
        Kind::Task,
        "{prefix}.{host}.tasks.{framework}.{role}.{task_name}.{source}.{executor_id}.{task_id}.{container_id}.{app}.{slot}",
    );
    assert!(errors(&settings)[0].contains("gives names of more than 1500 bytes"));
    settings.templates[0].1 =
        "{prefix}.{host}.tasks.{framework}-{role}-{task_name}-{source}-{app}.{slot}".to_owned();
    assert!(errors(&settings)[0].contains("has a component with too much in it"));
    let labels = (0..40).map(|n| LabelRule {
        label: n.to_string(),
        tag: format!("label_{n}"),
    });
    let mut settings = NamesSettings {
        labels: labels.collect(),
        ..tagged()
    };
    let names = settings.labels.iter().map(|rule| rule.tag.clone());
    settings.tags.extend(names);
    assert!(errors(&settings)[0].contains("more tags than there is room for"));
}

#[test]
fn what_fields_have_several_numbers_along_is_no_other_tag_of_theirs() {
    for section in crate::model::reference() {
        for along in section.fields.iter().filter_map(|field| field.along) {
            let variable = VARIABLES.iter().find(|(name, _)| *name == along.tag);
            let meets = |kind: &Kind| variable.is_some_and(|(_, variable)| variable.is_of(*kind));
            assert!(!section.kinds.iter().any(meets), "{}", along.tag);
            let label = LabelRule {
                label: "x".to_owned(),
                tag: along.tag.to_owned(),
            };
            let settings = NamesSettings {
                labels: vec![label],
                ..settings()
            };
            assert!(errors(&settings)[0].contains("which series have of themselves"));
        }
    }
}
