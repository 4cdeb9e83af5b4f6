//! A small server to fetch from.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::sandbox::PATIENCE;

/// What a client is connected by, encrypted or not.
pub(crate) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// Answers one request after the other, each on a connection of its own, as `answer` says. It is given the first line
/// and the headers of the request.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(answer: impl FnMut(&str, &mut dyn Connection) + Send + 'static) -> Self {
        Self::start("http", answer, |stream| Box::new(stream))
    }

    pub(crate) fn tls(
        config: ServerConfig,
        answer: impl FnMut(&str, &mut dyn Connection) + Send + 'static,
    ) -> Self {
        let config = Arc::new(config);
        Self::start("https", answer, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(StreamOwned::new(connection, stream))
        })
    }

    fn start(
        scheme: &'static str,
        mut answer: impl FnMut(&str, &mut dyn Connection) + Send + 'static,
        wrap: impl Fn(TcpStream) -> Box<dyn Connection> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                let mut stream = BufReader::new(wrap(stream));
                let mut request = String::new();
                // A client that does not trust us says nothing.
                while stream
                    .read_line(&mut request)
                    .is_ok_and(|length| length > 2)
                {}
                if request.starts_with("STOP") {
                    return;
                }
                if !request.is_empty() {
                    answer(&request, stream.get_mut());
                }
            }
        });
        Self {
            address,
            scheme,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped =
            TcpStream::connect(self.address).and_then(|mut stream| stream.write_all(b"STOP\n\n"));
        // An encrypted server does not understand this; it ends with the test program.
        if self.scheme == "http" && stopped.is_ok() && !std::thread::panicking() {
            self.thread.take().unwrap().join().unwrap();
        }
    }
}

/// A whole answer.
pub(crate) fn give(connection: &mut dyn Connection, content: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    // The client may have gone.
    let _ = connection
        .write_all(head.as_bytes())
        .and_then(|()| connection.write_all(content))
        .and_then(|()| connection.flush());
}

/// An answer without content.
pub(crate) fn say(connection: &mut dyn Connection, head: &str) {
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = connection
        .write_all(answer.as_bytes())
        .and_then(|()| connection.flush());
}
