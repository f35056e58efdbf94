//! Quorla: client.
