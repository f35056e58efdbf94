//! What client and node must say alike, for neither knows the other.

mod codes;
