//! `quorla node list`.

use crate::cluster::node_rows;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, json, printed};
use crate::session::Session;

pub(super) async fn run(session: &Session, output: &Output) -> Result<Exit, Fault> {
    let nodes = session.connect().await?.client.nodes().await?;
    let ids = nodes.iter().map(|node| node.name.clone()).collect();
    let document = Document { json: json(&nodes), table: node_rows(&nodes), ids };
    printed(output, &document, Exit::OK)
}
