//! One use of a cluster by one user: the profile, the client, and which job was the last.

use std::path::PathBuf;
use std::time::Duration;

use quorla_client::{Client, Error, JobId, Options, Profile, profile};

use crate::fault::Fault;
use crate::stall::Stalls;

/// The word that means the last job of this profile.
const LAST: &str = "last";

/// A command that waits takes so long to connect, if it must, even where it would wait for less.
const CONNECT_TO_WAIT_MS: u64 = 3_000;

/// Where commands find their cluster.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    name: Option<String>,
    timeout_ms: Option<u64>,
}

/// A session with its client.
pub(crate) struct Connected {
    pub(crate) client: Client,
    last: PathBuf,
}

impl Session {
    pub(crate) const fn new(name: Option<String>, timeout_ms: Option<u64>) -> Self {
        Self { name, timeout_ms }
    }

    /// The profile's name when a flag or the environment gave one.
    pub(crate) fn asked_for(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The profile that this session uses, and its name.
    pub(crate) fn profile(&self) -> Result<(String, Profile), Fault> {
        Profile::find(self.name.as_deref()).map_err(|error| Error::from(error).into())
    }

    /// Connects for prompt requests: `--timeout` bounds how long each is tried.
    pub(crate) async fn connect(&self) -> Result<Connected, Fault> {
        let (name, options) = self.options()?;
        Self::connect_by(name, self.hurried(options), self.timeout_ms).await
    }

    /// Connects for a command that waits by itself for as long as `--timeout` says, however short that is.
    pub(crate) async fn connect_to_wait(&self) -> Result<Connected, Fault> {
        let (name, options) = self.options()?;
        let connect_ms_max = self.timeout_ms.map(|timeout_ms| timeout_ms.max(CONNECT_TO_WAIT_MS));
        Self::connect_by(name, options, connect_ms_max).await
    }

    /// The options that `--timeout` leads to.
    fn hurried(&self, mut options: Options) -> Options {
        if let Some(timeout_ms) = self.timeout_ms {
            options.rules.give_up_after_ms = timeout_ms;
            options.cuts_last_try = true;
        }
        options
    }

    fn options(&self) -> Result<(String, Options), Fault> {
        let (name, profile) = self.profile()?;
        let mut options = Options::from(&profile);
        concat!("quorla-cli/", env!("CARGO_PKG_VERSION")).clone_into(&mut options.agent);
        Ok((name, options))
    }

    async fn connect_by(name: String, mut options: Options, connect_ms_max: Option<u64>) -> Result<Connected, Fault> {
        let stalls = Stalls::of_terminal();
        options.on_stall = stalls.as_ref().map(Stalls::hook);
        let addresses = options.addresses.join(", ");
        let connecting = Client::connect(options);
        let client = match connect_ms_max {
            None => connecting.await?,
            Some(timeout_ms) => tokio::time::timeout(Duration::from_millis(timeout_ms), connecting)
                .await
                .map_err(|_| unreachable_within(timeout_ms, addresses))??,
        };
        if let Some(stalls) = stalls {
            stalls.tell(client.clone());
        }
        Ok(Connected { client, last: profile::state_directory().join("last").join(name) })
    }
}

fn unreachable_within(timeout_ms: u64, addresses: String) -> Error {
    Error::Unavailable { attempted: "connect", addresses, reason: format!("none answered within {timeout_ms} ms") }
}

impl Connected {
    /// The job that an id, a unique prefix or `last` means.
    pub(crate) async fn job(&self, text: &str) -> Result<JobId, Fault> {
        // A task of the last array is `last/3`.
        let (name, index) = text.split_once('/').map_or((text, None), |(name, index)| (name, Some(index)));
        if name != LAST {
            return Ok(self.client.resolve(text).await?);
        }
        let written = std::fs::read_to_string(&self.last).ok().and_then(|text| text.trim().parse().ok());
        let written = written.map(|last: JobId| match index {
            Some(index) => format!("{last}/{index}"),
            None => last.to_string(),
        });
        if let Some(written) = written {
            return Ok(self.client.resolve(&written).await?);
        }
        Err(Fault::new(crate::Exit::NOT_FOUND, "not_found", "find the last job: none was submitted with this profile")
            .hint("Submit one: quorla job submit -- true"))
    }

    /// Remembers the last job. A user who can't write there merely has no `last`.
    pub(crate) fn remember(&self, job: JobId) {
        if let Some(directory) = self.last.parent() {
            std::fs::create_dir_all(directory).ok();
        }
        std::fs::write(&self.last, format!("{job}\n")).ok();
    }
}
