//! Agents that are away, come back, or know less than they did.

use super::*;

#[tokio::test]
async fn a_container_counts_as_listed_before_a_task_has_told_of_it() {
    let mut scene = Scene::new(|work_dir| {
        // An earlier run of the same executor, of which nothing is written down.
        make_run(work_dir, "e", "b");
        make_run(work_dir, "e", "c");
    });
    scene.script(|script| script.executors.push(executor("e", 10.0, &[])));
    let is_listed =
        |scene: &Scene, id: &str| scene.container("e", id).is_some_and(|c| c.listed.is_some());
    scene
        .until("the newest run is listed", |scene| is_listed(scene, "c"))
        .await;
    assert!(!is_listed(&scene, "b"));
    scene
        .until("the other is over", |scene| {
            scene.container("e", "b").is_none()
        })
        .await;
    assert!(is_listed(&scene, "c"));
}

#[tokio::test]
async fn an_agent_that_is_away_takes_nothing_away() {
    let mut scene = Scene::new(|work_dir| {
        make_run(work_dir, "e", "c");
    });
    scene.script(|script| {
        script
            .executors
            .push(executor("e", 10.0, &[volume("v", 64.0)]));
    });
    fs::create_dir_all(scene.dir.path().join("volumes/roles/web/v")).unwrap();
    scene
        .until("it is listed", |scene| {
            scene
                .container("e", "c")
                .is_some_and(|c| c.listed.is_some())
        })
        .await;
    for (status, body) in [
        (503, "Agent has not finished recovery"),
        (500, ""),
        (200, "{\"type\": \"GET_STATE\", \"get_state\": "),
    ] {
        scene.script(|script| script.instead = Some((status, body.to_owned())));
        scene
            .until("it is listed no more", |scene| {
                scene
                    .container("e", "c")
                    .is_some_and(|c| c.listed.is_none())
            })
            .await;
        assert!(scene.inventory.is_agent_away());
        assert_eq!(
            megabytes(scene.container("e", "c")),
            Some(10),
            "the limit stays"
        );
        assert_eq!(scene.known.len(), 2, "the volume stays");
        assert!(scene.known.values().all(|subject| subject.limit.is_some()));
        scene.script(|script| script.instead = None);
        scene
            .until("it is listed again", |scene| {
                scene
                    .container("e", "c")
                    .is_some_and(|c| c.listed.is_some())
            })
            .await;
        assert!(!scene.inventory.is_agent_away());
    }
    assert!(!scene.troubles.is_empty(), "it was told of");
}

#[tokio::test]
async fn a_daemon_that_starts_while_the_agent_is_away_has_limits_from_its_checkpoints() {
    let mut scene = Scene::with(None, |work_dir| {
        make_run(work_dir, "e", "c");
        checkpoint(work_dir, &run("e", "c"), 10.0, &[("t", 22.0)]);
        fs::create_dir_all(
            work_dir
                .join(run("e", "c").executor.runs())
                .join("c/tasks/t"),
        )
        .unwrap();
    });
    let task_of = Key::Task(run("e", "c"), "t".into());
    scene
        .until("both are there", |scene| scene.known.len() == 2)
        .await;
    assert_eq!(megabytes(scene.container("e", "c")), Some(32));
    assert_eq!(megabytes(scene.get(&task_of)), Some(22));
    let framework = scene.get(&task_of).unwrap().framework.clone().unwrap();
    assert_eq!(
        (framework.name.as_deref(), &framework.roles[..]),
        (Some("written"), &["role".to_owned()][..])
    );
    assert_eq!(scene.container("e", "c").unwrap().listed, None);

    // What is written down later is read.
    checkpoint(
        scene.dir.path(),
        &run("e", "c"),
        10.0,
        &[("t", 22.0), ("u", 8.0)],
    );
    scene
        .until("the limit is raised", |scene| {
            megabytes(scene.container("e", "c")) == Some(40)
        })
        .await;
    scene.start_again();
    scene
        .until("the same is known again", |scene| {
            megabytes(scene.container("e", "c")) == Some(40)
        })
        .await;
}

#[tokio::test]
async fn a_run_that_nobody_lists_stays_as_long_as_its_process_does() {
    let mut scene = Scene::new(|work_dir| {
        make_run(work_dir, "e", "c");
    });
    let mut child = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let pid = child.id();
    scene.script(|script| {
        script.executors.push(executor("e", 10.0, &[]));
        let mut task = task("t", "e", 1.0, &["c"]);
        task["statuses"][0]["container_status"]["executor_pid"] = pid.into();
        script.tasks.push(task);
    });
    scene
        .until("it is listed", |scene| {
            scene
                .container("e", "c")
                .is_some_and(|c| c.listed.is_some())
        })
        .await;
    // As after a restart of an agent whose framework has no checkpoints.
    scene.script(|script| {
        script.executors.clear();
        script.tasks.clear();
    });
    scene
        .until("it is listed no more", |scene| {
            scene
                .container("e", "c")
                .is_some_and(|c| c.listed.is_none())
        })
        .await;
    scene.settle().await;
    scene.settle().await;
    assert_eq!(
        megabytes(scene.container("e", "c")),
        Some(11),
        "its limit still holds"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    scene
        .until("it is over", |scene| scene.known.is_empty())
        .await;
}

#[tokio::test]
async fn an_agent_with_a_new_id_leaves_what_was_known_of_the_old_one() {
    let mut scene = Scene::with(None, |work_dir| {
        make_run(work_dir, "e", "c");
        checkpoint(work_dir, &run("e", "c"), 10.0, &[]);
    });
    scene
        .until("it is there", |scene| scene.known.len() == 1)
        .await;
    let work_dir = scene.dir.path().to_owned();
    fs::create_dir_all(work_dir.join("meta/slaves/B")).unwrap();
    fs::remove_file(work_dir.join("meta/slaves/latest")).unwrap();
    symlink("B", work_dir.join("meta/slaves/latest")).unwrap();
    fs::create_dir_all(work_dir.join("slaves/B/frameworks/F/executors/n/runs/m")).unwrap();
    scene
        .until("the new one's is there, too", |scene| {
            scene.known.len() == 2
        })
        .await;
    assert_eq!(megabytes(scene.container("e", "c")), Some(10));
}
