//! Files of HTTP servers, also of slow, lying and hostile ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dialect::Uri;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::sandbox::{Sandbox, uri};
use crate::server::{Server, give, say};

#[test]
fn a_file_of_a_server_is_named_by_its_url_and_may_not_be_executed() {
    let server = Server::new(|request, connection| {
        assert!(
            request.starts_with("GET /files/app.jar HTTP/1.1\r\n"),
            "{request}"
        );
        give(connection, b"content");
    });
    let mut sandbox = Sandbox::new();
    let summary = sandbox.fetch([uri(server.url("/files/app.jar"))]).unwrap();
    assert_eq!(summary.bytes, 7);
    assert_eq!(sandbox.read("app.jar"), "content");
    assert_eq!(sandbox.mode("app.jar"), 0o644);
}

#[test]
fn a_body_that_ends_with_the_connection_or_comes_in_chunks_is_whole() {
    let server = Server::new(|request, connection| {
        let answer = if request.contains("chunks") {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n"
        } else {
            "HTTP/1.0 200 OK\r\n\r\ncontent"
        };
        connection.write_all(answer.as_bytes()).unwrap();
    });
    let mut sandbox = Sandbox::new();
    sandbox
        .fetch([uri(server.url("/chunks")), uri(server.url("/close"))])
        .unwrap();
    assert_eq!(
        (sandbox.read("chunks"), sandbox.read("close")),
        ("content".into(), "content".into())
    );
}

#[test]
fn any_status_but_200_is_a_failure_that_says_which() {
    let server = Server::new(|request, connection| match request {
        _ if request.contains("/moved") => {
            say(connection, "302 Found\r\nLocation: /gone?sig=secret");
        }
        _ if request.contains("/partial") => say(connection, "206 Partial Content"),
        _ => say(connection, "404 Not Found"),
    });
    let mut sandbox = Sandbox::new();
    let here = server.address;
    let cases = [
        (
            "/none",
            "the server answered with HTTP status 404".to_owned(),
        ),
        (
            "/partial",
            "the server answered with HTTP status 206".to_owned(),
        ),
        (
            "/moved",
            format!(
                "the server answered with HTTP status 404 at 'http://{here}/gone?...', where it was redirected"
            ),
        ),
    ];
    for (path, reason) in cases {
        let url = format!("http://user:secret@{here}{path}");
        assert_eq!(
            sandbox.refused(uri(url)),
            format!("failed to fetch 'http://{here}{path}': {reason}")
        );
    }
    assert!(sandbox.names().is_empty());
}

#[test]
fn redirects_are_followed_and_end() {
    let server = Server::new(|request, connection| match request {
        _ if request.starts_with("GET /loop") => say(connection, "301 Moved\r\nLocation: /loop"),
        _ if request.starts_with("GET /file") => {
            say(connection, "307 Temporary\r\nLocation: there/content");
        }
        _ if request.starts_with("GET /local") => {
            say(connection, "302 Found\r\nLocation: file:///etc/passwd");
        }
        _ => give(connection, b"content"),
    });
    let mut sandbox = Sandbox::new();
    sandbox.fetch([uri(server.url("/file"))]).unwrap();
    assert_eq!(sandbox.read("file"), "content");
    let error = sandbox.refused(uri(server.url("/loop")));
    assert!(error.ends_with(": more than 20 redirects"), "{error}");
    sandbox.refused(uri(server.url("/local")));
    assert_eq!(sandbox.names(), ["file"]);
}

#[test]
fn user_and_password_go_to_the_server_of_the_url_and_nowhere_else() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let other = {
        let seen = Arc::clone(&seen);
        Server::new(move |request, connection| {
            seen.lock().unwrap().push(request.to_ascii_lowercase());
            give(connection, b"");
        })
    };
    let location = other.url("/file").replace("127.0.0.1", "localhost");
    let server = {
        let seen = Arc::clone(&seen);
        Server::new(move |request, connection| {
            seen.lock().unwrap().push(request.to_ascii_lowercase());
            say(connection, &format!("302 Found\r\nLocation: {location}"));
        })
    };
    let mut sandbox = Sandbox::new();
    sandbox
        .fetch([uri(server
            .url("/file")
            .replace("http://", "http://me:secret@"))])
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen[0].contains("authorization: basic bwu6c2vjcmv0"),
        "{}",
        seen[0]
    );
    assert!(!seen[1].contains("authorization"), "{}", seen[1]);
    assert!(
        !sandbox.log.join("\n").contains("secret"),
        "{:?}",
        sandbox.log
    );
}

#[test]
fn a_query_string_is_neither_told_in_the_log_nor_in_an_error() {
    let server = Server::new(|_, connection| give(connection, b"no archive"));
    let mut sandbox = Sandbox::new();
    sandbox
        .fetch([uri(server.url("/file?sig=secret"))])
        .unwrap();
    assert_eq!(sandbox.read("file?sig=secret"), "no archive");
    // The name that a query string gives ends like that of an archive, and its content is none.
    let reason = sandbox.refused(uri(server.url("/file?sig=secret.tgz")));
    assert!(reason.contains("extract 'file?...'"), "{reason}");
    let told = sandbox.log.join("\n");
    assert!(told.contains("file?..."), "{told}");
    assert!(!told.contains("secret") && !reason.contains("secret"));
}

#[test]
fn a_body_shorter_than_announced_is_a_failure_that_leaves_nothing() {
    let server = Server::new(|_, connection| {
        connection
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour")
            .unwrap();
    });
    let mut sandbox = Sandbox::new();
    let error = sandbox.refused(uri(server.url("/file")));
    assert!(
        error.ends_with(": the server sent 4 bytes and announced 10"),
        "{error}"
    );
    assert!(sandbox.names().is_empty());
}

#[test]
fn a_body_too_large_for_the_quota_is_not_even_begun_and_one_without_end_is_cut_off() {
    let server = Server::new(|request, connection| {
        if request.contains("announced") {
            connection
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
                .unwrap();
            return;
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        // Ends when the client has gone.
        while connection.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let mut sandbox = Sandbox::new();
    sandbox.order.quota = Some(1_000_000);
    let error = sandbox.refused(uri(server.url("/announced")));
    assert!(
        error.contains(": 99999999 bytes, which do not fit the 1000000 bytes left"),
        "{error}"
    );
    let error = sandbox.refused(uri(server.url("/endless")));
    assert!(
        error.ends_with(": more than the 1000000 bytes of disk that the task may use"),
        "{error}"
    );
    assert!(sandbox.names().is_empty());
}

#[test]
fn a_server_that_falls_silent_or_dawdles_is_given_up() {
    let server = Server::new(|request, connection| {
        let start: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc";
        if !request.contains("mute") {
            connection.write_all(start).unwrap();
        }
        if request.contains("slow") {
            while connection
                .write_all(b"x")
                .and_then(|()| connection.flush())
                .is_ok()
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            return;
        }
        // Until the client hangs up.
        let _ = connection.read(&mut [0]);
    });
    let mut sandbox = Sandbox::new();
    sandbox.order.stall_timeout = Duration::from_millis(300);
    let error = sandbox.refused(uri(server.url("/silent")));
    assert!(
        error.ends_with(": nothing from the server for 0.3 s, after 3 bytes"),
        "{error}"
    );
    let error = sandbox.refused(uri(server.url("/mute")));
    assert!(
        error.ends_with(": nothing from the server for 0.3 s, after 0 bytes"),
        "{error}"
    );
    sandbox.order.timeout = Some(Duration::from_millis(500));
    let error = sandbox.refused(uri(server.url("/slow")));
    assert!(
        error.contains("not done in time, after ") || error.ends_with("not done after 0.5 s"),
        "{error}"
    );
    assert!(sandbox.names().is_empty());
}

#[test]
fn a_refused_connection_and_an_unknown_host_are_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut sandbox = Sandbox::new();
    let error = sandbox.refused(uri(format!("http://{closed}/file")));
    assert!(error.contains("Connection refused"), "{error}");
    let error = sandbox.refused(uri("http://no such host/file"));
    assert!(error.ends_with(": not a valid URL"), "{error}");
}

#[test]
fn a_proxy_is_asked_for_the_connection_unless_the_host_is_excepted() {
    let server = Server::new(|_, connection| give(connection, b"direct"));
    let proxy = Server::new(|request, connection| {
        assert!(
            request.starts_with("CONNECT files.example.com:80 "),
            "{request}"
        );
        assert!(
            request.contains("Proxy-Authorization: Basic bWU6c2VjcmV0"),
            "{request}"
        );
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut request = [0; 4096];
        let length = connection.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /file"));
        give(connection, b"by proxy");
    });
    let mut sandbox = Sandbox::new();
    sandbox.order.proxies.http = Some(proxy.url("").replace("http://", "http://me:secret@"));
    sandbox.order.proxies.except = vec!["127.0.0.1".to_owned()];
    sandbox
        .fetch([uri("http://files.example.com/file")])
        .unwrap();
    assert_eq!(sandbox.read("file"), "by proxy");
    sandbox.fetch([uri(server.url("/file"))]).unwrap();
    assert_eq!(sandbox.read("file"), "direct");
}

#[test]
fn https_is_verified_against_the_bundle_and_refused_without() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let server = Server::tls(config, |_, connection| give(connection, b"content"));
    let url = server.url("/file").replace("127.0.0.1", "localhost");

    let mut sandbox = Sandbox::new();
    let bundles = tempfile::TempDir::new().unwrap();
    let bundle = bundles.path().join("ours.pem");
    std::fs::write(&bundle, format!("# ours\n{}", cert.pem())).unwrap();
    sandbox.order.ca_bundle = Some(bundle);
    sandbox.fetch([uri(&url)]).unwrap();
    assert_eq!(sandbox.read("file"), "content");
    // The certificate is one of localhost, not of the address.
    let error = sandbox.refused(uri(server.url("/file")));
    assert!(error.contains("certificate"), "{error}");

    let other = bundles.path().join("other.pem");
    let stranger = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&other, stranger.cert.pem()).unwrap();
    sandbox.order.ca_bundle = Some(other);
    let error = sandbox.refused(uri(&url));
    assert!(
        error.contains("UnknownIssuer") || error.contains("certificate"),
        "{error}"
    );

    let empty = bundles.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    sandbox.order.ca_bundle = Some(empty.clone());
    let error = sandbox.refused(uri(&url));
    assert!(
        error.ends_with(&format!(
            "no certificate of an authority in {}",
            empty.display()
        )),
        "{error}"
    );
}

#[test]
fn what_is_fetched_may_be_an_executable_in_a_directory() {
    let server = Server::new(|_, connection| give(connection, b"#!/bin/sh\n"));
    let mut sandbox = Sandbox::new();
    sandbox
        .fetch([Uri {
            executable: true,
            output_file: Some("bin/deep/app".into()),
            ..uri(server.url("/x?v=1"))
        }])
        .unwrap();
    assert_eq!(sandbox.mode("bin/deep/app"), 0o755);
}
