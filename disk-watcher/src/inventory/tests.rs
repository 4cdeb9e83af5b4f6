use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mesos_proto::Bytes;
use mesos_proto::paths::Id;

use super::verify::NotStill;
use super::*;
use scene::{FakeAgent, Scene, checkpoint, executor, make_run, run, task, volume};

mod agents;
mod many;
mod real_mesos;
mod scene;
mod verify;

fn megabytes(subject: Option<&Subject>) -> Option<u64> {
    subject?.limit.map(|limit| limit.as_u64() >> 20)
}

#[tokio::test]
async fn a_container_comes_with_what_the_agent_tells_of_it_and_goes_with_its_directory() {
    let mut scene = Scene::new(|_| {});
    scene.script(|script| {
        script.executors.push(executor("e", 10.0, &[]));
        script.tasks.push(task("t", "e", 22.0, &["c"]));
    });
    let sandbox = make_run(scene.dir.path(), "e", "c");
    scene
        .until("its limit is known", |scene| {
            megabytes(scene.container("e", "c")) == Some(32)
        })
        .await;
    let subject = scene.container("e", "c").unwrap();
    assert_eq!(subject.path, sandbox);
    let framework = subject.framework.as_ref().unwrap();
    assert_eq!(framework.name.as_deref(), Some("marathon"));
    assert_eq!(framework.roles, ["web"]);
    assert_eq!(framework.principal.as_deref(), Some("p"));
    assert_eq!(subject.labels, [("tier".to_owned(), "gold".to_owned())]);
    let process = subject.listed.unwrap().process.unwrap();
    assert_eq!(process.pid, std::process::id());
    assert!(scene.inventory.facts().is_some());

    fs::remove_dir_all(&sandbox).unwrap();
    scene
        .until("it is gone", |scene| scene.known.is_empty())
        .await;
    assert!(scene.troubles.is_empty(), "{:?}", scene.troubles);
}

#[tokio::test]
async fn a_run_whose_end_is_written_down_leaves_though_its_directory_stays() {
    let mut scene = Scene::with(None, |work_dir| {
        for container in ["b", "c"] {
            make_run(work_dir, "e", container);
            checkpoint(work_dir, &run("e", container), 10.0, &[]);
        }
        fs::write(work_dir.join(run("e", "b").sentinel()), "").unwrap();
    });
    scene
        .until("one runs", |scene| scene.container("e", "c").is_some())
        .await;
    assert_eq!(scene.known.len(), 1);
    fs::write(scene.dir.path().join(run("e", "c").sentinel()), "").unwrap();
    scene
        .until("none runs", |scene| scene.known.is_empty())
        .await;
}

#[tokio::test]
async fn a_sandbox_that_another_took_the_place_of_is_another_subject() {
    let mut scene = Scene::new(|work_dir| {
        make_run(work_dir, "e", "c");
    });
    scene.script(|script| script.executors.push(executor("e", 10.0, &[])));
    scene
        .until("it is there", |scene| scene.container("e", "c").is_some())
        .await;
    let first = scene.container("e", "c").unwrap().id;
    let sandbox = scene.container("e", "c").unwrap().path.clone();
    // Both at once, so that no moment without one can be seen.
    fs::rename(&sandbox, scene.dir.path().join("aside")).unwrap();
    fs::create_dir(&sandbox).unwrap();
    // The scene checks that the old one is gone before the new one comes.
    scene
        .until("another is there", |scene| {
            scene.container("e", "c").is_some_and(|c| c.id != first)
        })
        .await;
}

#[tokio::test]
async fn tasks_and_nested_containers_are_found_with_their_ids_and_limits() {
    let mut scene = Scene::new(|work_dir| {
        let sandbox = make_run(work_dir, "e", "c");
        fs::create_dir_all(sandbox.join("tasks/t")).unwrap();
        fs::create_dir_all(sandbox.join("containers/n/containers/debug")).unwrap();
    });
    scene.script(|script| {
        script.executors.push(executor("e", 1.0, &[]));
        script.tasks.push(task("t", "e", 22.0, &["c"]));
        script.tasks.push(task("u", "e", 8.0, &["c", "n"]));
    });
    let nested = |ids: &[&str]| {
        Key::Nested(
            run("e", "c"),
            ids.iter().map(|id| Id::new(*id).unwrap()).collect(),
        )
    };
    let inner = Key::Task(run("e", "c"), "t".into());
    scene
        .until("all are known", |scene| {
            scene
                .get(&nested(&["n"]))
                .is_some_and(|n| n.task_id.is_some())
        })
        .await;
    assert_eq!(scene.known.len(), 4);
    let found = scene.get(&inner).unwrap();
    assert_eq!(
        (found.task_id.as_deref(), megabytes(Some(found))),
        (Some("t"), Some(22))
    );
    assert!(found.labels.contains(&("task".to_owned(), "t".to_owned())));
    let found = scene.get(&nested(&["n"])).unwrap();
    assert_eq!((found.task_id.as_deref(), found.limit), (Some("u"), None));
    assert!(found.listed.is_some());
    assert_eq!(found.inside, Some(Key::Container(run("e", "c"))));
    let found = scene.get(&nested(&["n", "debug"])).unwrap();
    assert_eq!(
        (found.inside.clone(), found.listed),
        (Some(nested(&["n"])), None)
    );

    // Another task comes, and a nested container goes.
    let sandbox = scene.container("e", "c").unwrap().path.clone();
    scene.script(|script| script.tasks.push(task("w", "e", 5.0, &["c"])));
    fs::create_dir(sandbox.join("tasks/w")).unwrap();
    fs::remove_dir_all(sandbox.join("containers/n/containers/debug")).unwrap();
    scene
        .until("what is inside is known anew", |scene| {
            scene
                .get(&Key::Task(run("e", "c"), "w".into()))
                .and_then(|w| w.limit)
                == Some(Bytes::new(5 << 20))
                && scene.get(&nested(&["n", "debug"])).is_none()
        })
        .await;
    assert_eq!(megabytes(scene.container("e", "c")), Some(36));
}

#[tokio::test]
async fn links_that_a_task_planted_and_floods_of_directories_are_no_subjects() {
    let mut scene = Scene::with(None, |work_dir| {
        let sandbox = make_run(work_dir, "e", "c");
        fs::create_dir_all(sandbox.join("tasks")).unwrap();
        fs::create_dir_all(sandbox.join("containers")).unwrap();
        symlink("/", sandbox.join("tasks/root")).unwrap();
        symlink("/etc", sandbox.join("containers/etc")).unwrap();
        for n in 0..500 {
            fs::create_dir(sandbox.join(format!("tasks/{n}"))).unwrap();
        }
        let other = make_run(work_dir, "f", "d");
        symlink("/", other.join("tasks")).unwrap();
        symlink(work_dir.join("slaves"), other.join("containers")).unwrap();
    });
    scene
        .until("both are there", |scene| {
            scene.container("f", "d").is_some()
        })
        .await;
    assert!(scene.container("e", "c").is_some());
    assert!(scene.known.len() < 50, "{}", scene.known.len());
    for subject in scene.known.values() {
        assert!(
            subject.path.starts_with(scene.dir.path()),
            "{:?}",
            subject.path
        );
    }
}

#[tokio::test]
async fn a_volume_is_a_subject_of_its_own_and_left_out_of_the_sandbox_that_has_it() {
    let mut scene = Scene::new(|work_dir| {
        make_run(work_dir, "e", "c");
        fs::create_dir_all(work_dir.join("volumes/roles/web/v")).unwrap();
        fs::create_dir_all(work_dir.join("volumes/roles/a b/idle")).unwrap();
    });
    scene.script(|script| {
        script.executors.push(executor(
            "e",
            10.0,
            &[volume("v", 64.0), volume("later", 5.0)],
        ));
    });
    let key = |role: &str, id: &str| Key::Volume {
        role: role.to_owned(),
        persistence_id: id.to_owned(),
        source: None,
    };
    scene
        .until("its limit is known", |scene| {
            megabytes(scene.get(&key("web", "v"))) == Some(64)
        })
        .await;
    let found = scene.get(&key("web", "v")).unwrap();
    assert_eq!(found.holders, [run("e", "c")]);
    assert_eq!(found.executor_id.as_deref(), Some("e"));
    assert!(found.listed.is_some());
    let id = found.id;
    assert_eq!(scene.container("e", "c").unwrap().exclude, [id]);
    assert_eq!(megabytes(scene.container("e", "c")), Some(10));
    let idle = scene.get(&key("a/b", "idle")).unwrap();
    assert_eq!((idle.limit, &idle.holders[..]), (None, &[][..]));

    // The agent makes the directory when it is mounted first.
    fs::create_dir_all(scene.dir.path().join("volumes/roles/web/later")).unwrap();
    scene
        .until("it is found", |scene| {
            megabytes(scene.get(&key("web", "later"))) == Some(5)
        })
        .await;
    assert_eq!(scene.container("e", "c").unwrap().exclude.len(), 2);
    fs::remove_dir_all(scene.dir.path().join("volumes/roles/a b")).unwrap();
    scene
        .until("what is removed goes", |scene| {
            scene.get(&key("a/b", "idle")).is_none()
        })
        .await;
}

#[tokio::test]
async fn containers_that_come_and_go_while_they_are_looked_for_are_all_told_of_in_the_end() {
    let mut scene = Scene::with(Some(FakeAgent::start()), |_| {});
    let work_dir = scene.dir.path().to_owned();
    let is_done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let maker = std::thread::spawn(move || {
        for n in 0..300 {
            make_run(&work_dir, &format!("e{}", n % 60), &format!("c{n}"));
            if n % 3 == 0 {
                let run = run(&format!("e{}", n % 60), &format!("c{n}"));
                let _ = fs::remove_dir_all(work_dir.join(run.executor.runs()).parent().unwrap());
            }
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        // Something is told after the end was said, whatever was told before.
        make_run(&work_dir, "last", "c300");
    });
    let lost = |work_dir: &Path, known: &BTreeMap<Key, Arc<Subject>>| {
        let there = |key: &&Key| {
            let run = key.run().unwrap();
            work_dir
                .join(run.executor.runs())
                .join(&run.container_id)
                .is_dir()
        };
        let made = (0..300).map(|n| run(&format!("e{}", n % 60), &format!("c{n}")));
        let all = made.chain([run("last", "c300")]).filter(|run| {
            work_dir
                .join(run.executor.runs())
                .join(&run.container_id)
                .is_dir()
        });
        all.count() != known.len() || known.keys().filter(there).count() != known.len()
    };
    // The agent lists none of them: told here, so that none is taken for over.
    scene.script(|script| script.instead = Some((503, String::new())));
    scene
        .until("all that are there are known", |scene| {
            is_done.load(std::sync::atomic::Ordering::Acquire)
                && !lost(scene.dir.path(), &scene.known)
        })
        .await;
    maker.join().unwrap();
}
