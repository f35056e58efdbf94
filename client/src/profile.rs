//! Profiles: where a cluster is and with which certificate it is entered. One small TOML file each, mode 0600.
//!
//! They lie in `$XDG_STATE_HOME/quorla/profiles` (or `~/.local/state/quorla/profiles`). `quorla dev` writes the profile
//! `dev`, which is the default while that process runs, and removes it when it exits.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::SetupError;

/// The profile that `quorla dev` writes.
pub const DEV_PROFILE: &str = "dev";
/// The profile that is used when none is named and no dev cluster runs.
pub const DEFAULT_PROFILE: &str = "default";

/// Where a cluster is, and how to enter it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Client addresses of nodes, `host:port`; one that answers is enough.
    pub addresses: Vec<String>,
    /// The cluster's CA certificate, PEM.
    pub ca: PathBuf,
    /// The client's certificate, PEM.
    pub cert: PathBuf,
    /// The client's key, PEM.
    pub key: PathBuf,
    /// The HTTP address of one node, for people.
    #[serde(default)]
    pub http: Option<String>,
    /// The process that this profile lives and dies with; none: it stays.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The file from which drills learn the processes of a dev cluster.
    #[serde(default)]
    pub control: Option<PathBuf>,
}

impl Profile {
    /// The profile that the environment and the user's files lead to: `QUORLA_PROFILE`, else `dev` while it runs, else
    /// `default`. `QUORLA_ADDR` (comma-separated) and `QUORLA_CA_CERT` replace what it says.
    ///
    /// # Errors
    /// [`SetupError`] when there is none or it can't be read.
    pub fn from_env() -> Result<Self, SetupError> {
        Self::named_or_default(None)
    }

    /// As [`Profile::from_env`], with a name that goes before the environment.
    ///
    /// # Errors
    /// [`SetupError`] when there is none or it can't be read.
    pub fn named_or_default(name: Option<&str>) -> Result<Self, SetupError> {
        Self::find(name).map(|(_, profile)| profile)
    }

    /// As [`Profile::named_or_default`], and the name that was found.
    ///
    /// # Errors
    /// [`SetupError`] when there is none or it can't be read.
    pub fn find(name: Option<&str>) -> Result<(String, Self), SetupError> {
        let directory = directory();
        let from_env = std::env::var("QUORLA_PROFILE").ok().filter(|name| !name.is_empty());
        let (found, mut profile) = match name.or(from_env.as_deref()) {
            Some(name) => (name.to_owned(), Self::read(&directory, name)?),
            None => Self::default_of(&directory)?,
        };
        if let Ok(addresses) = std::env::var("QUORLA_ADDR") {
            profile.addresses = addresses.split(',').map(|address| address.trim().to_owned()).collect();
        }
        if let Ok(ca) = std::env::var("QUORLA_CA_CERT") {
            profile.ca = ca.into();
        }
        Ok((found, profile))
    }

    /// Reads a profile and makes sure that what it lives with is there.
    ///
    /// # Errors
    /// [`SetupError`] when it is missing, malformed or left over from a process that is gone.
    pub fn read(directory: &Path, name: &str) -> Result<Self, SetupError> {
        let path = path_of(directory, name)?;
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                SetupError::NoProfile { reason: format!("there is no profile {name} at {}", path.display()) }
            }
            _ => SetupError::Read { what: "a profile", path: path.clone(), source },
        })?;
        let profile: Self = toml::from_str(&text).map_err(|error| SetupError::Malformed {
            what: "a profile",
            path: path.clone(),
            reason: error.message().to_owned(),
        })?;
        match profile.pid.filter(|pid| !runs(*pid)) {
            None => Ok(profile),
            Some(pid) => Err(SetupError::NoProfile {
                reason: format!("the process {pid} that the profile {name} was written by is gone"),
            }),
        }
    }

    /// Writes a profile so that only its user can read it; a reader sees the old or the new one, never a part.
    ///
    /// # Errors
    /// [`SetupError::Write`].
    pub fn write(&self, directory: &Path, name: &str) -> Result<PathBuf, SetupError> {
        let path = path_of(directory, name)?;
        let failed = |source| SetupError::Write { what: "a profile", path: path.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let text = toml::to_string(self).expect("a profile holds only text, paths and numbers");
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        std::fs::rename(&beside, &path).map_err(failed)?;
        Ok(path)
    }

    fn default_of(directory: &Path) -> Result<(String, Self), SetupError> {
        let read = |name: &str| Self::read(directory, name).map(|profile| (name.to_owned(), profile));
        match read(DEV_PROFILE) {
            Err(SetupError::NoProfile { reason }) => match read(DEFAULT_PROFILE) {
                Err(SetupError::NoProfile { .. }) => Err(SetupError::NoProfile { reason }),
                other => other,
            },
            other => other,
        }
    }
}

/// Where this user's profiles lie.
#[must_use]
pub fn directory() -> PathBuf {
    state_directory().join("profiles")
}

/// Where this user's state of Quorla lies.
#[must_use]
pub fn state_directory() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir);
    state.join("quorla")
}

fn path_of(directory: &Path, name: &str) -> Result<PathBuf, SetupError> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !plain {
        let reason = format!("{name:?} is no name of a profile: use letters, digits, `-` and `_`");
        return Err(SetupError::NoProfile { reason });
    }
    Ok(directory.join(format!("{name}.toml")))
}

fn runs(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Profile, SetupError};

    fn profile(pid: Option<u32>) -> Profile {
        Profile {
            addresses: vec!["127.0.0.1:1".into()],
            ca: "/a".into(),
            cert: "/b".into(),
            key: "/c".into(),
            http: None,
            pid,
            control: None,
        }
    }

    #[test]
    fn a_profile_is_read_back_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let written = profile(Some(std::process::id()));
        let path = written.write(directory.path(), "dev").unwrap();
        assert_eq!(Profile::read(directory.path(), "dev").unwrap(), written);
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_profile_of_a_process_that_is_gone_is_no_profile() {
        let directory = tempfile::tempdir().unwrap();
        profile(Some(u32::MAX)).write(directory.path(), "dev").unwrap();
        let error = Profile::read(directory.path(), "dev").unwrap_err();
        assert!(matches!(error, SetupError::NoProfile { .. }), "{error}");
    }

    #[test]
    fn a_name_never_leaves_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["", "../dev", "a/b"] {
            assert!(Profile::read(directory.path(), name).is_err(), "{name}");
        }
    }
}
