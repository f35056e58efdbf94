//! Quorla: node.
