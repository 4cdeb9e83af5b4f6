//! `dashboards`: writes `packaging/dashboards` anew.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::{fs, io};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err((path, error)) => {
            eprintln!("dashboards: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), (std::path::PathBuf, io::Error)> {
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
