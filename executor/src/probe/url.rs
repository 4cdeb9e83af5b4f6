//! Where an HTTP check looks, and where a server sends it on to.

use std::fmt;

use dialect::HttpProbe;
use hyper::Uri;
use hyper::http::uri::{InvalidUri, PathAndQuery};

/// A place that HTTP goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) https: bool,
    /// A name or an address, one of version 6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The path with its query.
    pub(super) path: PathAndQuery,
}

/// What a check cannot ask for.
#[derive(Debug, thiserror::Error)]
pub(super) enum UrlError {
    #[error("'{path}' can be no path of a request: {source}")]
    Path { path: String, source: InvalidUri },
    #[error("redirected to '{location}', which is no URL: {source}")]
    Location {
        location: String,
        source: InvalidUri,
    },
    #[error("redirected to '{location}', which is not by HTTP")]
    Scheme { location: String },
}

impl Url {
    pub(super) fn of(probe: &HttpProbe) -> Result<Self, UrlError> {
        let path = if probe.path.is_empty() {
            "/"
        } else {
            &probe.path
        };
        let host = probe
            .target
            .host
            .trim_start_matches('[')
            .trim_end_matches(']');
        Ok(Self {
            https: probe.https,
            host: host.to_owned(),
            port: probe.target.port,
            path: path.parse().map_err(|source| UrlError::Path {
                path: path.to_owned(),
                source,
            })?,
        })
    }

    /// Where `location`, the header of that name in an answer from here, leads (RFC 9110, 10.2.2).
    pub(super) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let invalid = |source| UrlError::Location {
            location: location.to_owned(),
            source,
        };
        let target = location.split('#').next().unwrap_or_default();
        let same_scheme = if self.https { "https:" } else { "http:" };
        let absolute = match target {
            _ if target.starts_with("//") => format!("{same_scheme}{target}"),
            _ if has_scheme(target) => target.to_owned(),
            _ => {
                let path = self.relative(target).parse().map_err(invalid)?;
                return Ok(Self {
                    path,
                    ..self.clone()
                });
            }
        };
        let uri: Uri = absolute.parse().map_err(invalid)?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => {
                return Err(UrlError::Scheme {
                    location: location.to_owned(),
                });
            }
        };
        let host = uri.host().unwrap_or_default();
        Ok(Self {
            https,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or(PathAndQuery::from_static("/")),
        })
    }

    /// Whether both are the same server, which may see the same headers.
    pub(super) fn same_server(&self, other: &Self) -> bool {
        (self.https, &self.host, self.port) == (other.https, &other.host, other.port)
    }

    /// `host:port`, as the header `Host` has it.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn relative(&self, target: &str) -> String {
        if target.starts_with('/') {
            return target.to_owned();
        }
        let own = self.path.path();
        if target.is_empty() || target.starts_with('?') {
            return format!("{own}{target}");
        }
        let directory = own.rsplit_once('/').map_or("", |(directory, _)| directory);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (target, String::new()),
        };
        let mut segments: Vec<&str> = directory.split('/').skip(1).collect();
        let last = path.split('/').count() - 1;
        for (index, segment) in path.split('/').enumerate() {
            match segment {
                "." | ".." => {
                    if segment == ".." {
                        segments.pop();
                    }
                    if index == last {
                        segments.push("");
                    }
                }
                _ => segments.push(segment),
            }
        }
        format!("/{}{query}", segments.join("/"))
    }
}

/// Whether a reference begins with a scheme (RFC 3986, 3.1).
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        let mut characters = scheme.chars();
        characters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && characters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        let here = Url {
            https: false,
            host: "h".to_owned(),
            port: 80,
            path: PathAndQuery::from_static("/"),
        };
        here.join(text).unwrap()
    }

    #[test]
    fn a_redirect_leads_where_a_browser_would_go() {
        let table = [
            ("http://other/x?y=1", "http://other:80/x?y=1"),
            ("https://other", "https://other:443/"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
            ("//other:81/x", "http://other:81/x"),
            ("/x?y", "http://h:8080/x?y"),
            ("x", "http://h:8080/a/b/x"),
            ("./x", "http://h:8080/a/b/x"),
            ("../x?y=../z", "http://h:8080/a/x?y=../z"),
            ("../../../x", "http://h:8080/x"),
            ("..", "http://h:8080/a/"),
            ("?y", "http://h:8080/a/b/c?y"),
            ("", "http://h:8080/a/b/c"),
            ("#part", "http://h:8080/a/b/c"),
            ("x:80/y", "refused"),
            ("ftp://h/x", "refused"),
            ("http://", "refused"),
            ("http://h/a b", "refused"),
        ];
        let here = url("http://h:8080/a/b/c?q=1");
        for (location, want) in table {
            let found = here.join(location);
            let found = found.map_or("refused".to_owned(), |url| url.to_string());
            assert_eq!(found, want, "{location}");
        }
    }

    #[test]
    fn only_the_same_scheme_host_and_port_are_the_same_server() {
        let here = url("http://h:8080/a");
        assert!(here.same_server(&url("http://h:8080/b")));
        for other in ["https://h:8080/", "http://h:8081/", "http://i:8080/"] {
            assert!(!here.same_server(&url(other)), "{other}");
        }
    }
}
