//! Runs a target on files: `cargo run --package fuzz -- TARGET FILE...`. Without arguments, lists the targets.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for target in fuzz::TARGETS {
            println!("{}", target.name);
        }
        return ExitCode::SUCCESS;
    };
    let Some(target) = fuzz::target(&name) else {
        eprintln!("no target '{name}'");
        return ExitCode::FAILURE;
    };
    for file in arguments {
        match std::fs::read(&file) {
            Ok(bytes) => (target.run)(&bytes),
            Err(error) => {
                eprintln!("read {file}: {error}");
                return ExitCode::FAILURE;
            }
        }
        println!("{file}: nothing is wrong");
    }
    ExitCode::SUCCESS
}
