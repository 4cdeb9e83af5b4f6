//! The pictures in the manuals: panels of graphite-web's dashboards, as Graphite draws them beside a real agent.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use test_support::{Graphite, HttpError, Packager};

use crate::board::Panel;
use crate::scenery::{STEP_SECS, Scenery};
use crate::{boards, graphite_web};

/// Which panels, by their dashboard and their title, and the files that they become.
const PICTURES: [(&str, &str, &str); 8] = [
    ("mesos-containers", "Processors in use", "processors"),
    ("mesos-containers", "Memory in use", "memory"),
    ("mesos-pressure", "Throttled share", "throttled"),
    (
        "mesos-pressure",
        "Headroom before the kernel ends it",
        "headroom",
    ),
    ("mesos-disk", "In use", "disk"),
    ("mesos-disk", "Persistent volumes", "volumes"),
    ("mesos-agent", "Processors, by app", "apps"),
    ("mesos-health", "Points", "points"),
];

/// How long the scenery is watched before they are taken.
const EXPOSURE: Duration = Duration::from_secs(120);

/// Takes them all, and says where each lies.
///
/// # Panics
/// When the scenery does not come up, Graphite draws nothing, or a file cannot be written.
pub fn take() {
    let graphite = Graphite::keeping(Packager::Debian, STEP_SECS);
    let _scenery = Scenery::set(&[&graphite]);
    println!("dashboards: {} s of exposure", EXPOSURE.as_secs());
    std::thread::sleep(EXPOSURE);
    let directory = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/doc/pictures"
    ));
    fs::create_dir_all(&directory).expect("a directory for pictures");
    let boards = boards::all();
    for (board, title, file) in PICTURES {
        let board = boards.iter().find(|one| one.name == board);
        let panel = board.and_then(|board| board.panels().find(|panel| panel.title == title));
        let panel = panel.expect("a panel of that title");
        let from = format!("-{}s", EXPOSURE.as_secs());
        let picture = draw(&graphite, panel, &from).expect("a picture");
        let path = directory.join(file).with_extension("png");
        fs::write(&path, &picture).expect("a file for a picture");
        println!("dashboards: {} ({} bytes)", path.display(), picture.len());
    }
}

/// A panel as graphite-web draws it on its own dashboard, from this time on, in Graphite's words.
///
/// # Errors
/// When Graphite refuses to.
pub fn draw(graphite: &Graphite, panel: &Panel, from: &str) -> Result<Vec<u8>, HttpError> {
    let arguments = graphite_web::arguments(panel);
    let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let targets = arguments["target"].as_array().into_iter().flatten();
    let targets: Vec<&str> = targets.filter_map(|target| target.as_str()).collect();
    let said: Vec<(String, String)> = arguments
        .keys()
        .filter(|name| *name != "target")
        .map(|name| (name.clone(), text(name)))
        .collect();
    let look = [
        ("width", "480"),
        ("height", "280"),
        ("bgcolor", "white"),
        ("fgcolor", "black"),
        ("fontSize", "9"),
        ("lineWidth", "2"),
    ];
    let more: Vec<(&str, &str)> = said
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(look)
        .collect();
    Ok(graphite.render_png(&targets, from, &more)?.to_vec())
}
