use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate for these names that vouches for itself, and what serves with it.
fn certificate(directory: &Path, name: &str) -> (PathBuf, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let path = directory.join(format!("{name}.pem"));
    std::fs::write(&path, cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (path, TlsAcceptor::from(Arc::new(config)))
}

/// Reads a call of one line of JSON, gives this answer, and tells the request.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0);
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8(request).unwrap()
}

const NOTHING: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
    {\"get_state\": {\"get_executors\": {}}}";

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn agent(address: &str, credential_file: Option<PathBuf>, ca_file: Option<PathBuf>) -> Agent {
    let access = Access {
        address: address.parse().unwrap(),
        credential_file,
        ca_file,
    };
    Agent::new(access).unwrap()
}

#[tokio::test]
async fn an_agent_is_asked_over_tls_with_the_credential_of_the_file_as_it_is_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, acceptor) = certificate(dir.path(), "127.0.0.1");
    let credential = dir.path().join("credential");
    std::fs::write(&credential, "first").unwrap();
    std::fs::set_permissions(&credential, PermissionsExt::from_mode(0o600)).unwrap();
    let (listener, port) = listen().await;
    let address = format!("https://127.0.0.1:{port}");
    let agent = agent(&address, Some(credential.clone()), Some(authority));
    for token in ["first", "second"] {
        std::fs::write(&credential, token).unwrap();
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            serve(acceptor.accept(stream).await.unwrap(), NOTHING).await
        };
        let (state, request) = tokio::join!(agent.state(), served);
        assert_eq!(state.unwrap().executors().count(), 0);
        let wanted = format!("authorization: bearer {token}\r\n");
        assert!(request.to_lowercase().contains(&wanted), "{request}");
    }
    assert!(!format!("{agent:?}").contains("second"));
}

#[tokio::test]
async fn an_agent_whose_certificate_nobody_trusted_vouches_for_or_that_has_another_name_is_not_asked()
 {
    let dir = tempfile::tempdir().unwrap();
    let (other_name, named_otherwise) = certificate(dir.path(), "agent.example.com");
    let (trusted, _) = certificate(dir.path(), "localhost");
    let (_, stranger) = certificate(dir.path(), "127.0.0.1");
    for (authority, acceptor) in [(other_name, named_otherwise), (trusted, stranger)] {
        let (listener, port) = listen().await;
        let agent = agent(&format!("https://127.0.0.1:{port}"), None, Some(authority));
        let served = async {
            let (stream, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(stream).await.is_err(), "the client went on");
        };
        let (state, ()) = tokio::join!(agent.state(), served);
        let error = state.unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("certificate"), "{error}: {cause}");
    }
}

#[test]
fn without_an_authority_to_trust_there_is_no_tls() {
    let access = Access {
        address: "https://127.0.0.1:5051".parse().unwrap(),
        credential_file: None,
        ca_file: None,
    };
    assert!(matches!(Agent::new(access), Err(TlsError::NoAuthority)));
}

#[tokio::test]
async fn a_credential_that_others_may_read_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let credential = dir.path().join("credential");
    std::fs::write(&credential, "token").unwrap();
    std::fs::set_permissions(&credential, PermissionsExt::from_mode(0o644)).unwrap();
    // Nobody listens there, which would be another error.
    let agent = agent("http://127.0.0.1:1", Some(credential), None);
    let error = agent.state().await.unwrap_err();
    assert!(matches!(error, AgentError::Credential(_)), "{error}");
}
