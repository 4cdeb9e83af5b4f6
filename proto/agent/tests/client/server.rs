//! An agent that answers what it is told to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesos_agent::{Access, Bounds, Client, Question};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// Nothing here comes near these.
pub(crate) const AMPLE: Bounds = Bounds {
    time: Duration::from_secs(60),
    bytes: 1 << 20,
};

pub(crate) const QUESTION: Question<'static> = Question::get("GET /containers", "/containers");

/// Listens on loopback.
pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A client of the agent at this port.
pub(crate) fn client(scheme: &str, port: u16, access: &Access) -> Client {
    let address = format!("{scheme}://127.0.0.1:{port}").parse().unwrap();
    Client::new(address, access).unwrap()
}

/// Reads the head of a request; `None` at the end of the connection.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8(request).unwrap())
}

/// Reads a request of a head alone, gives this answer as it stands, and tells the request.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answer: &str,
) -> String {
    let request = read_head(stream).await.unwrap();
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    request
}

/// An answer with this status and body.
pub(crate) fn with(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A file of its owner's alone.
pub(crate) fn private_file(directory: &Path, name: &str, content: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}
