//! What tries to get out of a sandbox, from inside of it.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    escapes::run()
}
