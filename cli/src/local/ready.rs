//! How a node that was started tells where it is: a small file in its data directory.
//!
//! The node removes an old one when it starts and writes a new one once it serves; a reader sees all of it or none.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "ready.toml";

/// A node that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The node's name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Where its QUIC endpoint is, for nodes and clients: `127.0.0.1:41234`.
    pub quic: String,
    /// Where its HTTP server is.
    pub http: String,
}

impl Ready {
    /// Tells that this node serves.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, data_dir: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).expect("addresses, a name and a number are TOML");
        let beside = data_dir.join("ready.toml.new");
        std::fs::write(&beside, text)?;
        std::fs::rename(beside, path(data_dir))
    }

    /// What the node last told; none when it has not.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        toml::from_str(&std::fs::read_to_string(path(data_dir)).ok()?).ok()
    }

    /// Takes back what an earlier process told.
    ///
    /// # Errors
    /// When there is a file that can't be removed.
    pub fn clear(data_dir: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(path(data_dir)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::Ready;

    #[test]
    fn what_is_told_is_read_until_it_is_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let quic = "127.0.0.1:1".to_owned();
        let ready = Ready { name: "n1".into(), pid: 7, quic, http: "127.0.0.1:2".into() };
        ready.write(directory.path()).unwrap();
        assert_eq!(Ready::read(directory.path()), Some(ready));
        Ready::clear(directory.path()).unwrap();
        Ready::clear(directory.path()).unwrap();
        assert_eq!(Ready::read(directory.path()), None);
    }
}
