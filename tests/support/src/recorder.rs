//! Stands between a client and a server of HTTP, changes nothing, and keeps what was asked and answered.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A question and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request's first line: `GET /metrics/snapshot HTTP/1.1`.
    pub request: String,
    /// The request's body.
    pub asked: Vec<u8>,
    /// The answer's body.
    pub answered: Vec<u8>,
}

/// A proxy for one server. Its threads end with the connections that they serve.
pub struct Recorder {
    port: u16,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    /// Listens on a free loopback port in the place of this server, `HOST:PORT`.
    ///
    /// # Panics
    /// When there is no port.
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("no free port on 127.0.0.1");
        let port = listener.local_addr().expect("its own address").port();
        let exchanges = Arc::<Mutex<Vec<Exchange>>>::default();
        let (kept, server) = (Arc::clone(&exchanges), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (kept, server) = (Arc::clone(&kept), server.clone());
                // A connection that breaks is for the client to see.
                thread::spawn(move || serve(&client, &server, &kept));
            }
        });
        Self { port, exchanges }
    }

    /// `http://127.0.0.1:PORT`, where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All of them so far, in the order of their answers.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let exchanges = self.exchanges.lock();
        exchanges.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(client: &TcpStream, server: &str, kept: &Mutex<Vec<Exchange>>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(&server));
    loop {
        let (head, asked) = message(&mut requests)?;
        (&server).write_all(head.as_bytes())?;
        (&server).write_all(&asked)?;
        let request = head.lines().next().unwrap_or_default().to_owned();
        let (head, answered) = message(&mut answers)?;
        // Kept before it is passed on: whatever the client makes of it comes later.
        let exchange = Exchange {
            request,
            asked,
            answered: answered.clone(),
        };
        let mut all = kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(exchange);
        drop(all);
        let mut client = client;
        client.write_all(head.as_bytes())?;
        client.write_all(&answered)?;
    }
}

/// A head and a body whose length it tells, as Mesos and its clients send them.
fn message(from: &mut impl BufRead) -> io::Result<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body)?;
    Ok((head, body))
}
