//! Whether all replicas hold the same: their content hashes at one applied index (I13).

use quorla_client::{Client, ContentHash};

use super::target::Target;
use crate::fault::Fault;

const HASH_TIMEOUT_MS: u64 = 30_000;

/// The hash of every node, each asked itself.
pub(super) async fn content_hashes(target: &Target, client: &Client) -> Result<Vec<ContentHash>, Fault> {
    let index = client.mark_content_hash().await?;
    let mut hashes = Vec::new();
    for name in target.names() {
        let address = target
            .address(&name)
            .ok_or_else(|| Fault::other(format!("ask {name} for its content hash"), "it does not run"))?;
        let pinned = Client::connect(target.options().pinned_to(address)).await?;
        hashes.push(pinned.content_hash(index, HASH_TIMEOUT_MS).await?);
    }
    Ok(hashes)
}
