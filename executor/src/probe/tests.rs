mod network;
mod server;
mod turns;

use std::fs;
use std::time::Duration;

use dialect::{HttpProbe, Target};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use server::{Reply, Server, answer, authority};

/// Long enough to never pass here, short enough to fail loudly.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// Passes while a server hangs.
const SHORT: Option<Duration> = Some(Duration::from_millis(300));

/// A task that is nothing but its network.
fn view(network: Network) -> View {
    View {
        network: Ok(network),
        place: Err(std::io::ErrorKind::NotFound.into()),
    }
}

async fn look_from(network: Network, probe: Probe, timeout: Option<Duration>) -> Probed {
    view(network).look(&Trust::default(), &probe, timeout).await
}

fn target(host: &str, port: u16) -> Target {
    let host = host.to_owned();
    Target { host, port }
}

fn http(port: u16, path: &str) -> HttpProbe {
    HttpProbe {
        https: false,
        verify: false,
        target: target("127.0.0.1", port),
        path: path.to_owned(),
        headers: vec![],
        statuses: vec![],
    }
}

async fn look(probe: HttpProbe) -> Probed {
    look_from(Network::Own, Probe::Http(probe), PATIENCE).await
}

fn status(probed: &Probed) -> Option<u32> {
    match probed {
        Probed::Http { status, .. } => Some(*status),
        _ => None,
    }
}

fn cause(probed: Probed) -> String {
    match probed {
        Probed::Error { message } => message,
        other => panic!("no error but {other:?}"),
    }
}

/// A port that nobody listens on.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_server_is_asked_for_the_path_and_query_with_the_frameworks_headers() {
    let server = Server::start(|_| answer(200, "", "fine")).await;
    let mut probe = http(server.port, "/health?deep=1&x=%20");
    probe.headers = vec![
        ("X-Token".to_owned(), "a b".to_owned()),
        ("User-Agent".to_owned(), "Marathon".to_owned()),
    ];
    let probed = look(probe).await;
    let want = Probed::Http {
        status: 200,
        detail: "fine".to_owned(),
    };
    assert_eq!(probed, want);
    let head = server.heads().remove(0).to_lowercase();
    assert!(
        head.starts_with("get /health?deep=1&x=%20 http/1.1\r\n"),
        "{head}"
    );
    for line in [
        format!("host: 127.0.0.1:{}", server.port),
        "x-token: a b".to_owned(),
        "user-agent: marathon".to_owned(),
        "accept: */*".to_owned(),
    ] {
        let times = head.lines().filter(|one| **one == line).count();
        assert_eq!(times, 1, "{line} in {head}");
    }
}

#[tokio::test]
async fn the_status_of_a_server_in_trouble_comes_with_what_it_says() {
    let server = Server::start(|_| answer(503, "", "db is down\n")).await;
    let want = Probed::Http {
        status: 503,
        detail: "db is down".to_owned(),
    };
    assert_eq!(look(http(server.port, "/")).await, want);
}

#[tokio::test]
async fn redirects_are_followed_and_the_last_answer_counts() {
    let server = Server::start(|head| match head.split(' ').nth(1) {
        Some("/a/b") => answer(302, "location: ../c?d\r\n", ""),
        Some("/c?d") => answer(404, "", "nothing here"),
        _ => answer(500, "", ""),
    })
    .await;
    let want = Probed::Http {
        status: 404,
        detail: format!("http://127.0.0.1:{}/c?d: nothing here", server.port),
    };
    assert_eq!(look(http(server.port, "/a/b")).await, want);
}

#[tokio::test]
async fn a_redirect_that_the_framework_takes_for_success_is_not_followed() {
    let server = Server::start(|_| answer(301, "location: /elsewhere\r\n", "")).await;
    let mut probe = http(server.port, "/");
    probe.statuses = vec![301];
    assert_eq!(status(&look(probe).await), Some(301));
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn the_frameworks_headers_are_not_for_another_server() {
    let other = Server::start(|_| answer(200, "", "")).await;
    let port = other.port;
    let server = Server::start(move |_| {
        let location = format!("location: http://127.0.0.1:{port}/\r\n");
        answer(307, &location, "")
    })
    .await;
    let mut probe = http(server.port, "/");
    probe.headers = vec![("Authorization".to_owned(), "Bearer x".to_owned())];
    assert_eq!(status(&look(probe).await), Some(200));
    assert!(server.heads()[0].contains("Bearer x"));
    assert!(
        !other.heads()[0].contains("Bearer x"),
        "{:?}",
        other.heads()
    );
}

#[tokio::test]
async fn a_redirect_in_a_circle_comes_to_an_end() {
    let server = Server::start(|_| answer(302, "location: /again\r\n", "")).await;
    let message = cause(look(http(server.port, "/")).await);
    assert!(
        message.starts_with("redirected more than 10 times"),
        "{message}"
    );
    assert_eq!(server.heads().len(), 11);
}

#[tokio::test]
async fn a_redirect_to_no_web_page_is_told() {
    let server = Server::start(|_| answer(302, "location: file:///etc/passwd\r\n", "")).await;
    let message = cause(look(http(server.port, "/")).await);
    assert!(message.contains("file:///etc/passwd"), "{message}");
}

#[tokio::test]
async fn a_body_without_end_holds_nothing_up() {
    let endless = || Reply::Floods("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "0123456789\n");
    let server = Server::start(move |_| endless()).await;
    let Probed::Http { status, detail } = look(http(server.port, "/")).await else {
        panic!("no answer");
    };
    assert_eq!(status, 200);
    assert!(detail.len() <= 512, "{}", detail.len());
}

#[tokio::test]
async fn a_body_that_never_comes_takes_nothing_from_the_status() {
    let silent = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let server = Server::start(move |_| Reply::Hangs(silent)).await;
    assert_eq!(status(&look(http(server.port, "/")).await), Some(200));
}

#[tokio::test]
async fn headers_without_end_are_an_error_and_not_memory() {
    let head = "HTTP/1.1 200 OK\r\n".to_owned();
    let server = Server::start(move |_| Reply::Floods(head.clone(), "x-more: of the same\r\n"));
    let server = server.await;
    cause(look(http(server.port, "/")).await);
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    let server = Server::start(|_| Reply::Says("220 mail here\r\n".to_owned())).await;
    let message = cause(look(http(server.port, "/")).await);
    assert!(message.starts_with("ask http://127.0.0.1:"), "{message}");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_when_the_timeout_is_over() {
    for begin in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nx-slow: 1\r\n"] {
        let server = Server::start(move |_| Reply::Hangs(begin)).await;
        let probe = Probe::Http(http(server.port, "/"));
        let want = Probed::TimedOut {
            output: String::new(),
        };
        assert_eq!(
            look_from(Network::Own, probe, SHORT).await,
            want,
            "{begin:?}"
        );
    }
}

#[tokio::test]
async fn nobody_listening_is_told_as_such() {
    let port = closed_port().await;
    let message = cause(look(http(port, "/")).await);
    assert!(message.contains("Connection refused"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_and_secrets_are_not() {
    let port = closed_port().await;
    let mut header = http(port, "/");
    header.headers = vec![("X-Token".to_owned(), "secret\n".to_owned())];
    let message = cause(look(header).await);
    assert!(
        message.contains("'X-Token'") && !message.contains("secret"),
        "{message}"
    );
    let message = cause(look(http(port, "/a b")).await);
    assert!(message.contains("'/a b'"), "{message}");
    let mut host = http(port, "/");
    host.target.host = "no such host".to_owned();
    let message = cause(look(host).await);
    assert!(message.contains("'no such host'"), "{message}");
}

#[tokio::test]
async fn a_certificate_matters_only_where_the_check_says_so() {
    let (pem, acceptor) = authority("ours");
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good.pem");
    fs::write(&good, pem).unwrap();
    let stranger = directory.path().join("stranger.pem");
    fs::write(&stranger, authority("a stranger").0).unwrap();
    let server = Server::listen("127.0.0.1:0", Some(acceptor), |_| answer(204, "", "")).await;

    // Who signed, whether that is looked at, under which name; what becomes of it.
    let table = [
        (&stranger, false, "127.0.0.1", Ok(204)),
        (&stranger, true, "127.0.0.1", Err("UnknownIssuer")),
        (&good, true, "127.0.0.1", Ok(204)),
        (&good, true, "localhost", Err("not valid for name")),
        (&good, false, "localhost", Ok(204)),
    ];
    for (trust, verify, host, want) in table {
        let mut probe = http(server.port, "/");
        probe.https = true;
        probe.verify = verify;
        probe.target.host = host.to_owned();
        let trust = Trust(Some(trust.clone()));
        let probed = view(Network::Own)
            .look(&trust, &Probe::Http(probe), PATIENCE)
            .await;
        match want {
            Ok(want) => assert_eq!(status(&probed), Some(want), "{host} {verify}"),
            Err(want) => {
                let message = cause(probed);
                assert!(message.contains(want), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_by_https() {
    let server = Server::start(|_| answer(200, "", "")).await;
    let mut probe = http(server.port, "/");
    probe.https = true;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    probe.target.port = listener.local_addr().unwrap().port();
    let plain = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        stream
            .try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        stream
    };
    let (probed, _stream) = tokio::join!(look(probe), plain);
    let message = cause(probed);
    assert!(message.starts_with("TLS with 127.0.0.1"), "{message}");
}

#[tokio::test]
async fn a_target_of_version_six_is_asked_at_its_address() {
    let server = Server::listen("[::1]:0", None, |_| answer(200, "", "")).await;
    for host in ["::1", "[::1]"] {
        let mut probe = http(server.port, "/");
        probe.target.host = host.to_owned();
        assert_eq!(status(&look(probe).await), Some(200), "{host}");
    }
    assert!(server.heads()[0].contains(&format!("host: [::1]:{}\r\n", server.port)));
    // 127.0.0.1 is tried first, and does not listen.
    let tcp = Probe::Tcp {
        target: target("localhost", server.port),
    };
    let want = Probed::Tcp {
        connected: true,
        detail: String::new(),
    };
    assert_eq!(look_from(Network::Own, tcp, PATIENCE).await, want);
}

#[tokio::test]
async fn a_port_is_connected_or_refused() {
    let server = Server::start(|_| answer(200, "", "")).await;
    let look = async |port| {
        let target = target("127.0.0.1", port);
        look_from(Network::Own, Probe::Tcp { target }, PATIENCE).await
    };
    let want = Probed::Tcp {
        connected: true,
        detail: String::new(),
    };
    assert_eq!(look(server.port).await, want);
    let Probed::Tcp { connected, detail } = look(closed_port().await).await else {
        panic!("no finding");
    };
    assert!(!connected);
    assert!(detail.contains("Connection refused"), "{detail}");
}

fn task(id: &str) -> TaskId {
    let value = id.to_owned();
    TaskId { value }
}

/// What the driver hears next of a look.
async fn heard(wakes: &mut UnboundedReceiver<Wake>) -> (String, usize, Probed) {
    let wake = tokio::time::timeout(Duration::from_secs(20), wakes.recv());
    match wake.await.expect("no answer").expect("nobody answers") {
        Wake::Event(Event::Task {
            task_id,
            event: TaskEvent::Probed { check, outcome },
        }) => (task_id.value, check, outcome),
        _ => panic!("something else than a finding"),
    }
}

#[tokio::test]
async fn every_look_is_answered_once_also_one_that_is_called_off_or_comes_too_late() {
    let (to_driver, mut wakes) = unbounded_channel();
    let mut probes = Probes::new(Trust::default(), to_driver);
    let server = Server::start(|_| Reply::Hangs("")).await;
    let view = || Some(view(Network::Own));
    let hangs = Probe::Http(http(server.port, "/"));
    probes.begin(task("a"), 3, view(), hangs, None);
    let target = target("127.0.0.1", closed_port().await);
    probes.begin(
        task("a"),
        4,
        view(),
        Probe::Tcp {
            target: target.clone(),
        },
        None,
    );
    let (id, check, outcome) = heard(&mut wakes).await;
    assert_eq!((id.as_str(), check), ("a", 4));
    assert!(matches!(
        outcome,
        Probed::Tcp {
            connected: false,
            ..
        }
    ));

    probes.cancel(&task("a"), 3);
    let (id, check, outcome) = heard(&mut wakes).await;
    assert_eq!((id.as_str(), check), ("a", 3));
    assert!(matches!(outcome, Probed::Error { .. }));
    // It is through.
    probes.cancel(&task("a"), 4);

    probes.begin(task("b"), 0, None, Probe::Tcp { target }, None);
    let (id, _, outcome) = heard(&mut wakes).await;
    assert_eq!(
        (id, cause(outcome)),
        ("b".to_owned(), "the task has ended".to_owned())
    );
    assert!(wakes.try_recv().is_err(), "one look was answered twice");
    assert_eq!(probes.under_way.len(), 1, "what is through is kept");
}
