//! Attempts that do what the test says, in the place of processes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::{FutureExt, future::BoxFuture};
use quorla_actors::{
    holdings::KillHow,
    kind::{Attempt, Killer, Kind},
    messages::Start,
};
use quorla_ledger::{
    ids::Fence,
    outcome::{AttemptEnd, Exit, Tails, Usage},
    units::Millis,
};
use tokio::sync::{oneshot, watch};

/// The program that makes the Agent fail, on its first attempt only.
pub(crate) const CRASHES_AGENT: &str = "crash-agent";
/// The program that makes the Agent fail, always.
pub(crate) const ALWAYS_CRASHES_AGENT: &str = "always-crash-agent";
/// The program that makes the Executor fail, on its first attempt only.
pub(crate) const CRASHES_EXECUTOR: &str = "crash-executor";

/// What was seen of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) start: Start,
    pub(crate) node: String,
    pub(crate) kills: Vec<KillHow>,
}

/// The kind of a node.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    running: Mutex<BTreeMap<Fence, oneshot::Sender<Exit>>>,
    seen: watch::Sender<BTreeMap<Fence, Seen>>,
}

impl Scripted {
    /// Waits until an attempt was seen that is as asked for.
    pub(crate) async fn until(&self, mut wanted: impl FnMut(&Seen) -> bool) -> Seen {
        let mut watched = self.shared.seen.subscribe();
        let seen = watched.wait_for(|seen| seen.values().any(&mut wanted)).await.unwrap().clone();
        seen.into_values().find(wanted).unwrap()
    }

    /// The attempt ends like this.
    pub(crate) fn finish(&self, fence: Fence, exit: Exit) {
        let running = self.shared.running.lock().unwrap().remove(&fence);
        running.expect("it runs").send(exit).unwrap();
    }
}

impl Kind for Scripted {
    fn start(&self, start: &Start, node: &str) -> Box<dyn Attempt> {
        let program = start.work.command[0].as_str();
        assert!(program != ALWAYS_CRASHES_AGENT, "scripted");
        assert!(program != CRASHES_AGENT || start.number > 1, "scripted");
        let (sender, receiver) = oneshot::channel();
        let fence = start.order.fence;
        self.shared.running.lock().unwrap().insert(fence, sender);
        let seen = Seen { start: start.clone(), node: node.to_owned(), kills: Vec::new() };
        self.shared.seen.send_modify(|all| drop(all.insert(fence, seen)));
        let panics = program == CRASHES_EXECUTOR && start.number == 1;
        Box::new(ScriptedAttempt { fence, shared: Arc::clone(&self.shared), receiver: Some(receiver), panics })
    }

    fn lease_until(&self, _: Millis) {}

    fn running(&self) -> usize {
        self.shared.running.lock().unwrap().len()
    }

    fn gone(&self) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }
}

struct ScriptedAttempt {
    fence: Fence,
    shared: Arc<Shared>,
    receiver: Option<oneshot::Receiver<Exit>>,
    panics: bool,
}

impl Attempt for ScriptedAttempt {
    fn killer(&self) -> Box<dyn Killer> {
        Box::new(ScriptedKiller { fence: self.fence, shared: Arc::clone(&self.shared) })
    }

    fn wait(mut self: Box<Self>) -> BoxFuture<'static, (AttemptEnd, Tails)> {
        async move {
            assert!(!self.panics, "scripted");
            let receiver = self.receiver.take().unwrap();
            let exit = receiver.await.unwrap();
            (AttemptEnd { exit, usage: Usage::default() }, Tails::default())
        }
        .boxed()
    }
}

impl Drop for ScriptedAttempt {
    fn drop(&mut self) {
        self.shared.running.lock().unwrap().remove(&self.fence);
    }
}

struct ScriptedKiller {
    fence: Fence,
    shared: Arc<Shared>,
}

impl Killer for ScriptedKiller {
    fn kill(&self, how: KillHow) {
        self.shared.seen.send_modify(|all| all.get_mut(&self.fence).unwrap().kills.push(how));
        if let Some(running) = self.shared.running.lock().unwrap().remove(&self.fence) {
            let _ = running.send(Exit::Signal(15));
        }
    }

    fn is_alive(&self) -> bool {
        self.shared.running.lock().unwrap().contains_key(&self.fence)
    }
}
