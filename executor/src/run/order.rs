//! From the command line to a task that the host can launch.

use std::path::Path;

use dialect::{
    Allowed, Life, LimitWishes, LogWishes, Options, Place, Program, Request, SandboxWishes,
};
use mesos_proto::TaskInfo;
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskId, TaskInfoFields};

use crate::cli::Run;

/// What to launch.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) task: TaskInfo,
    pub(super) request: Request,
}

/// The command of `options`, to run in `directory`, with `environment` and what the options add to it.
pub(super) fn order(
    options: &Run,
    directory: &Path,
    mut environment: Vec<(String, String)>,
) -> Order {
    let megabytes = |bytes: mesos_proto::Bytes| bytes.as_u64() as f64 / f64::from(1 << 20);
    let limits = [
        ("cpus", options.cpus),
        ("mem", options.memory.map(megabytes)),
        ("disk", options.disk.map(megabytes)),
        ("pids", options.pids.map(f64::from)),
    ];
    let limits = limits.into_iter();
    let resources = limits.filter_map(|(name, value)| Some(scalar(name, value?)));
    let task_id = TaskId {
        value: "run".to_owned(),
    };
    environment.push(("PWD".to_owned(), directory.to_string_lossy().into_owned()));
    environment.extend(options.env.iter().cloned());
    Order {
        task: TaskInfo::from(TaskInfoFields {
            task_id,
            resources: resources.collect(),
            ..TaskInfoFields::default()
        }),
        request: Request {
            program: Program::Exec {
                file: options.command.first().cloned().unwrap_or_default(),
                argv: options.command.clone(),
            },
            environment,
            user: None,
            uris: Vec::new(),
            checks: Vec::new(),
            sandbox: SandboxWishes::default(),
            limits: LimitWishes::default(),
            logs: LogWishes::default(),
            messages: Allowed::default(),
            life: Life::default(),
            options: Options::default(),
            without_effect: Vec::new(),
            source: Place::Arguments,
        },
    }
}

fn scalar(name: &str, value: f64) -> Resource {
    Resource {
        name: name.to_owned(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value }),
        ..Resource::default()
    }
}
