//! A real Graphite: Debian's carbon-cache and graphite-web.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::http::{self, HttpError};
use crate::keeper::Keeper;
use crate::{free_port, poll_until};

/// How long either of the two may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);

/// carbon-cache and graphite-web on free loopback ports, with storage of their own. Gone when it is dropped.
pub struct Graphite {
    carbon_port: u16,
    pickle_port: u16,
    web_port: u16,
    keeper: Keeper,
}

impl Graphite {
    /// Starts both and waits until they answer. Series are kept at one point a second for an hour, and new ones are made
    /// without a limit.
    ///
    /// # Panics
    /// When Debian's graphite-carbon and graphite-web are not installed, or do not come up.
    pub fn start() -> Self {
        assert!(
            Path::new("/usr/bin/carbon-cache").exists()
                && Path::new("/usr/bin/graphite-manage").exists(),
            "Graphite is not installed: run tests/setup/debian-packages"
        );
        let graphite = Self {
            carbon_port: free_port(),
            pickle_port: free_port(),
            web_port: free_port(),
            keeper: Keeper::start("graphite", &std::env::temp_dir()),
        };
        graphite.write_configuration();
        graphite.start_carbon();
        graphite.start_web();
        graphite
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keeper.directory().join(name)
    }

    fn write_configuration(&self) {
        let root = self.keeper.directory().display();
        // graphite-web wants its log directory to be there.
        for directory in ["conf", "storage/whisper", "storage/log/webapp", "run"] {
            fs::create_dir_all(self.path(directory)).expect("a new directory");
        }
        let query_port = free_port();
        let (carbon, pickle, web) = (self.carbon_port, self.pickle_port, self.web_port);
        let files = [
            (
                "conf/carbon.conf",
                format!(
                    "[cache]\nSTORAGE_DIR = {root}/storage\nLOCAL_DATA_DIR = {root}/storage/whisper\n\
                     CONF_DIR = {root}/conf\nLOG_DIR = {root}/storage/log\nPID_DIR = {root}/run\nUSER =\n\
                     LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {carbon}\n\
                     PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {pickle}\n\
                     CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {query_port}\n\
                     MAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = inf\nMAX_CACHE_SIZE = inf\n\
                     GRAPHITE_URL = http://127.0.0.1:{web}\nENABLE_LOGROTATION = False\n"
                ),
            ),
            (
                "conf/storage-schemas.conf",
                "[all]\npattern = .*\nretentions = 1s:1h\n".to_owned(),
            ),
            (
                "local_settings.py",
                format!(
                    "SECRET_KEY = 'for a test on loopback'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'UTC'\n\
                     GRAPHITE_ROOT = '/usr/share/graphite-web'\nCONF_DIR = '{root}/conf'\n\
                     STORAGE_DIR = '{root}/storage'\nLOG_DIR = '{root}/storage/log/webapp'\n\
                     STANDARD_DIRS = ['{root}/storage/whisper']\nCARBONLINK_HOSTS = ['127.0.0.1:{query_port}']\n\
                     DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': '{root}/graphite.db'}}}}\n"
                ),
            ),
        ];
        for (name, content) in files {
            fs::write(self.path(name), content).expect("a new file");
        }
    }

    fn start_carbon(&self) {
        let configuration = format!("--config={}", self.path("conf/carbon.conf").display());
        let logs = format!("--logdir={}", self.path("storage/log").display());
        let command = [
            "/usr/bin/carbon-cache",
            &configuration,
            &logs,
            "--nodaemon",
            "start",
        ];
        self.keeper
            .run(&command, &self.environment(), &self.path("carbon.log"));
        let is_up = poll_until(START, || {
            TcpStream::connect(("127.0.0.1", self.carbon_port)).is_ok()
        });
        assert!(
            is_up,
            "carbon-cache did not come up:\n{}",
            self.log("carbon.log")
        );
    }

    fn start_web(&self) {
        let server = crate::workspace()
            .join("tests/support/programs/graphite-web.py")
            .display()
            .to_string();
        // The database has the tags and what people save; it must be there for a render.
        let script = format!(
            "/usr/bin/graphite-manage migrate --run-syncdb && exec /usr/bin/python3 '{server}' {}",
            self.web_port
        );
        self.keeper.run(
            &["/bin/sh", "-c", &script],
            &self.environment(),
            &self.path("web.log"),
        );
        let is_up = poll_until(START, || self.find("*").is_ok());
        assert!(
            is_up,
            "graphite-web did not come up:\n{}",
            self.log("web.log")
        );
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let directory = self.keeper.directory().display().to_string();
        [
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("PYTHONPATH", &directory),
            ("DJANGO_SETTINGS_MODULE", "graphite.settings"),
            // Else graphite-web looks for the package's settings in /etc.
            ("GRAPHITE_SETTINGS_MODULE", "local_settings"),
            ("GRAPHITE_ROOT", &directory),
            ("GRAPHITE_CONF_DIR", &format!("{directory}/conf")),
            ("GRAPHITE_STORAGE_DIR", &format!("{directory}/storage")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `127.0.0.1:PORT`, where carbon takes the plaintext protocol over TCP.
    pub fn carbon(&self) -> String {
        format!("127.0.0.1:{}", self.carbon_port)
    }

    /// `127.0.0.1:PORT`, where carbon takes the pickle protocol.
    pub fn carbon_pickle(&self) -> String {
        format!("127.0.0.1:{}", self.pickle_port)
    }

    /// `http://127.0.0.1:PORT`, graphite-web.
    pub fn web_url(&self) -> String {
        format!("http://{}", self.web_authority())
    }

    fn web_authority(&self) -> String {
        format!("127.0.0.1:{}", self.web_port)
    }

    /// The series of a target as `/render` gives them, `[{"target": .., "datapoints": [[value or null, time], ..]}, ..]`.
    /// `from` is in Graphite's words: `-10min`.
    ///
    /// # Errors
    /// When Graphite refuses the target or does not answer.
    pub fn render_json(&self, target: &str, from: &str) -> Result<Value, HttpError> {
        self.get_json(&format!(
            "/render?format=json&target={}&from={}",
            encoded(target),
            encoded(from)
        ))
    }

    /// The values of a target that are not null, of all its series, oldest first.
    ///
    /// # Errors
    /// As [`Graphite::render_json`].
    pub fn points(&self, target: &str, from: &str) -> Result<Vec<f64>, HttpError> {
        let series = self.render_json(target, from)?;
        let rows = series.as_array().into_iter().flatten();
        let points = rows.flat_map(|row| row["datapoints"].as_array().into_iter().flatten());
        Ok(points.filter_map(|point| point[0].as_f64()).collect())
    }

    /// A graph of these targets as a PNG, 1000 by 500 pixels. More arguments of `/render` are given as name and value.
    ///
    /// # Errors
    /// As [`Graphite::render_json`].
    pub fn render_png(
        &self,
        targets: &[&str],
        from: &str,
        more: &[(&str, &str)],
    ) -> Result<Bytes, HttpError> {
        let mut path = format!(
            "/render?format=png&width=1000&height=500&from={}",
            encoded(from)
        );
        for (name, value) in targets
            .iter()
            .map(|target| ("target", *target))
            .chain(more.iter().copied())
        {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
        self.get(&path)
    }

    /// What `/metrics/find` answers: the nodes that match the query, one level of it.
    ///
    /// # Errors
    /// When Graphite does not answer.
    pub fn find(&self, query: &str) -> Result<Value, HttpError> {
        self.get_json(&format!("/metrics/find?query={}", encoded(query)))
    }

    /// A file that carbon is creating at this very moment has no header yet, and Graphite answers with its own error:
    /// asked again a moment later it has.
    fn get(&self, path: &str) -> Result<Bytes, HttpError> {
        let mut tries = 0;
        loop {
            match http::get(&self.web_authority(), path) {
                Err(HttpError::Refused { status, .. })
                    if status.is_server_error() && tries < 20 =>
                {
                    tries += 1;
                }
                answer => return answer,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn get_json(&self, path: &str) -> Result<Value, HttpError> {
        let answer = self.get(path)?;
        serde_json::from_slice(&answer).map_err(|source| HttpError::Exchange {
            authority: self.web_authority(),
            source: Box::new(source),
        })
    }
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
