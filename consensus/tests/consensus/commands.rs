//! Commands that tests propose, and what they look for afterwards.

use std::collections::BTreeMap;

use quorla_ledger::codec::encode_command;
use quorla_ledger::command::{Command, FoundCluster, RegisterNode};
use quorla_ledger::ids::{BootId, ClusterId, NodeKey, StorageId};
use quorla_ledger::spec::Resources;
use quorla_ledger::units::{Bytes, MilliCpu};

pub const CLUSTER: ClusterId = ClusterId(0xC1);

pub fn found(node: [u8; 32], storage: StorageId) -> Vec<u8> {
    let founding = FoundCluster { cluster: CLUSTER, ca_certificate: vec![1], node: NodeKey(node), storage };
    encode_command(&Command::FoundCluster(founding))
}

/// Registers the test's own node number `number`: each number is one durable record.
pub fn register(number: u64) -> Vec<u8> {
    let capacity = Resources { cpu: MilliCpu(1_000), memory: Bytes(1 << 30), slots: 1 };
    encode_command(&Command::RegisterNode(RegisterNode {
        key: key_of(number),
        name: format!("node-{number}"),
        capacity,
        labels: BTreeMap::new(),
        boot: BootId(u128::from(number)),
        command_version: 1,
    }))
}

pub fn key_of(number: u64) -> NodeKey {
    let mut key = [0xAA; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    NodeKey(key)
}

/// Changes nothing but the log: for tests that need many bytes or entries.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut command = vec![0; bytes.max(2)];
    command[0] = quorla_ledger::command::COMMAND_VERSION;
    command[1] = 0xFF;
    command
}
