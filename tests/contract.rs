//! What client and ledger must say alike, for neither knows the other: bounds, verdicts, the text of an id, close codes.

mod codes;
mod ids;
mod verdicts;
