//! Connections: kept, lost, with TLS.

use mesos_agent::tls::TlsError;
use mesos_agent::{Access, Client, ClientError, ErrorKind, Question};
use tokio::io::AsyncWriteExt;

use crate::certificates::Certificate;
use crate::server::{AMPLE, QUESTION, answer, client, listen, private_file, read_head, with};

#[tokio::test]
async fn an_agent_is_asked_over_tls_with_the_credential_of_the_file_as_it_is_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::of(dir.path(), "127.0.0.1");
    let (listener, port) = listen().await;
    let access = Access {
        credential_file: Some(private_file(dir.path(), "credential", "first")),
        ca_file: Some(certificate.file.clone()),
        identity: None,
    };
    let client = client("https", port, &access);
    for token in ["first", "second"] {
        private_file(dir.path(), "credential", token);
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = certificate.acceptor(None).accept(stream).await.unwrap();
            answer(&mut stream, &with("200 OK", "[]")).await
        };
        let (answer, request) = tokio::join!(client.ask(QUESTION, AMPLE), served);
        assert_eq!(answer.unwrap(), b"[]");
        let wanted = format!("authorization: bearer {token}\r\n");
        assert!(request.to_lowercase().contains(&wanted), "{request}");
    }
    assert!(!format!("{client:?}").contains("second"));
}

#[tokio::test]
async fn an_agent_that_wants_a_certificate_is_shown_ours() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::of(dir.path(), "127.0.0.1");
    let ours = Certificate::of(dir.path(), "collector");
    for identity in [Some(ours.identity()), None] {
        let is_known = identity.is_some();
        let (listener, port) = listen().await;
        let access = Access {
            ca_file: Some(certificate.file.clone()),
            identity,
            ..Access::default()
        };
        let client = client("https", port, &access);
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            let accepted = certificate.acceptor(Some(&ours)).accept(stream).await;
            assert_eq!(accepted.is_ok(), is_known);
            if let Ok(mut stream) = accepted {
                answer(&mut stream, &with("200 OK", "[]")).await;
            }
        };
        let (answer, ()) = tokio::join!(client.ask(QUESTION, AMPLE), served);
        assert_eq!(answer.is_ok(), is_known, "{answer:?}");
    }
}

#[tokio::test]
async fn an_agent_whose_certificate_nobody_trusted_vouches_for_or_that_has_another_name_is_not_asked()
 {
    let dir = tempfile::tempdir().unwrap();
    let other_name = Certificate::of(dir.path(), "agent.example.com");
    let trusted = Certificate::of(dir.path(), "localhost");
    let stranger = Certificate::of(dir.path(), "127.0.0.1");
    for (authority, server) in [(&other_name, &other_name), (&trusted, &stranger)] {
        let (listener, port) = listen().await;
        let access = Access {
            ca_file: Some(authority.file.clone()),
            ..Access::default()
        };
        let client = client("https", port, &access);
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            let accepted = server.acceptor(None).accept(stream).await;
            assert!(accepted.is_err(), "the client went on");
        };
        let (answer, ()) = tokio::join!(client.ask(QUESTION, AMPLE), served);
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.with_causes().contains("certificate"), "{error:?}");
    }
}

#[test]
fn without_an_authority_to_trust_there_is_no_tls() {
    let address = "https://127.0.0.1:5051".parse().unwrap();
    let refused = Client::new(address, &Access::default());
    assert!(matches!(refused, Err(TlsError::NoAuthority)));
}

#[test]
fn a_key_that_others_may_read_or_that_is_none_is_refused_and_not_shown() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let ours = Certificate::of(dir.path(), "collector");
    let refused = || {
        let access = Access {
            ca_file: Some(ours.file.clone()),
            identity: Some(ours.identity()),
            ..Access::default()
        };
        let made = Client::new("https://127.0.0.1:5051".parse().unwrap(), &access);
        made.unwrap_err()
    };
    let key = std::fs::read_to_string(&ours.key_file).unwrap();
    let cut = &key[..key.len() / 2];
    private_file(dir.path(), "collector.key", cut);
    let error = refused();
    assert!(matches!(error, TlsError::NoKey { .. }), "{error:?}");
    let secret = cut.lines().nth(1).unwrap();
    assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    std::fs::set_permissions(&ours.key_file, PermissionsExt::from_mode(0o640)).unwrap();
    assert!(matches!(refused(), TlsError::KeyFile(_)));
}

#[tokio::test]
async fn one_connection_is_kept_from_question_to_question() {
    let (listener, port) = listen().await;
    let mut kept = client("http", port, &Access::default()).keep();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for body in ["[]", "[1]", "[2]"] {
            answer(&mut stream, &with("200 OK", body)).await;
        }
    };
    let asked = async {
        for body in ["[]", "[1]", "[2]"] {
            assert_eq!(
                kept.ask(QUESTION, AMPLE).await.unwrap().body,
                body.as_bytes()
            );
        }
    };
    tokio::join!(served, asked);
}

#[tokio::test]
async fn an_agent_that_closes_the_kept_connection_with_a_question_on_it_is_asked_again() {
    let (listener, port) = listen().await;
    let mut kept = client("http", port, &Access::default()).keep();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, &with("200 OK", "[]")).await;
        // The question is read, and never answered.
        read_head(&mut stream).await.unwrap();
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, &with("200 OK", "[1]")).await;
    };
    let asked = async {
        assert_eq!(kept.ask(QUESTION, AMPLE).await.unwrap().body, b"[]");
        assert_eq!(kept.ask(QUESTION, AMPLE).await.unwrap().body, b"[1]");
    };
    tokio::join!(served, asked);
}

#[tokio::test]
async fn what_is_asked_once_is_sent_once_whatever_comes_of_it() {
    let (listener, port) = listen().await;
    let client = client("http", port, &Access::default());
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.shutdown().await.unwrap();
        drop(stream);
        listener
    };
    let call = Question::call("KILL_CONTAINER", "{}");
    let (answer, listener) = tokio::join!(client.ask(call, AMPLE), served);
    assert!(
        matches!(answer, Err(ClientError::Http { .. })),
        "{answer:?}"
    );
    // A second connection would be waiting by now.
    let second = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept());
    assert!(second.await.is_err());
}
