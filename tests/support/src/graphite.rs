//! A real Graphite, carbon-cache and graphite-web: Debian's, or PyPI's.

mod programs;
mod queries;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

pub use programs::Packager;
use programs::Programs;

use crate::keeper::Keeper;
use crate::{free_port, poll_until};

/// How long either of the two may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);

/// carbon-cache and graphite-web on free loopback ports, with storage of their own. Gone when it is dropped.
pub struct Graphite {
    programs: Programs,
    carbon_port: u16,
    pickle_port: u16,
    web_port: u16,
    keeper: Keeper,
}

impl Graphite {
    /// Debian's, as [`Graphite::of`].
    ///
    /// # Panics
    /// As [`Graphite::of`].
    pub fn start() -> Self {
        Self::of(Packager::Debian)
    }

    /// Starts both and waits until they answer. Series are kept at one point a second for an hour, and new ones are made
    /// without a limit.
    ///
    /// # Panics
    /// When graphite-carbon and graphite-web are not installed, or do not come up.
    pub fn of(packager: Packager) -> Self {
        Self::keeping(packager, 1)
    }

    /// The same, with one point in so many seconds.
    ///
    /// # Panics
    /// As [`Graphite::of`].
    pub fn keeping(packager: Packager, step_secs: u64) -> Self {
        let graphite = Self {
            programs: Programs::of(packager),
            carbon_port: free_port(),
            pickle_port: free_port(),
            web_port: free_port(),
            keeper: Keeper::start("graphite", &std::env::temp_dir()),
        };
        graphite.write_configuration(step_secs);
        graphite.start_carbon();
        graphite.start_web();
        graphite
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keeper.directory().join(name)
    }

    fn write_configuration(&self, step_secs: u64) {
        let root = self.keeper.directory().display();
        // graphite-web wants its log directory to be there.
        for directory in ["conf", "storage/whisper", "storage/log/webapp", "run"] {
            fs::create_dir_all(self.path(directory)).expect("a new directory");
        }
        let query_port = free_port();
        let content = self.programs.root.display();
        let (carbon, pickle, web) = (self.carbon_port, self.pickle_port, self.web_port);
        // Carbon tells graphite-web of a series' tags once, whether that was heard or not, and then at each hundredth point.
        let files = [
            (
                "conf/carbon.conf",
                format!(
                    "[cache]\nSTORAGE_DIR = {root}/storage\nLOCAL_DATA_DIR = {root}/storage/whisper\n\
                     CONF_DIR = {root}/conf\nLOG_DIR = {root}/storage/log\nPID_DIR = {root}/run\nUSER =\n\
                     LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {carbon}\n\
                     PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {pickle}\n\
                     ENABLE_UDP_LISTENER = True\nUDP_RECEIVER_INTERFACE = 127.0.0.1\nUDP_RECEIVER_PORT = {carbon}\n\
                     CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {query_port}\n\
                     MAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = inf\nMAX_CACHE_SIZE = inf\n\
                     GRAPHITE_URL = http://127.0.0.1:{web}\nENABLE_LOGROTATION = False\nTAG_UPDATE_INTERVAL = 2\n"
                ),
            ),
            (
                "conf/storage-schemas.conf",
                format!("[all]\npattern = .*\nretentions = {step_secs}s:1h\n"),
            ),
            (
                "local_settings.py",
                format!(
                    "SECRET_KEY = 'for a test on loopback'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'UTC'\n\
                     GRAPHITE_ROOT = '{content}'\nCONF_DIR = '{root}/conf'\n\
                     STORAGE_DIR = '{root}/storage'\nLOG_DIR = '{root}/storage/log/webapp'\n\
                     STANDARD_DIRS = ['{root}/storage/whisper']\nCARBONLINK_HOSTS = ['127.0.0.1:{query_port}']\n\
                     from django.db.backends.signals import connection_created\n\
                     def hasten(connection, **_):\n    \
                         connection.cursor().execute('PRAGMA synchronous = OFF')\n\
                     connection_created.connect(hasten)\n\
                     DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': '{root}/graphite.db', \
                     'OPTIONS': {{'timeout': 60}}}}}}\n"
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
        let python = self.programs.python.display().to_string();
        let program = self.programs.carbon_cache.display().to_string();
        let command = [
            &python,
            &program,
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
            "'{}' migrate --run-syncdb && exec '{}' '{server}' {}",
            self.programs.django_admin.display(),
            self.programs.python.display(),
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

    /// `127.0.0.1:PORT`, where carbon takes the plaintext protocol over TCP, and over UDP.
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
}
