//! The endpoint for Prometheus: `GET /metrics`, and `GET /health` for whoever wants to know that the daemon is well.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Asker, prometheus};

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

/// Answers whoever connects, for ever.
pub(super) async fn serve(listener: TcpListener, asker: Asker) {
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
        let asker = asker.clone();
        tokio::spawn(async move {
            let _place = place;
            let _ = timeout(PATIENCE, answer(client, asker)).await;
        });
    }
}

/// What goes wrong is the client's own trouble.
async fn answer(client: TcpStream, asker: Asker) {
    let service = service_fn(move |request: Request<Incoming>| {
        let asker = asker.clone();
        async move { Ok::<_, Infallible>(respond(request.method(), request.uri().path(), &asker).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(client), service)
        .await;
}

async fn respond(method: &Method, path: &str, asker: &Asker) -> Response<Full<Bytes>> {
    if !matches!(path, "/metrics" | "/health") {
        return plain(StatusCode::NOT_FOUND, "see /metrics and /health\n");
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    let Some(report) = asker.report().await else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the daemon does not answer\n",
        );
    };
    if path == "/health" {
        return plain(StatusCode::OK, "ok\n");
    }
    let mut response = Response::new(prometheus::exposition(&report).into());
    let kind = HeaderValue::from_static(prometheus::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()).into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use disk_figures::Report;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn got(request: &str, is_well: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asker, mut asked) = Asker::new();
        let serving = tokio::spawn(serve(listener, asker));
        let answering = tokio::spawn(async move {
            while is_well && let Some(ask) = asked.recv().await {
                ask.answer(Report::at(1000.0));
            }
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        serving.abort();
        answering.abort();
        answer
    }

    #[tokio::test]
    async fn metrics_and_health_are_told_and_the_connection_is_closed() {
        let metrics = got("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", true).await;
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
        assert!(
            metrics.contains("\nmesos_disk_watcher_subjects 0\n"),
            "{metrics}"
        );
        let health = got("GET /health HTTP/1.1\r\nhost: x\r\n\r\n", true).await;
        assert!(health.ends_with("\r\n\r\nok\n"), "{health}");
    }

    #[tokio::test]
    async fn a_daemon_whose_loop_has_ended_is_not_well() {
        let health = got("GET /health HTTP/1.1\r\nhost: x\r\n\r\n", false).await;
        assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
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
        let (asker, _asked) = Asker::new();
        let serving = tokio::spawn(serve(listener, asker));
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
