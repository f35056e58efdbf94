//! Quorla: ledger.
