//! Quorla: consensus.
