//! Asking an HTTP server how it does.
//!
//! A GET by HTTP/1.1 on a connection of its own, redirects followed as Mesos's executors do with curl's `-L` (Mesos:
//! src/checks/checker_process.cpp). What a server sends is bounded: its headers, its redirects, and of its body only
//! the begin is looked at.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dialect::HttpProbe;
use executor_core::Probed;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName,
    InvalidHeaderValue, LOCATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::netns::Network;
use super::tcp::{self, TcpError};
use super::tls::{self, TlsError, Trust};
use super::url::{Url, UrlError};

/// How often a check is sent on.
const MOST_REDIRECTS: usize = 10;

/// The most that an answer's headers may be, in bytes.
const HEADERS_LIMIT: usize = 64 << 10;

/// How much of a body is taken, in bytes, and for how long, so that a server that has little to say can end in peace.
const BODY_LIMIT: usize = 64 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of a body is told, in bytes.
const BODY_TOLD: usize = 512;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("no header can have the name '{name}': {source}")]
    HeaderName {
        name: String,
        source: InvalidHeaderName,
    },
    // Its value may be a secret.
    #[error("the value of header '{name}' is not one that a header can have: {source}")]
    HeaderValue {
        name: String,
        source: InvalidHeaderValue,
    },
    #[error(transparent)]
    Connect(#[from] TcpError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("ask {url}: {}", Chain(.source))]
    Exchange { url: String, source: hyper::Error },
    #[error("redirected more than {MOST_REDIRECTS} times, at last to {url}")]
    Redirects { url: String },
}

/// Hyper says what went wrong in the error's own source.
struct Chain<'a>(&'a hyper::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        match std::error::Error::source(self.0) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

/// Asks once, following redirects.
pub(super) async fn look(network: &Network, trust: &Trust, probe: &HttpProbe) -> Probed {
    match ask(network, trust, probe).await {
        Ok(probed) => probed,
        Err(error) => Probed::Error {
            message: error.to_string(),
        },
    }
}

async fn ask(network: &Network, trust: &Trust, probe: &HttpProbe) -> Result<Probed, HttpError> {
    let first = Url::of(probe)?;
    let own = headers(&probe.headers)?;
    let mut url = first.clone();
    for _ in 0..=MOST_REDIRECTS {
        let stream = tcp::connect(network, &url.host, url.port).await?;
        // What was meant for the server that the framework named is not for another.
        let own = if url.same_server(&first) {
            own.clone()
        } else {
            HeaderMap::new()
        };
        let request = request(&url, own);
        let answer = if url.https {
            let stream = tls::connect(stream, &url.host, probe.verify, trust).await?;
            exchange(stream, request).await
        } else {
            exchange(stream, request).await
        };
        let answer = answer.map_err(|source| HttpError::Exchange {
            url: url.to_string(),
            source,
        })?;
        let status = u32::from(answer.status.as_u16());
        match answer.location {
            Some(location) if !probe.statuses.contains(&status) => url = url.join(&location)?,
            Some(_) | None => {
                let moved = url != first;
                let parts = [moved.then(|| url.to_string()), Some(answer.body)];
                let parts: Vec<_> = parts.into_iter().flatten().collect();
                let parts = parts.iter().map(|part| part.trim());
                let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
                let detail = parts.join(": ");
                return Ok(Probed::Http { status, detail });
            }
        }
    }
    Err(HttpError::Redirects {
        url: url.to_string(),
    })
}

/// The framework's headers.
fn headers(own: &[(String, String)]) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in own {
        let parsed = HeaderName::try_from(name).map_err(|source| HttpError::HeaderName {
            name: name.clone(),
            source,
        })?;
        let value = HeaderValue::try_from(value).map_err(|source| HttpError::HeaderValue {
            name: name.clone(),
            source,
        })?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// A GET. The framework's headers stand in place of the usual ones of the same name.
fn request(url: &Url, own: HeaderMap) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = url.path.clone().into();
    let headers = request.headers_mut();
    *headers = own;
    let usual = [
        (ACCEPT, HeaderValue::from_static("*/*")),
        (CONNECTION, HeaderValue::from_static("close")),
        (
            USER_AGENT,
            HeaderValue::from_static("mesos-sandbox-executor"),
        ),
    ];
    // An authority that was connected to is text that any header can have.
    let host = HeaderValue::try_from(url.authority()).map(|host| (HOST, host));
    for (name, value) in usual.into_iter().chain(host) {
        headers.entry(name).or_insert(value);
    }
    request
}

/// What of an answer matters.
struct Answer {
    status: StatusCode,
    /// Where it sends us on to.
    location: Option<String>,
    /// The begin of its body.
    body: String,
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut requests, connection) = http1::Builder::new()
        .max_buf_size(HEADERS_LIMIT)
        .handshake(TokioIo::new(stream))
        .await?;
    let answer = async {
        let response = requests.send_request(request).await?;
        let status = response.status();
        let location = location(&response);
        let body = begin_of(response.into_body()).await;
        Ok(Answer {
            status,
            location,
            body,
        })
    };
    alongside(answer, connection).await
}

/// The outcome of `work`, which needs `engine` to run beside it.
async fn alongside<T>(work: impl Future<Output = T>, engine: impl Future) -> T {
    let (mut work, mut engine) = (pin!(work), pin!(engine));
    tokio::select! {
        biased;
        outcome = &mut work => outcome,
        // The connection is closed; the work hears of it from its own end.
        _ = &mut engine => work.await,
    }
}

fn location(response: &Response<Incoming>) -> Option<String> {
    match response.status() {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {
            let location = response.headers().get(LOCATION)?;
            Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
        }
        _ => None,
    }
}

/// The begin of a body, as text. A body that breaks off or does not end takes nothing away from the status.
async fn begin_of(mut body: Incoming) -> String {
    let mut begin = Vec::new();
    let reading = async {
        let mut taken = 0;
        while taken < BODY_LIMIT
            && let Some(Ok(frame)) = body.frame().await
        {
            if let Some(data) = frame.data_ref() {
                taken += data.len();
                let told = data.len().min(BODY_TOLD - begin.len());
                begin.extend_from_slice(&data[..told]);
            }
        }
    };
    let _out_of_time = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    String::from_utf8_lossy(&begin).into_owned()
}
