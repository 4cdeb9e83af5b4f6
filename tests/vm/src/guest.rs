//! Carries out, inside the machine, what [`vm_tests::Machine::run`] sends by the second serial line: one JSON object a
//! line, `{"id": 1, "script": "...", "seconds": 120}`, answered by `{"id": 1, "status": 0, "stdout": "...", "stderr": "..."}` when the
//! script has ended. Any number run at once. The answer to [`UP`] comes first.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};
use vm_tests::{CHANNEL, UP};

fn main() -> io::Result<()> {
    let channel = File::options().read(true).write(true).open(CHANNEL)?;
    let status = Command::new("stty")
        .args(["raw", "-echo"])
        .stdin(channel.try_clone()?)
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("stty: {status}")));
    }
    writeln!(&channel, "{}", json!({"id": UP, "status": 0}))?;
    let answers = Arc::new(Mutex::new(channel.try_clone()?));
    for line in BufReader::new(channel).lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let answers = Arc::clone(&answers);
        thread::spawn(move || {
            let answer = format!("{}\n", answer(&request));
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = answers.write_all(answer.as_bytes()) {
                eprintln!("{CHANNEL}: {error}");
            }
        });
    }
    Ok(())
}

fn answer(request: &Value) -> Value {
    let script = request["script"].as_str().unwrap_or_default();
    let output = Command::new("timeout")
        .args(["--kill-after=5", &request["seconds"].to_string()])
        .args(["/bin/bash", "-c", script])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(Output {
            status,
            stdout,
            stderr,
        }) => json!({
            "id": request["id"],
            "status": status.code().or(status.signal().map(|signal| 128 + signal)),
            "stdout": String::from_utf8_lossy(&stdout),
            "stderr": String::from_utf8_lossy(&stderr),
        }),
        Err(error) => {
            json!({"id": request["id"], "status": 127, "stdout": "", "stderr": error.to_string()})
        }
    }
}
