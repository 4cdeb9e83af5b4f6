//! The graph of what the collector has shipped.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::DemoError;
use crate::programs::Collector;
use crate::screen::Screen;
use crate::stage::Stage;

/// How long the last points may take to carbon and through it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Has Graphite render memory and cpu of every container, sees that there is something in it, and writes it down.
pub(crate) fn draw(stage: &Stage, screen: &Screen) -> Result<(), DemoError> {
    screen.say("What mesos-stats-collector has shipped meanwhile, drawn by Graphite.");
    let containers = format!("{}.containers.*.*", Collector::BASE);
    let memory = format!("{containers}.mem_rss_bytes");
    let cpu = format!("{containers}.cpus_used");
    for target in [&memory, &cpu] {
        let count = wait_for_points(stage, target)?;
        screen.note(&format!("{count} points of {target}"));
    }
    let each = format!("aliasSub(aliasByNode(scale({memory},0.00000095367431640625),3),'$',' MB')");
    let cpus = format!("aliasSub(aliasByNode(secondYAxis(dashed({cpu})),3),'$',' cpus (right)')");
    let graph = stage.graphite.render_png(
        &[&each, &cpus],
        &format!("-{}s", stage.since.elapsed().as_secs() + 1),
        &[
            ("title", "Containers on the demo's agent"),
            ("lineMode", "connected"),
            ("lineWidth", "2"),
            ("hideLegend", "false"),
        ],
    )?;
    // An IHDR of 1000 by 500 pixels follows the signature.
    if !graph.starts_with(b"\x89PNG\r\n\x1a\n")
        || graph.get(16..24) != Some(&[0, 0, 3, 232, 0, 0, 1, 244])
    {
        return Err(DemoError::NotAPng {
            length: graph.len(),
        });
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/demo");
    let failed = |source| DemoError::Write {
        path: directory.clone(),
        source,
    };
    fs::create_dir_all(&directory).map_err(failed)?;
    let path = directory.canonicalize().map_err(failed)?.join("graph.png");
    fs::write(&path, &graph).map_err(|source| DemoError::Write {
        path: path.clone(),
        source,
    })?;
    screen.note(&format!(
        "the graph, {} bytes of PNG, lies in {}",
        graph.len(),
        path.display()
    ));
    Ok(())
}

/// How many points there are, as soon as there are some.
fn wait_for_points(stage: &Stage, target: &str) -> Result<usize, DemoError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let count = stage.graphite.points(target, "-5min")?.len();
        if count > 1 {
            return Ok(count);
        }
        if Instant::now() > deadline {
            return Err(DemoError::NoPoints {
                target: target.to_owned(),
            });
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
