//! Jobs that wait until the test lets them go on, and that tell how often they ran.

use std::path::PathBuf;

use quorla_client::JobRequest;

/// A directory that jobs and test share. Every attempt leaves a line when it begins and waits for the gate.
pub struct Gate {
    directory: tempfile::TempDir,
}

impl Gate {
    /// A closed one.
    ///
    /// # Panics
    /// When there is no room for a directory.
    #[must_use]
    pub fn closed() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A job whose attempts each leave a line, wait for the gate, and print their number.
    #[must_use]
    pub fn job(&self) -> JobRequest {
        let script = "echo \"$QUORLA_JOB_ID $QUORLA_ATTEMPT $QUORLA_NODE\" >> \"$GATE/began\"
                      while [ ! -e \"$GATE/open\" ]; do sleep 0.05; done
                      echo \"attempt $QUORLA_ATTEMPT\"";
        JobRequest::new(["sh", "-c", script]).env("GATE", self.directory.path().display().to_string())
    }

    /// Lets everybody through.
    ///
    /// # Panics
    /// When the directory is gone.
    pub fn open(&self) {
        std::fs::write(self.path("open"), "").expect("the directory takes a file");
    }

    /// The beginnings so far: job, attempt and node, in the order of time.
    #[must_use]
    pub fn began(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("began")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
