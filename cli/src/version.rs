//! `quorla version`.

use serde_json::json;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, printed};

pub(crate) fn run(output: &Output) -> Result<Exit, Fault> {
    let version = env!("CARGO_PKG_VERSION");
    let protocol = quorla_client::PROTOCOL_VERSION;
    let mut table = Table::pairs();
    table.pair("quorla", version);
    table.pair("client protocol", protocol);
    let json = json!({"version": version, "client_protocol": protocol});
    printed(output, &Document { json, table, ids: vec![version.to_owned()] }, Exit::OK)
}
