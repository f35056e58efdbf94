//! Two Raft groups share one log database, one writer and one directory.

use std::sync::Arc;

use quorla_consensus::transport::memory::MemoryNetwork;
use quorla_consensus::{Clock, Consensus, DataDirectory, FOUNDING_RAFT_ID, GroupId, Identity, Lane, Settings, Storage};
use quorla_ledger::defect::Defect;
use quorla_ledger::ids::StorageId;

use crate::cluster::{TestClock, fast};
use crate::commands;

async fn start(storage: &Arc<Storage>, group: u16) -> Consensus {
    let (transport, _incoming) = MemoryNetwork::new(3).join([1; 32]);
    let settings = Settings {
        storage: Arc::clone(storage),
        group: GroupId(group),
        node_key: [1; 32],
        address: String::new(),
        tuning: fast(),
        defect: Defect::None,
    };
    Consensus::start(settings, Arc::new(transport), TestClock::new() as Arc<dyn Clock>).await.unwrap()
}

fn has(group: &Consensus, number: u64) -> bool {
    group.inspect(|ledger| ledger.node_by_key(&commands::key_of(number)).is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_groups_in_one_database_keep_apart() {
    let root = tempfile::tempdir().unwrap();
    let identity = Identity { cluster: commands::CLUSTER, storage: StorageId(1), raft_id: FOUNDING_RAFT_ID };
    for round in 0..2_u64 {
        let directory = DataDirectory::open(root.path()).unwrap();
        directory.adopt(identity).unwrap();
        let storage = Storage::open(directory).unwrap();
        let (one, two) = (start(&storage, 0).await, start(&storage, 9).await);
        for group in [&one, &two] {
            group.found(commands::found([1; 32], StorageId(1))).await.unwrap();
        }
        for number in 0..10 {
            let number = round * 100 + number;
            let (first, second) = tokio::join!(
                one.propose(Lane::Client, commands::register(number)),
                two.propose(Lane::Client, commands::register(1_000 + number)),
            );
            first.unwrap();
            second.unwrap();
        }
        for earlier in 0..=round {
            assert!(
                (0..10).all(|number| has(&one, earlier * 100 + number) && has(&two, 1_000 + earlier * 100 + number))
            );
            assert!(
                (0..10).all(|number| !has(&two, earlier * 100 + number) && !has(&one, 1_000 + earlier * 100 + number))
            );
        }
        one.snapshot().await.unwrap();
        one.shutdown().await;
        two.shutdown().await;
        drop((one, two));
        tokio::task::spawn_blocking(move || storage.close()).await.unwrap();
    }
}
