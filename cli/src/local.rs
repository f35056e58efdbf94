//! Clusters of real node processes on this machine: what `dev`, `drill`, `demo`, `bench` and the tests start.
//!
//! Every node is `quorla node start --config FILE [--found] --parent PID` in a process group of its own. It chooses its
//! ports, tells them in `ready.toml` in its data directory, and dies with the process that started it.

mod cluster;
mod control;
mod identities;
mod layout;
mod parent;
mod process;
mod ready;
pub(crate) mod usage;

pub use cluster::{Cluster, NodeEnd, Settings};
pub(crate) use control::runs;
pub use control::{Control, ControlledNode};
pub use parent::die_with_parent;
pub use process::NodeProcess;
pub use ready::Ready;
