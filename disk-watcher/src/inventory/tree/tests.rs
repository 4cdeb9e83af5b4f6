use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const RUNS: &str = "slaves/S/frameworks/F/executors/E/runs";

struct Scene {
    dir: tempfile::TempDir,
    tree: Tree,
    troubles: Vec<Trouble>,
    over: BTreeSet<PathBuf>,
}

impl Scene {
    fn new(directories: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for directory in directories {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        let work_dir = Arc::new(Directory::open(dir.path()).unwrap());
        let mut troubles = Vec::new();
        let mut tree = Tree::new(work_dir, &mut troubles);
        tree.want([Id::new("S").unwrap()]);
        let (over, troubles) = (BTreeSet::new(), troubles);
        Self {
            dir,
            tree,
            troubles,
            over,
        }
    }

    fn look(&mut self) -> BTreeSet<PathBuf> {
        self.tree.catch_up().unwrap();
        let over = self.over.clone();
        let is_over = |path: &Path| over.contains(path);
        let touched = self.tree.look(&is_over, &mut self.troubles);
        assert!(self.troubles.is_empty(), "{:?}", self.troubles);
        touched
    }

    fn leaves(&self, path: &str) -> Vec<&str> {
        let leaves = self.tree.leaves(Path::new(path));
        leaves.map(|name| name.to_str().unwrap()).collect()
    }

    fn make(&self, path: &str) {
        fs::create_dir_all(self.dir.path().join(path)).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_dir_all(self.dir.path().join(path)).unwrap();
    }
}

fn paths(paths: &[&str]) -> BTreeSet<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

#[tokio::test]
async fn what_is_there_at_first_is_found_and_then_nothing_is_listed_again() {
    let mut scene = Scene::new(&[&format!("{RUNS}/C"), "volumes/roles/r/v"]);
    assert_eq!(scene.look(), paths(&[RUNS, "volumes/roles/r"]));
    assert_eq!(scene.leaves(RUNS), ["C"]);
    assert_eq!(scene.tree.volumes(), [("r".into(), "v".into())]);
    assert_eq!(scene.look(), paths(&[]));
}

#[tokio::test]
async fn a_sandbox_is_noticed_at_once_however_many_directories_above_it_are_new() {
    let mut scene = Scene::new(&[]);
    scene.look();
    scene.make(&format!("{RUNS}/C"));
    tokio::time::timeout(std::time::Duration::from_secs(30), scene.tree.wait())
        .await
        .expect("a change that is told of")
        .unwrap();
    assert_eq!(scene.look(), paths(&[RUNS]));
    assert_eq!(scene.leaves(RUNS), ["C"]);
    scene.make(&format!("{RUNS}/D"));
    assert_eq!(scene.look(), paths(&[RUNS]));
    assert_eq!(scene.leaves(RUNS), ["C", "D"]);
}

#[tokio::test]
async fn a_directory_that_was_made_while_the_one_above_was_listed_is_not_missed() {
    // Watched first, listed then: whatever the moment, one of the two has it.
    let mut scene = Scene::new(&["slaves/S/frameworks"]);
    let root = scene.dir.path().to_owned();
    let maker = std::thread::spawn(move || {
        for n in 0..200 {
            let path = format!("slaves/S/frameworks/F{}/executors/E{n}/runs/C", n % 3);
            fs::create_dir_all(root.join(path)).unwrap();
        }
    });
    while !maker.is_finished() {
        scene.look();
    }
    maker.join().unwrap();
    scene.look();
    for n in 0..200 {
        let runs = format!("slaves/S/frameworks/F{}/executors/E{n}/runs", n % 3);
        assert_eq!(scene.leaves(&runs), ["C"], "{runs}");
    }
}

#[tokio::test]
async fn what_is_removed_is_gone_whole_branches_too() {
    let mut scene = Scene::new(&[&format!("{RUNS}/C"), &format!("{RUNS}/D")]);
    scene.look();
    scene.remove(&format!("{RUNS}/C"));
    assert_eq!(scene.look(), paths(&[RUNS]));
    assert_eq!(scene.leaves(RUNS), ["D"]);
    scene.remove("slaves/S/frameworks/F");
    assert_eq!(scene.look(), paths(&[RUNS]));
    assert!(scene.leaves(RUNS).is_empty());
    assert!(scene.tree.watches() < 8, "what is gone is not watched");
}

#[tokio::test]
async fn a_branch_that_another_took_the_place_of_is_found_anew() {
    let mut scene = Scene::new(&[&format!("{RUNS}/C")]);
    scene.look();
    scene.remove("slaves/S/frameworks/F/executors/E");
    scene.make(&format!("{RUNS}/D"));
    scene.look();
    assert_eq!(scene.leaves(RUNS), ["D"]);
    let executor = scene.dir.path().join("slaves/S/frameworks/F/executors/E");
    fs::rename(&executor, scene.dir.path().join("elsewhere")).unwrap();
    scene.make(&format!("{RUNS}/X"));
    scene.look();
    assert_eq!(scene.leaves(RUNS), ["X"]);
    scene.make(&format!("{RUNS}/Y"));
    scene.look();
    assert_eq!(scene.leaves(RUNS), ["X", "Y"], "the new one is watched");
}

#[tokio::test]
async fn links_and_files_are_no_sandboxes_and_no_way_to_some() {
    let mut scene = Scene::new(&[RUNS, "elsewhere/runs/C"]);
    let at = |path: &str| scene.dir.path().join(path);
    symlink(at("elsewhere"), at(&format!("{RUNS}/latest"))).unwrap();
    fs::write(at(&format!("{RUNS}/file")), "").unwrap();
    symlink(at("elsewhere"), at("slaves/S/frameworks/F/executors/L")).unwrap();
    scene.look();
    assert!(scene.leaves(RUNS).is_empty());
    assert!(
        scene
            .leaves("slaves/S/frameworks/F/executors/L/runs")
            .is_empty()
    );
}

#[tokio::test]
async fn agents_from_before_are_not_looked_at_until_they_are_wanted() {
    let mut scene = Scene::new(&["slaves/OLD/frameworks/F/executors/E/runs/C", RUNS]);
    assert_eq!(scene.look(), paths(&[RUNS]));
    scene.tree.want([Id::new("OLD").unwrap()]);
    scene.look();
    assert_eq!(
        scene.leaves("slaves/OLD/frameworks/F/executors/E/runs"),
        ["C"]
    );
}

#[tokio::test]
async fn executors_whose_runs_are_all_over_take_no_watches() {
    let executors = (0..50).map(|n| format!("slaves/S/frameworks/F/executors/E{n}/runs/C"));
    let executors: Vec<String> = executors.collect();
    let directories: Vec<&str> = executors.iter().map(String::as_str).collect();
    let mut scene = Scene::new(&directories);
    scene.over = paths(&directories);
    scene
        .over
        .remove(Path::new("slaves/S/frameworks/F/executors/E7/runs/C"));
    scene.look();
    assert!(scene.tree.watches() < 10, "{}", scene.tree.watches());
    // One of them is used again: the agent tells.
    scene.make("slaves/S/frameworks/F/executors/E3/runs/D");
    scene.tree.mark_executor("F", "E3");
    let runs = "slaves/S/frameworks/F/executors/E3/runs";
    assert!(scene.look().contains(Path::new(runs)));
    assert_eq!(scene.leaves(runs), ["C", "D"]);
    let before = scene.tree.watches();
    scene.make("slaves/S/frameworks/F/executors/E3/runs/E");
    scene.look();
    assert_eq!(scene.leaves(runs), ["C", "D", "E"], "it is watched again");
    assert_eq!(scene.tree.watches(), before);
}

#[tokio::test]
async fn a_queue_that_overflowed_has_everything_listed_anew() {
    let mut scene = Scene::new(&[&format!("{RUNS}/C")]);
    scene.look();
    scene
        .tree
        .note(Ok(Happened {
            overflowed: true,
            ..Happened::default()
        }))
        .unwrap();
    assert_eq!(scene.look(), paths(&[RUNS]));
    assert_eq!(scene.leaves(RUNS), ["C"]);
}

#[tokio::test]
async fn what_the_agent_writes_down_of_a_run_is_noticed() {
    let meta = format!("meta/{RUNS}/C");
    let mut scene = Scene::new(&[&format!("{RUNS}/C"), &meta]);
    scene.look();
    scene.tree.watch_checkpoints(PathBuf::from(&meta));
    assert_eq!(
        scene.look(),
        paths(&[&meta]),
        "what was there before it was watched"
    );
    scene.make(&format!("{meta}/tasks/t"));
    assert!(
        scene
            .look()
            .contains(&PathBuf::from(format!("{meta}/tasks")))
    );
    fs::write(scene.dir.path().join(&meta).join("executor.sentinel"), "").unwrap();
    assert_eq!(scene.look(), paths(&[&meta]));
}
