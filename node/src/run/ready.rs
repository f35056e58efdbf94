//! The small file that tells whoever started the node where it listens: ports may be the system's choice.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

/// Its name, in the directory above the data directory.
pub const READY_FILE: &str = "ready.toml";

/// Where a node listens; written once both ports are open, before it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The node's name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Address of the QUIC endpoint.
    pub quic: String,
    /// Address of the HTTP server.
    pub http: String,
}

impl Ready {
    /// Writes the file beside the data directory, whole or not at all.
    ///
    /// # Errors
    /// What the file system said.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let path = data_dir.parent().unwrap_or(Path::new(".")).join(READY_FILE);
        let unfinished = path.with_extension("new");
        let text = toml::to_string(self).map_err(io::Error::other)?;
        fs::write(&unfinished, text)?;
        fs::rename(unfinished, path)
    }

    /// Reads the file of a node, if it is there.
    ///
    /// # Errors
    /// What the file system said, or that it is no such file.
    pub fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        let path = data_dir.parent().unwrap_or(Path::new(".")).join(READY_FILE);
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
