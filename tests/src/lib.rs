//! The harness of the tests: clusters of real processes, what may be done to them, and how to wait for what follows.
//!
//! Knows no claim; those are in `tests/cluster`. A call that timed out has an unknown outcome here too, never a failed one.

mod binary;
pub mod children;
pub mod command;
pub mod disk;
pub mod eventually;
pub mod gate;
pub mod http;
pub mod left_out;
pub mod load;
pub mod relay;
pub mod small_disk;
pub mod trial;
pub mod write_ahead_log;
