//! An agent with a thousand sandboxes.

use std::time::{Duration, Instant};

use super::*;

const MANY: usize = 1_000;

#[tokio::test]
async fn a_thousand_sandboxes_are_known_and_cost_little_while_nothing_changes() {
    let mut scene = Scene::new(|work_dir| {
        for n in 0..MANY {
            let sandbox = make_run(work_dir, &format!("e{n}"), &format!("c{n}"));
            fs::create_dir(sandbox.join("tasks")).unwrap();
            fs::create_dir(sandbox.join("tasks/t")).unwrap();
        }
    });
    scene.script(|script| {
        for n in 0..MANY {
            let (executor_id, container) = (format!("e{n}"), format!("c{n}"));
            script.executors.push(executor(&executor_id, 1.0, &[]));
            let mut task = task("t", &executor_id, 9.0, &[&container]);
            task["statuses"][0]["container_status"]["executor_pid"] = std::process::id().into();
            script.tasks.push(task);
        }
    });
    let start = Instant::now();
    scene
        .until("all limits are known", |scene| {
            let limited = scene
                .known
                .values()
                .filter(|subject| subject.limit.is_some());
            limited.count() == 2 * MANY
        })
        .await;
    eprintln!("{MANY} sandboxes known after {:?}", start.elapsed());
    assert!(scene.troubles.is_empty(), "{:?}", scene.troubles);
    let watches = scene.inventory.tree.watches();
    assert!(
        watches <= MANY + 10,
        "{watches} watches for {MANY} executors"
    );

    // The stamps of what was made just now are too coarse to tell whether it has changed again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.settle().await;
    let start = Instant::now();
    scene.inventory.look_at_all();
    let (look, start) = (start.elapsed(), Instant::now());
    let changes = scene.inventory.take_changes();
    eprintln!(
        "a look at all of them: {look:?}; what changed: {:?}",
        start.elapsed()
    );
    assert!(changes.is_empty(), "{changes:?}");

    let state = scene
        .agent
        .as_ref()
        .unwrap()
        .client()
        .state()
        .await
        .unwrap();
    let start = Instant::now();
    scene.inventory.apply(&state);
    let changes = scene.inventory.take_changes();
    eprintln!("what the agent tells, applied: {:?}", start.elapsed());
    assert!(changes.is_empty(), "{changes:?}");

    let start = Instant::now();
    make_run(scene.dir.path(), "new", "c");
    scene
        .until("one more is known", |scene| {
            scene.container("new", "c").is_some()
        })
        .await;
    eprintln!("one more is known after {:?}", start.elapsed());
}
