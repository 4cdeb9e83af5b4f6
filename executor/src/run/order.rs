//! From the command line to a task that the host can launch.

use std::path::Path;

use dialect::{
    Allowed, CapabilityWishes, DiskWishes, Life, LimitWishes, LogWishes, Options, Place, Program,
    Request, RootWish, SandboxWishes, SeccompWish,
};
use mesos_proto::TaskInfo;
use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskId, TaskInfoFields};

use nix::unistd::geteuid;

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
            sandbox: sandbox(options),
            limits: LimitWishes {
                disk: DiskWishes {
                    soft: options.disk_soft.map(mesos_proto::Bytes::as_u64),
                    inodes: options.inodes,
                    in_kernel: options.disk_in_kernel,
                },
                ..LimitWishes::default()
            },
            logs: LogWishes::default(),
            messages: Allowed::default(),
            life: Life::default(),
            options: Options::default(),
            without_effect: Vec::new(),
            source: Place::Arguments,
        },
    }
}

fn sandbox(options: &Run) -> SandboxWishes {
    SandboxWishes {
        root: options
            .root
            .as_ref()
            // Without a current directory it is looked for, and not found, by the name that was given.
            .map(|root| std::path::absolute(root).unwrap_or_else(|_| root.clone()))
            .map(|root| RootWish::Directory(root.to_string_lossy().into_owned())),
        volumes: options.volume.clone(),
        network: Some(options.network.clone()),
        hostname: options.hostname.clone(),
        capabilities: capabilities(options),
        seccomp: options.seccomp.as_deref().map(|name| match name {
            "unconfined" => SeccompWish::Unconfined,
            name => SeccompWish::Profile(name.to_owned()),
        }),
        ..SandboxWishes::default()
    }
}

/// What its user has here, and what the options change about that.
fn capabilities(options: &Run) -> Option<CapabilityWishes> {
    if options.cap_add.is_empty() && options.cap_drop.is_empty() {
        return None;
    }
    let is_root = match options.user.as_deref() {
        Some(user) => matches!(user, "root" | "0"),
        None => geteuid().is_root(),
    };
    let of_root = sandbox::Capability::all()
        .filter(|one| is_root && sandbox::Capabilities::OF_ROOT.bounding.contains(*one))
        .filter_map(|one| Capability::from_str_name(one.to_string().trim_start_matches("CAP_")));
    let is_kept = |one: &Capability| !options.cap_drop.contains(one);
    let kept = of_root
        .chain(options.cap_add.iter().copied())
        .filter(is_kept);
    let list: Vec<Capability> = kept.collect();
    Some(CapabilityWishes {
        bounding: list.clone(),
        ambient: if is_root { Vec::new() } else { list.clone() },
        effective: list,
    })
}

fn scalar(name: &str, value: f64) -> Resource {
    Resource {
        name: name.to_owned(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value }),
        ..Resource::default()
    }
}
