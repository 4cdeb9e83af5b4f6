//! Numbers as points of series.

use graphite::{Batch, MetricPath, Value};

use crate::model::{Along, Field, Put};

/// Adds `<base>.<field>` for each number that it is given; `base` is as before afterwards.
#[derive(Debug)]
pub(crate) struct Points<'a> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) base: &'a mut MetricPath,
    pub(crate) timestamp: u64,
}

impl Points<'_> {
    pub(crate) fn add<'a>(&mut self, components: impl Iterator<Item = &'a str>, value: Value) {
        let mark = self.base.mark();
        for component in components {
            self.base.push(component);
        }
        self.batch.add(self.base, value, self.timestamp);
        self.base.rewind(mark);
    }
}

impl Put for Points<'_> {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        let behind = field.along.map_or(0, |Along { behind, .. }| behind);
        let before = field.name.split('.').take(behind);
        let rest = field.name.split('.').skip(behind);
        self.add(before.chain(along).chain(rest), value);
    }

    fn put_unknown(&mut self, name: &str, value: Value) {
        self.add(name.split('.'), value);
    }
}
