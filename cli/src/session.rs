//! One use of a cluster by one user: the profile, the client, and which job was the last.

use std::path::PathBuf;

use quorla_client::{Client, JobId, Options, Profile, profile};

use crate::fault::Fault;

/// The word that means the last job of this profile.
const LAST: &str = "last";

/// Where commands find their cluster.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    name: Option<String>,
}

/// A session with its client.
pub(crate) struct Connected {
    pub(crate) client: Client,
    last: PathBuf,
}

impl Session {
    pub(crate) const fn new(name: Option<String>) -> Self {
        Self { name }
    }

    /// The profile's name when a flag or the environment gave one.
    pub(crate) fn asked_for(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The profile that this session uses, and its name.
    pub(crate) fn profile(&self) -> Result<(String, Profile), Fault> {
        Profile::find(self.name.as_deref()).map_err(|error| quorla_client::Error::from(error).into())
    }

    pub(crate) async fn connect(&self) -> Result<Connected, Fault> {
        let (name, profile) = self.profile()?;
        let mut options = Options::from(&profile);
        concat!("quorla-cli/", env!("CARGO_PKG_VERSION")).clone_into(&mut options.agent);
        let client = Client::connect(options).await?;
        Ok(Connected { client, last: profile::state_directory().join("last").join(name) })
    }
}

impl Connected {
    /// The job that an id, a unique prefix or `last` means.
    pub(crate) async fn job(&self, text: &str) -> Result<JobId, Fault> {
        if text != LAST {
            return Ok(self.client.resolve(text).await?);
        }
        let written = std::fs::read_to_string(&self.last).ok().and_then(|text| text.trim().parse().ok());
        written.ok_or_else(|| {
            Fault::new(crate::Exit::NOT_FOUND, "not_found", "find the last job: none was submitted with this profile")
                .hint("Submit one: quorla job submit -- true")
        })
    }

    /// Remembers the last job. A user who can't write there merely has no `last`.
    pub(crate) fn remember(&self, job: JobId) {
        if let Some(directory) = self.last.parent() {
            std::fs::create_dir_all(directory).ok();
        }
        std::fs::write(&self.last, format!("{job}\n")).ok();
    }
}
