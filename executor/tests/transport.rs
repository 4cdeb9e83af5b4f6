//! The ways to the agent: TLS as libprocess's variables have it, and the agent's domain socket.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use mesos_proto::v1::TaskState::TaskFinished;

use crate::agent::certificates::{Authority, Issued};
use crate::agent::events::{launch, shutdown, task};
use crate::agent::link::Link;
use crate::agent::{Agent, Answer};
use crate::executor::{Executor, run_with};

const ENABLED: (&str, &str) = ("LIBPROCESS_SSL_ENABLED", "1");
const CA_FILE: &str = "LIBPROCESS_SSL_CA_FILE";
const NAME: &str = "MESOS_SANDBOX_EXECUTOR_AGENT_NAME";
const SOCKET: &str = "MESOS_DOMAIN_SOCKET";
const TOKEN: (&str, &str) = ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "eyJ.abc.def");

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An agent that shows this certificate.
fn agent_with(authority: &Authority, issued: &Issued) -> (Agent, Link) {
    let agent = Agent::start();
    let link = Link::tls(agent.address, authority.server(issued));
    agent.is_behind(&link.address);
    (agent, link)
}

/// Lets the executor run a task and go.
fn assert_serves(agent: &Agent, executor: Executor) {
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// Starts an executor that must not subscribe, and waits for these texts in its log.
fn assert_refuses(agent: &Agent, variables: &[(&str, &str)], texts: &[&str]) {
    let executor = Executor::start_with(agent, variables);
    for text in texts {
        executor.wait_for_log(text);
    }
    assert_eq!(agent.received().len(), 0, "a call went out");
}

/// P-3
#[test]
fn tls_is_spoken_when_libprocess_is_told_to_and_the_certificate_may_be_for_the_address() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let authority = Authority::new();
        let issued = authority.issue(&["127.0.0.1"]);
        let agent = Agent::start();
        let link = Link::tls(agent.address, authority.server_of(version, &issued));
        agent.is_behind(&link.address);
        let file = authority.file();
        let executor = Executor::start_with(&agent, &[ENABLED, (CA_FILE, text(&file)), TOKEN]);
        assert_serves(&agent, executor);
        assert_eq!(link.connections(), 2);
        let received = agent.received();
        let authorized = received
            .iter()
            .map(|one| one.request.header("authorization"));
        assert!(
            authorized
                .into_iter()
                .all(|one| one == Some("Bearer eyJ.abc.def"))
        );
    }
}

#[test]
fn the_certificate_may_be_for_this_hosts_name_or_for_one_that_the_operator_gives() {
    let authority = Authority::new();
    let (file, own) = (authority.file(), nix::unistd::gethostname().unwrap());
    let trusted = [ENABLED, (CA_FILE, text(&file))];

    let (agent, _link) = agent_with(&authority, &authority.issue(&[own.to_str().unwrap()]));
    assert_serves(&agent, Executor::start_with(&agent, &trusted));

    let issued = authority.issue(&["agent.example"]);
    let (agent, _link) = agent_with(&authority, &issued);
    let named = [&trusted[..], &[(NAME, "agent.example")]].concat();
    assert_serves(&agent, Executor::start_with(&agent, &named));

    let (agent, _link) = agent_with(&authority, &issued);
    assert_refuses(
        &agent,
        &trusted,
        &["agent.example", "expected is one for 127.0.0.1"],
    );
    // One that is given is the only one.
    let (agent, _link) = agent_with(&authority, &authority.issue(&["127.0.0.1"]));
    assert_refuses(&agent, &named, &["expected is one for agent.example"]);
}

#[test]
fn authorities_may_be_in_a_directory() {
    let authority = Authority::new();
    let (agent, _link) = agent_with(&authority, &authority.issue(&["127.0.0.1"]));
    let directory = ("LIBPROCESS_SSL_CA_DIR", text(authority.directory()));
    assert_serves(&agent, Executor::start_with(&agent, &[ENABLED, directory]));
}

#[test]
fn an_agent_that_nobody_vouches_for_gets_no_call_and_no_token() {
    let (authority, others) = (Authority::new(), Authority::new());
    let (agent, _link) = agent_with(&others, &others.issue(&["127.0.0.1"]));
    let file = authority.file();
    assert_refuses(
        &agent,
        &[ENABLED, (CA_FILE, text(&file)), TOKEN],
        &[
            "invalid peer certificate: UnknownIssuer",
            CA_FILE,
            text(&file),
        ],
    );
}

#[test]
fn verification_is_off_only_when_the_operator_says_so_and_the_log_says_it_too() {
    let authority = Authority::new();
    let (agent, _link) = agent_with(&authority, &authority.issue(&["another.example"]));
    let off = ("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "false");
    let executor = Executor::start_with(&agent, &[ENABLED, off]);
    executor.wait_for_log("the agent's certificate is not verified");
    assert_serves(&agent, executor);
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_itself_in_the_list() {
    let authority = Authority::new();
    let issued = authority.self_signed(&["127.0.0.1"], false);
    let trusted = [ENABLED, (CA_FILE, text(&issued.certificate))];
    let (agent, _link) = agent_with(&authority, &issued);
    assert_serves(&agent, Executor::start_with(&agent, &trusted));

    let others = authority.self_signed(&["another.example"], false);
    let (agent, _link) = agent_with(&authority, &others);
    assert_refuses(&agent, &trusted, &["another.example"]);

    let expired = authority.self_signed(&["127.0.0.1"], true);
    let (agent, _link) = agent_with(&authority, &expired);
    assert_refuses(&agent, &trusted, &["certificate expired"]);
}

#[test]
fn an_agent_that_wants_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let agent = Agent::start();
    let link = Link::tls(agent.address, authority.strict_server(&issued));
    agent.is_behind(&link.address);
    let file = authority.file();
    let trusted = [ENABLED, (CA_FILE, text(&file))];
    assert_refuses(&agent, &trusted, &["LIBPROCESS_SSL_CERT_FILE"]);
    let with_own = [
        ("LIBPROCESS_SSL_CERT_FILE", text(&issued.certificate)),
        ("LIBPROCESS_SSL_KEY_FILE", text(&issued.key)),
    ];
    let variables = [&trusted[..], &with_own].concat();
    assert_serves(&agent, Executor::start_with(&agent, &variables));
}

#[test]
fn an_agent_that_speaks_other_than_expected_is_told_from_one_that_is_away() {
    let authority = Authority::new();
    let file = authority.file();
    let (agent, _link) = agent_with(&authority, &authority.issue(&["127.0.0.1"]));
    assert_refuses(&agent, &[], &["LIBPROCESS_SSL_ENABLED is not set"]);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    agent.is_behind(&listener.local_addr().unwrap().to_string());
    let trusted = [ENABLED, (CA_FILE, text(&file))];
    let executor = Executor::start_with(&agent, &trusted);
    // As the real one's HTTP server answers what is no HTTP.
    for connection in listener.incoming().take(2) {
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        connection.unwrap().write_all(answer).unwrap();
    }
    executor.wait_for_log("does not speak TLS, as LIBPROCESS_SSL_ENABLED says");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_variable() {
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let directory = authority.directory();
    let encrypted = directory.join("encrypted.key");
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(&encrypted, pem).unwrap();
    let other = authority.self_signed(&["127.0.0.1"], false);
    let (ca, absent) = (authority.file(), directory.join("absent.pem"));
    let empty = tempfile::tempdir().unwrap();
    let key = "LIBPROCESS_SSL_KEY_FILE";
    let certificate = ("LIBPROCESS_SSL_CERT_FILE", text(&issued.certificate));
    for (variables, wanted) in [
        (
            vec![(CA_FILE, text(&absent))],
            vec![CA_FILE, "absent.pem", "No such file"],
        ),
        (
            vec![(CA_FILE, text(&issued.key))],
            vec![CA_FILE, "issued.key", "no certificate"],
        ),
        (
            vec![("LIBPROCESS_SSL_CA_DIR", text(empty.path()))],
            vec![
                "LIBPROCESS_SSL_CA_DIR",
                text(empty.path()),
                "no certificate",
            ],
        ),
        (
            vec![(CA_FILE, text(&ca)), certificate, (key, text(&encrypted))],
            vec![key, "encrypted.key", "passphrase"],
        ),
        (
            vec![(CA_FILE, text(&ca)), certificate, (key, text(&other.key))],
            vec![
                key,
                "self-signed.key",
                "issued.pem",
                "keys may not be consistent",
            ],
        ),
        (
            vec![(CA_FILE, text(&ca)), (NAME, "two words")],
            vec![NAME, "two words"],
        ),
        (
            vec![(CA_FILE, text(&ca)), certificate],
            vec![key, "is not set"],
        ),
    ] {
        let needed = [
            ("MESOS_FRAMEWORK_ID", "f"),
            ("MESOS_EXECUTOR_ID", "e"),
            ("MESOS_AGENT_ENDPOINT", "127.0.0.1:1"),
            ("MESOS_DIRECTORY", "/nowhere"),
            ENABLED,
        ];
        let (status, said) = run_with(&[&needed[..], &variables].concat());
        assert_eq!(status.code(), Some(1), "{said}");
        for one in wanted {
            assert!(said.contains(one), "{one}: {said}");
        }
    }
}

/// P-2
#[test]
fn the_agents_domain_socket_is_taken_when_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    // Longer than a socket's address can be.
    let deep = directory.path().join("d".repeat(60)).join("e".repeat(60));
    fs::create_dir_all(&deep).unwrap();
    for path in [directory.path().join("agent.sock"), deep.join("agent.sock")] {
        let agent = Agent::start();
        let link = Link::socket(agent.address, &path);
        // Nobody is there, and TLS is not for sockets.
        let refused = Agent::deaf();
        agent.is_behind(&refused.address.to_string());
        let executor = Executor::start_with(&agent, &[(SOCKET, text(&path)), TOKEN]);
        assert_serves(&agent, executor);
        assert_eq!(link.connections(), 2);
        let received = agent.received();
        assert!(
            received
                .iter()
                .all(|one| one.request.path == "/slave(1)/api/v1/executor")
        );
    }
}

/// P-2, the socket that is not there.
#[test]
fn without_a_domain_socket_that_answers_the_network_is_taken_in_the_same_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // Stale: nobody listens any more.
    drop(UnixListener::bind(path("stale")).unwrap());
    fs::write(path("file"), "").unwrap();
    let long = path(&"n".repeat(120));
    for path in [
        path("absent"),
        path("stale"),
        path("file"),
        path("no/such"),
        long,
    ] {
        let agent = Agent::start();
        let executor = Executor::start_with(&agent, &[(SOCKET, text(&path))]);
        executor.wait_for_log("over the network, not over its socket");
        executor.wait_for_log("subscribed with the agent (attempt 1)");
        assert_serves(&agent, executor);
        assert_eq!(agent.subscribes(), 1);
    }
}

/// P-2, the socket that serves other paths.
#[test]
fn a_domain_socket_that_serves_no_executors_is_left_for_the_network() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let wrong = Agent::start();
    wrong.answer(|_| Answer::Status(403, ""));
    let agent = Agent::start();
    wrong.is_behind(&agent.address.to_string());
    let _link = Link::socket(wrong.address, &path);
    let executor = Executor::start_with(&agent, &[(SOCKET, text(&path))]);
    assert_serves(&agent, executor);
    assert_eq!(wrong.subscribes(), 1);
}

#[test]
fn a_domain_socket_that_says_nothing_is_left_for_the_network() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let agent = Agent::start();
    let link = Link::socket(agent.address, &path);
    link.fall_silent();
    let executor = Executor::start_with(&agent, &[(SOCKET, text(&path))]);
    assert_serves(&agent, executor);
    assert!(link.connections() >= 2, "the socket was not tried");
}
