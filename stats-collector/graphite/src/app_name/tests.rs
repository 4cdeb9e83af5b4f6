use proptest::prelude::*;

use super::*;

const UUID: &str = "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002";

/// `UUID` in an id stands for one.
fn apps(pairs: &[(&str, &str)]) {
    for (id, app) in pairs {
        let id = id.replace("UUID", UUID);
        assert_eq!(app_name(&id), *app, "{id}");
    }
}

/// Who makes ids like that, and where it does; the id; the app.
const FRAMEWORKS: &[(&str, &str, &str)] = &[
    (
        "Marathon before 1.3, Task.scala: forRunSpec",
        "group_app.UUID",
        "group_app",
    ),
    (
        "Marathon, an app with dots",
        "shop_api.v2.UUID",
        "shop_api_v2",
    ),
    (
        "Marathon 1.4, Task.scala: forInstanceId",
        "group_app.instance-UUID.$anon",
        "group_app",
    ),
    (
        "Marathon 1.4, a task of before",
        "group_app.marathon-UUID.$anon",
        "group_app",
    ),
    (
        "Marathon 1.5, Task.scala: EphemeralTaskId",
        "group_app.instance-UUID._app",
        "group_app",
    ),
    (
        "Marathon 1.8, Task.scala: TaskIdWithIncarnation",
        "group_app.instance-UUID._app.3",
        "group_app",
    ),
    (
        "Marathon, a task of a pod",
        "group_pod.instance-UUID.rails",
        "group_pod_rails",
    ),
    (
        "Marathon, a resident task of a pod",
        "group_pod.instance-UUID.rails.42",
        "group_pod_rails",
    ),
    (
        "Marathon, Instance.scala: a pod's executor",
        "instance-group_pod.UUID",
        "group_pod",
    ),
    (
        "Marathon, a pod's executor, later",
        "instance-group_pod.instance-UUID",
        "group_pod",
    ),
    (
        "Marathon, TaskBuilder.scala: an app's own executor",
        "marathon-group_app.UUID",
        "group_app",
    ),
    (
        "Marathon, the same, later",
        "marathon-group_app.instance-UUID._app.1",
        "group_app",
    ),
    (
        "Marathon, LocalVolumeId",
        "group_app#data#UUID",
        "group_app_data",
    ),
    (
        "Marathon, names with dashes",
        "prod_my-shop_front.UUID",
        "prod_my-shop_front",
    ),
    (
        "Metronome, JobRunId.scala",
        "prod_backup_20161201120000AbC9x.UUID",
        "prod_backup",
    ),
    (
        "Metronome on later Marathon",
        "prod.backup_20181001093000UdDhi.instance-UUID._app.1",
        "prod_backup",
    ),
    (
        "Metronome, random letters that are hexadecimal",
        "backup_20161201120000abcde.UUID",
        "backup",
    ),
    (
        "mesos-compose, prepare.go",
        "project_service.UUID.1",
        "project_service",
    ),
    (
        "mesos-compose, names with dashes",
        "my-project_my-service.UUID.12",
        "my-project_my-service",
    ),
    ("mesos-compose, the executor", "UUID", "unnamed"),
    (
        "mesos-compose, the task's name",
        "mc:project:service",
        "mc_project_service",
    ),
    (
        "mesos-framework, schedulerHandlers.js",
        "framework.task.UUID",
        "framework_task",
    ),
    (
        "stack-deploy, run_once_application_context.go",
        "kafka-mesos|slave1.example.com|UUID",
        "kafka-mesos",
    ),
    (
        "Jenkins, MesosAgentSpecTemplate.java",
        "jenkins-agent-linux-x64-UUID",
        "jenkins-agent-linux-x64",
    ),
    (
        "Jenkins before 2.0, MesosCloud.java",
        "mesos-jenkins-UUID",
        "mesos-jenkins",
    ),
    (
        "Jenkins before 2.0, MesosUtils.java",
        "mesos-jenkins-0123456789abcdef0123456789abcdef-java",
        "mesos-jenkins-java",
    ),
    (
        "Jenkins before 2.0, MesosUtils.java, shorter",
        "mesos-jenkins-1a2b3c4d-java",
        "mesos-jenkins-java",
    ),
    (
        "Jenkins before 2.0, eight letters",
        "mesos-jenkins-deadbeef-java",
        "mesos-jenkins-java",
    ),
    (
        "Aurora, TaskIdGenerator.java",
        "www-prod-hello-3-UUID",
        "www-prod-hello",
    ),
    (
        "Aurora before 0.8, TaskIdGenerator.java",
        "1445000000000-www-prod-hello-3-UUID",
        "www-prod-hello",
    ),
    (
        "Aurora, MesosTaskFactory.java: the executor",
        "thermos-www-prod-hello-3-UUID",
        "www-prod-hello",
    ),
    (
        "Aurora, MesosTaskFactory.java: the source",
        "www.prod.hello.3",
        "www_prod_hello",
    ),
    (
        "Singularity, SingularityTaskId.java",
        "my-request-d41-1445000000000-12-host_a-rack_1",
        "my-request",
    ),
    (
        "Chronos, TaskUtils.scala",
        "ct:1445000000000:0:nightly job:-x 1",
        "nightly_job",
    ),
    (
        "Chronos before 2.3, TaskUtils.scala",
        "ct:1445000000000:2:nightly",
        "nightly",
    ),
    (
        "Chronos before 2.1, TaskUtils.scala",
        "ct_20151021120000123_attempt0_nightly",
        "nightly",
    ),
    (
        "Spark, MesosRestServer.scala",
        "driver-20151021120000-0001",
        "driver",
    ),
    (
        "Spark, MesosClusterScheduler.scala",
        "driver-20151021120000-0001-retry-2",
        "driver",
    ),
    (
        "Spark, MesosCoarseGrainedSchedulerBackend.scala: the task's id",
        "17",
        "unnamed",
    ),
    (
        "Spark, MesosCoarseGrainedSchedulerBackend.scala: the task's name",
        "Spark Pi 17",
        "Spark_Pi",
    ),
    (
        "dcos-commons, CommonIdUtils.java",
        "node-0-server__UUID",
        "node-0-server",
    ),
    (
        "Cook, and others with nothing but a UUID",
        "UUID",
        "unnamed",
    ),
    ("kafka-mesos, Broker.scala", "broker-0-UUID", "broker"),
    ("an executor of mesos-go's examples", "default", "default"),
    ("our README", "sandboxes", "sandboxes"),
];

#[test]
fn the_ids_of_each_framework_give_what_a_person_named() {
    for (made_by, id, app) in FRAMEWORKS {
        let id = id.replace("UUID", UUID);
        assert_eq!(app_name(&id), *app, "{made_by}: {id}");
    }
}

#[test]
fn another_instance_of_each_framework_has_the_same_app() {
    let other = "5d1f8f4f-8e4b-11e5-9e8f-0242ac110003";
    for (made_by, id, app) in FRAMEWORKS {
        let id = id
            .replace("UUID", other)
            .replace("1445000000000", "1446111111111");
        let id = id
            .replace("20151021120000", "20161122130000")
            .replace("20161201120000", "20171202130000");
        assert_eq!(app_name(&id), *app, "{made_by}: {id}");
    }
}

#[test]
fn plain_ids_lose_only_their_running_number() {
    apps(&[
        ("db", "db"),
        ("db-0", "db"),
        ("db.12.7", "db"),
        ("web2", "web2"),
        ("app-v2-blue", "app-v2-blue"),
        ("shard-3-of-8-cache", "shard-3-of-8-cache"),
        ("deadbeef", "deadbeef"),
        ("effaced-facade", "effaced-facade"),
        ("20151021-import", "20151021-import"),
        ("mesos-jenkins-feedback", "mesos-jenkins-feedback"),
        ("driver-lorry-1", "driver-lorry"),
        ("thermos-flask", "thermos-flask"),
        ("a|b", "a_b"),
        ("ct_scan_attempt", "ct_scan_attempt"),
    ]);
}

#[test]
fn an_id_without_a_readable_part_is_unnamed() {
    apps(&[
        ("", "unnamed"),
        ("17", "unnamed"),
        ("UUID", "unnamed"),
        ("UUID.UUID-3", "unnamed"),
        ("instance-UUID._app.1", "unnamed"),
        ("../..", "unnamed"),
        ("1445000000000", "unnamed"),
        ("\u{1f680}\u{1f680}", "unnamed"),
    ]);
    assert_eq!(readable_part(UUID), None);
}

#[test]
fn hostile_ids_become_plain_words() {
    apps(&[
        ("../../etc/passwd", "etc_passwd"),
        ("a b\nc\u{0}d 1 2\n", "a_b_c_d"),
        ("a;tag=x", "a_tag_x"),
        (
            "web 1 1445000000\nmesos.h.agent.uptime",
            "web_1_mesos_h_agent_uptime",
        ),
        ("we\u{200b}b\u{202e}", "we_b"),
        ("a..b--c__d", "a_b-c_d"),
    ]);
}

#[test]
fn letters_that_cannot_be_kept_leave_a_hash_so_that_look_alikes_are_told_apart() {
    apps(&[
        ("käse.UUID", "k_se--28f37578"),
        ("日本", "unnamed--cf2abf0c"),
    ]);
}

#[test]
fn a_uuid_is_known_in_either_case_and_whatever_stands_around_it() {
    let upper = UUID.to_uppercase();
    assert_eq!(app_name(&format!("a.{upper}.b")), "a_b");
    assert_eq!(app_name(&format!("x{UUID}{UUID}y")), "x_y");
}

#[test]
fn what_is_to_be_told_apart_keeps_a_hash_of_its_uuid_and_not_the_uuid() {
    let of = |text: &str| distinct_without_uuid(text, 200, b"").into_owned();
    let (one, other) = (
        of(&format!("db#data#{UUID}")),
        of("db#data#5c0e7f3e-7d3a-11e5-8d7f-0242ac110002"),
    );
    assert!(
        one.starts_with("db_data--") && other.starts_with("db_data--"),
        "{one} {other}"
    );
    assert_ne!(one, other);
    assert_eq!(of("sda"), "sda");
}

#[test]
fn a_huge_id_is_cut_and_still_told_from_another() {
    let long = "x".repeat(100_000);
    let (one, other) = (app_name(&format!("{long}a")), app_name(&format!("{long}b")));
    assert_eq!((one.len(), other.len()), (COMPONENT_MAX, COMPONENT_MAX));
    assert_ne!(one, other);
}

proptest! {
    #[test]
    fn no_app_name_ever_holds_a_uuid_or_another_character(id in "(.|4c0e7f3e-7d3a-11e5-8d7f-0242ac110002|instance-|-){0,60}") {
        let app = app_name(&id);
        prop_assert!(find_uuid(&app).is_none(), "{}", app);
        prop_assert!((1..=COMPONENT_MAX).contains(&app.len()));
        prop_assert!(app.bytes().all(crate::distinct::is_plain), "{}", app);
    }
}
