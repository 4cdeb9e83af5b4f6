//! `dashboards` writes `packaging/dashboards` anew; `dashboards pictures` takes the pictures in `packaging/doc/pictures`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        None => match write() {
            Ok(()) => ExitCode::SUCCESS,
            Err((path, error)) => {
                eprintln!("dashboards: {}: {error}", path.display());
                ExitCode::FAILURE
            }
        },
        Some("pictures") => {
            dashboards::pictures::take();
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("dashboards: '{other}' is neither nothing nor 'pictures'");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), (PathBuf, io::Error)> {
    for (name, content) in dashboards::files::all() {
        let path = dashboards::files::directory().join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, dashboards::files::text(&content)));
        written.map_err(|error| (path, error))?;
    }
    Ok(())
}
