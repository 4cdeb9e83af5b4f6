//! The dashboards beside a real agent: nothing on them is empty.

use dashboards::expression::Form;
use dashboards::scenery::{STEP_SECS, Scenery};
use dashboards::{boards, files, pictures};
use test_support::{Graphite, Packager};

use crate::reader;

#[test]
fn every_target_of_every_panel_has_values_of_a_real_agent_on_both_graphites() {
    let debians = Graphite::keeping(Packager::Debian, STEP_SECS);
    let pypis = Graphite::keeping(Packager::Pypi, STEP_SECS);
    let _scenery = Scenery::set(&[&debians, &pypis]);
    for graphite in [&debians, &pypis] {
        // All agents, apps and instances by the dashboard's word for all, and each of them chosen.
        for is_all in [true, false] {
            reader::await_all(graphite, &crate::of_grafana(), is_all);
        }
        is_drawn(graphite);
        is_saved_and_loaded(graphite);
    }
}

/// Every panel of graphite-web's own dashboards.
fn is_drawn(graphite: &Graphite) {
    for board in boards::all() {
        for panel in board.panels() {
            for query in &panel.queries {
                let target = query.target(Form::Plain, &[]);
                let look = reader::look(graphite, &target);
                assert_eq!(look, Ok(()), "{}: {}: {target}", board.name, panel.title);
            }
            let picture = pictures::draw(graphite, panel, "-2min").unwrap();
            assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "{}", panel.title);
        }
    }
}

fn is_saved_and_loaded(graphite: &Graphite) {
    let own = files::all().into_iter();
    for (_, state) in own.filter(|(name, _)| name.starts_with("graphite-web/")) {
        let name = state["name"].as_str().unwrap();
        let saved = graphite.save_dashboard(name, &state).unwrap();
        assert_eq!(saved["success"], true, "{name}: {saved}");
        let loaded = graphite.load_dashboard(name).unwrap();
        assert_eq!(loaded["state"], state, "{name}");
    }
}
