//! The `process` agent kind: operating-system processes as attempts.
//!
//! Two processes share the work. The *node* ([`agent`]) decides what runs, feeds standard input and keeps the tail
//! of both outputs. Its *warden* ([`warden`]), a small child of the node, starts every attempt, is the subreaper of
//! all their descendants, knows the lease deadline, and kills everything when the deadline passes or the node is
//! gone. The two talk over one socket ([`wire`]); the children's ends of the pipes travel over it too, so output
//! never passes through the warden.
//!
//! What this module refuses to know: jobs, leases as such, the ledger, and the wall clock. Invariants:
//! - an attempt that was reported as ended has left no process behind (as far as the warden may kill it);
//! - no attempt outlives its warden, the node's lease, or the node by more than the time a kill takes;
//! - whatever a job does, the node's memory per attempt is bounded by the tails and the standard input it was given.

pub mod agent;
pub mod cgroup;
mod children;
pub mod environment;
pub mod outcome;
mod ring;
pub mod spec;
mod sys;
pub mod users;
pub mod warden;
mod wire;
