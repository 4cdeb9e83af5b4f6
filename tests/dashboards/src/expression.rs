//! What a panel asks Graphite for, said once and written in each of the forms that series can have.

use crate::board::Variable;

/// How the series that are asked for are told apart, and by whom it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Dotted paths, with the variables of a Grafana dashboard in them.
    Path,
    /// Graphite 1.1's tags, with the variables of a Grafana dashboard in them.
    Tags,
    /// Dotted paths of all agents and apps: a dashboard of graphite-web's own has no variables.
    Plain,
}

/// What a series is called by in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The agent.
    Host,
    /// The app of a container, a task or a volume.
    App,
    /// Which of the app's instances.
    Slot,
    /// What a field has several numbers along: the volume, the device.
    Along,
}

/// What becomes of the series that an expression has, and what they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Legend {
    /// There is one series, and this is its name.
    Text(&'static str),
    /// Each by these parts.
    By(&'static [Part]),
    /// Those that have this part in common make one, by a function of Graphite's: `sum`, `max`, `min`.
    Grouped(&'static str, Part),
}

/// Of many series, those that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    All,
    Highest,
    Lowest,
}

/// One target of a panel. Series stand in it as `{kind field}`: `sumSeries({containers mem_rss_bytes})`. A part of a field's
/// name in angle brackets is what it has several numbers along: `{containers disk_statistics.<volume>.used_bytes}`.
///
/// A rate of a counter is `perSecond(interpolate({..}, 12))`: between two points there may be steps without one, where carbon
/// keeps finer steps than the collector's interval, and of tasks, whose executors tell of them as they find the time.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    text: &'static str,
    legend: Legend,
    choice: Choice,
    suffix: &'static str,
    is_dashed: bool,
}

impl Query {
    /// One series under a name of its own.
    #[must_use]
    pub const fn named(text: &'static str, name: &'static str) -> Self {
        Self::new(text, Legend::Text(name))
    }

    /// Each series by itself.
    #[must_use]
    pub const fn by(text: &'static str, parts: &'static [Part]) -> Self {
        Self::new(text, Legend::By(parts))
    }

    /// One series for each value of a part: the sum of those that have it.
    #[must_use]
    pub const fn sum_by(text: &'static str, part: Part) -> Self {
        Self::new(text, Legend::Grouped("sum", part))
    }

    /// The same, and the largest of them at each time.
    #[must_use]
    pub const fn max_by(text: &'static str, part: Part) -> Self {
        Self::new(text, Legend::Grouped("max", part))
    }

    const fn new(text: &'static str, legend: Legend) -> Self {
        Self {
            text,
            legend,
            choice: Choice::All,
            suffix: "",
            is_dashed: false,
        }
    }

    /// Of many series the highest; how many is a variable of the dashboard.
    #[must_use]
    pub const fn highest(self) -> Self {
        Self {
            choice: Choice::Highest,
            ..self
        }
    }

    /// Of many series the lowest.
    #[must_use]
    pub const fn lowest(self) -> Self {
        Self {
            choice: Choice::Lowest,
            ..self
        }
    }

    /// What stands behind each name in the legend: `queued`.
    #[must_use]
    pub const fn suffix(self, suffix: &'static str) -> Self {
        Self { suffix, ..self }
    }

    /// The limits of what the panel's other queries show: named so, and drawn dashed.
    #[must_use]
    pub const fn limit(self) -> Self {
        Self {
            is_dashed: true,
            ..self.suffix("limit")
        }
    }

    /// Whether its series are drawn dashed.
    pub(crate) const fn is_dashed(&self) -> bool {
        self.is_dashed
    }

    /// What the names of its series end in.
    pub(crate) const fn ending(&self) -> &'static str {
        self.suffix
    }

    /// The series that it is about.
    ///
    /// # Panics
    /// When a brace is left open, or there is a kind and no field.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        let parts = self.text.split('{').skip(1);
        parts
            .map(|part| {
                let (series, _) = part.split_once('}').expect("a brace that is closed");
                let (kind, field) = series.split_once(' ').expect("a kind and a field");
                Series { kind, field }
            })
            .collect()
    }

    /// The target, as Graphite's `/render` takes it once the variables are filled in.
    ///
    /// # Panics
    /// When it speaks of no series.
    #[must_use]
    pub fn target(&self, form: Form, variables: &[Variable]) -> String {
        let series = self.series();
        let mut text = String::new();
        for (n, part) in self.text.split('{').enumerate() {
            match part.split_once('}') {
                None => text.push_str(part),
                Some((_, rest)) => {
                    text.push_str(&series[n - 1].selected(form, variables));
                    text.push_str(rest);
                }
            }
        }
        let first = series.first().expect("a series");
        // Grafana is told of it apart; what is around a name here is in the legend.
        if self.is_dashed && form == Form::Plain {
            text = format!("dashed({text})");
        }
        let mut text = self.labelled(&text, first, form);
        if !self.suffix.is_empty() {
            text = format!("aliasSub({text}, '$', ' {}')", self.suffix);
        }
        let most = match form {
            Form::Path | Form::Tags => "$top",
            Form::Plain => "10",
        };
        match self.choice {
            Choice::All => text,
            Choice::Highest => format!("highestAverage({text}, {most})"),
            Choice::Lowest => format!("lowestAverage({text}, {most})"),
        }
    }

    fn labelled(&self, text: &str, series: &Series, form: Form) -> String {
        let list = |parts: &[Part]| {
            let names: Vec<String> = match form {
                Form::Tags => parts
                    .iter()
                    .map(|part| format!("'{}'", series.tag(*part)))
                    .collect(),
                Form::Path | Form::Plain => parts
                    .iter()
                    .map(|part| series.node(*part).to_string())
                    .collect(),
            };
            names.join(", ")
        };
        match (self.legend, form) {
            (Legend::Text(name), _) => format!("alias({text}, '{name}')"),
            (Legend::By(parts), Form::Tags) => format!("aliasByTags({text}, {})", list(parts)),
            (Legend::By(parts), _) => format!("aliasByNode({text}, {})", list(parts)),
            (Legend::Grouped(function, part), Form::Tags) => {
                let tag = list(&[part]);
                format!("aliasByTags(groupByTags({text}, '{function}', {tag}), {tag})")
            }
            (Legend::Grouped(function, part), _) => {
                format!("groupByNode({text}, {}, '{function}')", list(&[part]))
            }
        }
    }
}

/// Series of a kind of subject: all of those that the variables let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// What it is about, as in the names of series: `containers`, `disk.tasks`.
    pub kind: &'static str,
    field: &'static str,
}

impl Series {
    /// The field's name as it is in the manual's list: `disk_statistics.<volume>.used_bytes`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.field
    }

    /// The field's name, without what it has several numbers along: `disk_statistics.used_bytes`.
    #[must_use]
    pub fn field(&self) -> String {
        let parts = self.field.split('.').filter(|part| !part.starts_with('<'));
        parts.collect::<Vec<_>>().join(".")
    }

    /// A name that it could have on this agent, as a path and with tags: of the first instance of an app that is called as
    /// what it has several numbers along.
    #[must_use]
    pub fn example(&self, host: &str) -> [String; 2] {
        let (app, has_slots) = (self.has_app(), self.instances().1);
        let mut tags = format!("mesos.{}.{};host={host}", self.kind, self.field());
        let mut path = format!("mesos.{host}.{}", self.kind);
        for (tag, value, is_there) in [("app", "web", app), ("slot", "0", has_slots)] {
            if is_there {
                path.push_str(&format!(".{value}"));
                tags.push_str(&format!(";{tag}={value}"));
            }
        }
        for part in self.field.split('.') {
            let along = part.trim_matches(['<', '>']);
            if along != part {
                tags.push_str(&format!(";{along}=one"));
            }
            path.push_str(if along == part { "." } else { ".one" });
            path.push_str(if along == part { part } else { "" });
        }
        [path, tags]
    }

    /// The variable whose values are the apps of its kind, and whether there are slots; nothing of what an agent has one of.
    fn instances(&self) -> (Option<Variable>, bool) {
        match self.kind {
            "containers" | "disk.containers" => (Some(Variable::App), true),
            "tasks" | "disk.tasks" => (Some(Variable::Task), true),
            "apps" => (Some(Variable::App), false),
            "nested" | "standalone" | "disk.nested" | "disk.volumes" => (None, true),
            _ => (None, false),
        }
    }

    fn has_app(&self) -> bool {
        let (variable, has_slots) = self.instances();
        variable.is_some() || has_slots
    }

    /// Those that the variables let through. A variable that a dashboard does not have lets all through.
    fn selected(&self, form: Form, variables: &[Variable]) -> String {
        let (app, has_slots) = self.instances();
        let app = app.filter(|app| variables.contains(app));
        let slot = Some(Variable::Slot).filter(|slot| variables.contains(slot) && app.is_some());
        if form == Form::Tags {
            let mut query = format!(
                "seriesByTag('name=$prefix.{}.{}', 'host=~^${{host:regex}}$'",
                self.kind,
                self.field()
            );
            for (tag, variable) in [("app", app), ("slot", slot.filter(|_| has_slots))] {
                if let Some(variable) = variable {
                    query.push_str(&format!(", '{tag}=~^${{{}:regex}}$'", variable.name()));
                }
            }
            query.push(')');
            return query;
        }
        let chosen = |variable: Option<Variable>| match (variable, form) {
            (Some(variable), Form::Path) => format!("${}", variable.name()),
            _ => "*".to_owned(),
        };
        let mut components = match form {
            Form::Path => vec!["$prefix".to_owned(), "$host".to_owned()],
            _ => vec!["mesos".to_owned(), "*".to_owned()],
        };
        components.push(self.kind.to_owned());
        if self.has_app() {
            components.push(chosen(app));
        }
        if has_slots {
            components.push(chosen(slot));
        }
        let field = self.field.split('.').map(|part| match part {
            along if along.starts_with('<') => "*",
            part => part,
        });
        components.extend(field.map(str::to_owned));
        components.join(".")
    }

    /// Where a part stands in the path, counted from its end, since a prefix may have any number of components.
    fn node(&self, part: Part) -> isize {
        let from_end = |count: usize| -isize::try_from(count).unwrap_or(isize::MAX);
        let field: Vec<&str> = self.field.split('.').collect();
        let slot = usize::from(self.instances().1);
        match part {
            Part::Along => {
                let place = field.iter().position(|part| part.starts_with('<'));
                from_end(field.len() - place.expect("a field with something along"))
            }
            Part::Slot => from_end(field.len() + 1),
            Part::App => from_end(field.len() + slot + 1),
            Part::Host => {
                let kind = self.kind.split('.').count();
                let app = usize::from(self.has_app());
                from_end(field.len() + slot + app + kind + 1)
            }
        }
    }

    fn tag(&self, part: Part) -> &'static str {
        match part {
            Part::Host => "host",
            Part::App => "app",
            Part::Slot => "slot",
            Part::Along => {
                let along = self.field.split('.').find(|part| part.starts_with('<'));
                along
                    .expect("a field with something along")
                    .trim_matches(['<', '>'])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Variable] = &[Variable::Host, Variable::App, Variable::Slot];

    #[test]
    fn a_series_is_asked_for_in_each_form() {
        let query = Query::by("{containers mem_rss_bytes}", &[Part::App, Part::Slot]).highest();
        assert_eq!(
            query.target(Form::Path, ALL),
            "highestAverage(aliasByNode($prefix.$host.containers.$app.$slot.mem_rss_bytes, -3, -2), $top)"
        );
        assert_eq!(
            query.target(Form::Tags, ALL),
            "highestAverage(aliasByTags(seriesByTag('name=$prefix.containers.mem_rss_bytes', 'host=~^${host:regex}$', \
             'app=~^${app:regex}$', 'slot=~^${slot:regex}$'), 'app', 'slot'), $top)"
        );
        assert_eq!(
            query.target(Form::Plain, &[]),
            "highestAverage(aliasByNode(mesos.*.containers.*.*.mem_rss_bytes, -3, -2), 10)"
        );
    }

    #[test]
    fn parts_are_counted_from_the_end_whatever_the_kind_and_the_field() {
        let along = Query::by(
            "{containers disk_statistics.<volume>.used_bytes}",
            &[Part::Host, Part::App, Part::Along],
        );
        assert_eq!(
            along.target(Form::Path, &[Variable::Host]),
            "aliasByNode($prefix.$host.containers.*.*.disk_statistics.*.used_bytes, -7, -5, -2)"
        );
        assert!(
            along
                .target(Form::Tags, &[Variable::Host])
                .ends_with("'host', 'app', 'volume')")
        );
        let watcher = Query::sum_by("{disk.watcher looks}", Part::Host);
        assert_eq!(
            watcher.target(Form::Path, &[Variable::Host]),
            "groupByNode($prefix.$host.disk.watcher.looks, -4, 'sum')"
        );
        let agent = Query::max_by("scale({agent slave.cpus_total}, 2)", Part::Host);
        assert_eq!(
            agent.target(Form::Path, &[Variable::Host]),
            "groupByNode(scale($prefix.$host.agent.slave.cpus_total, 2), -4, 'max')"
        );
    }
}
