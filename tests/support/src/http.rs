//! A small HTTP client: what the fixtures ask of Mesos and Graphite, from synchronous code and from tasks.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

/// The threads behind the synchronous face.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("test-support")
        .enable_all()
        .build()
        .expect("cannot start the threads of test-support")
});

/// Why a request has no good answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Nobody listens there, or not any more.
    #[error("cannot connect to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The request could not be made, or the connection broke before the answer was whole.
    #[error("no answer from {authority}")]
    Exchange {
        /// Host and port.
        authority: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Any answer but 2xx.
    #[error("{status} from {authority}: {body}")]
    Refused {
        /// Host and port.
        authority: String,
        /// The status code.
        status: StatusCode,
        /// What it said.
        body: String,
    },
}

/// Sends one request on a connection of its own; the answer's body is still to be read.
pub(crate) async fn open(
    authority: &str,
    method: &str,
    path: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Response<Incoming>, HttpError> {
    let mut sender = connect(authority).await?;
    send(&mut sender, authority, method, path, headers, body).await
}

/// A connection that is kept for the next request and made anew when it is gone, as a scheduler's library has one for its
/// calls. One request at a time.
pub(crate) struct Kept {
    authority: String,
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Kept {
    pub(crate) fn to(authority: String) -> Self {
        Self {
            authority,
            sender: Mutex::new(None),
        }
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Posts and wants a good answer, whatever it says.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(), HttpError> {
        let mut kept = self.sender.lock().await;
        let mut sender = match kept.take() {
            Some(sender) if !sender.is_closed() => sender,
            Some(_) | None => connect(&self.authority).await?,
        };
        if sender.ready().await.is_err() {
            sender = connect(&self.authority).await?;
        }
        let answer = send(&mut sender, &self.authority, "POST", path, headers, body).await?;
        let body = answer.into_body().collect().await;
        body.map_err(broken(&self.authority))?;
        *kept = Some(sender);
        Ok(())
    }
}

async fn connect(authority: &str) -> Result<SendRequest<Full<Bytes>>, HttpError> {
    let stream = TcpStream::connect(authority)
        .await
        .map_err(|source| HttpError::Connect {
            authority: authority.to_owned(),
            source,
        })?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken(authority))?;
    // It ends when the sender is dropped and the last answer's body has been read or dropped.
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    authority: &str,
    method: &str,
    path: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Response<Incoming>, HttpError> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", authority)
        .body(Full::new(Bytes::from(body)))
        .map_err(broken(authority))?;
    request.headers_mut().extend(headers);
    let response = sender
        .send_request(request)
        .await
        .map_err(broken(authority))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(broken(authority))?
        .to_bytes();
    Err(HttpError::Refused {
        authority: authority.to_owned(),
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Gets a whole document.
pub(crate) fn get(authority: &str, path: &str) -> Result<Bytes, HttpError> {
    exchange(authority, "GET", path, HeaderMap::new(), Vec::new())
}

/// Posts what a form says and gets the whole answer.
pub(crate) fn post_form(authority: &str, path: &str, form: &str) -> Result<Bytes, HttpError> {
    let encoding = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, encoding)]);
    exchange(authority, "POST", path, headers, form.as_bytes().to_vec())
}

fn exchange(
    authority: &str,
    method: &str,
    path: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Bytes, HttpError> {
    RUNTIME.block_on(async {
        let response = open(authority, method, path, headers, body).await?;
        Ok(response
            .into_body()
            .collect()
            .await
            .map_err(broken(authority))?
            .to_bytes())
    })
}

fn broken<E: std::error::Error + Send + Sync + 'static>(
    authority: &str,
) -> impl FnOnce(E) -> HttpError {
    let authority = authority.to_owned();
    move |source| HttpError::Exchange {
        authority,
        source: Box::new(source),
    }
}
