//! The deterministic simulation: the real pure steps of ledger, leader, agent and client in a world that goes wrong.
//!
//! [`world`] owns the loop; Raft, network, machines and processes are models; invariants watch from outside. A seed says
//! everything: the same one does the same again. `QUORLA_SIM_SEEDS` sets how many seeds run, `QUORLA_SIM_SEED` replays one.

mod agenda;
mod agent;
mod callers;
mod campaign;
mod census;
mod clock;
mod dice;
mod faults;
mod invariants;
mod lead;
mod machine;
mod messages;
mod network;
mod node;
mod planted;
mod processes;
mod raft;
mod replica;
mod server;
mod trace;
mod workload;
mod world;
