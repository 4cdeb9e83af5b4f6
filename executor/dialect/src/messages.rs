//! What a framework may ask and do by MESSAGE while a task runs, as a JSON list: `messages` of the data, or a label of
//! that name.
//!
//! ```json
//! ["signal", "usage", "processes", "arguments", "disk"]
//! ```
//!
//! Whoever can send a message to the executor can use what is allowed here; what is not named is refused.

use crate::json::{Element, JsonError};

/// What a task allows. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Signals may be sent to it.
    pub signal: bool,
    /// It may be asked what it uses: cpu, memory, processes, I/O.
    pub usage: bool,
    /// It may be asked for its processes.
    pub processes: bool,
    /// And for their arguments, which may hold secrets.
    pub arguments: bool,
    /// It may be asked how much of its disk quota it takes.
    pub disk: bool,
}

/// Reads the elements of the list.
pub(crate) fn read(list: Vec<Element>) -> Result<Allowed, JsonError> {
    let mut allowed = Allowed::default();
    for element in list {
        let path = element.path.clone();
        match element.text()?.as_str() {
            "signal" => allowed.signal = true,
            "usage" => allowed.usage = true,
            "processes" => allowed.processes = true,
            "arguments" => {
                allowed.processes = true;
                allowed.arguments = true;
            }
            "disk" => allowed.disk = true,
            _ => {
                return Err(JsonError::Type {
                    key: path,
                    wanted: "signal, usage, processes, arguments or disk",
                });
            }
        }
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn parse(text: &str) -> Result<Allowed, String> {
        json::elements(json::parse(text).unwrap())
            .and_then(read)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_named_is_allowed() {
        assert_eq!(parse("[]"), Ok(Allowed::default()));
        let allowed = parse(r#"["signal", "disk"]"#).unwrap();
        assert!(allowed.signal && allowed.disk);
        assert!(!allowed.usage && !allowed.processes && !allowed.arguments);
    }

    #[test]
    fn arguments_come_with_the_processes_whose_they_are() {
        let allowed = parse(r#"["arguments"]"#).unwrap();
        assert!(allowed.processes && allowed.arguments);
        assert!(!parse(r#"["processes"]"#).unwrap().arguments);
    }

    #[test]
    fn anything_else_is_refused_by_its_place() {
        for text in [r#"["signal", "everything"]"#, r#"["usage", "SIGNAL"]"#] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("[1] must be signal, usage"), "{error}");
        }
        assert_eq!(parse(r#"[7]"#), Err("[0] must be a text".to_owned()));
    }
}
