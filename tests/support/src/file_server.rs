//! A small HTTP server that offers files, for the URIs of an executor.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Offers files on a loopback port until it is dropped. It knows GET and the names that it was given, nothing else.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    offered: Arc<Offered>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The path of each offered file, by its name in the URL.
type Offered = Mutex<BTreeMap<String, PathBuf>>;

impl FileServer {
    /// Starts with nothing to offer.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("no free port on 127.0.0.1");
        let address = listener.local_addr().expect("a listener has an address");
        let offered = Arc::new(Offered::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (offered, is_over) = (Arc::clone(&offered), Arc::clone(&is_over));
            move || {
                for connection in listener.incoming().flatten() {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    let offered = Arc::clone(&offered);
                    // A client that goes away in the middle is no concern of the test's.
                    std::thread::spawn(move || drop(answer(&connection, &offered)));
                }
            }
        });
        Self {
            address,
            offered,
            is_over,
            thread: Some(thread),
        }
    }

    /// Offers a file under its own name and returns its URL. The file is read at each request.
    ///
    /// # Panics
    /// When the path has no file name.
    pub fn offer(&self, path: &Path) -> String {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let url = format!("{}/{name}", self.url());
        self.offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, path.to_owned());
        url
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut connection: &TcpStream, offered: &Offered) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|header| !header.is_empty())
    {}
    let name = request
        .strip_prefix("GET /")
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    let path = offered
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned();
    match path.map(fs::read) {
        Some(Ok(content)) => {
            write!(
                connection,
                "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n",
                content.len()
            )?;
            connection.write_all(&content)
        }
        Some(Err(_)) | None => write!(
            connection,
            "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        ),
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the thread up, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
