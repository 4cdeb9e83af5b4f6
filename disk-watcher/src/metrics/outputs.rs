//! All the ways out at once: begun together, and ended together.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::socket::Socket;
use super::{Asker, CarbonSettings, carbon};

/// Which there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OutputSettings {
    /// Where to listen for Prometheus.
    pub(crate) prometheus: Option<SocketAddr>,
    /// Where to listen for mesos-stats-collector and the views.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) carbon: Option<CarbonSettings>,
}

/// Why one cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("listen on {address} for Prometheus: {source}")]
    Prometheus {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("listen on {path:?}: {source}")]
    Socket { path: PathBuf, source: io::Error },
}

/// Those that are, by default none. Dropping it ends them and removes the socket.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// Aborted when they are dropped.
    _tasks: JoinSet<()>,
}

impl Outputs {
    /// Begins all of them, or none. To be called within the runtime.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub(crate) async fn begin(
        settings: &OutputSettings,
        asker: &Asker,
    ) -> Result<Self, OutputError> {
        let mut tasks = JoinSet::new();
        if let Some(address) = settings.prometheus {
            let listener = TcpListener::bind(address).await;
            let listener =
                listener.map_err(|source| OutputError::Prometheus { address, source })?;
            tasks.spawn(exposition::serve(listener, asker.clone()));
        }
        if let Some(path) = &settings.socket {
            let socket = Socket::bind(path).map_err(|source| OutputError::Socket {
                path: path.clone(),
                source,
            })?;
            tasks.spawn(socket.serve(asker.clone()));
        }
        if let Some(carbon) = &settings.carbon {
            tasks.spawn(carbon::ship(carbon.clone(), asker.clone()));
        }
        Ok(Self { _tasks: tasks })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use disk_figures::Report;
    use tokio::io::AsyncReadExt;
    use tokio::task::spawn_blocking;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// An asker whose loop answers for as long as the test runs.
    fn answered() -> Asker {
        let (asker, mut asked) = Asker::new();
        tokio::spawn(async move {
            while let Some(ask) = asked.recv().await {
                ask.answer(Report::at(1000.0));
            }
        });
        asker
    }

    async fn read(socket: &Path) -> Result<Report, disk_figures::ReadError> {
        let socket = socket.to_owned();
        spawn_blocking(move || disk_figures::read(&socket, SOON))
            .await
            .unwrap()
    }

    fn on(socket: &Path) -> OutputSettings {
        OutputSettings {
            socket: Some(socket.to_owned()),
            ..OutputSettings::default()
        }
    }

    #[tokio::test]
    async fn the_socket_tells_a_report_and_is_gone_with_the_outputs() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("figures.sock");
        let outputs = Outputs::begin(&on(&socket), &answered()).await.unwrap();
        assert_eq!(read(&socket).await.unwrap(), Report::at(1000.0));
        let rights = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(rights & 0o777, 0o660);
        drop(outputs);
        // What is aborted goes at its next turn.
        tokio::time::timeout(SOON, async {
            while socket.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the socket stays");
    }

    #[tokio::test]
    async fn the_place_of_a_socket_left_behind_is_taken_and_of_anything_else_not() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("figures.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let asker = answered();
        let first = Outputs::begin(&on(&socket), &asker).await.unwrap();
        let second = Outputs::begin(&on(&socket), &asker).await.unwrap_err();
        assert!(second.to_string().contains("figures.sock"), "{second}");
        assert!(read(&socket).await.is_ok(), "the first goes on");
        drop(first);
        let file = directory.path().join("precious");
        std::fs::write(&file, "x").unwrap();
        assert!(Outputs::begin(&on(&file), &asker).await.is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"x");
    }

    #[tokio::test]
    async fn points_reach_carbon_under_prefix_and_host() {
        let carbon = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = carbon.local_addr().unwrap();
        let settings = OutputSettings {
            carbon: Some(CarbonSettings {
                address: graphite::Address {
                    host: address.ip().to_string(),
                    port: address.port(),
                },
                prefix: graphite::MetricPath::parse("mesos").unwrap(),
                host: "node.1".to_owned(),
                interval: Duration::from_secs(1),
            }),
            ..OutputSettings::default()
        };
        let _outputs = Outputs::begin(&settings, &answered()).await.unwrap();
        let (mut client, _) = carbon.accept().await.unwrap();
        let mut text = String::new();
        let line = "mesos.node_1.disk.watcher.subjects 0 1000\n";
        let reading = async {
            let mut chunk = [0; 4096];
            while !text.contains(line) {
                let length = client.read(&mut chunk).await.unwrap();
                assert!(length > 0, "{text}");
                text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
            }
        };
        tokio::time::timeout(SOON, reading)
            .await
            .expect("no points");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let settings = OutputSettings {
            prometheus: Some(address),
            ..OutputSettings::default()
        };
        let error = Outputs::begin(&settings, &answered()).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
