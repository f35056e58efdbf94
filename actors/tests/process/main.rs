//! The `process` agent with real processes.
//!
//! This binary is also its own warden: started with `QUORLA_TEST_ROLE=warden` and the exact name of
//! [`warden_role`], the harness runs nothing else. The node that gets killed or frozen is a copy of it too.
#![allow(missing_docs, clippy::unwrap_used)]

mod ending;
mod groups;
mod hung_disk;
#[allow(unreachable_pub, reason = "the harness of the cluster tests exports it")]
#[path = "../../../tests/src/left_out.rs"]
mod left_out;
mod limits;
mod node_death;
mod outcome;
mod setting;
mod surroundings;
mod users;

const ROLE: &str = "QUORLA_TEST_ROLE";

/// No test of its own: the life of a warden when the environment says so.
#[test]
fn warden_role() {
    if std::env::var_os(ROLE).is_some_and(|role| role == "warden") {
        let code = quorla_actors::process::warden::main(setting::boot_ms);
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

/// No test of its own: a node that runs two sleepers until it is killed, when the environment says so.
#[test]
fn node_role() {
    if std::env::var_os(ROLE).is_some_and(|role| role == "node") {
        node_death::be_a_node();
    }
}

/// No test of its own: a node with an attempt in a control group, when the environment says so.
#[test]
fn limited_node_role() {
    if std::env::var_os(ROLE).is_some_and(|role| role == "limited_node") {
        groups::be_a_node();
    }
}
