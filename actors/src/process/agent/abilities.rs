//! What this node can put on attempts, and the answer to a spec that demands more.

use crate::process::cgroup::{CgroupSettings, Cgroups, Controller, Version};
use crate::process::spec::{ProcessSpec, User};
use crate::process::users::{self, Users};

use super::SpecRefusal;

/// What this node can enforce, as it was tried when the agent started.
#[derive(Debug)]
pub struct Abilities {
    pub(super) cgroups: Cgroups,
    /// Rights that are missing to run attempts as other users.
    rights_lacking: Vec<&'static str>,
    users: Users,
}

impl Abilities {
    /// Looks for and tries everything.
    pub(super) fn find(settings: &CgroupSettings, users: &Users) -> Self {
        let (cgroups, rights_lacking) = (Cgroups::open(settings), users::lacking());
        let found = Self { cgroups, rights_lacking, users: users.clone() };
        for controller in [Controller::Cpu, Controller::Memory, Controller::Processes] {
            match found.cgroups.place(controller) {
                Ok(place) => {
                    tracing::debug!(?controller, directory = %place.directory.display(), "limits can be enforced")
                }
                Err(why) => tracing::info!(?controller, why, "jobs that demand this limit do not run here"),
            }
        }
        if !found.rights_lacking.is_empty() {
            tracing::info!(lacking = ?found.rights_lacking, "jobs that run as another user do not run here");
        }
        found
    }

    /// By which layout of control groups this is limited here, if at all.
    #[must_use]
    pub fn limits(&self, controller: Controller) -> Option<Version> {
        self.cgroups.place(controller).as_ref().ok().map(|place| place.version)
    }

    /// Why this is not limited here; none: it is.
    #[must_use]
    pub fn why_unlimited(&self, controller: Controller) -> Option<&str> {
        self.cgroups.place(controller).as_ref().err().map(String::as_str)
    }

    /// Whether attempts can run as other users: it has the rights, and somebody may be named.
    #[must_use]
    pub fn changes_users(&self) -> bool {
        self.rights_lacking.is_empty() && !self.users.are_none()
    }

    /// Whether they can run as root, which takes the same rights and being allowed.
    #[must_use]
    pub fn changes_to_root(&self) -> bool {
        self.changes_users() && self.users.allow_root()
    }

    /// Whom attempts may name.
    #[must_use]
    pub const fn users(&self) -> &Users {
        &self.users
    }

    /// Refuses what can't be done here; gives the user to run as.
    pub(super) fn check(&self, spec: &ProcessSpec) -> Result<Option<User>, SpecRefusal> {
        if let Some((controller, why)) = self.cgroups.lacks(&spec.limits) {
            return Err(SpecRefusal::LimitIsUnsupported { limit: controller.as_str(), why: why.to_owned() });
        }
        let Some(name) = &spec.run_as else {
            return Ok(None);
        };
        if !self.rights_lacking.is_empty() {
            return Err(SpecRefusal::UserCannotBeChanged { lacking: self.rights_lacking.join(", ") });
        }
        let user = users::resolve(name).ok_or_else(|| SpecRefusal::UserIsUnknown(name.clone()))?;
        if !self.users.allow(user) {
            return Err(SpecRefusal::UserIsNotAllowed(name.clone()));
        }
        Ok(Some(user))
    }
}

/// Only the node removes its directories, never a warden: one that is still ending what a killed node left would take away
/// those of the node's next start.
impl Drop for Abilities {
    fn drop(&mut self) {
        self.cgroups.leave();
    }
}
