//! How a client is set up: where the cluster is, who the client is, how patient it is.

use crate::error::SetupError;
use crate::profile::Profile;
use crate::request::ReadLevel;
use crate::retry::RetryRules;
use crate::stall::OnStall;
use crate::tls::{Credentials, Pem};

/// The set-up of a [`crate::Client`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of nodes, `host:port`; one that answers is enough, the others are learnt from it.
    pub addresses: Vec<String>,
    /// Who the client is and whom it trusts.
    pub credentials: Credentials,
    /// How requests are repeated.
    pub rules: RetryRules,
    /// How long `connect` tries, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long one try of a prompt request may take, in milliseconds; longer than a server takes to say that it can't.
    pub try_timeout_ms: u64,
    /// How fresh reads are.
    pub read: ReadLevel,
    /// Whether to move to the leader. Off: the client stays with exactly the addresses it was given.
    pub follow_leader: bool,
    /// Whether the last try of a prompt request is cut when the time to try is over, a moment for its answer aside. Off: it
    /// takes what a try may take, so that a server that is about to refuse can still say so.
    pub cuts_last_try: bool,
    /// What is told when a call stalls.
    pub on_stall: Option<OnStall>,
    /// The program's name and version, for the server's log.
    pub agent: String,
}

impl Options {
    /// Options with every default.
    #[must_use]
    pub fn new(addresses: Vec<String>, credentials: Credentials) -> Self {
        Self {
            addresses,
            credentials,
            rules: RetryRules::default(),
            connect_timeout_ms: 5_000,
            try_timeout_ms: 15_000,
            read: ReadLevel::Linearizable,
            follow_leader: true,
            cuts_last_try: false,
            on_stall: None,
            agent: concat!("quorla-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The options that the environment and the user's profile lead to.
    ///
    /// # Errors
    /// [`SetupError`] when there is no profile or it can't be read.
    pub fn from_env() -> Result<Self, SetupError> {
        Profile::from_env().map(|profile| Self::from(&profile))
    }

    /// These options for exactly one node, without following the leader.
    #[must_use]
    pub fn pinned_to(mut self, address: impl Into<String>) -> Self {
        self.addresses = vec![address.into()];
        self.follow_leader = false;
        self
    }
}

impl From<&Profile> for Options {
    fn from(profile: &Profile) -> Self {
        let credentials = Credentials {
            ca: Pem::File(profile.ca.clone()),
            cert: Pem::File(profile.cert.clone()),
            key: Pem::File(profile.key.clone()),
        };
        Self::new(profile.addresses.clone(), credentials)
    }
}
