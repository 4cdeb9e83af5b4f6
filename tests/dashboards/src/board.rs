//! What a dashboard consists of, whoever shows it.

use crate::expression::Query;

/// A dashboard: sections of panels.
#[derive(Debug)]
pub struct Board {
    /// Its name in addresses and file names: `mesos-agent`.
    pub name: &'static str,
    /// What stands above it.
    pub title: &'static str,
    /// What it answers.
    pub about: &'static str,
    /// What can be chosen on it. Its panels are about all of what cannot be.
    pub variables: &'static [Variable],
    /// Its panels, in order.
    pub sections: Vec<Section>,
}

impl Board {
    /// All panels.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.sections.iter().flat_map(|section| &section.panels)
    }
}

/// Panels under a heading.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// In order; they fill rows from left to right.
    pub panels: Vec<Panel>,
}

/// What can be chosen on a dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Agents.
    Host,
    /// Apps that have containers.
    App,
    /// Instances of those apps.
    Slot,
    /// Apps that have tasks of mesos-sandbox-executor.
    Task,
    /// How many of the highest or lowest are shown.
    Top,
}

impl Variable {
    /// Its name in a query.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Variable::Host => "host",
            Variable::App => "app",
            Variable::Slot => "slot",
            Variable::Task => "task",
            Variable::Top => "top",
        }
    }
}

/// One picture and what it means.
#[derive(Debug)]
pub struct Panel {
    /// What stands above it.
    pub title: &'static str,
    /// What its numbers mean, and what to do about them.
    pub says: &'static str,
    /// How it is drawn.
    pub shape: Shape,
    /// What its numbers are counted in.
    pub unit: Unit,
    /// Of 24 columns.
    pub width: u32,
    /// From which values on its numbers are looked at twice; none: there are no such values.
    pub alarm: Option<Alarm>,
    /// What it shows.
    pub queries: Vec<Query>,
    /// The dashboard that says more.
    pub more: Option<&'static str>,
}

impl Panel {
    /// Lines over time, a third of the dashboard wide.
    #[must_use]
    pub fn lines(title: &'static str, unit: Unit, says: &'static str) -> Self {
        Self {
            title,
            says,
            shape: Shape::Lines,
            unit,
            width: 8,
            alarm: None,
            queries: Vec::new(),
            more: None,
        }
    }

    /// Areas over time, one on top of the other.
    #[must_use]
    pub fn stacked(title: &'static str, unit: Unit, says: &'static str) -> Self {
        Self {
            shape: Shape::Stacked,
            ..Self::lines(title, unit, says)
        }
    }

    /// One number.
    #[must_use]
    pub fn number(title: &'static str, unit: Unit, says: &'static str) -> Self {
        Self {
            shape: Shape::Number,
            width: 4,
            ..Self::lines(title, unit, says)
        }
    }

    /// A bar for each series' last value.
    #[must_use]
    pub fn bars(title: &'static str, unit: Unit, says: &'static str) -> Self {
        Self {
            shape: Shape::Bars,
            ..Self::lines(title, unit, says)
        }
    }

    /// With one more target.
    #[must_use]
    pub fn of(mut self, query: Query) -> Self {
        self.queries.push(query);
        self
    }

    /// So wide, of 24 columns.
    #[must_use]
    pub fn wide(self, width: u32) -> Self {
        Self { width, ..self }
    }

    /// From `warn` on it is orange, from `bad` on red.
    #[must_use]
    pub fn alarm_above(self, warn: f64, bad: f64) -> Self {
        let alarm = Alarm::Above { warn, bad };
        Self {
            alarm: Some(alarm),
            ..self
        }
    }

    /// Below `warn` it is orange, below `bad` red.
    #[must_use]
    pub fn alarm_below(self, warn: f64, bad: f64) -> Self {
        let alarm = Alarm::Below { warn, bad };
        Self {
            alarm: Some(alarm),
            ..self
        }
    }

    /// With a link to the dashboard of this name.
    #[must_use]
    pub fn more_on(self, board: &'static str) -> Self {
        Self {
            more: Some(board),
            ..self
        }
    }
}

/// How a panel is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Lines over time.
    Lines,
    /// Areas over time, one on top of the other.
    Stacked,
    /// One number, and its course behind it.
    Number,
    /// A bar for each series' last value.
    Bars,
}

/// From which values on a number is looked at twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alarm {
    /// The higher the worse.
    Above {
        /// Orange from here.
        warn: f64,
        /// Red from here.
        bad: f64,
    },
    /// The lower the worse.
    Below {
        /// Orange below this.
        warn: f64,
        /// Red below this.
        bad: f64,
    },
}

/// What numbers are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Processors.
    Cores,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// A part of a whole, 1 is all of it.
    Share,
    /// Seconds.
    Seconds,
    /// Seconds of waiting in each second.
    SecondsPerSecond,
}
