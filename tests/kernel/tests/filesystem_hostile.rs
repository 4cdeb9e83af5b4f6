//! What a task may have planted where its next file system is made.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kernel_tests::{Executor, UNLIMITED, nowhere, private_with, wait_readable};
use sandbox::identity::Identity;
use sandbox::{
    Command, Exit, Fault, Filesystem, Handles, LaunchError, Plan, Propagation, Root, Source, Volume,
};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn nobody() -> Identity {
    Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    }
}

/// A directory that is the task's, one that is not, and plans for the first.
struct Scene {
    executor: Executor,
    directory: PathBuf,
    outside: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        let executor = Executor::start(INIT);
        let directory = executor.sandbox.path().join("task");
        let outside = executor.sandbox.path().join("outside");
        for path in [&directory, &outside] {
            fs::create_dir(path).unwrap();
        }
        chown(&directory, Some(65534), Some(65534)).unwrap();
        Scene {
            executor,
            directory,
            outside,
        }
    }

    fn plan(&self, volumes: Vec<Volume>) -> Plan {
        Plan {
            identity: Some(nobody()),
            ..private_with("true", |files| {
                files.sandbox.clone_from(&self.directory);
                files.sandbox_inside.clone_from(&self.directory);
                files.volumes = volumes;
            })
        }
    }

    /// The launch fails for `what`, and what is outside is as it was.
    fn refuses(self, plan: Plan, what: &str) {
        let error = self.executor.try_launch(plan, &UNLIMITED).unwrap_err();
        assert!(error.to_string().starts_with(what), "{error}");
        assert_eq!(fs::read_dir(&self.outside).unwrap().count(), 0);
        let mode = fs::metadata(&self.outside).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "changed");
        self.executor.finish();
    }
}

fn volume(source: Source, target: &str) -> Volume {
    Volume {
        source,
        target: PathBuf::from(target),
        read_only: false,
        propagation: Propagation::Private,
    }
}

#[test]
fn a_link_in_the_place_of_the_private_directory_is_refused() {
    let scene = Scene::new();
    symlink(&scene.outside, scene.directory.join(".private")).unwrap();
    let plan = scene.plan(vec![]);
    scene.refuses(plan, "make a private '/tmp': Not a directory");
}

#[test]
fn so_is_one_inside_of_it() {
    let scene = Scene::new();
    fs::create_dir(scene.directory.join(".private")).unwrap();
    chown(scene.directory.join(".private"), Some(65534), None).unwrap();
    symlink(&scene.outside, scene.directory.join(".private/tmp")).unwrap();
    let plan = scene.plan(vec![]);
    scene.refuses(plan, "make a private '/tmp': Not a directory");
}

#[test]
fn a_private_directory_of_somebody_else_is_not_handed_to_the_task() {
    let scene = Scene::new();
    // As when the task has put another's directory, which it cannot read, under this name.
    let foreign = scene.directory.join(".private");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, PermissionsExt::from_mode(0o700)).unwrap();
    let task = scene.executor.launch(scene.plan(vec![]), &UNLIMITED);
    let told = task.process.degraded();
    assert!(
        told[0].to_string().contains("Permission denied"),
        "{told:?}"
    );
    drop(task);
    let metadata = fs::metadata(&foreign).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&metadata), 0);
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    scene.executor.finish();
}

#[test]
fn a_link_on_the_way_to_where_a_volume_is_to_be_is_refused() {
    let scene = Scene::new();
    symlink(&scene.outside, scene.directory.join("link")).unwrap();
    let host = Source::Host(PathBuf::from("/usr"));
    let plan = scene.plan(vec![volume(host, "link/usr")]);
    scene.refuses(plan, "mount a volume at 'link/usr': Too many levels");
}

#[test]
fn a_link_in_what_tasks_share_is_refused() {
    let scene = Scene::new();
    symlink(&scene.outside, scene.directory.join("link")).unwrap();
    let source = Source::Inside {
        directory: scene.directory.clone(),
        path: PathBuf::from("link"),
    };
    let plan = scene.plan(vec![volume(source, "here")]);
    scene.refuses(plan, "open the volume");
}

#[test]
fn what_is_shared_is_made_with_the_rights_of_the_tasks_user() {
    let scene = Scene::new();
    let source = Source::Inside {
        directory: scene.outside.clone(),
        path: PathBuf::from("made"),
    };
    let plan = scene.plan(vec![volume(source, "here")]);
    scene.refuses(plan, "open the volume");
}

#[test]
fn another_directory_in_the_place_of_the_tasks_is_not_taken_for_it() {
    let scene = Scene::new();
    let handle = fs::File::open(&scene.directory).unwrap();
    let plan = scene.plan(vec![]);
    fs::rename(
        &scene.directory,
        scene.executor.sandbox.path().join("moved"),
    )
    .unwrap();
    symlink(&scene.outside, &scene.directory).unwrap();
    let handles = Handles {
        stdio: nowhere(),
        sandbox: Some(handle.into()),
    };
    let launched = scene
        .executor
        .launcher()
        .launch(plan, handles, &Arc::default());
    let error = launched.unwrap_err();
    assert!(
        error.to_string().starts_with("open the task's directory"),
        "{error}"
    );
    assert_eq!(error.fault(), Fault::Host);
    assert_eq!(fs::read_dir(&scene.outside).unwrap().count(), 0);
    scene.executor.finish();
}

/// Each launch either has the true directory or fails.
#[test]
fn a_directory_that_is_swapped_again_and_again_is_never_mistaken() {
    let scene = Scene::new();
    let (directory, outside) = (scene.directory.clone(), scene.outside.clone());
    let aside = scene.executor.sandbox.path().join("aside");
    let is_over = AtomicBool::new(false);
    let handle = fs::File::open(&directory).unwrap();
    let mut plan = scene.plan(vec![]);
    plan.command = Command::Shell("echo x > it".to_owned());
    plan.working_directory.clone_from(&directory);
    let launch = |handle: &fs::File| {
        let handles = Handles {
            stdio: nowhere(),
            sandbox: Some(handle.try_clone().unwrap().into()),
        };
        let launcher = scene.executor.launcher();
        let mut process = launcher.launch(plan.clone(), handles, &Arc::default())?;
        wait_readable(&process, "its end");
        Ok::<_, LaunchError>(process.reap().unwrap())
    };
    let mut launched = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                fs::rename(&directory, &aside).unwrap();
                symlink(&outside, &directory).unwrap();
                thread::yield_now();
                fs::remove_file(&directory).unwrap();
                fs::rename(&aside, &directory).unwrap();
                thread::yield_now();
            }
        });
        for _ in 0..60 {
            launched.extend(launch(&handle));
        }
        is_over.store(true, Ordering::Release);
    });
    launched.push(launch(&handle).unwrap());
    assert!(
        launched.iter().all(|exit| *exit == Exit::Exited(0)),
        "{launched:?}"
    );
    assert!(directory.join("it").is_file());
    assert_eq!(fs::read_dir(&scene.outside).unwrap().count(), 0);
    scene.executor.finish();
}

fn image_with(plant: impl Fn(&Path)) -> (Scene, Plan) {
    let scene = Scene::new();
    let image = scene.directory.join("image");
    fs::create_dir(&image).unwrap();
    fs::set_permissions(&image, PermissionsExt::from_mode(0o755)).unwrap();
    plant(&image);
    let mut plan = scene.plan(vec![]);
    if let Filesystem::Private(files) = &mut plan.filesystem {
        files.root = Root::Directory {
            path: image,
            writable: true,
        };
        files.sandbox_inside = PathBuf::from("/mnt/mesos/sandbox");
        files.hidden.clear();
        files.visible.clear();
    }
    (scene, plan)
}

#[test]
fn an_image_whose_proc_sys_or_dev_is_a_link_is_refused() {
    for name in ["proc", "sys", "dev"] {
        let (scene, plan) = image_with(|image| {
            fs::create_dir(image.join("real")).unwrap();
            symlink("real", image.join(name)).unwrap();
        });
        scene.refuses(plan, &format!("mount '/{name}'"));
    }
}

#[test]
fn an_image_in_the_tasks_directory_that_is_a_link_is_refused() {
    let (scene, plan) = image_with(|image| {
        fs::remove_dir(image).unwrap();
        symlink("/", image).unwrap();
    });
    scene.refuses(plan, "make the root of");
}

#[test]
fn an_image_whose_links_lead_out_gets_its_own_files() {
    let (scene, plan) = image_with(|image| {
        fs::create_dir(image.join("outside")).unwrap();
        fs::set_permissions(image.join("outside"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("../../../../../outside", image.join("mnt")).unwrap();
        symlink("/../outside", image.join("tmp")).unwrap();
    });
    // There is no shell in it.
    scene.refuses(plan, "exec '/bin/sh'");
}
