//! Lines of JSON: one object a subject and a turn, with all of its numbers.
//!
//! ```json
//! {"time":1795253796.998,"kind":"containers","labels":{"host":"node1","app":"web","slot":"0"},
//!  "values":{"mem_rss_bytes":4096,"disk_statistics.used_bytes":{"data":512}}}
//! ```
//!
//! on one line. `kind` and the names of values are those of Graphite, the time is the sample's own, and what there are
//! several of is an object.

use std::collections::BTreeMap;
use std::mem::take;

use graphite::{Value, encode_value};

use super::printer::Printer;
use crate::names::{Head, Name};

/// Chunks of whole lines that are worth writing, in bytes.
const FULL: usize = 32 * 1024;

/// Gathers the numbers of one subject after the other.
#[derive(Debug)]
pub(super) struct Json {
    printer: Printer,
    has_handed_over: bool,
    lines: Vec<u8>,
    /// Points in `lines`.
    points: u64,
    /// Where the last value of this subject ends; none before its first.
    has_values: bool,
    /// The beginning of this subject's line.
    begun: Vec<u8>,
    /// Of this subject: what there are several of, each as the inside of an object.
    along: BTreeMap<&'static str, Vec<u8>>,
}

impl Json {
    pub(super) fn new(printer: Printer) -> Self {
        Self {
            printer,
            has_handed_over: false,
            lines: Vec::new(),
            points: 0,
            has_values: false,
            begun: Vec::new(),
            along: BTreeMap::new(),
        }
    }

    /// Begins with a subject, of this time in seconds since the epoch.
    pub(super) fn begin(&mut self, kind: &str, head: &Head, at: f64) {
        let begun = &mut self.begun;
        begun.clear();
        begun.extend_from_slice(b"{\"time\":");
        encode_value(begun, at.into());
        begun.extend_from_slice(b",\"kind\":");
        text(begun, kind);
        begun.extend_from_slice(b",\"labels\":{");
        for (place, (name, value)) in head.labels().enumerate() {
            if place > 0 {
                begun.push(b',');
            }
            text(begun, name);
            begun.push(b':');
            text(begun, value);
        }
        begun.extend_from_slice(b"},\"values\":{");
        self.has_values = false;
    }

    /// Takes one number, which is finite.
    pub(super) fn put(&mut self, name: Name<'_>, value: Value) {
        self.points += 1;
        let (name, out) = match name {
            Name::Known(field, Some(along)) => {
                let inside = self.along.entry(field.name).or_default();
                if !inside.is_empty() {
                    inside.push(b',');
                }
                (along, inside)
            }
            Name::Known(field, None) => (field.name, self.next()),
            Name::Unknown(name) => (name, self.next()),
        };
        text(out, name);
        out.push(b':');
        encode_value(out, value);
    }

    /// Where the next value goes.
    fn next(&mut self) -> &mut Vec<u8> {
        let before = match self.has_values {
            true => b",",
            false => &self.begun[..],
        };
        self.lines.extend_from_slice(before);
        self.has_values = true;
        &mut self.lines
    }

    /// Ends the subject; one without a number has no line.
    pub(super) fn end(&mut self) {
        for (name, inside) in take(&mut self.along) {
            let out = self.next();
            text(out, name);
            out.extend_from_slice(b":{");
            out.extend_from_slice(&inside);
            out.push(b'}');
        }
        if take(&mut self.has_values) {
            self.lines.extend_from_slice(b"}}\n");
        }
        if self.lines.len() >= FULL {
            self.hand_over();
        }
    }

    /// Hands over what there is.
    pub(super) fn hand_over(&mut self) {
        if !self.lines.is_empty() {
            self.has_handed_over = true;
            self.printer
                .push(take(&mut self.lines), take(&mut self.points));
        }
    }

    /// Whether anything was handed over since this was last asked.
    pub(super) fn took_handed_over(&mut self) -> bool {
        take(&mut self.has_handed_over)
    }

    pub(super) fn printer(&self) -> &Printer {
        &self.printer
    }

    pub(super) fn into_printer(mut self) -> Printer {
        self.hand_over();
        self.printer
    }
}

/// Appends a text in quotes.
fn text(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and a text can be serialized.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::outlet::tests::{USED, VOLUME, head, subject};
    use super::super::printer::Place;
    use super::*;
    use crate::model::Kind;

    #[tokio::test]
    async fn each_subject_is_one_object_on_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("points.json");
        let mut json = Json::new(Printer::open(Place::File(file.clone())).unwrap());
        let web = head(&subject(Kind::Container, Some(0)));
        json.begin("containers", &web, 1000.25);
        for volume in ["a\n\"", "b"] {
            json.put(Name::Known(&VOLUME, Some(volume)), 0.5.into());
        }
        json.put(Name::Known(&USED, None), u64::MAX.into());
        json.put(Name::Unknown("new/one"), (-1.5).into());
        json.end();
        json.begin("containers", &web, 1000.5);
        json.end();
        json.begin("containers", &web, 1001.0);
        json.put(Name::Known(&VOLUME, Some("c")), 7_u64.into());
        json.end();
        assert_eq!(json.into_printer().finish(Duration::from_secs(10)).await, 0);
        let written = std::fs::read_to_string(file).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 2, "{written}");
        let labels = "\"labels\":{\"app\":\"web\",\"host\":\"node_1\",\"slot\":\"0\"}";
        assert_eq!(
            lines[0],
            format!(
                "{{\"time\":1000.25,\"kind\":\"containers\",{labels},\"values\":{{\
                 \"mem_rss_bytes\":18446744073709551615,\"new/one\":-1.5,\
                 \"disk_statistics.used_bytes\":{{\"a\\n\\\"\":0.5,\"b\":0.5}}}}}}"
            )
        );
        for line in lines {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
