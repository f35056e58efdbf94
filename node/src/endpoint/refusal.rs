//! Why a connection was refused, in words that say what to do, and a bound on how often that is logged.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quinn::ConnectionError;
use tokio::time::Instant;

use super::code;
use crate::identity::Role;

/// TLS alerts travel as QUIC errors 0x100 + alert (RFC 9001, section 4.8).
const CRYPTO_ERROR: u64 = 0x100;

/// Why a peer was not let in, or why it did not let us in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The certificate is of another CA.
    ForeignCa,
    /// The certificate has expired or is not valid yet.
    Expired,
    /// No certificate was shown.
    NoCertificate,
    /// The certificate is malformed or failed another check; the words are the TLS library's.
    BadCertificate(String),
    /// No plane in common.
    WrongAlpn,
    /// The role may not open the plane.
    WrongRole {
        /// The role in the certificate.
        role: Role,
    },
    /// The certificate is of another cluster or carries no role.
    WrongCluster,
    /// Too many connections.
    TooMany,
    /// The other side is shutting down, or not ready.
    Unavailable,
    /// No answer in time.
    TimedOut,
    /// Anything else; the words are QUIC's.
    Other(String),
}

impl Refusal {
    /// Classifies how a handshake ended.
    pub fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::TransportError(error) => Self::of_tls(u64::from(error.code), &error.reason),
            ConnectionError::ConnectionClosed(close) => {
                let reason = String::from_utf8_lossy(&close.reason);
                Self::of_tls(u64::from(close.error_code), &reason)
            }
            ConnectionError::ApplicationClosed(close) => {
                Self::of_application(close.error_code.into_inner(), &close.reason)
            }
            ConnectionError::TimedOut => Self::TimedOut,
            other => Self::Other(other.to_string()),
        }
    }

    fn of_tls(code: u64, reason: &str) -> Self {
        match code.checked_sub(CRYPTO_ERROR) {
            Some(44 | 45) => Self::Expired,
            Some(48) => Self::ForeignCa,
            Some(116) => Self::NoCertificate,
            Some(120) => Self::WrongAlpn,
            Some(42 | 43 | 46 | 49 | 51) => Self::BadCertificate(reason.to_owned()),
            _ if code == 2 => Self::TooMany,
            _ => Self::Other(reason.to_owned()),
        }
    }

    fn of_application(code: u64, reason: &[u8]) -> Self {
        match u32::try_from(code) {
            Ok(code::WRONG_CLUSTER) => Self::WrongCluster,
            Ok(code::TOO_MANY) => Self::TooMany,
            Ok(code::SHUTDOWN | code::NOT_READY) => Self::Unavailable,
            _ => Self::Other(String::from_utf8_lossy(reason).into_owned()),
        }
    }

    /// The code to close a connection with, after a handshake that TLS let pass.
    pub(super) fn close_code(&self) -> u32 {
        match self {
            Self::WrongRole { .. } => code::WRONG_ROLE,
            Self::TooMany => code::TOO_MANY,
            _ => code::WRONG_CLUSTER,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignCa => f.write_str("the certificate is not of this cluster's CA"),
            Self::Expired => f.write_str("the certificate is not valid at this time (check it and the clock)"),
            Self::NoCertificate => f.write_str("no certificate was shown; both sides need one"),
            Self::BadCertificate(why) => write!(f, "the certificate was refused: {why}"),
            Self::WrongAlpn => f.write_str("the protocol (ALPN) is neither quorla-node/1 nor quorla-client/1"),
            Self::WrongRole { role } => {
                let plane = if *role == Role::Node { "client" } else { "node" };
                write!(f, "a {role} certificate may not open the {plane} plane")
            }
            Self::WrongCluster => f.write_str("the certificate is of another cluster or carries no role"),
            Self::TooMany => f.write_str("too many connections"),
            Self::Unavailable => f.write_str("the node is starting or shutting down"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// Log lines about refusals per second: strangers must not be able to fill a disk.
const LINES_PER_SECOND: u32 = 5;

/// Logs refusals, at most a few each second.
#[derive(Default)]
pub(super) struct RefusalLog {
    window: Mutex<Option<Window>>,
}

struct Window {
    began: Instant,
    lines: u32,
    suppressed: u32,
}

impl RefusalLog {
    pub(super) fn write(&self, remote: SocketAddr, refusal: &Refusal) {
        if let Some(suppressed) = self.admit(Instant::now()) {
            tracing::warn!(%remote, reason = %refusal, suppressed, "connection refused");
        }
    }

    /// `Some(lines left out before)` when a line may be written at `now`.
    fn admit(&self, now: Instant) -> Option<u32> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let current = match window.take() {
            Some(current) if now < current.began + Duration::from_secs(1) => current,
            last => {
                let suppressed = last.map_or(0, |last| last.suppressed);
                Window { began: now, lines: 0, suppressed }
            }
        };
        let current = window.insert(current);
        if current.lines == LINES_PER_SECOND {
            current.suppressed += 1;
            return None;
        }
        current.lines += 1;
        Some(std::mem::take(&mut current.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{CRYPTO_ERROR, LINES_PER_SECOND, Refusal, RefusalLog};

    #[test]
    fn refusals_beyond_the_bound_are_counted_and_told_later() {
        let log = RefusalLog::default();
        let start = Instant::now();
        for _ in 0..LINES_PER_SECOND {
            assert_eq!(log.admit(start), Some(0));
        }
        assert_eq!(log.admit(start), None);
        assert_eq!(log.admit(start), None);
        assert_eq!(log.admit(start + Duration::from_secs(2)), Some(2));
    }

    #[test]
    fn tls_alerts_become_clear_reasons() {
        for (alert, expected) in
            [(48, Refusal::ForeignCa), (45, Refusal::Expired), (116, Refusal::NoCertificate), (120, Refusal::WrongAlpn)]
        {
            assert_eq!(Refusal::of_tls(CRYPTO_ERROR + alert, "?"), expected);
        }
    }
}
