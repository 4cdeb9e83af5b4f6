//! As much of HTTP/1.1 as an agent needs towards an executor: requests with a length, answers with a length, and a stream
//! in chunks.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use mesos_proto::prost::Message;
use mesos_proto::v1::executor::Event;

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next request; nothing when the connection was closed between two of them.
    pub(crate) fn read(from: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next(), words.next());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self {
            method: method.unwrap_or_default(),
            path: path.unwrap_or_default(),
            headers,
            body: Vec::new(),
        };
        let length = request.header("content-length").unwrap_or("0");
        let length = length.parse().map_err(io::Error::other)?;
        request.body.resize(length, 0);
        from.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// The value of a header; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Answers a request with a status and a text.
pub(crate) fn answer(socket: &mut TcpStream, status: u16, text: &str) -> io::Result<()> {
    let length = text.len();
    let head = format!("HTTP/1.1 {status} As Told\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all(format!("{head}{text}").as_bytes())
}

/// The answer to a SUBSCRIBE, which does not end.
pub(crate) struct Stream {
    /// The number of the connection it is on.
    pub(crate) connection: usize,
    socket: TcpStream,
}

impl Stream {
    /// Answers with 200 and nothing yet.
    pub(crate) fn begin(connection: usize, mut socket: TcpStream) -> io::Result<Self> {
        socket.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        Ok(Self { connection, socket })
    }

    /// Sends bytes as one chunk.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.socket.write_all(&chunk)
    }

    /// Sends every byte in a chunk of its own, and every byte of that in a packet of its own.
    pub(crate) fn trickle(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            for one in [b'1', b'\r', b'\n', *byte, b'\r', b'\n'] {
                self.socket.write_all(&[one])?;
            }
        }
        Ok(())
    }

    /// Closes the connection without ending the answer.
    pub(crate) fn cut(self) {
        // It may be closed from the other side.
        let _closed = self.socket.shutdown(Shutdown::Both);
    }
}

/// An event as RecordIO has it (Mesos: docs/executor-http-api.md).
pub(crate) fn record(event: &Event) -> Vec<u8> {
    let bytes = event.encode_to_vec();
    let mut record = format!("{}\n", bytes.len()).into_bytes();
    record.extend_from_slice(&bytes);
    record
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, self.headers)
    }
}
