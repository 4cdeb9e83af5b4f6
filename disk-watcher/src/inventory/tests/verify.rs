//! Whether something may be ended.

use super::*;

fn own_container(id: &str) -> serde_json::Value {
    let pid = std::process::id();
    serde_json::json!({"container_id": id, "framework_id": "F", "executor_id": "e",
        "status": {"container_id": {"value": id}, "executor_pid": pid}})
}

#[tokio::test]
async fn what_is_ended_is_still_what_was_measured() {
    let mut scene = Scene::new(|work_dir| {
        make_run(work_dir, "e", "c");
    });
    scene.script(|script| {
        script.executors.push(executor("e", 10.0, &[]));
        script.tasks.push(task("t", "e", 1.0, &["c"]));
        script.containers.push(own_container("c"));
    });
    scene
        .until("it is listed", |scene| {
            scene
                .container("e", "c")
                .is_some_and(|c| c.listed.is_some())
        })
        .await;
    let subject = Arc::clone(&scene.known[&Key::Container(run("e", "c"))]);
    let verifier = scene.inventory.verifier();
    let still = verifier.is_still(&subject, &run("e", "c")).await.unwrap();
    assert_eq!(still.process.unwrap().pid, std::process::id());

    let not_listed = NotStill::NotListed {
        container: "c".to_owned(),
    };
    let asked = |change: fn(&mut scene::Script)| {
        let agent = scene.agent.as_ref().unwrap();
        let before = agent.script.lock().unwrap().clone();
        agent.set(change);
        let (verifier, subject) = (verifier.clone(), Arc::clone(&subject));
        async move {
            let answer = verifier.is_still(&subject, &run("e", "c")).await;
            agent.set(|script| *script = before);
            answer.unwrap_err()
        }
    };
    assert_eq!(asked(|script| script.containers.clear()).await, not_listed);
    assert_eq!(asked(|script| script.executors.clear()).await, not_listed);
    let foreign = asked(|script| script.containers[0]["executor_id"] = "f".into()).await;
    assert_eq!(
        foreign, not_listed,
        "another executor's container of that name"
    );
    let other = asked(|script| script.containers[0]["status"]["executor_pid"] = 1.into()).await;
    assert!(matches!(other, NotStill::OtherProcess { .. }), "{other:?}");
    let more = asked(|script| script.tasks.push(task("u", "e", 5.0, &["c"]))).await;
    assert!(
        matches!(more, NotStill::OtherLimit { .. }),
        "a task more, and its disk: {more:?}"
    );
    let away = asked(|script| script.instead = Some((503, String::new()))).await;
    assert!(matches!(away, NotStill::Unknown { .. }), "{away:?}");
    verifier.is_still(&subject, &run("e", "c")).await.unwrap();

    fs::rename(&subject.path, scene.dir.path().join("aside")).unwrap();
    fs::create_dir(&subject.path).unwrap();
    let replaced = verifier
        .is_still(&subject, &run("e", "c"))
        .await
        .unwrap_err();
    assert!(
        matches!(replaced, NotStill::Replaced { .. }),
        "{replaced:?}"
    );
    fs::remove_dir(&subject.path).unwrap();
    symlink(scene.dir.path().join("aside"), &subject.path).unwrap();
    let replaced = verifier
        .is_still(&subject, &run("e", "c"))
        .await
        .unwrap_err();
    assert!(
        matches!(replaced, NotStill::Replaced { .. }),
        "a link is no directory: {replaced:?}"
    );
}

#[tokio::test]
async fn with_no_agent_to_ask_nothing_may_be_ended() {
    let mut scene = Scene::with(None, |work_dir| {
        make_run(work_dir, "e", "c");
    });
    scene
        .until("it is there", |scene| scene.known.len() == 1)
        .await;
    let subject = Arc::clone(&scene.known[&Key::Container(run("e", "c"))]);
    let asked = scene
        .inventory
        .verifier()
        .is_still(&subject, &run("e", "c"))
        .await;
    assert_eq!(asked, Err(NotStill::NoAgent));
}
