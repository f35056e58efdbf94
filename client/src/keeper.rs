//! The task that keeps one connection, to the leader where it can.
//!
//! Callers read the current connection from a watch and ask the keeper only when it is gone or no help. While one
//! asks, the others wait for the same answer: a cluster that is down is not dialled once per caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::connection::{ConnectError, Connection, Dialer};
use crate::limits::ADDRESSES_MAX;
use crate::options::Options;
use crate::retry::Route;

/// Between the starts of two dials of one round, so that a server that is gone costs little.
const DIAL_STAGGER: Duration = Duration::from_millis(150);
/// How long a move to the leader may take before the first server that answered is good enough.
const LEADER_DIAL_TIMEOUT: Duration = Duration::from_millis(700);
/// How often a client that is not with the leader asks who leads.
const LEADER_CHECK: Duration = Duration::from_millis(1_000);
const WANTS_QUEUED_MAX: usize = 1024;

type Current = Option<Arc<Connection>>;

/// A caller needs a connection.
struct Want {
    /// The connection that was no help.
    avoid: Current,
    route: Route<String>,
    reply: oneshot::Sender<Result<Arc<Connection>, ConnectError>>,
}

/// The callers' side.
#[derive(Debug)]
pub(crate) struct Keeper {
    wants: mpsc::Sender<Want>,
    current: watch::Receiver<Current>,
    clock_offset_ms: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

/// The task's side.
struct Task {
    dialer: Dialer,
    agent: String,
    addresses: Vec<String>,
    follow_leader: bool,
    current: watch::Sender<Current>,
    clock_offset_ms: Arc<AtomicI64>,
}

impl Keeper {
    pub(crate) fn start(dialer: Dialer, options: &Options) -> Self {
        let (wants, queue) = mpsc::channel(WANTS_QUEUED_MAX);
        let (publish, current) = watch::channel(None);
        let clock_offset_ms = Arc::new(AtomicI64::new(0));
        let task = Task {
            dialer,
            agent: options.agent.clone(),
            addresses: options.addresses.clone(),
            follow_leader: options.follow_leader,
            current: publish,
            clock_offset_ms: Arc::clone(&clock_offset_ms),
        };
        Self { wants, current, clock_offset_ms, task: tokio::spawn(task.run(queue)) }
    }

    /// How far the server's clock is ahead of this machine's.
    pub(crate) fn clock_offset_ms(&self) -> i64 {
        self.clock_offset_ms.load(Ordering::Relaxed)
    }

    /// A connection for the next try, after `last` was tried.
    pub(crate) async fn connection(
        &self,
        last: Current,
        route: Route<String>,
    ) -> Result<Arc<Connection>, ConnectError> {
        if let Some(open) = self.current.borrow().as_ref().filter(|open| suits(open, last.as_ref(), &route)) {
            return Ok(Arc::clone(open));
        }
        let (reply, replied) = oneshot::channel();
        let gone = || ConnectError::Unreachable { address: String::new(), reason: "the client is stopping".into() };
        self.wants.send(Want { avoid: last, route, reply }).await.map_err(|_| gone())?;
        replied.await.map_err(|_| gone())?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn suits(open: &Arc<Connection>, last: Option<&Arc<Connection>>, route: &Route<String>) -> bool {
    let is_last = last.is_some_and(|last| Arc::ptr_eq(last, open));
    let on_route = match route {
        Route::Same => true,
        Route::Other => !is_last,
        Route::To(address) => open.address == *address,
    };
    open.is_open() && on_route
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Want>) {
        loop {
            tokio::select! {
                want = queue.recv() => match want {
                    Some(want) => self.serve(want, &mut queue).await,
                    None => return,
                },
                () = tokio::time::sleep(LEADER_CHECK), if self.is_beside_the_leader() => self.look_for_leader().await,
            }
        }
    }

    async fn serve(&mut self, want: Want, queue: &mut mpsc::Receiver<Want>) {
        let open = self.current.borrow().clone();
        let result = match open.filter(|open| suits(open, want.avoid.as_ref(), &want.route)) {
            Some(open) => Ok(open),
            None => self.connect(&want).await,
        };
        let failed = result.as_ref().err().cloned();
        want.reply.send(result).ok();
        if let Some(error) = failed {
            while let Ok(want) = queue.try_recv() {
                want.reply.send(Err(error.clone())).ok();
            }
        }
    }

    /// A new connection, to where the caller was sent or else to any server, and from there to the leader.
    async fn connect(&mut self, want: &Want) -> Result<Arc<Connection>, ConnectError> {
        let avoided = want.avoid.as_ref().map(|avoid| avoid.address.clone());
        let order = match &want.route {
            Route::To(address) if self.follow_leader => self.ordered(Some(address), avoided.as_deref()),
            _ => self.ordered(None, avoided.as_deref()),
        };
        let found = self.dial_any(order).await?;
        let found = self.move_to_leader(found).await;
        self.publish(found)
    }

    fn publish(&mut self, found: Connection) -> Result<Arc<Connection>, ConnectError> {
        self.learn(&found.welcome.addresses);
        let found = Arc::new(found);
        self.current.send_replace(Some(Arc::clone(&found)));
        Ok(found)
    }

    /// Dials one after the other without waiting for those that do not answer; the first to say welcome wins.
    async fn dial_any(&self, order: Vec<String>) -> Result<Connection, ConnectError> {
        let mut dials = FuturesUnordered::new();
        let mut left = order.iter();
        let mut failures = Vec::new();
        loop {
            let next = left.next();
            if let Some(address) = next {
                dials.push(self.dial(address));
            }
            let stagger = tokio::time::sleep(DIAL_STAGGER);
            tokio::select! {
                Some(dialed) = dials.next() => match dialed {
                    Ok(connection) => return Ok(connection),
                    Err(error) => failures.push(error),
                },
                () = stagger, if next.is_some() => {}
                else => return Err(worst(failures)),
            }
        }
    }

    async fn dial(&self, address: &str) -> Result<Connection, ConnectError> {
        let dialed = self.dialer.dial(address).await?;
        self.clock_offset_ms.store(dialed.clock_offset_ms, Ordering::Relaxed);
        Ok(dialed.connection)
    }

    async fn move_to_leader(&self, found: Connection) -> Connection {
        let leader = found.welcome.leader.as_deref().filter(|leader| *leader != found.address);
        let Some(leader) = leader.filter(|_| self.follow_leader && !found.welcome.is_leader) else {
            return found;
        };
        match tokio::time::timeout(LEADER_DIAL_TIMEOUT, self.dial(leader)).await {
            Ok(Ok(led)) => led,
            _ => found,
        }
    }

    fn is_beside_the_leader(&self) -> bool {
        let current = self.current.borrow();
        self.follow_leader && current.as_ref().is_some_and(|open| open.is_open() && !open.welcome.is_leader)
    }

    async fn look_for_leader(&mut self) {
        let Some(open) = self.current.borrow().clone() else {
            return;
        };
        let Some((welcome, _)) = open.greet(&self.agent).await else {
            return;
        };
        let Some(leader) = welcome.leader.filter(|_| !welcome.is_leader) else {
            return;
        };
        if let Ok(Ok(led)) = tokio::time::timeout(LEADER_DIAL_TIMEOUT, self.dial(&leader)).await {
            self.publish(led).ok();
        }
    }

    /// The addresses in the order to dial: a hint first, the one that was no help last.
    fn ordered(&self, first: Option<&String>, last: Option<&str>) -> Vec<String> {
        let mut order: Vec<String> = first.into_iter().cloned().collect();
        let rest = |address: &&String| Some(*address) != first;
        order.extend(self.addresses.iter().filter(rest).filter(|address| Some(address.as_str()) != last).cloned());
        order.extend(self.addresses.iter().filter(rest).filter(|address| Some(address.as_str()) == last).cloned());
        order
    }

    fn learn(&mut self, addresses: &[String]) {
        if !self.follow_leader {
            return;
        }
        for address in addresses {
            if self.addresses.len() < ADDRESSES_MAX && !self.addresses.contains(address) {
                self.addresses.push(address.clone());
            }
        }
    }
}

/// When no server gave a connection: one that is down may come back, so a rejection counts only when all rejected.
fn worst(failures: Vec<ConnectError>) -> ConnectError {
    let mut unreachable = None;
    let mut rejected = None;
    for failure in failures {
        match failure {
            ConnectError::Unreachable { .. } => unreachable.get_or_insert(failure),
            ConnectError::Rejected { .. } | ConnectError::Refused { .. } => rejected.get_or_insert(failure),
        };
    }
    unreachable.or(rejected).unwrap_or_else(|| ConnectError::Unreachable {
        address: "no address".to_owned(),
        reason: "the profile names none".to_owned(),
    })
}
