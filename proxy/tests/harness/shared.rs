//! A PostgreSQL that no gateway looks after, for one or several of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lattice_store::managed::{self, Managed};

use super::{Gateway, MODELS, Upstream, config, eventually, postmaster, signal, sql};

/// Stopped first, then removed.
pub struct Database {
    pub server: Managed,
    _cluster: Cluster,
    _folder: tempfile::TempDir,
}

/// Where we are root, it is outside the temporary folder.
struct Cluster(PathBuf);

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Database {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = managed::start(folder.path(), None).unwrap();
        let cluster = Cluster(server.folder().to_path_buf());
        Self {
            server,
            _cluster: cluster,
            _folder: folder,
        }
    }

    /// A gateway on it.
    pub fn gateway(&self, upstream: &Upstream) -> Gateway {
        self.gateway_with(upstream, MODELS)
    }

    /// A gateway on it, with these models and whatever else.
    pub fn gateway_with(&self, upstream: &Upstream, more: &str) -> Gateway {
        let more = format!(
            "{more}database: {{ url: {{ env: SHARED_URL }} }}\nsecurity: {{ pepper: {{ file: ./pepper }} }}\n"
        );
        let mut gateway = Gateway::prepare(
            &config(upstream, &more),
            &[("SHARED_URL", &self.server.url())],
        );
        std::fs::write(gateway.path().join("pepper"), "p".repeat(32)).unwrap();
        gateway.launch();
        gateway
    }

    /// Runs statements in one transaction and returns the rows, columns divided by `|`.
    pub fn sql(&self, statements: &str) -> Vec<String> {
        sql(&self.server.url(), statements)
    }

    /// All its processes, the main one first.
    pub fn processes(&self) -> Vec<u32> {
        let main = postmaster(self.server.folder()).unwrap();
        let children =
            std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        std::iter::once(main).chain(children).collect()
    }

    /// As an administrator stops it, waiting for the end.
    pub fn stop(&self) {
        let main = postmaster(self.server.folder()).unwrap();
        signal(main, "INT");
        eventually(Duration::from_secs(20), "PostgreSQL stops", || {
            !Path::new(&format!("/proc/{main}")).exists()
        });
    }
}
