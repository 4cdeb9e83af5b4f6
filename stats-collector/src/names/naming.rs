//! How series are called: the settings, checked and ready to make [`Head`]s.

use std::borrow::Cow;
use std::fmt::Write;

use super::head::Head;
use super::kinds::KINDS;
use super::naming_error::{NamingError, Why};
use super::settings::{Form, LabelRule, NamesSettings};
use super::template::{Component, Fault, Part, Template};
use super::variable::{VARIABLES, Variable};
use super::{ALONG_IN_TAGS, COMPONENT, HEAD_MAX};
use crate::model::{self, Kind, Origin, Subject};

/// The fewest bytes that a variable must be given: with less there is little but hashes.
const VALUE_MIN: usize = 40;

/// The digits of the largest slot.
const SLOT_DIGITS: usize = 10;

/// Stands in a path for what a framework did not say.
const ABSENT: &str = "none";

/// Tags that no label may have besides those that fields have: Graphite's and Prometheus's own, and a variable that is
/// none of a subject.
const RESERVED_TAGS: [&str; 4] = ["name", "prefix", "le", "quantile"];

/// How series are called.
#[derive(Debug)]
pub(crate) struct Naming {
    form: Form,
    host: String,
    /// What series of each kind begin with.
    paths: [Path; KINDS.len()],
    /// The label that each rule is about.
    labels: Vec<String>,
    /// The names of the rules' variables, which tags have as well.
    label_tags: Vec<String>,
}

/// What series of one kind begin with, and what tells its subjects apart.
#[derive(Debug)]
struct Path {
    template: Template,
    labels: Vec<Variable>,
    /// The most bytes that a label's value may have.
    label_max: usize,
}

impl Naming {
    /// Checks the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(settings: &NamesSettings) -> Result<Self, Vec<NamingError>> {
        let mut errors = Vec::new();
        let host =
            graphite::distinct(&settings.host.replace('.', "_"), COMPONENT, b"").into_owned();
        let mut naming = Self {
            form: settings.form,
            host,
            paths: std::array::from_fn(|_| Path {
                template: Template {
                    components: Vec::new(),
                },
                labels: Vec::new(),
                label_max: 0,
            }),
            labels: settings
                .labels
                .iter()
                .map(|rule| rule.label.clone())
                .collect(),
            label_tags: settings
                .labels
                .iter()
                .map(|rule| rule.tag.clone())
                .collect(),
        };
        check_labels(&settings.labels, &mut errors);
        let tags = naming.tags(settings, &mut errors);
        for kind in KINDS {
            let mut written = settings.templates.iter().rev();
            let written = written
                .find(|(of, _)| *of == kind)
                .map(|(_, written)| written.clone());
            let is_chosen = written.is_some();
            let written = match settings.form {
                Form::Path => written.unwrap_or_else(|| default_template(kind)),
                Form::Tags => format!("{{prefix}}.{}", kind.dotted()),
            };
            if settings.form == Form::Tags && is_chosen {
                errors.push(NamingError::TemplateWithTags {
                    kind: kind.dotted(),
                });
            }
            match naming.path(kind, &written, &tags, settings) {
                Ok(path) => naming.paths[kind.index()] = path,
                Err(why) => errors.push(NamingError::Template {
                    kind: kind.dotted(),
                    template: written,
                    why,
                }),
            }
        }
        if errors.is_empty() {
            naming.check_that_kinds_never_meet(&mut errors);
        }
        if errors.is_empty() {
            Ok(naming)
        } else {
            Err(errors)
        }
    }

    /// The head of all series of a subject.
    pub(crate) fn head(&self, subject: &Subject, origin: &Origin) -> Head {
        let path = &self.paths[subject.kind.index()];
        let mut base = String::new();
        for (place, component) in path.template.components.iter().enumerate() {
            if place > 0 {
                base.push('.');
            }
            self.render(&mut base, component, subject, origin, subject.slot);
        }
        let labels = path.labels.iter().filter_map(|variable| {
            let value = match variable {
                Variable::Host => Cow::Borrowed(self.host.as_str()),
                Variable::Slot => Cow::Owned(subject.slot?.to_string()),
                _ => {
                    let value = variable.of(subject, origin, &self.labels)?;
                    graphite::distinct(value, path.label_max, ALONG_IN_TAGS)
                }
            };
            Some((self.name_of(*variable), value))
        });
        // The agent's own metrics have their parts between slashes, all others between dots.
        let separator = if subject.kind == Kind::Agent {
            '/'
        } else {
            '.'
        };
        Head::new(base, labels.collect(), self.form == Form::Tags, separator)
    }

    /// What tells the subject's names from all others but for its slot and its ids: subjects with the same share slots, so
    /// no two that are there at the same time are ever called the same, whatever they are called.
    pub(super) fn pool(&self, subject: &Subject, origin: &Origin) -> String {
        let path = &self.paths[subject.kind.index()];
        let mut pool = String::new();
        if self.form == Form::Path {
            for component in &path.template.components {
                if !component.variables().any(Variable::is_id) {
                    self.render(&mut pool, component, subject, origin, None);
                }
                pool.push('.');
            }
            return pool;
        }
        for variable in path.labels.iter().filter(|variable| !variable.is_id()) {
            if let Some(value) = variable.of(subject, origin, &self.labels) {
                pool.push_str(&graphite::distinct(value, path.label_max, ALONG_IN_TAGS));
            }
            pool.push(';');
        }
        pool
    }

    /// Puts a component into a path. Without a slot there is nothing in its place.
    fn render(
        &self,
        out: &mut String,
        component: &Component,
        subject: &Subject,
        origin: &Origin,
        slot: Option<u32>,
    ) {
        let variables = component.variables().count();
        let room = COMPONENT - component.fixed();
        for part in &component.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(Variable::Slot) => {
                    if let Some(slot) = slot {
                        // Writing to a string never fails.
                        let _ = write!(out, "{slot}");
                    }
                }
                Part::Variable(variable) => {
                    let value = variable.of(subject, origin, &self.labels).unwrap_or(ABSENT);
                    out.push_str(&graphite::distinct(value, room / variables, b""));
                }
            }
        }
    }

    fn name_of(&self, variable: Variable) -> &str {
        if let Variable::Label(rule) = variable {
            return &self.label_tags[rule];
        }
        let named = VARIABLES.iter().find(|(_, known)| *known == variable);
        named.map_or("", |(name, _)| name)
    }

    fn variable(&self, name: &str) -> Option<Variable> {
        let known = VARIABLES.iter().find(|(known, _)| *known == name);
        let label = || {
            self.label_tags
                .iter()
                .position(|tag| tag == name)
                .map(Variable::Label)
        };
        known.map(|(_, variable)| *variable).or_else(label)
    }

    fn nearest(&self, written: &str) -> Option<String> {
        let known = VARIABLES.iter().map(|(name, _)| *name).chain(["prefix"]);
        ::settings::nearest(
            written,
            known.chain(self.label_tags.iter().map(String::as_str)),
        )
    }

    /// The variables that tags are made of.
    fn tags(&self, settings: &NamesSettings, errors: &mut Vec<NamingError>) -> Vec<Variable> {
        let mut tags = Vec::new();
        for name in &settings.tags {
            match self.variable(name) {
                Some(variable) if tags.contains(&variable) => {
                    errors.push(NamingError::TagTwice { tag: name.clone() });
                }
                Some(variable) => tags.push(variable),
                None => errors.push(NamingError::UnknownTag {
                    tag: name.clone(),
                    nearest: self.nearest(name),
                }),
            }
        }
        let needed = [
            ("host", Variable::Host),
            ("app", Variable::App),
            ("slot", Variable::Slot),
        ];
        for (needed, variable) in needed {
            if settings.form == Form::Tags && !tags.contains(&variable) {
                errors.push(NamingError::TagMissing { tag: needed });
            }
        }
        tags
    }

    fn path(
        &self,
        kind: Kind,
        written: &str,
        tags: &[Variable],
        settings: &NamesSettings,
    ) -> Result<Path, Why> {
        let prefix = settings.prefix.as_str();
        let template = Template::parse(written, prefix, &self.host, |name| self.variable(name));
        let template = template.map_err(|fault| match fault {
            Fault::EmptyComponent => Why::EmptyComponent,
            Fault::Character(character) => Why::Character { character },
            Fault::Brace => Why::Brace,
            Fault::Unknown(name) => Why::Unknown {
                nearest: self.nearest(&name),
                name,
            },
        })?;
        if let Some(strange) = template.variables().find(|variable| !variable.is_of(kind)) {
            return Err(Why::NotOfKind {
                name: self.name_of(strange).to_owned(),
            });
        }
        if settings.form == Form::Path {
            check_that_instances_never_meet(kind, written, &template)?;
        }
        for component in &template.components {
            let variables = component.variables().count();
            let room = COMPONENT.saturating_sub(component.fixed());
            if room
                .checked_div(variables)
                .is_some_and(|each| each < VALUE_MIN)
                || room == 0
            {
                return Err(Why::ComponentTooLong);
            }
        }
        let longest = |component: &Component| {
            let is_foreign = |variable| variable != Variable::Slot;
            if component.variables().any(is_foreign) {
                return COMPONENT;
            }
            component.fixed() + component.variables().count() * SLOT_DIGITS
        };
        if template
            .components
            .iter()
            .map(|component| longest(component) + 1)
            .sum::<usize>()
            > HEAD_MAX
        {
            return Err(Why::TooLong);
        }
        // In a path the labels are for those who know nothing else: they tell apart what the paths tell apart.
        let mut labels: Vec<Variable> =
            tags.iter().copied().filter(|tag| tag.is_of(kind)).collect();
        for variable in [Variable::Host].into_iter().chain(template.variables()) {
            if settings.form == Form::Path && !labels.contains(&variable) {
                labels.push(variable);
            }
        }
        let names: usize = labels
            .iter()
            .map(|label| self.name_of(*label).len() + 2)
            .sum();
        let label_max =
            HEAD_MAX.saturating_sub(names + self.host.len() + SLOT_DIGITS) / labels.len().max(1);
        let label_max = label_max.min(COMPONENT);
        if label_max < VALUE_MIN {
            return Err(Why::TooManyTags);
        }
        Ok(Path {
            template,
            labels,
            label_max,
        })
    }

    fn check_that_kinds_never_meet(&self, errors: &mut Vec<NamingError>) {
        for (place, one) in KINDS.into_iter().enumerate() {
            for other in KINDS.into_iter().skip(place + 1) {
                let (first, second) = (&self.paths[one.index()], &self.paths[other.index()]);
                if first.template.may_meet(&second.template) {
                    errors.push(NamingError::KindsMeet {
                        one: one.dotted(),
                        other: other.dotted(),
                    });
                }
            }
        }
    }
}

/// Below `{prefix}.{host}`.
fn default_template(kind: Kind) -> String {
    let instance = match kind {
        Kind::App => ".{app}",
        _ if kind.has_instances() => ".{app}.{slot}",
        _ => "",
    };
    format!("{{prefix}}.{{host}}.{}{instance}", kind.dotted())
}

fn check_that_instances_never_meet(
    kind: Kind,
    written: &str,
    template: &Template,
) -> Result<(), Why> {
    if !written.contains("{host}") {
        return Err(Why::HostsMeet);
    }
    let with = |wanted: Variable| {
        let mut components = template.components.iter();
        components.find(|component| component.variables().any(|variable| variable == wanted))
    };
    if kind == Kind::App {
        return match with(Variable::App) {
            Some(component) if component.parts.len() == 1 => Ok(()),
            _ => Err(Why::AppsMeet),
        };
    }
    if !kind.has_instances() {
        return Ok(());
    }
    if let Some(component) = with(Variable::Slot) {
        let apart = component.sets_apart(Variable::Slot);
        return if apart {
            Ok(())
        } else {
            Err(Why::SlotNotApart)
        };
    }
    let is_told_by = |variable: Variable| {
        let alone = |component: &Component| component.parts.len() == 1;
        variable.is_unique_among(kind) && with(variable).is_some_and(alone)
    };
    if template.variables().any(is_told_by) {
        return Ok(());
    }
    Err(Why::InstancesMeet)
}

fn check_labels(rules: &[LabelRule], errors: &mut Vec<NamingError>) {
    let sections = model::reference();
    let fields = sections.iter().flat_map(|section| &section.fields);
    let of_fields: Vec<&str> = fields.filter_map(|field| Some(field.along?.tag)).collect();
    for (place, LabelRule { label, tag }) in rules.iter().enumerate() {
        let begins = tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let is_plain = tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let (label, tag) = (label.clone(), tag.clone());
        if !begins || !is_plain || tag.len() > COMPONENT {
            errors.push(NamingError::LabelTag { label, tag });
        } else if RESERVED_TAGS.contains(&tag.as_str())
            || of_fields.contains(&tag.as_str())
            || VARIABLES.iter().any(|(name, _)| *name == tag)
        {
            errors.push(NamingError::LabelTagTaken { label, tag });
        } else if rules[..place].iter().any(|rule| rule.tag == tag) {
            errors.push(NamingError::LabelTagTwice { tag });
        }
    }
}
