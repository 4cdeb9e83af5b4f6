//! Answers that are none.

use std::time::Duration;

use mesos_agent::{Access, Bounds, ClientError, ErrorKind, Stage};
use tokio::io::AsyncWriteExt;

use crate::server::{AMPLE, QUESTION, answer, client, listen, private_file, read_head, with};

/// What comes of this answer, as it stands; then the agent closes.
async fn comes_of(said: &str, bounds: Bounds, access: &Access) -> ClientError {
    let (listener, port) = listen().await;
    let client = client("http", port, access);
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, said).await;
        stream.shutdown().await.unwrap();
    };
    let (answer, ()) = tokio::join!(client.ask(QUESTION, bounds), served);
    answer.unwrap_err()
}

#[tokio::test]
async fn each_way_of_not_answering_is_an_error_of_its_own_kind() {
    let few = Bounds { bytes: 4, ..AMPLE };
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[";
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n     \r\n";
    let cases = [
        (
            with("401 Unauthorized", "who?"),
            AMPLE,
            ErrorKind::Unauthorized,
        ),
        (with("403 Forbidden", ""), AMPLE, ErrorKind::Forbidden),
        (
            with("503 Service Unavailable", "soon"),
            AMPLE,
            ErrorKind::NotReady,
        ),
        (
            with("500 Internal Server Error", ""),
            AMPLE,
            ErrorKind::Status,
        ),
        (with("301 Moved", ""), AMPLE, ErrorKind::Status),
        (with("200 OK", "[1,2]"), few, ErrorKind::TooLarge),
        (endless.to_owned(), few, ErrorKind::TooLarge),
        (cut.to_owned(), AMPLE, ErrorKind::CutShort),
        ("SSH-2.0-nobody\r\n".to_owned(), AMPLE, ErrorKind::Http),
        (String::new(), AMPLE, ErrorKind::Http),
    ];
    for (said, bounds, kind) in cases {
        let error = comes_of(&said, bounds, &Access::default()).await;
        assert_eq!(error.kind(), kind, "{said}: {error:?}");
    }
}

#[tokio::test]
async fn an_agent_that_hangs_is_given_up_and_what_was_waited_for_is_told() {
    let (listener, port) = listen().await;
    let client = client("http", port, &Access::default());
    let bounds = Bounds {
        time: Duration::from_millis(100),
        ..AMPLE
    };
    for (said, stage) in [
        ("", Stage::Waiting),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[",
            Stage::Reading,
        ),
    ] {
        let (answer, closed) = tokio::join!(client.ask(QUESTION, bounds), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer(&mut stream, said).await;
            // Until the client hangs up, which it does for good.
            read_head(&mut stream).await
        });
        let error = answer.unwrap_err();
        assert!(
            matches!(error, ClientError::TimedOut { stage: told, .. } if told == stage),
            "{error:?}"
        );
        assert_eq!(closed, None);
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_named() {
    let (listener, port) = listen().await;
    drop(listener);
    let client = client("http", port, &Access::default());
    let error = client.ask(QUESTION, AMPLE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn a_secret_that_an_agent_sends_back_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    // The last one begins within the excerpt and ends beyond it; letters of several bytes must not stretch that.
    let far = "\u{e9}".repeat(95);
    for (content, echoed) in [
        (
            "{\"principal\":\"me\",\"secret\":\"hush-hush\"}",
            "no hush-hush here",
        ),
        ("me hush-hush", "no Basic bWU6aHVzaC1odXNo"),
        ("hush-hush-hush-token", "no Bearer hush-hush-hush-token"),
        (
            "hush-hush-hush-token",
            &format!("no {far}hush-hush-hush-token"),
        ),
        (
            "hush-hush-hush-token",
            &format!("no {far}{far}hush-hush-hush-token"),
        ),
    ] {
        let access = Access {
            credential_file: Some(private_file(dir.path(), "credential", content)),
            ..Access::default()
        };
        for status in ["401 Unauthorized", "503 Service Unavailable"] {
            let error = comes_of(&with(status, echoed), AMPLE, &access).await;
            let shown = format!("{} {error:?}", error.with_causes());
            assert!(shown.contains("no "), "{shown}");
            for secret in ["hush", "bWU6"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn a_credential_that_others_may_read_is_not_sent() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = private_file(dir.path(), "credential", "token");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let access = Access {
        credential_file: Some(path),
        ..Access::default()
    };
    // Nobody listens there, which would be another error.
    let error = client("http", 1, &access)
        .ask(QUESTION, AMPLE)
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Credential(_)), "{error}");
}
