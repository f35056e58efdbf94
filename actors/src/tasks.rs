//! Tasks that belong to an actor: they end with it, and their panic is its failure.

use ractor::ActorProcessingErr;
use tokio::task::JoinSet;

/// Takes away what has ended.
pub(crate) fn reap(tasks: &mut JoinSet<()>) -> Result<(), ActorProcessingErr> {
    while let Some(ended) = tasks.try_join_next() {
        ended.map_err(|error| -> ActorProcessingErr { Box::new(error) })?;
    }
    Ok(())
}
