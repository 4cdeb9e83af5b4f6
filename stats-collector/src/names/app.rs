//! The app that a subject is an instance of.

use graphite::{app_name, readable_part};

use crate::model::{Kind, Origin};

/// The readable name of a subject's app, from whatever is known of where it comes from: the first in which something is
/// readable.
///
/// A container's is its executor's id, which every endpoint of the agent has. Ids that are nothing but a UUID or a number
/// (mesos-compose's executors, Cook's and Spark's tasks) leave it to what else the framework said.
pub(super) fn app_of(kind: Kind, origin: &Origin) -> String {
    let Origin {
        framework,
        executor_id,
        source,
        task_id,
        task_name,
        container_id,
        persistence_id,
        ..
    } = origin;
    let candidates = match kind {
        Kind::DiskVolume => [persistence_id, task_id, executor_id, source, task_name],
        Kind::Task | Kind::DiskTask => [task_id, task_name, executor_id, source, container_id],
        Kind::Nested | Kind::DiskNested => [task_id, task_name, container_id, executor_id, source],
        Kind::Standalone => [container_id, &None, &None, &None, &None],
        _ if is_singularity_s(source.as_deref()) => [source, task_id, &None, &None, &None],
        _ => [executor_id, task_id, source, task_name, &None],
    };
    let mut candidates = candidates.into_iter().chain([framework]).flatten();
    candidates
        .find_map(|candidate| readable_part(candidate))
        .unwrap_or_else(|| app_name(""))
}

/// Singularity names its executors by a running number in letters (`ExecutorIdGenerator.java`), which reads like a word,
/// and puts the task's id into the source (`SingularityMesosTaskBuilder.java`).
fn is_singularity_s(source: Option<&str>) -> bool {
    let Some(source) = source else {
        return false;
    };
    let mut parts = source.rsplitn(6, '-').skip(2);
    let mut is_number = |digits: usize| {
        parts.next().is_some_and(|part| {
            part.len() >= digits && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    is_number(1) && is_number(13)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002";

    fn of(kind: Kind, known: &[(&str, &str)]) -> String {
        let mut origin = Origin::default();
        for (what, text) in known {
            let text = Some(text.replace("UUID", UUID).into());
            match *what {
                "framework" => origin.framework = text,
                "executor" => origin.executor_id = text,
                "source" => origin.source = text,
                "task" => origin.task_id = text,
                "task name" => origin.task_name = text,
                "container" => origin.container_id = text,
                "volume" => origin.persistence_id = text,
                other => panic!("{other}"),
            }
        }
        app_of(kind, &origin)
    }

    #[test]
    fn a_container_has_its_executor_s_name() {
        let known = [
            ("executor", "shop_web.UUID"),
            ("task", "other.UUID"),
            ("container", "UUID"),
        ];
        assert_eq!(of(Kind::Container, &known), "shop_web");
    }

    #[test]
    fn an_executor_with_an_opaque_id_is_called_after_its_task_or_its_framework() {
        // mesos-compose, prepare.go; Spark, MesosCoarseGrainedSchedulerBackend.scala; Cook.
        let compose = [
            ("executor", "UUID"),
            ("task", "shop_web.UUID.1"),
            ("framework", "mc"),
        ];
        assert_eq!(of(Kind::Container, &compose), "shop_web");
        let spark = [
            ("executor", "17"),
            ("source", "17"),
            ("task", "17"),
            ("task name", "Spark Pi 17"),
        ];
        assert_eq!(of(Kind::Container, &spark), "Spark_Pi");
        let cook = [("executor", "UUID"), ("framework", "Cook")];
        assert_eq!(of(Kind::Container, &cook), "Cook");
        assert_eq!(of(Kind::Container, &[("executor", "UUID")]), "unnamed");
        assert_eq!(of(Kind::Container, &[]), "unnamed");
    }

    #[test]
    fn a_container_of_singularity_has_its_request_s_name() {
        let known = [
            ("executor", "ab7"),
            ("source", "my-request-d41-1445000000000-12-host_a-rack_1"),
        ];
        assert_eq!(of(Kind::Container, &known), "my-request");
        assert_eq!(
            of(Kind::Container, &[("executor", "ab7"), ("source", "a-b-c")]),
            "ab7"
        );
    }

    #[test]
    fn tasks_nested_containers_volumes_and_standalone_ones_have_their_own() {
        let pod = [
            ("executor", "instance-shop_pod.UUID"),
            ("task", "shop_pod.instance-UUID.rails"),
        ];
        assert_eq!(of(Kind::Task, &pod), "shop_pod_rails");
        assert_eq!(of(Kind::Nested, &pod), "shop_pod_rails");
        assert_eq!(of(Kind::Container, &pod), "shop_pod");
        let check = [
            ("executor", "instance-shop_pod.UUID"),
            ("container", "check-UUID"),
        ];
        assert_eq!(of(Kind::Nested, &check), "check");
        let unknown = [
            ("executor", "instance-shop_pod.UUID"),
            ("container", "UUID"),
        ];
        assert_eq!(of(Kind::Nested, &unknown), "shop_pod");
        let volume = [
            ("executor", "shop_db.UUID"),
            ("volume", "shop_db#data#UUID"),
        ];
        assert_eq!(of(Kind::DiskVolume, &volume), "shop_db_data");
        assert_eq!(
            of(Kind::Standalone, &[("container", "csi-plugin--UUID")]),
            "csi-plugin"
        );
    }
}
