//! The endpoint: `GET /metrics`, and `GET /health` for whoever wants to know that the daemon is well.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::{Chunks, Format, Page};

/// Who connects while so many are being answered is not heard.
const MOST_CLIENTS: usize = 8;

/// For a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// For a whole connection, which is for one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// For a request's head, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// After an error of the kernel's: it may have no descriptors left.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// Who knows what there is to tell. Each clone knows the same.
pub trait Source: Clone + Send + Sync + 'static {
    /// Everything, or nothing if the daemon does not answer.
    fn page(&self) -> impl Future<Output = Option<Arc<Page>>> + Send;

    /// Whether the daemon is well.
    fn is_well(&self) -> impl Future<Output = bool> + Send;
}

/// Answers whoever connects, for ever.
pub async fn serve(listener: TcpListener, source: impl Source) {
    let clients = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(AFTER_AN_ERROR).await;
            continue;
        };
        // Dropping the connection closes it.
        let Ok(place) = Arc::clone(&clients).try_acquire_owned() else {
            continue;
        };
        let source = source.clone();
        tokio::spawn(async move {
            let _place = place;
            // Who does not read is not told the rest.
            let _ = timeout(PATIENCE, answer(client, source)).await;
        });
    }
}

/// What goes wrong is the client's own trouble.
async fn answer(client: TcpStream, source: impl Source) {
    let service = service_fn(move |request: Request<Incoming>| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(respond(&request, &source).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(client), service)
        .await;
}

async fn respond(request: &Request<Incoming>, source: &impl Source) -> Response<Chunks> {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/health") {
        return plain(StatusCode::NOT_FOUND, "see /metrics and /health\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    if path == "/health" {
        return match source.is_well().await {
            true => plain(StatusCode::OK, "ok\n"),
            false => unwell(),
        };
    }
    let Some(page) = source.page().await else {
        return unwell();
    };
    let format = preferred(request.headers());
    let mut response = Response::new(page.chunks(format).into());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

fn preferred(headers: &HeaderMap) -> Format {
    let accepts = headers.get_all(ACCEPT).iter();
    let accepts: Vec<_> = accepts.filter_map(|one| one.to_str().ok()).collect();
    Format::preferred(&accepts.join(","))
}

fn unwell() -> Response<Chunks> {
    plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "the daemon does not answer\n",
    )
}

fn plain(status: StatusCode, text: &'static str) -> Response<Chunks> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Family, Labels, Type};

    /// Knows one number, or does not answer.
    #[derive(Clone, Copy)]
    struct Daemon {
        is_well: bool,
    }

    impl Source for Daemon {
        async fn page(&self) -> Option<Arc<Page>> {
            let mut looks = Family::new("looks", Type::Counter, "Looks.");
            looks.add(&Labels::default(), |out| out.push(b'7'));
            self.is_well.then(|| Arc::new(Page::new([looks])))
        }

        async fn is_well(&self) -> bool {
            self.is_well
        }
    }

    async fn got(request: &str, is_well: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Daemon { is_well }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        serving.abort();
        answer
    }

    #[tokio::test]
    async fn metrics_and_health_are_told_and_the_connection_is_closed() {
        let metrics = got("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", true).await;
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
        let body = "# HELP looks_total Looks.\n# TYPE looks_total counter\nlooks_total 7\n";
        assert!(metrics.ends_with(&format!("\r\n\r\n{body}")), "{metrics}");
        let length = format!("content-length: {}\r\n", body.len());
        assert!(metrics.contains(&length), "{metrics}");
        let health = got("GET /health HTTP/1.1\r\nhost: x\r\n\r\n", true).await;
        assert!(health.ends_with("\r\n\r\nok\n"), "{health}");
    }

    #[tokio::test]
    async fn who_asks_for_openmetrics_is_told_it_to_its_end() {
        let request = "GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text\r\n\
                       accept: text/plain;q=0.5\r\n\r\n";
        let metrics = got(request, true).await;
        assert!(
            metrics.contains("application/openmetrics-text; version=1.0.0"),
            "{metrics}"
        );
        assert!(metrics.ends_with("looks_total 7\n# EOF\n"), "{metrics}");
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_answer_is_not_well() {
        for path in ["/health", "/metrics"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let answer = got(&request, false).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
    }

    #[tokio::test]
    async fn what_is_no_question_is_refused() {
        for (request, status) in [
            ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "404"),
            (
                "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
                "405",
            ),
            ("nonsense\r\n\r\n", "400"),
        ] {
            let answer = got(request, true).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn one_who_says_nothing_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Daemon { is_well: true }));
        let mut clients = Vec::new();
        for _ in 0..=MOST_CLIENTS {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut last = clients.pop().unwrap();
        // The one too many is closed at once, and the others when their time is over.
        assert_eq!(last.read(&mut [0; 1]).await.unwrap_or(0), 0);
        for mut client in clients {
            let patience = HEAD_PATIENCE + Duration::from_secs(10);
            let closed = timeout(patience, client.read(&mut [0; 64])).await;
            assert!(closed.is_ok(), "it is still open");
        }
        serving.abort();
    }
}
