//! Quorla: benches.
