//! `quorla node list`.

use crate::cluster::node_rows;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, json, printed};
use crate::session::Session;
use crate::watch::Watch;

pub(super) async fn run(watch: &Watch, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let look = async |output: &Output| {
        let nodes = connected.client.nodes().await?;
        let ids = nodes.iter().map(|node| node.name.clone()).collect();
        output.screen()?;
        printed(output, &Document { json: json(&nodes), table: node_rows(&nodes), ids }, Exit::OK)
    };
    watch.run(output, look).await
}
