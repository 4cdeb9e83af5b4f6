//! Answers about a task: bounded, and fit to be shown, whatever its processes call themselves.

use serde_json::{Value, json};

use crate::question::{Answer, ProcessLine};

/// The most that an answer says of processes, in bytes: the master and the scheduler keep messages in memory.
const MOST_BYTES: usize = 32 << 10;

/// A process has 15 bytes for its name.
const LONGEST_NAME: usize = 64;

const LONGEST_ARGUMENT: usize = 256;
const MOST_ARGUMENTS: usize = 16;

/// The answer, or why there is none.
pub(super) fn reply(task_id: &str, answer: Answer) -> Result<Value, String> {
    match answer {
        Answer::Usage(usage) => {
            Ok(json!({ "reply": "usage", "task_id": task_id, "usage": *usage }))
        }
        Answer::Disk { disk, volumes } => {
            let mut reply = json!({ "reply": "disk", "task_id": task_id, "disk": disk });
            if !volumes.is_empty() {
                reply["volumes"] = json!(volumes);
            }
            Ok(reply)
        }
        Answer::Processes {
            processes,
            omitted: unseen,
        } => {
            let all = processes.len();
            let mut size = 0;
            let lines = processes.into_iter().map(line).take_while(|line| {
                size += line.to_string().len();
                size <= MOST_BYTES
            });
            let lines: Vec<Value> = lines.collect();
            let omitted = unseen + (all - lines.len());
            Ok(json!({
                "reply": "processes", "task_id": task_id, "processes": lines, "omitted": omitted,
            }))
        }
        Answer::Unknown(why) => Err(why),
    }
}

fn line(process: ProcessLine) -> Value {
    let arguments = process.arguments.iter().take(MOST_ARGUMENTS);
    let arguments: Vec<String> = arguments.map(|one| tamed(one, LONGEST_ARGUMENT)).collect();
    json!({
        "pid": process.pid,
        "name": tamed(&process.name, LONGEST_NAME),
        "state": tamed(&process.state.to_string(), 4),
        "cpu_seconds": process.cpu_seconds,
        "memory_bytes": process.memory_bytes,
        "arguments": arguments,
    })
}

/// Without what moves a terminal's cursor, and cut after so many bytes.
fn tamed(text: &str, most: usize) -> String {
    let cut = &text[..text.floor_char_boundary(most)];
    let harmless = |letter: char| match letter.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    };
    cut.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, arguments: &[String]) -> ProcessLine {
        ProcessLine {
            pid: 7,
            name: name.to_owned(),
            state: 'S',
            cpu_seconds: 0.25,
            memory_bytes: 4096,
            arguments: arguments.to_vec(),
        }
    }

    fn told(processes: Vec<ProcessLine>, omitted: usize) -> Value {
        let answer = Answer::Processes { processes, omitted };
        reply("t", answer).unwrap()
    }

    #[test]
    fn a_name_that_would_move_a_cursor_does_not() {
        let answer = told(vec![process("\u{1b}[2J\nroot", &[])], 0);
        assert_eq!(answer["processes"][0]["name"], "\u{fffd}[2J\u{fffd}root");
    }

    #[test]
    fn arguments_are_cut_and_bounded_in_number() {
        let long = vec!["ä".repeat(1000); 100];
        let answer = told(vec![process("p", &long)], 0);
        let arguments = answer["processes"][0]["arguments"].as_array().unwrap();
        assert_eq!(arguments.len(), MOST_ARGUMENTS);
        assert_eq!(arguments[0].as_str().unwrap().len(), LONGEST_ARGUMENT);
    }

    #[test]
    fn an_answer_is_bounded_and_says_how_many_are_missing() {
        let answer = told(vec![process("p", &vec!["x".repeat(1000); 100]); 500], 3);
        let shown = answer["processes"].as_array().unwrap().len();
        assert!(shown > 1 && answer.to_string().len() < MOST_BYTES + 1000);
        assert_eq!(answer["omitted"], 500 - shown + 3);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let usage = crate::question::Usage {
            memory_bytes: Some(0),
            ..Default::default()
        };
        let answer = reply("t", Answer::Usage(Box::new(usage))).unwrap();
        assert_eq!(answer["usage"], json!({ "memory_bytes": 0 }));
    }
}
