//! The ledger's tests: one binary, a module a noun. Claims about single commands, properties against a naive model, the
//! bytes of every shipped version, and the memory that a queued job costs.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod array_ends;
mod array_output;
mod arrays;
mod attempts;
mod build;
mod cluster;
mod counting;
mod drains;
mod expiry;
mod explain;
mod golden;
mod guard;
mod idempotency;
mod labels;
mod limits;
mod memory;
mod model;
mod nodes;
mod pauses;
mod placement;
mod properties;
mod queues;
mod submit;
mod timers;
mod uploads;
mod world;
