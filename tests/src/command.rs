//! The command line as a person uses it: the binary with a profile of its own.

use std::process::Stdio;

use quorla_client::Profile;
use tokio::process::Command;

use crate::binary;
use crate::trial::Trial;

const PROFILE: &str = "trial";

/// Runs commands against one cluster, apart from the user's own profiles.
pub struct Shell {
    state: tempfile::TempDir,
}

impl Shell {
    /// Commands that know every node.
    ///
    /// # Panics
    /// When the profile can't be written.
    #[must_use]
    pub fn of(trial: &Trial) -> Self {
        Self::with(&trial.cluster.profile())
    }

    /// Commands that begin with one node only.
    ///
    /// # Panics
    /// When the node was never ready, or the profile can't be written.
    #[must_use]
    pub fn of_node(trial: &Trial, position: usize) -> Self {
        let addresses = trial.options_of(position).addresses;
        Self::with(&Profile { addresses, ..trial.cluster.profile() })
    }

    fn with(profile: &Profile) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory");
        let profiles = state.path().join("quorla").join("profiles");
        profile.write(&profiles, PROFILE).expect("the profile is written");
        Self { state }
    }

    /// `quorla` with these arguments, its output captured, its input as the caller sets it.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary::quorla());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUORLA")) {
            command.env_remove(name);
        }
        command.args(arguments).env("XDG_STATE_HOME", self.state.path()).env("QUORLA_PROFILE", PROFILE);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}
