//! What a framework can say to this executor by MESSAGE, and the answers: JSON both ways, one object a message.
//!
//! ```json
//! { "request": "ping" }
//! { "request": "tasks" }
//! { "request": "signal", "task_id": "web.1", "signal": "HUP" }
//! { "request": "usage", "task_id": "web.1" }
//! { "request": "processes", "task_id": "web.1" }
//! { "request": "disk", "task_id": "web.1" }
//! ```
//!
//! All that name a task are refused unless the task itself allows them ([`dialect::Allowed`]). A request may have an `id`, a text of its own choice, which its answer repeats:
//!
//! ```json
//! { "reply": "ping", "id": "7", "executor_id": "sandboxes", "tasks": 2, "unacknowledged_updates": 0 }
//! { "reply": "tasks", "tasks": [ { "task_id": "web.1", "state": "TASK_RUNNING", "since": 1700000000.25,
//!                                  "healthy": true } ], "omitted": 0 }
//! { "reply": "signal", "task_id": "web.1", "signal": "HUP" }
//! { "reply": "usage", "task_id": "web.1", "usage": { "cpu_seconds": 1.25, "memory_bytes": 1048576, ... } }
//! { "reply": "processes", "task_id": "web.1", "omitted": 0, "processes":
//!   [ { "pid": 2, "name": "server", "state": "S", "cpu_seconds": 1.2, "memory_bytes": 524288, "arguments": [] } ] }
//! { "reply": "disk", "task_id": "web.1", "disk": { "used_bytes": 4096, "limit_bytes": 10485760, "age_seconds": 0.5 } }
//! { "reply": "error", "error": "...", "requests": ["ping", "tasks", "signal", "usage", "processes", "disk"] }
//! ```
//!
//! `since` is when the task came to its state, in seconds since the epoch; `healthy` is there when a health check has
//! found something. `signal` is HUP, INT, QUIT, USR1 or USR2; the answer says that it was sent, not what the task made of
//! it. Messages go at most once both ways (Mesos: src/slave/slave.cpp, `executorMessage`): who gets no answer asks again.
//! Whatever is an answer by its form is never answered, so that two who echo each other fall silent.

mod told;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::action::Signal;
use crate::question::Answer;

/// What is longer is no request.
const LONGEST_REQUEST: usize = 4096;

/// How many tasks one answer names; task ids have 255 bytes at most.
pub(crate) const MOST_TASKS: usize = 500;

const REQUESTS: [&str; 6] = ["ping", "tasks", "signal", "usage", "processes", "disk"];

/// A message that wants something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    id: Option<String>,
    pub(crate) wish: Wish,
}

/// What it wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    Ping,
    Tasks,
    Signal { task_id: String, signal: Signal },
    About { task_id: String, subject: Subject },
}

/// What is to be told of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Usage,
    Processes,
    Disk,
}

impl Subject {
    fn of(request: &str) -> Option<Self> {
        match request {
            "usage" => Some(Self::Usage),
            "processes" => Some(Self::Processes),
            "disk" => Some(Self::Disk),
            _ => None,
        }
    }
}

/// One task in the answer to `tasks`.
#[derive(Debug)]
pub(crate) struct TaskLine<'a> {
    pub(crate) task_id: &'a str,
    pub(crate) state: &'static str,
    pub(crate) since: f64,
    pub(crate) healthy: Option<bool>,
}

/// Why a message gets no proper answer.
#[derive(Debug, PartialEq)]
pub(crate) enum NoRequest {
    /// It is an answer itself.
    Reply,
    /// This is to be told, to whoever asked by that id.
    Error { id: Option<String>, error: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    request: String,
    id: Option<String>,
    task_id: Option<String>,
    signal: Option<String>,
}

impl Request {
    /// Reads a message.
    pub(crate) fn parse(data: &[u8]) -> Result<Self, NoRequest> {
        if data.len() > LONGEST_REQUEST {
            let error = format!("a request has at most {LONGEST_REQUEST} bytes");
            return Err(NoRequest::Error { id: None, error });
        }
        let bad = |id: Option<String>| {
            |error: serde_json::Error| NoRequest::Error {
                id,
                error: error.to_string(),
            }
        };
        let value: Value = serde_json::from_slice(data).map_err(bad(None))?;
        if value.get("reply").is_some() {
            return Err(NoRequest::Reply);
        }
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        let raw: Raw = serde_json::from_value(value).map_err(bad(id.clone()))?;
        let error = |text: &str| {
            Err(NoRequest::Error {
                id: id.clone(),
                error: text.to_owned(),
            })
        };
        let subject = Subject::of(&raw.request);
        let wish = match (raw.request.as_str(), raw.task_id, raw.signal) {
            ("ping", None, None) => Wish::Ping,
            ("tasks", None, None) => Wish::Tasks,
            ("ping" | "tasks", _, _) => {
                return error("'ping' and 'tasks' name no task and no signal");
            }
            ("signal", Some(task_id), Some(name)) => {
                let Some(signal) = signal_of(&name) else {
                    return error("'signal' is HUP, INT, QUIT, USR1 or USR2");
                };
                Wish::Signal { task_id, signal }
            }
            ("signal", _, _) => return error("'signal' needs 'task_id' and 'signal'"),
            (_, task_id, signal) => match (subject, task_id, signal) {
                (Some(subject), Some(task_id), None) => Wish::About { task_id, subject },
                (Some(_), _, _) => return error("it needs 'task_id', and no signal"),
                (None, _, _) => return error("there is no such request"),
            },
        };
        Ok(Self { id: raw.id, wish })
    }

    pub(crate) fn pong(&self, executor_id: &str, tasks: usize, unacknowledged: usize) -> Vec<u8> {
        self.reply(json!({
            "reply": "ping",
            "executor_id": executor_id,
            "tasks": tasks,
            "unacknowledged_updates": unacknowledged,
        }))
    }

    /// `omitted` tasks are not among the `lines`.
    pub(crate) fn tasks<'a>(
        &self,
        lines: impl Iterator<Item = TaskLine<'a>>,
        omitted: usize,
    ) -> Vec<u8> {
        let lines = lines.map(|line| {
            let mut one = json!({
                "task_id": line.task_id,
                "state": line.state,
                "since": line.since,
            });
            if let Some(healthy) = line.healthy {
                one["healthy"] = healthy.into();
            }
            one
        });
        let tasks: Vec<Value> = lines.collect();
        self.reply(json!({ "reply": "tasks", "tasks": tasks, "omitted": omitted }))
    }

    pub(crate) fn signalled(&self, task_id: &str, signal: Signal) -> Vec<u8> {
        let signal = name_of(signal);
        self.reply(json!({ "reply": "signal", "task_id": task_id, "signal": signal }))
    }

    /// What was found out about a task.
    pub(crate) fn told(&self, task_id: &str, answer: Answer) -> Vec<u8> {
        match told::reply(task_id, answer) {
            Ok(reply) => self.reply(reply),
            Err(why) => self.refused(&why),
        }
    }

    /// It was understood, and cannot be done.
    pub(crate) fn refused(&self, error: &str) -> Vec<u8> {
        self.reply(json!({ "reply": "error", "error": error, "requests": REQUESTS }))
    }

    fn reply(&self, mut reply: Value) -> Vec<u8> {
        if let Some(id) = &self.id {
            reply["id"] = id.as_str().into();
        }
        reply.to_string().into_bytes()
    }
}

/// The answer to what is no request.
pub(crate) fn not_understood(id: Option<String>, error: &str) -> Vec<u8> {
    let whoever = Request {
        id,
        wish: Wish::Ping,
    };
    whoever.refused(&format!("the message is no request: {error}"))
}

const SIGNALS: [(&str, Signal); 5] = [
    ("HUP", Signal::Hangup),
    ("INT", Signal::Interrupt),
    ("QUIT", Signal::Quit),
    ("USR1", Signal::User1),
    ("USR2", Signal::User2),
];

fn signal_of(name: &str) -> Option<Signal> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let mut all = SIGNALS.iter();
    all.find(|(one, _)| *one == name).map(|(_, signal)| *signal)
}

fn name_of(signal: Signal) -> &'static str {
    let mut all = SIGNALS.iter();
    all.find(|(_, one)| *one == signal)
        .map_or("TERM", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Wish, NoRequest> {
        Request::parse(text.as_bytes()).map(|request| request.wish)
    }

    fn error(text: &str) -> String {
        match parse(text) {
            Err(NoRequest::Error { error, .. }) => error,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn json(data: &[u8]) -> Value {
        serde_json::from_slice(data).unwrap()
    }

    #[test]
    fn requests_are_understood() {
        assert_eq!(parse(r#"{"request":"ping"}"#), Ok(Wish::Ping));
        assert_eq!(parse(r#"{"request":"tasks","id":"1"}"#), Ok(Wish::Tasks));
        for name in ["USR1", "SIGUSR1"] {
            let text = format!(r#"{{"request":"signal","task_id":"t","signal":"{name}"}}"#);
            let task_id = "t".to_owned();
            let signal = Signal::User1;
            assert_eq!(parse(&text), Ok(Wish::Signal { task_id, signal }));
        }
        for (name, subject) in [
            ("usage", Subject::Usage),
            ("processes", Subject::Processes),
            ("disk", Subject::Disk),
        ] {
            let text = format!(r#"{{"request":"{name}","task_id":"t"}}"#);
            let task_id = "t".to_owned();
            assert_eq!(parse(&text), Ok(Wish::About { task_id, subject }));
        }
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        assert!(error("hello").contains("expected"));
        assert!(error(r#"{"request":"dance"}"#).contains("no such request"));
        assert!(error(r#"{"request":"ping","volume":11}"#).contains("unknown field `volume`"));
        assert!(error(r#"{"request":"ping","task_id":"t"}"#).contains("name no task"));
        assert!(error(r#"{"request":"usage"}"#).contains("needs 'task_id'"));
        let text = r#"{"request":"disk","task_id":"t","signal":"HUP"}"#;
        assert!(error(text).contains("no signal"));
        assert!(error(r#"{"request":"signal","task_id":"t"}"#).contains("needs"));
        let text = r#"{"request":"signal","task_id":"t","signal":"KILL"}"#;
        assert!(error(text).contains("HUP, INT"));
        assert!(error(&" ".repeat(LONGEST_REQUEST + 1)).contains("at most"));
    }

    #[test]
    fn an_error_too_repeats_the_id_that_was_asked_by() {
        for text in [
            r#"{"request":"dance","id":"7"}"#,
            r#"{"request":"ping","id":"7","volume":11}"#,
        ] {
            let Err(NoRequest::Error { id, error }) = Request::parse(text.as_bytes()) else {
                panic!("{text} is a request");
            };
            assert_eq!(json(&not_understood(id, &error))["id"], "7", "{text}");
        }
    }

    #[test]
    fn our_own_answers_are_answers_and_no_requests() {
        let request = Request::parse(br#"{"request":"ping"}"#).unwrap();
        for answer in [
            request.pong("e", 1, 2),
            request.tasks(std::iter::empty(), 0),
            request.signalled("t", Signal::Hangup),
            request.refused("no"),
            request.told("t", Answer::Usage(Box::default())),
            request.told("t", Answer::Unknown("no".to_owned())),
            not_understood(None, "no"),
        ] {
            assert_eq!(Request::parse(&answer), Err(NoRequest::Reply));
        }
    }

    #[test]
    fn an_answer_repeats_the_id_of_its_request() {
        let request = Request::parse(br#"{"request":"ping","id":"seven"}"#).unwrap();
        assert_eq!(json(&request.pong("e", 1, 2))["id"], "seven");
        let request = Request::parse(br#"{"request":"ping"}"#).unwrap();
        assert_eq!(json(&request.pong("e", 1, 2)).get("id"), None);
    }

    #[test]
    fn health_is_left_out_while_nothing_is_known_of_it() {
        let request = Request::parse(br#"{"request":"tasks"}"#).unwrap();
        let line = |healthy| TaskLine {
            task_id: "t",
            state: "TASK_RUNNING",
            since: 1.5,
            healthy,
        };
        let answer = json(&request.tasks([line(None), line(Some(false))].into_iter(), 3));
        assert_eq!(answer["tasks"][0].get("healthy"), None);
        assert_eq!(answer["tasks"][1]["healthy"], false);
        assert_eq!(answer["tasks"][1]["since"], 1.5);
        assert_eq!(answer["omitted"], 3);
    }

    #[test]
    fn an_error_names_what_could_be_asked() {
        let answer = json(&not_understood(None, "no"));
        assert_eq!(answer["requests"], json!(REQUESTS));
    }
}
