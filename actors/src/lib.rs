//! Quorla: actors.
