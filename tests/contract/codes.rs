//! The codes that a node closes a client's connection with.

use quorla_client::{CLOSED_FOR_CLUSTER, CLOSED_FOR_ROLE};
use quorla_node::endpoint::code;

#[test]
fn a_client_knows_the_codes_that_a_node_closes_with() {
    assert_eq!((CLOSED_FOR_ROLE, CLOSED_FOR_CLUSTER), (code::WRONG_ROLE, code::WRONG_CLUSTER));
}
