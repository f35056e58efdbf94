//! Quorla: tests.
