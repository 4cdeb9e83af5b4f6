//! `TaskInfo.data` alone.

use bytes::Bytes;
use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskInfoFields;

use super::commands::check;

/// See [`check`].
pub(crate) fn run(bytes: &[u8]) {
    let task = TaskInfo::from(TaskInfoFields {
        data: Some(Bytes::copy_from_slice(bytes)),
        ..Default::default()
    });
    check(&task, None, &[]);
}
