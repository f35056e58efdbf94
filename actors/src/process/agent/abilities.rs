//! What this node can put on attempts, and the answer to a spec that demands more.

use crate::process::cgroup::{CgroupSettings, Cgroups, Controller, Version};
use crate::process::spec::{ProcessSpec, User};
use crate::process::users;

use super::SpecRefusal;

/// What this node can enforce, as it was tried when the agent started.
#[derive(Debug)]
pub struct Abilities {
    pub(super) cgroups: Cgroups,
    /// Rights that are missing to run attempts as other users.
    rights_lacking: Vec<&'static str>,
}

impl Abilities {
    /// Looks for and tries everything.
    pub(super) fn find(settings: &CgroupSettings) -> Self {
        let found = Self { cgroups: Cgroups::open(settings), rights_lacking: users::lacking() };
        for controller in [Controller::Cpu, Controller::Memory, Controller::Processes] {
            match found.cgroups.place(controller) {
                Ok(place) => {
                    tracing::debug!(?controller, directory = %place.directory.display(), "limits can be enforced")
                }
                Err(why) => tracing::info!(?controller, why, "jobs that demand this limit do not run here"),
            }
        }
        if !found.changes_users() {
            tracing::info!(lacking = ?found.rights_lacking, "jobs that run as another user do not run here");
        }
        found
    }

    /// By which layout of control groups this is limited here, if at all.
    #[must_use]
    pub fn limits(&self, controller: Controller) -> Option<Version> {
        self.cgroups.place(controller).as_ref().ok().map(|place| place.version)
    }

    /// Whether attempts can run as other users.
    #[must_use]
    pub fn changes_users(&self) -> bool {
        self.rights_lacking.is_empty()
    }

    /// Refuses what can't be done here; gives the user to run as.
    pub(super) fn check(&self, spec: &ProcessSpec) -> Result<Option<User>, SpecRefusal> {
        if let Some((controller, why)) = self.cgroups.lacks(&spec.limits) {
            return Err(SpecRefusal::LimitIsUnsupported { limit: controller.as_str(), why: why.to_owned() });
        }
        let Some(name) = &spec.run_as else {
            return Ok(None);
        };
        if !self.changes_users() {
            return Err(SpecRefusal::UserCannotBeChanged { lacking: self.rights_lacking.join(", ") });
        }
        users::resolve(name).map(Some).ok_or_else(|| SpecRefusal::UserIsUnknown(name.clone()))
    }
}

/// Only the node removes its directories, never a warden: one that is still ending what a killed node left would take away
/// those of the node's next start.
impl Drop for Abilities {
    fn drop(&mut self) {
        self.cgroups.leave();
    }
}
