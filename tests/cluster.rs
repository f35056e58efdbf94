//! Real node processes, killed, frozen and starved, and what holds all the same. One file for each theme.
//!
//! A claim is checked by what a client sees, by the processes of jobs and by the replicas' hashes; nothing here is timed.

mod any_node;
mod array;
mod bad_input;
mod command_line;
mod dev;
mod dispatch;
mod drain;
mod examples;
mod explain;
mod freeze;
mod guard;
mod install;
mod jobs;
mod kill;
mod limits;
mod node_life;
mod once;
mod operators;
mod output;
mod queues;
mod quorum;
mod retention;
mod stop;
mod storage;
