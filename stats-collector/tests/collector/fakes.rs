//! An agent that says what it is told to, and a carbon that writes down what it hears.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// Whose the containers of the samples are.
const STATE: &str = include_str!("../../src/scrape/samples/state.json");

/// Longer than anything here should ever take.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// How the agent answers one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// 200 with this body.
    Body(Arc<str>),
    /// 200 with this body, after which the agent closes the connection unasked.
    BodyThenClose(Arc<str>),
    /// Announces more than it sends, and closes.
    CutShort(Arc<str>),
    /// Begins a reply that never ends.
    Endless,
    /// Another status, with a body.
    Status(u16, &'static str),
    /// 200 with what is made of how many questions of the kind came before.
    Made(Arc<Making>),
    /// 200 with bytes that need be no text.
    Bytes(Arc<[u8]>),
    /// A status with the question for a body, as some proxies answer.
    Echo(u16),
    /// Another answer, so much later.
    Late(Duration, Box<Reply>),
    /// Nothing, until the client gives up.
    Hang,
}

type Making = dyn Fn(usize) -> String + Send + Sync;

/// A listener whose threads end when it is dropped.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn start(address: &str, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let thread = {
            let (ended, serve) = (Arc::clone(&ended), Arc::new(serve));
            spawn(move || {
                for stream in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        break;
                    }
                    let serve = Arc::clone(&serve);
                    spawn(move || serve(stream.unwrap()));
                }
            })
        };
        Self {
            address,
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes it from accepting.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What an agent says to each question: one reply a request, and the last one ever after.
pub(crate) struct Says {
    /// Which containers there are.
    pub(crate) list: Vec<Reply>,
    /// Whose they are.
    pub(crate) state: Vec<Reply>,
    /// Its own metrics.
    pub(crate) metrics: Vec<Reply>,
}

pub(crate) struct Agent {
    listener: Listener,
    /// Those that a list was asked for over.
    connections: Arc<AtomicUsize>,
    /// Those that anything was asked for over.
    all_connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    /// Says these lists, knows the containers of the samples, and has no metrics.
    pub(crate) fn start(list: impl IntoIterator<Item = Reply>) -> Self {
        Self::saying(Says {
            list: list.into_iter().collect(),
            state: vec![Reply::Body(Arc::from(STATE))],
            metrics: vec![Reply::Body(Arc::from("{}"))],
        })
    }

    pub(crate) fn saying(says: Says) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (count, log) = (Arc::clone(&connections), Arc::clone(&requests));
        let all_connections = Arc::new(AtomicUsize::new(0));
        let count_all = Arc::clone(&all_connections);
        let listener = Listener::start("127.0.0.1:0", move |stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut writer = stream;
            let (mut is_counted, mut is_new) = (false, true);
            while let Some(request) = read_request(&mut reader) {
                if std::mem::take(&mut is_new) {
                    count_all.fetch_add(1, Ordering::SeqCst);
                }
                let about = About::of(&request);
                if about == About::List && !is_counted {
                    is_counted = true;
                    count.fetch_add(1, Ordering::SeqCst);
                }
                let replies = match about {
                    About::List => &says.list,
                    About::State => &says.state,
                    About::Metrics => &says.metrics,
                };
                let turn = {
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    let same = log.iter().filter(|request| About::of(request) == about);
                    same.count() - 1
                };
                let reply = &replies[turn.min(replies.len() - 1)];
                let asked = Asked {
                    before: turn,
                    request: &request,
                };
                if give(reply, asked, &mut writer, &mut reader).is_none() {
                    break;
                }
            }
        });
        Self {
            listener,
            connections,
            all_connections,
            requests,
        }
    }

    /// `HOST:PORT`
    pub(crate) fn place(&self) -> String {
        self.listener.address.to_string()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn all_connections(&self) -> usize {
        self.all_connections.load(Ordering::SeqCst)
    }

    /// Every request so far, whole.
    pub(crate) fn all_requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until so many lists were asked for.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        let started = Instant::now();
        while self.requests().len() < count {
            assert!(started.elapsed() < LONG, "nobody asks the agent");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Requests for lists so far, whole.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests_about(About::List)
    }

    pub(crate) fn requests_about(&self, about: About) -> Vec<String> {
        let mut requests = self.requests.lock().unwrap().clone();
        requests.retain(|request| About::of(request) == about);
        requests
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    List,
    State,
    Metrics,
}

impl About {
    fn of(request: &str) -> Self {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path.split('?').next() {
            Some("/slave(1)/state") => Self::State,
            Some("/metrics/snapshot") => Self::Metrics,
            _ => Self::List,
        }
    }
}

/// `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let lower = request.to_lowercase();
    let length = lower.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(request + &String::from_utf8(body).unwrap())
}

/// A question.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// How many of its kind came before.
    before: usize,
    request: &'a str,
}

/// `None` if the connection is to be closed.
fn give(
    reply: &Reply,
    asked: Asked<'_>,
    writer: &mut TcpStream,
    reader: &mut impl Read,
) -> Option<()> {
    let head = |status: u16, length: usize| {
        format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n\r\n")
    };
    match reply {
        Reply::Body(body) => {
            writer.write_all(head(200, body.len()).as_bytes()).ok()?;
            writer.write_all(body.as_bytes()).ok()
        }
        Reply::BodyThenClose(body) => {
            writer.write_all(head(200, body.len()).as_bytes()).ok()?;
            writer.write_all(body.as_bytes()).ok()?;
            None
        }
        Reply::CutShort(body) => {
            writer
                .write_all(head(200, body.len() + 1).as_bytes())
                .ok()?;
            writer.write_all(body.as_bytes()).ok()?;
            None
        }
        Reply::Endless => {
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            writer.write_all(head.as_bytes()).ok()?;
            loop {
                writer.write_all(chunk.as_bytes()).ok()?;
            }
        }
        Reply::Status(status, body) => {
            writer
                .write_all(head(*status, body.len()).as_bytes())
                .ok()?;
            writer.write_all(body.as_bytes()).ok()
        }
        Reply::Made(make) => {
            let body = make(asked.before);
            writer.write_all(head(200, body.len()).as_bytes()).ok()?;
            writer.write_all(body.as_bytes()).ok()
        }
        Reply::Bytes(body) => {
            writer.write_all(head(200, body.len()).as_bytes()).ok()?;
            writer.write_all(body).ok()
        }
        Reply::Echo(status) => {
            let body = asked.request;
            writer
                .write_all(head(*status, body.len()).as_bytes())
                .ok()?;
            writer.write_all(body.as_bytes()).ok()
        }
        Reply::Late(by, reply) => {
            std::thread::sleep(*by);
            give(reply, asked, writer, reader)
        }
        Reply::Hang => {
            let _ = reader.read(&mut [0]);
            None
        }
    }
}

/// A place where nobody listens.
pub(crate) fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
