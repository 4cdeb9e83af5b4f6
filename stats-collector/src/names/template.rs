//! A path with variables: `{prefix}.{host}.containers.{app}.{slot}`.

use super::variable::Variable;

/// A path, by its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) components: Vec<Component>,
}

/// What stands between two dots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Variable(Variable),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    EmptyComponent,
    Character(char),
    Brace,
    Unknown(String),
}

impl Template {
    /// Takes a template apart. `{prefix}` and `{host}` are texts from here on; what `known` does not know is a fault.
    pub(super) fn parse(
        written: &str,
        prefix: &str,
        host: &str,
        known: impl Fn(&str) -> Option<Variable>,
    ) -> Result<Self, Fault> {
        let mut components = vec![Component::default()];
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            add_text(&mut components, &rest[..at])?;
            let (name, behind) = rest[at..]
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'))
                .ok_or(Fault::Brace)?;
            match name {
                "prefix" => add_text(&mut components, prefix)?,
                "host" => add_text(&mut components, host)?,
                _ => {
                    let variable = known(name).ok_or_else(|| Fault::Unknown(name.to_owned()))?;
                    if let Some(last) = components.last_mut() {
                        last.parts.push(Part::Variable(variable));
                    }
                }
            }
            rest = behind;
        }
        add_text(&mut components, rest)?;
        if components
            .iter()
            .any(|component| component.parts.is_empty())
        {
            return Err(Fault::EmptyComponent);
        }
        Ok(Self { components })
    }

    /// Its variables, in their order.
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable> {
        self.components.iter().flat_map(Component::variables)
    }

    /// Whether a series of one may be called like a series of the other: unless there is a place where both have a text,
    /// and not the same, whatever stands for the variables and behind the paths.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let mut pairs = self.components.iter().zip(&other.components);
        pairs.all(|(one, other)| match (one.text(), other.text()) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        })
    }
}

impl Component {
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(*variable),
            Part::Text(_) => None,
        })
    }

    /// How long its texts are.
    pub(super) fn fixed(&self) -> usize {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Variable(_) => 0,
        });
        texts.sum()
    }

    /// Whether it can be told from the whole what stands for this variable, which is plain and without a dash: it is
    /// alone, or at an end, with a dash or an underscore between it and the rest.
    pub(super) fn sets_apart(&self, wanted: Variable) -> bool {
        let is_wanted = |part: &Part| *part == Part::Variable(wanted);
        let parted = |part: &Part, at_its_end: bool| match part {
            Part::Text(text) if at_its_end => text.ends_with(['-', '_']),
            Part::Text(text) => text.starts_with(['-', '_']),
            Part::Variable(_) => false,
        };
        match self.parts.as_slice() {
            [only] => is_wanted(only),
            [first, second, ..] if is_wanted(first) => parted(second, false),
            [.., before, last] if is_wanted(last) => parted(before, true),
            _ => false,
        }
    }

    fn text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn add_text(components: &mut Vec<Component>, text: &str) -> Result<(), Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(bad) = text.chars().find(|c| !is_plain(*c)) {
        return Err(Fault::Character(bad));
    }
    for (place, piece) in text.split('.').enumerate() {
        if place > 0 {
            components.push(Component::default());
        }
        let Some(last) = components.last_mut().filter(|_| !piece.is_empty()) else {
            continue;
        };
        match last.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(piece),
            _ => last.parts.push(Part::Text(piece.to_owned())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(written: &str) -> Result<Template, Fault> {
        Template::parse(written, "dc.mesos", "node-1", |name| match name {
            "app" => Some(Variable::App),
            "slot" => Some(Variable::Slot),
            _ => None,
        })
    }

    #[test]
    fn prefix_and_host_are_texts_that_join_their_neighbours() {
        let template = parse("{prefix}-x.{host}.a{app}.{slot}").unwrap();
        let text = |text: &str| Part::Text(text.to_owned());
        let parts: Vec<_> = template
            .components
            .iter()
            .map(|one| one.parts.clone())
            .collect();
        let wanted = [
            vec![text("dc")],
            vec![text("mesos-x")],
            vec![text("node-1")],
            vec![text("a"), Part::Variable(Variable::App)],
            vec![Part::Variable(Variable::Slot)],
        ];
        assert_eq!(parts, wanted);
    }

    #[test]
    fn what_is_no_template_is_told() {
        for empty in ["", ".a", "a.", "a..b", "{app}..x"] {
            assert_eq!(parse(empty), Err(Fault::EmptyComponent), "{empty}");
        }
        for brace in ["{app", "app}", "{a{app}", "}{"] {
            assert!(
                matches!(parse(brace), Err(Fault::Brace | Fault::Unknown(_))),
                "{brace}"
            );
        }
        assert_eq!(parse("a b"), Err(Fault::Character(' ')));
        assert_eq!(parse("a;b=c"), Err(Fault::Character(';')));
        assert_eq!(parse("{ap}"), Err(Fault::Unknown("ap".to_owned())));
    }

    #[test]
    fn two_paths_never_meet_if_some_component_of_both_is_fixed_and_not_the_same() {
        let meet = |one: &str, other: &str| parse(one).unwrap().may_meet(&parse(other).unwrap());
        assert!(!meet("a.x.{app}", "a.y.{app}"));
        assert!(!meet("a.{app}.x", "a.{slot}.y.{app}"));
        assert!(meet("a.{app}", "a.x"));
        assert!(meet("a", "a.x.{app}"));
        assert!(
            meet("a.x{app}", "a.y{app}"),
            "nobody is to reason about parts of components"
        );
    }

    #[test]
    fn a_slot_is_set_apart_alone_or_at_an_end_behind_a_dash() {
        let apart =
            |written: &str| parse(written).unwrap().components[0].sets_apart(Variable::Slot);
        for good in ["{slot}", "{app}-{slot}", "{slot}_{app}", "x-{slot}"] {
            assert!(apart(good), "{good}");
        }
        for bad in ["{app}{slot}", "{app}-{slot}-{app}", "x1{slot}", "{app}"] {
            assert!(!apart(bad), "{bad}");
        }
    }
}
