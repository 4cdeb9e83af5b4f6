//! Files of HTTP servers.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, BodyReader, Proxy, ResponseExt as _, Timeout};

use crate::order::Proxies;
use crate::resolve::{ResolveError, resolve};
use crate::roots::{self, RootsError};
use crate::uri::redacted;

/// How many times a server may send us elsewhere; as many as browsers follow.
const REDIRECTS: u32 = 20;
/// As many addresses of a host as are tried.
const ADDRESSES: usize = 16;

/// Why a server did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL, or one that a server sent us to, is none.
    #[error("not a valid URL")]
    Url,
    /// The proxy's URL is none.
    #[error("'{0}' is not a valid URL of an HTTP proxy")]
    Proxy(String),
    /// No certificate of an authority to check the server's with.
    #[error("{0}")]
    Roots(#[from] RootsError),
    /// The host has no address.
    #[error("{0}")]
    Resolve(ResolveError),
    /// The server answered with something other than 200.
    #[error("the server answered with HTTP status {status}{}", from(.at))]
    Status {
        /// The status.
        status: u16,
        /// The URL that it sent us to before.
        at: Option<String>,
    },
    /// The server sent us on and on.
    #[error("more than {REDIRECTS} redirects")]
    Redirects,
    /// Nothing was heard of the server for too long.
    #[error("nothing from the server for {} s, after {received} bytes", timeout.as_secs_f64())]
    Stalled {
        /// For how long.
        timeout: Duration,
        /// Bytes of the file before that.
        received: u64,
    },
    /// The time for everything.
    #[error("not done in time, after {received} bytes")]
    Time {
        /// Bytes of the file until then.
        received: u64,
    },
    /// The file ended early.
    #[error("the server sent {received} bytes and announced {announced}")]
    Length {
        /// Bytes that arrived.
        received: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// The connection failed.
    #[error("{source}, after {received} bytes")]
    Connection {
        /// In the words of the HTTP client.
        source: Box<ureq::Error>,
        /// Bytes of the file before that.
        received: u64,
    },
}

fn from(at: &Option<String>) -> String {
    at.as_ref()
        .map(|at| format!(" at '{at}', where it was redirected"))
        .unwrap_or_default()
}

/// What is known before the first request.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stall_timeout: Duration,
    pub(crate) proxies: Proxies,
    pub(crate) ca_bundle: Option<PathBuf>,
}

/// A file that is arriving.
pub(crate) struct Arriving {
    body: BodyReader<'static>,
    /// In bytes, when the server said it.
    pub(crate) announced: Option<u64>,
    received: u64,
    stall_timeout: Duration,
}

impl Client {
    /// Asks for `url` and waits for the beginning of the answer.
    pub(crate) fn get(&self, url: &str, until: Option<Instant>) -> Result<Arriving, HttpError> {
        let uri: Uri = url.parse().map_err(|_| HttpError::Url)?;
        let secure = uri.scheme_str() == Some("https");
        let roots = match roots::load(self.ca_bundle.as_deref()) {
            Err(error) if secure => return Err(error.into()),
            // Without any, a redirect to https is refused.
            roots => roots.unwrap_or_default(),
        };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(REDIRECTS)
            .user_agent("mesos-sandbox-executor")
            .proxy(self.proxy(secure)?)
            .tls_config(tls)
            .timeout_global(until.map(|until| until.saturating_duration_since(Instant::now())))
            .timeout_connect(Some(self.stall_timeout))
            .timeout_recv_response(Some(self.stall_timeout))
            .timeout_per_read(Some(self.stall_timeout))
            .timeout_per_write(Some(self.stall_timeout))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), HostsAndDns);
        let response = agent
            .get(uri.clone())
            .call()
            .map_err(|error| self.explain(error, 0))?;
        if response.status() != 200 {
            let at = Some(response.get_uri())
                .filter(|at| **at != uri)
                .map(|at| redacted(&at.to_string()));
            return Err(HttpError::Status {
                status: response.status().as_u16(),
                at,
            });
        }
        let announced = response.body().content_length();
        let body = response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        Ok(Arriving {
            body,
            announced,
            received: 0,
            stall_timeout: self.stall_timeout,
        })
    }

    fn proxy(&self, secure: bool) -> Result<Option<Proxy>, HttpError> {
        let url = if secure {
            &self.proxies.https
        } else {
            &self.proxies.http
        };
        let Some(url) = url else {
            return Ok(None);
        };
        let invalid = |_| HttpError::Proxy(redacted(url));
        let proxy = Proxy::new(url).map_err(invalid)?;
        let mut builder = Proxy::builder(proxy.protocol())
            .host(proxy.host())
            .port(proxy.port());
        if let Some(user) = proxy.username() {
            builder = builder
                .username(user)
                .password(proxy.password().unwrap_or_default());
        }
        for host in &self.proxies.except {
            let bare = host.trim_start_matches('.');
            builder = builder.no_proxy(bare).no_proxy(&format!(".{bare}"));
        }
        builder.build().map(Some).map_err(invalid)
    }

    fn explain(&self, error: ureq::Error, received: u64) -> HttpError {
        explain(error, received, self.stall_timeout)
    }
}

fn explain(error: ureq::Error, received: u64, timeout: Duration) -> HttpError {
    match error {
        ureq::Error::Timeout(Timeout::Global) => HttpError::Time { received },
        ureq::Error::Timeout(_) => HttpError::Stalled { timeout, received },
        ureq::Error::TooManyRedirects => HttpError::Redirects,
        // Its text holds the URL, and with it the password.
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpError::Url,
        ureq::Error::Other(other) => match other.downcast::<ResolveError>() {
            Ok(error) => HttpError::Resolve(*error),
            Err(other) => HttpError::Connection {
                source: Box::new(ureq::Error::Other(other)),
                received,
            },
        },
        error => HttpError::Connection {
            source: Box::new(error),
            received,
        },
    }
}

impl Arriving {
    /// The next bytes of the file; none at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, HttpError> {
        match self.body.read(buffer) {
            Ok(0) => match self.announced {
                Some(announced) if announced != self.received => Err(HttpError::Length {
                    received: self.received,
                    announced,
                }),
                _ => Ok(0),
            },
            Ok(length) => {
                self.received += length as u64;
                Ok(length)
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, error: io::Error) -> HttpError {
        let error = match error.downcast::<ureq::Error>() {
            Ok(error) => error,
            Err(error) => ureq::Error::Io(error),
        };
        match (&error, self.announced) {
            // The connection was closed in an orderly way, but too early.
            (ureq::Error::Io(io), Some(announced)) if io.kind() == io::ErrorKind::UnexpectedEof => {
                HttpError::Length {
                    received: self.received,
                    announced,
                }
            }
            _ => explain(error, self.received, self.stall_timeout),
        }
    }
}

/// Our own way from a host's name to its addresses.
#[derive(Debug)]
struct HostsAndDns;

impl Resolver for HostsAndDns {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let unusable = || ureq::Error::BadUri(String::new());
        let host = uri.host().ok_or_else(unusable)?;
        let port = match (uri.port_u16(), uri.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("https")) => 443,
            (None, Some("http")) => 80,
            (None, _) => return Err(unusable()),
        };
        let until = (!timeout.after.is_not_happening())
            .then(|| Instant::now().checked_add(*timeout.after))
            .flatten();
        let addresses =
            resolve(host, until).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(ADDRESSES) {
            resolved.push(SocketAddr::new(address, port));
        }
        Ok(resolved)
    }
}
