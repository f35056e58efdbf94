//! openraft's own suite over our stores.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use quorla_consensus::stores::{LogStore, StateStore, TypeConfig, open_for_suite};
use tempfile::TempDir;

struct Builder {
    root: TempDir,
    count: AtomicU64,
}

impl StoreBuilder<TypeConfig, LogStore, StateStore, PathBuf> for Builder {
    async fn build(&self) -> Result<(PathBuf, LogStore, StateStore), StorageError<TypeConfig>> {
        let path = self.root.path().join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        let (log, state) = open_for_suite(&path).unwrap();
        Ok((path, log, state))
    }
}

#[test]
fn the_stores_pass_openrafts_suite() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Builder { root: tempfile::tempdir().unwrap(), count: AtomicU64::new(0) };
        Suite::<TypeConfig, LogStore, StateStore, Builder, PathBuf>::test_all(builder).await.unwrap();
    });
}
