//! What the agent is told to let us in, and nobody else is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::carbons::Carbon;
use crate::fakes::{Agent, Reply, Says};
use crate::program::Program;

/// Ends up in base64 as well, where it is a principal's.
const SECRET: &str = "hunter2-hunter2";
const ENCODED: &str = "Y29sbGVjdG9yOmh1bnRlcjItaHVudGVyMg==";

#[test]
fn no_secret_is_shown_though_the_agent_sends_it_back_with_each_refusal() {
    for (credential, sent) in [
        (
            format!(r#"{{"principal":"collector","secret":"{SECRET}"}}"#),
            format!("Basic {ENCODED}"),
        ),
        (SECRET.to_owned(), format!("Bearer {SECRET}")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (file, json) = (
            directory.path().join("credential"),
            directory.path().join("points.json"),
        );
        fs::write(&file, credential).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let agent = Agent::saying(Says {
            list: vec![Reply::Echo(401), Reply::Echo(500)],
            state: vec![Reply::Echo(403)],
            metrics: vec![Reply::Echo(401), Reply::Echo(503)],
        });
        let carbon = Carbon::start();
        let options = [
            "--interval=1secs",
            "--log=debug",
            &format!("--agent-credential-file={}", file.display()),
            &format!("--output-json={}", json.display()),
        ];
        let program = Program::start(&agent, &carbon.place(), &options);
        carbon.wait_for(|line| line.contains(".collector.turns 3 "));
        let proc = |name: &str| {
            let bytes = fs::read(format!("/proc/{}/{name}", program.id())).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut shown = vec![proc("cmdline"), proc("environ")];
        let (_, log) = program.terminate();
        assert!(log.contains("401") && log.contains("500"), "{log}");
        shown.extend([log, fs::read_to_string(json).unwrap()]);
        shown.extend(carbon.lines());
        for text in shown {
            assert!(!text.contains(SECRET) && !text.contains(ENCODED), "{text}");
        }
        let header = format!("authorization: {sent}").to_lowercase();
        let requests = agent.all_requests();
        let is_let_in = |one: &String| one.to_lowercase().contains(&header);
        assert!(requests.iter().all(is_let_in), "{requests:?}");
    }
}
