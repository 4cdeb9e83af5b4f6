//! What is asked of graphite-web.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::Graphite;
use crate::http::{self, HttpError};

impl Graphite {
    /// The series of a target as `/render` gives them, `[{"target": .., "datapoints": [[value or null, time], ..]}, ..]`.
    /// `from` is in Graphite's words: `-10min`.
    ///
    /// # Errors
    /// When Graphite refuses the target or does not answer.
    pub fn render_json(&self, target: &str, from: &str) -> Result<Value, HttpError> {
        self.get_json(&format!(
            "/render?format=json&target={}&from={}",
            encoded(target),
            encoded(from)
        ))
    }

    /// The values of a target that are not null, of all its series, oldest first.
    ///
    /// # Errors
    /// As [`Graphite::render_json`].
    pub fn points(&self, target: &str, from: &str) -> Result<Vec<f64>, HttpError> {
        let series = self.render_json(target, from)?;
        let rows = series.as_array().into_iter().flatten();
        let points = rows.flat_map(|row| row["datapoints"].as_array().into_iter().flatten());
        Ok(points.filter_map(|point| point[0].as_f64()).collect())
    }

    /// A graph of these targets as a PNG, 1000 by 500 pixels. More arguments of `/render` are given as name and value.
    ///
    /// # Errors
    /// As [`Graphite::render_json`].
    pub fn render_png(
        &self,
        targets: &[&str],
        from: &str,
        more: &[(&str, &str)],
    ) -> Result<Bytes, HttpError> {
        let mut path = format!(
            "/render?format=png&width=1000&height=500&from={}",
            encoded(from)
        );
        for (name, value) in targets
            .iter()
            .map(|target| ("target", *target))
            .chain(more.iter().copied())
        {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
        self.get(&path)
    }

    /// What `/metrics/find` answers: the nodes that match the query, one level of it.
    ///
    /// # Errors
    /// When Graphite does not answer.
    pub fn find(&self, query: &str) -> Result<Value, HttpError> {
        self.get_json(&format!("/metrics/find?query={}", encoded(query)))
    }

    /// The values of a tag among the series that all the expressions take in (`host=~^a`), as an editor completes them.
    ///
    /// # Errors
    /// When Graphite does not answer.
    pub fn tag_values(&self, tag: &str, expressions: &[&str]) -> Result<Vec<String>, HttpError> {
        let mut path = format!("/tags/autoComplete/values?limit=1000&tag={}", encoded(tag));
        for expression in expressions {
            path.push_str(&format!("&expr={}", encoded(expression)));
        }
        let values = self.get_json(&path)?;
        let values = values.as_array().into_iter().flatten();
        Ok(values
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect())
    }

    /// Saves a dashboard of graphite-web's own under a name. The answer says whether it did.
    ///
    /// # Errors
    /// When Graphite refuses it or does not answer.
    pub fn save_dashboard(&self, name: &str, state: &Value) -> Result<Value, HttpError> {
        let path = format!("/dashboard/save/{}", encoded(name));
        self.post_form(&path, &format!("state={}", encoded(&state.to_string())))
    }

    /// A dashboard that was saved, `{"state": ..}`.
    ///
    /// # Errors
    /// When Graphite does not answer.
    pub fn load_dashboard(&self, name: &str) -> Result<Value, HttpError> {
        self.get_json(&format!("/dashboard/load/{}", encoded(name)))
    }

    fn post_form(&self, path: &str, form: &str) -> Result<Value, HttpError> {
        let answer = http::post_form(&self.web_authority(), path, form)?;
        self.parsed(&answer)
    }

    /// A file that carbon is creating at this very moment has no header yet, and Graphite answers with its own error:
    /// asked again a moment later it has.
    fn get(&self, path: &str) -> Result<Bytes, HttpError> {
        let mut tries = 0;
        loop {
            match http::get(&self.web_authority(), path) {
                Err(HttpError::Refused { status, .. })
                    if status.is_server_error() && tries < 20 =>
                {
                    tries += 1;
                }
                answer => return answer,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn get_json(&self, path: &str) -> Result<Value, HttpError> {
        let answer = self.get(path)?;
        self.parsed(&answer)
    }

    fn parsed(&self, answer: &[u8]) -> Result<Value, HttpError> {
        serde_json::from_slice(answer).map_err(|source| HttpError::Exchange {
            authority: self.web_authority(),
            source: Box::new(source),
        })
    }
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
