//! What a URI's text says: where the file is, its name here, and how it may be shown.

use crate::inside::{Inside, InsideError};

/// Where a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// An absolute path on this host.
    Local(&'a str),
    /// An `http:` or `https:` URL.
    Web(&'a str),
    /// In the URI itself, in base64; such a URI needs an `output_file`.
    Inline(&'a str),
}

/// Begins a URI that is its own content (RFC 2397).
const INLINE: &str = "data:;base64,";

/// Why a URI says nothing.
#[derive(Debug, thiserror::Error)]
pub enum UriError {
    /// A scheme that is none of ours. Mesos asks a Hadoop client for those.
    #[error("scheme '{0}' is none of file, http, https")]
    Scheme(String),
    /// A relative path. Mesos takes it below the agent's flag `frameworks_home`.
    #[error("a path must be absolute")]
    Relative,
    /// A file on another host.
    #[error("a file: URI names a file on this host only")]
    Elsewhere,
    /// A character that Mesos's fetcher refuses.
    #[error("backslashes, single quotes and NUL bytes are not allowed")]
    Character,
    /// Nothing behind the host.
    #[error("names no file")]
    NoFile,
    /// Its name, or `output_file`, is no path below the sandbox.
    #[error("{0}")]
    Name(#[from] InsideError),
}

/// Where the file that `uri` names is.
pub fn source(uri: &str) -> Result<Source<'_>, UriError> {
    let uri = uri.trim_start();
    if let Some(content) = uri.strip_prefix(INLINE) {
        return Ok(Source::Inline(content));
    }
    if uri.contains(['\\', '\'', '\0']) {
        return Err(UriError::Character);
    }
    if uri.starts_with('/') {
        return Ok(Source::Local(uri));
    }
    let Some((scheme, rest)) = uri.split_once(':') else {
        return Err(UriError::Relative);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" if rest.starts_with("//") => Ok(Source::Web(uri)),
        "file" => match rest.strip_prefix("//") {
            Some(rest) => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                path.starts_with('/')
                    .then_some(Source::Local(path))
                    .ok_or(UriError::Elsewhere)
            }
            None if rest.starts_with('/') => Ok(Source::Local(rest)),
            None => Err(UriError::Relative),
        },
        _ if rest.starts_with("//") => Err(UriError::Scheme(scheme.to_owned())),
        _ => Err(UriError::Relative),
    }
}

/// The name of the fetched file in the sandbox: `output_file`, else everything behind the last slash, a query string
/// included (Mesos: `Fetcher::basename` in src/slave/containerizer/fetcher.cpp).
pub fn file_name(uri: &str, output_file: Option<&str>) -> Result<Inside, UriError> {
    let name = match output_file {
        Some(name) => name,
        None => {
            let path = match source(uri)? {
                Source::Local(path) => path.trim_end_matches('/'),
                Source::Inline(_) => return Err(UriError::NoFile),
                Source::Web(url) => url.split_once("://").map_or(url, |(_, rest)| rest),
            };
            path.rsplit_once('/').ok_or(UriError::NoFile)?.1
        }
    };
    let inside = Inside::parse(name.as_bytes())?;
    if inside.is_root() || name.ends_with('/') {
        return Err(UriError::NoFile);
    }
    Ok(inside)
}

/// `uri` as it may be shown: user and password, and the query string, which is where signed URLs carry theirs, are
/// left out, and so is content.
pub fn redacted(uri: &str) -> String {
    let uri = uri.trim_start();
    if uri.starts_with(INLINE) {
        return format!("{INLINE}...");
    }
    let (uri, query) = match uri.find(['?', '#']) {
        Some(at) => (&uri[..at], "?..."),
        None => (uri, ""),
    };
    let Some((scheme, rest)) = uri.split_once("://") else {
        // `user:password@proxy:3128` is a proxy's URL, too.
        return format!(
            "{}{query}",
            uri.rsplit_once('@').map_or(uri, |(_, host)| host)
        );
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(uri: &str) -> String {
        file_name(uri, None).unwrap().to_string()
    }

    #[test]
    fn a_path_a_file_uri_and_one_of_this_host_name_the_same_file() {
        for uri in [
            "/opt/a.tgz",
            "file:///opt/a.tgz",
            "file://localhost/opt/a.tgz",
            "file:/opt/a.tgz",
            "  /opt/a.tgz",
        ] {
            assert_eq!(source(uri).unwrap(), Source::Local("/opt/a.tgz"), "{uri}");
            assert_eq!(name(uri), "a.tgz");
        }
        assert_eq!(
            source("HTTP://host/a").unwrap(),
            Source::Web("HTTP://host/a")
        );
    }

    #[test]
    fn other_schemes_other_hosts_and_relative_paths_are_refused() {
        assert!(matches!(source("ftp://host/a"), Err(UriError::Scheme(scheme)) if scheme == "ftp"));
        assert!(matches!(source("hdfs://host/a"), Err(UriError::Scheme(_))));
        assert!(matches!(source("file://host/a"), Err(UriError::Elsewhere)));
        assert!(matches!(
            source("file://localhosts/a"),
            Err(UriError::Elsewhere)
        ));
        assert!(matches!(source("a/b"), Err(UriError::Relative)));
        assert!(matches!(source("http:a"), Err(UriError::Relative)));
        assert!(matches!(
            source("http://host/it's"),
            Err(UriError::Character)
        ));
        assert!(matches!(source("/a\0b"), Err(UriError::Character)));
    }

    #[test]
    fn the_name_is_what_follows_the_last_slash_and_a_query_belongs_to_it() {
        assert_eq!(name("http://host/x/agent.jar"), "agent.jar");
        let with_query = file_name("http://host/agent.jar?token=1", None).unwrap();
        assert_eq!(with_query.components(), ["agent.jar?token=1"]);
        assert_eq!(name("/opt/app/"), "app");
        for uri in [
            "http://host",
            "http://host/",
            "http://host/x/",
            "file:///",
            "/",
        ] {
            assert!(
                matches!(file_name(uri, None), Err(UriError::NoFile)),
                "{uri}"
            );
        }
        assert!(matches!(
            file_name("http://host/..", None),
            Err(UriError::Name(_))
        ));
    }

    #[test]
    fn an_output_file_may_hold_directories_and_leads_nowhere_else() {
        assert_eq!(
            file_name("/x", Some("conf/./app.json"))
                .unwrap()
                .to_string(),
            "conf/app.json"
        );
        assert!(matches!(
            file_name("/x", Some("../app.json")),
            Err(UriError::Name(_))
        ));
        assert!(matches!(
            file_name("/x", Some("/etc/app.json")),
            Err(UriError::Name(_))
        ));
        assert!(matches!(
            file_name("/x", Some("conf/")),
            Err(UriError::NoFile)
        ));
        assert!(matches!(file_name("/x", Some("")), Err(UriError::NoFile)));
    }

    #[test]
    fn what_is_shown_of_a_uri_holds_no_secret() {
        assert_eq!(
            redacted("https://me:pa@ss@host:8/a/b?sig=1#x"),
            "https://host:8/a/b?..."
        );
        assert_eq!(redacted("http://host/me@home"), "http://host/me@home");
        assert_eq!(redacted("me:pass@proxy:3128"), "proxy:3128");
        assert_eq!(redacted("data:;base64,c2VjcmV0"), "data:;base64,...");
        assert_eq!(redacted("/opt/a.tgz"), "/opt/a.tgz");
    }
}
