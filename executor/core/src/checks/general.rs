//! `TaskStatus.check_status`: what `TaskInfo.check` found last.

use dialect::Probe;
use mesos_proto::v1::check_info::Type;
use mesos_proto::v1::{CheckStatusInfo, check_status_info};

use crate::event::{CommandEnd, Probed};

/// The status of a check that has found nothing: its kind, and an empty message of the kind. The agent takes no update
/// without them (Mesos: src/checks/checker.cpp, `checkStatusInfo`; src/slave/validation.cpp).
pub(super) fn unknown(probe: &Probe) -> CheckStatusInfo {
    let mut status = CheckStatusInfo::default();
    match probe {
        Probe::Command { .. } => {
            status.r#type = Some(Type::Command.into());
            status.command = Some(check_status_info::Command::default());
        }
        Probe::Http(_) => {
            status.r#type = Some(Type::Http.into());
            status.http = Some(check_status_info::Http::default());
        }
        Probe::Tcp { .. } => {
            status.r#type = Some(Type::Tcp.into());
            status.tcp = Some(check_status_info::Tcp::default());
        }
    }
    status
}

/// The status after a look. A command that was ended by a signal has no exit code to tell of, and what timed out or
/// failed has found nothing.
pub(super) fn found(probe: &Probe, outcome: &Probed) -> CheckStatusInfo {
    let mut status = unknown(probe);
    match (probe, outcome) {
        (
            Probe::Command { .. },
            Probed::Command {
                status: CommandEnd::Exited(code),
                ..
            },
        ) => {
            let exit_code = Some(*code);
            status.command = Some(check_status_info::Command { exit_code });
        }
        (Probe::Http(_), Probed::Http { status: code, .. }) => {
            let status_code = Some(*code);
            status.http = Some(check_status_info::Http { status_code });
        }
        (Probe::Tcp { .. }, Probed::Tcp { connected, .. }) => {
            let succeeded = Some(*connected);
            status.tcp = Some(check_status_info::Tcp { succeeded });
        }
        (Probe::Command { .. } | Probe::Http(_) | Probe::Tcp { .. }, _) => {}
    }
    status
}
