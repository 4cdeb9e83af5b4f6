//! The data of Singularity's custom executor, `SingularityTaskExecutorData` as JSON (Singularity:
//! SingularityBase/src/main/java/com/hubspot/deploy/ExecutorData.java).
//!
//! Singularity, too, gives plain text where it has nothing else to say than the command; that is read as any text.
//!
//! Of its keys `cmd` with `extraCmdLineArgs`, `user`, `embeddedArtifacts`, `externalArtifacts`, `successfulExitCodes`,
//! `runningSentinel` (a readiness check for that file), `sigKillProcessesAfterMillis`, `maxTaskThreads` and
//! `maxOpenFiles` count. `s3Artifacts` are refused. The others concern logs and clean-up, which are not this
//! executor's to do; those that say anything are named in
//! [`Request::without_effect`](crate::Request::without_effect), as is any that a later Singularity brings.

use std::time::Duration;

use crate::command_info::{self, Wanted};
use crate::data::{Said, bad};
use crate::health::Timing;
use crate::json::{Element, JsonError, Keys};
use crate::wishes::{self, Wishes};
use crate::{
    Check, CheckError, CommandError, Place, Probe, Program, ProgramError, Role, Uri, UriError,
};

const PLACE: Place = Place::Data;

/// More keys without an effect than these are not worth a line in the log.
const MOST_NAMED: usize = 32;

pub(crate) fn read(mut keys: Keys) -> Result<Said, CommandError> {
    if !keys.list("s3Artifacts").map_err(bad)?.is_empty() {
        return Err(CommandError::Singularity {
            key: "s3Artifacts",
            instead: "name them as externalArtifacts, by URLs that need no S3 credentials",
        });
    }
    let mut uris = Vec::new();
    for key in ["embeddedArtifacts", "externalArtifacts"] {
        for element in keys.list(key).map_err(bad)? {
            let number = uris.len() + 1;
            uris.push(artifact(element, number)?);
        }
    }
    let wanted = Wanted {
        program: program(&mut keys)?,
        environment: Vec::new(),
        user: keys
            .text("user")
            .map_err(bad)?
            .filter(|user| !user.is_empty()),
        uris,
    };
    let wishes = wishes(&mut keys)?;
    Ok(Said {
        wanted: Some(wanted),
        wishes,
        without_effect: keys.left().take(MOST_NAMED).collect(),
    })
}

/// The arguments are appended with blanks between and unquoted, as Singularity does.
fn program(keys: &mut Keys) -> Result<Program, CommandError> {
    let line = keys.text("cmd").map_err(bad)?.unwrap_or_default();
    if line.trim().is_empty() {
        return Err(CommandError::Program {
            place: PLACE,
            source: ProgramError::NoValue,
        });
    }
    let mut words = vec![line];
    words.extend(keys.texts("extraCmdLineArgs").map_err(bad)?);
    Ok(Program::Shell(words.join(" ")))
}

fn wishes(keys: &mut Keys) -> Result<Wishes, CommandError> {
    let codes = keys.list("successfulExitCodes").map_err(bad)?;
    let codes: Result<Vec<i64>, _> = codes.into_iter().map(Element::whole_number).collect();
    let codes = codes.map_err(bad)?;
    let grace = keys.count("sigKillProcessesAfterMillis").map_err(bad)?;
    let threads = keys.count("maxTaskThreads").map_err(bad)?;
    let files = keys.count("maxOpenFiles").map_err(bad)?;
    let sentinel = keys.text("runningSentinel").map_err(bad)?;
    let sentinel = sentinel.filter(|path| !path.is_empty());
    let limit =
        |key, most: Option<u64>| most.map(|most| wishes::limit(PLACE, key, most)).transpose();
    Ok(Wishes {
        // An empty list means what no list means (Singularity: SingularityExecutorTask.java, isSuccessExitCode).
        success_codes: match codes.is_empty() {
            true => None,
            false => Some(wishes::success_codes(PLACE, "successfulExitCodes", &codes)?),
        },
        kill_grace: grace.map(Duration::from_millis),
        process_limit: limit("maxTaskThreads", threads)?,
        descriptor_limit: limit("maxOpenFiles", files)?,
        readiness_checks: sentinel
            .map(ready_by_file)
            .transpose()?
            .map(|check| vec![check]),
        ..Wishes::default()
    })
}

/// Singularity's executor looks for the file each second before it says that the task runs.
fn ready_by_file(path: String) -> Result<Check, CommandError> {
    let program = Program::Exec {
        file: "test".to_owned(),
        argv: ["test", "-e", path.as_str()].map(str::to_owned).to_vec(),
    };
    let timing = Timing {
        delay: Some(0.0),
        interval: Some(1.0),
        ..Timing::default()
    };
    let name = "runningSentinel".to_owned();
    let checked = command_info::check(&program).map_err(CheckError::from);
    let check = checked.and_then(|()| {
        let probe = Probe::Command {
            program,
            environment: Vec::new(),
        };
        timing.check(name, Role::Readiness, probe)
    });
    check.map_err(|source| CommandError::Check {
        check: "TaskInfo.data: runningSentinel".to_owned(),
        source,
    })
}

/// One artifact. Its file goes where Singularity puts it, below the directory that the command starts in, and is
/// extracted when its name ends as Singularity looks for.
fn artifact(element: Element, number: usize) -> Result<Uri, CommandError> {
    let wrong = |source| CommandError::Uri {
        place: PLACE,
        number,
        source,
    };
    let mut keys = element.keys().map_err(bad)?;
    if keys.flag("artifactList").map_err(bad)? == Some(true) {
        return Err(CommandError::Singularity {
            key: "artifactList",
            instead: "name the artifacts themselves",
        });
    }
    let Artifact {
        value,
        filename,
        folder,
        md5,
    } = parts(&mut keys).map_err(bad)?;
    let checksum = md5.map(|digits| command_info::checksum(&format!("md5:{digits}")));
    let path = match folder.as_deref().map(|folder| folder.trim_matches('/')) {
        None | Some("" | ".") => filename.clone(),
        Some(folder) => format!("{folder}/{filename}"),
    };
    if is_embedded(&value) && !is_base64(&value) {
        return Err(wrong(UriError::Base64));
    }
    if value.is_empty() {
        return Err(wrong(UriError::NoValue));
    }
    Ok(Uri {
        extract: filename.ends_with(".tar.gz") && !is_embedded(&value),
        executable: false,
        output_file: Some(command_info::inside(&path).map_err(wrong)?),
        checksum: checksum.transpose().map_err(wrong)?,
        value,
    })
}

struct Artifact {
    value: String,
    filename: String,
    folder: Option<String>,
    md5: Option<String>,
}

fn parts(keys: &mut Keys) -> Result<Artifact, JsonError> {
    let filename = keys.text("filename")?;
    let value = match keys.has("content") {
        true => keys
            .text("content")?
            .map(|content| EMBEDDED.to_owned() + &content),
        false => keys.text("url")?,
    };
    Ok(Artifact {
        filename: keys.must("filename", filename)?,
        value: keys.must("url", value)?,
        folder: keys.text("targetFolderRelativeToTask")?,
        md5: keys.text("md5sum")?.filter(|digits| !digits.is_empty()),
    })
}

const EMBEDDED: &str = "data:;base64,";

fn is_embedded(value: &str) -> bool {
    value.starts_with(EMBEDDED)
}

fn is_base64(value: &str) -> bool {
    let content = &value[EMBEDDED.len()..];
    let digits = content.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    content.len().is_multiple_of(4)
        && content.len() - digits.len() <= 2
        && digits.bytes().all(is_digit)
}
