//! Commands that wait for an entry: two lanes, each bounded in commands and bytes (R21).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quorla_ledger::reply::Reply;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Lane;
use super::forward::{self, Answers};
use crate::error::ProposeError;

const CLIENT: Bounds = Bounds { commands_max: 32_768, bytes_max: 32 << 20 };
const OWNER: Bounds = Bounds { commands_max: 8_192, bytes_max: 16 << 20 };
/// What a full queue needs to drain, roughly.
const RETRY_AFTER_MS: u64 = 250;

struct Bounds {
    commands_max: usize,
    bytes_max: usize,
}

/// Who waits for the replies of an item.
pub(crate) enum Waiter {
    One(oneshot::Sender<Result<Reply, ProposeError>>),
    Many(oneshot::Sender<Result<Vec<Reply>, ProposeError>>),
    /// Another member; the number is its own.
    Remote(u64, Answers),
}

enum Commands {
    One(Bytes),
    Many(Vec<Bytes>),
}

/// Commands that are appended together and answered together.
pub(crate) struct Item {
    pub(super) lane: Lane,
    commands: Commands,
    bytes: usize,
    waiter: Waiter,
    deadline: Instant,
}

impl Item {
    pub(crate) fn one(lane: Lane, command: Bytes, waiter: Waiter, deadline: Instant) -> Self {
        let bytes = command.len();
        Self { lane, commands: Commands::One(command), bytes, waiter, deadline }
    }

    pub(crate) fn many(lane: Lane, commands: Vec<Bytes>, waiter: Waiter, deadline: Instant) -> Self {
        let bytes = commands.iter().map(Bytes::len).sum();
        Self { lane, commands: Commands::Many(commands), bytes, waiter, deadline }
    }

    pub(crate) fn commands(&self) -> impl Iterator<Item = &Bytes> {
        let slice = match &self.commands {
            Commands::One(command) => std::slice::from_ref(command),
            Commands::Many(commands) => commands.as_slice(),
        };
        slice.iter()
    }

    fn count(&self) -> usize {
        match &self.commands {
            Commands::One(_) => 1,
            Commands::Many(commands) => commands.len(),
        }
    }
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    commands: usize,
    bytes: usize,
}

impl Waiting {
    fn add(&mut self, item: &Item) {
        self.commands += item.count();
        self.bytes += item.bytes;
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.commands -= item.count();
        self.bytes -= item.bytes;
        Some(item)
    }
}

/// Items for one entry.
struct Taken {
    commands_left: usize,
    bytes_left: usize,
    items: Vec<Item>,
}

impl Taken {
    const fn up_to(commands_left: usize, bytes_left: usize) -> Self {
        Self { commands_left, bytes_left, items: Vec::new() }
    }

    /// Takes from the front what fits; the first item of all in any case.
    fn fill_from(&mut self, waiting: &mut Waiting) {
        while let Some(next) = waiting.items.front() {
            let fits = next.count() <= self.commands_left && next.bytes <= self.bytes_left;
            if !self.items.is_empty() && !fits {
                return;
            }
            self.commands_left = self.commands_left.saturating_sub(next.count());
            self.bytes_left = self.bytes_left.saturating_sub(next.bytes);
            self.items.extend(waiting.pop());
        }
    }
}

#[derive(Default)]
struct Lanes {
    owner: Waiting,
    client: Waiting,
    closed: bool,
}

impl Lanes {
    fn lane(&mut self, lane: Lane) -> (&mut Waiting, Bounds) {
        match lane {
            Lane::Owner => (&mut self.owner, OWNER),
            Lane::Client => (&mut self.client, CLIENT),
        }
    }
}

/// The queue of one group.
#[derive(Default)]
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
}

impl Queue {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an item, or refuses it when its lane is full.
    pub(crate) fn push(&self, item: Item) -> Result<(), ProposeError> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(ProposeError::NotLeader { leader: None });
        }
        let (waiting, bounds) = lanes.lane(item.lane);
        let fits = waiting.commands + item.count() <= bounds.commands_max;
        if !fits || waiting.bytes + item.bytes > bounds.bytes_max {
            return Err(ProposeError::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        waiting.add(&item);
        waiting.items.push_back(item);
        Ok(())
    }

    /// Puts items back in front; they were let in before. Those of other members go back to them instead.
    pub(crate) fn put_back(&self, items: Vec<Item>) {
        let mut lanes = self.lanes();
        for item in items.into_iter().rev() {
            if lanes.closed || matches!(item.waiter, Waiter::Remote(..)) {
                fail_one(item, &ProposeError::NotLeader { leader: None });
                continue;
            }
            let (waiting, _) = lanes.lane(item.lane);
            waiting.add(&item);
            waiting.items.push_front(item);
        }
    }

    /// The next items for one entry, owners first; at least one when any waits.
    pub(crate) fn take(&self, commands_max: usize, bytes_max: usize) -> Vec<Item> {
        let mut lanes = self.lanes();
        let mut taken = Taken::up_to(commands_max, bytes_max);
        taken.fill_from(&mut lanes.owner);
        taken.fill_from(&mut lanes.client);
        taken.items
    }

    /// The same of one lane, because a request to the leader is let into one lane there: the other one than `former` when
    /// both have something, so that neither keeps the other from going.
    pub(crate) fn take_lane(&self, former: Lane, commands_max: usize, bytes_max: usize) -> (Lane, Vec<Item>) {
        let mut lanes = self.lanes();
        let lane = match (lanes.owner.items.is_empty(), lanes.client.items.is_empty()) {
            (true, _) => Lane::Client,
            (_, true) => Lane::Owner,
            (false, false) if former == Lane::Owner => Lane::Client,
            (false, false) => Lane::Owner,
        };
        let mut taken = Taken::up_to(commands_max, bytes_max);
        taken.fill_from(lanes.lane(lane).0);
        (lane, taken.items)
    }

    /// Items whose deadline has passed.
    pub(crate) fn take_expired(&self, now: Instant) -> Vec<Item> {
        let mut lanes = self.lanes();
        let mut expired = Vec::new();
        for lane in [Lane::Owner, Lane::Client] {
            let (waiting, _) = lanes.lane(lane);
            // Deadlines follow the order of arrival closely enough.
            while waiting.items.front().is_some_and(|item| item.deadline <= now) {
                expired.extend(waiting.pop());
            }
        }
        expired
    }

    pub(crate) fn is_empty(&self) -> bool {
        let lanes = self.lanes();
        lanes.owner.items.is_empty() && lanes.client.items.is_empty()
    }

    /// Commands that wait, for status.
    pub(crate) fn depth(&self) -> usize {
        let lanes = self.lanes();
        lanes.owner.commands + lanes.client.commands
    }

    /// Lets nothing in any more and gives back what waits.
    pub(crate) fn close(&self) -> Vec<Item> {
        let mut lanes = self.lanes();
        lanes.closed = true;
        let mut items: Vec<Item> = std::mem::take(&mut lanes.owner).items.into();
        items.extend(std::mem::take(&mut lanes.client).items);
        items
    }
}

/// Hands each item its share of the replies.
pub(super) fn answer(items: Vec<Item>, replies: Vec<Reply>) {
    let mut replies = replies.into_iter();
    for item in items {
        let share: Vec<Reply> = replies.by_ref().take(item.count()).collect();
        if share.len() < item.count() {
            // Fewer replies than commands can't be matched to them.
            fail_one(item, &ProposeError::Unknown);
            continue;
        }
        // A caller that has given up needs no answer.
        match item.waiter {
            Waiter::One(sender) => drop(share.into_iter().next().map(|reply| sender.send(Ok(reply)))),
            Waiter::Many(sender) => drop(sender.send(Ok(share))),
            Waiter::Remote(number, answers) => forward::tell(&answers, number, Ok(share)),
        }
    }
}

pub(super) fn fail(items: Vec<Item>, error: &ProposeError) {
    for item in items {
        fail_one(item, error);
    }
}

fn fail_one(item: Item, error: &ProposeError) {
    match item.waiter {
        Waiter::One(sender) => drop(sender.send(Err(error.clone()))),
        Waiter::Many(sender) => drop(sender.send(Err(error.clone()))),
        Waiter::Remote(number, answers) => forward::tell(&answers, number, Err(error.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(lane: Lane, bytes: usize) -> (Item, oneshot::Receiver<Result<Reply, ProposeError>>) {
        let (sender, receiver) = oneshot::channel();
        (Item::one(lane, Bytes::from(vec![0; bytes]), Waiter::One(sender), Instant::now()), receiver)
    }

    #[tokio::test]
    async fn a_full_client_lane_leaves_the_owners_lane_open() {
        let queue = Queue::default();
        let mut let_in = 0;
        while queue.push(item(Lane::Client, 1 << 20).0).is_ok() {
            let_in += 1;
        }
        assert_eq!(let_in, 32);
        assert!(queue.push(item(Lane::Owner, 1 << 20).0).is_ok());
        assert!(matches!(queue.take(256, 1 << 20).as_slice(), [Item { lane: Lane::Owner, .. }]));
    }

    #[tokio::test]
    async fn an_entry_takes_what_fits_and_at_least_one() {
        let queue = Queue::default();
        for bytes in [300, 60, 30, 20] {
            queue.push(item(Lane::Client, bytes).0).unwrap();
        }
        let sizes = |items: Vec<Item>| items.iter().map(|item| item.bytes).collect::<Vec<_>>();
        assert_eq!(sizes(queue.take(256, 100)), [300]);
        assert_eq!(sizes(queue.take(256, 100)), [60, 30]);
        assert_eq!(sizes(queue.take(256, 100)), [20]);
    }

    #[tokio::test]
    async fn lanes_take_turns_where_they_travel_apart() {
        let queue = Queue::default();
        for lane in [Lane::Client, Lane::Owner, Lane::Owner] {
            queue.push(item(lane, 60).0).unwrap();
        }
        let mut taken = Vec::new();
        let mut former = Lane::Client;
        while !queue.is_empty() {
            let (lane, items) = queue.take_lane(former, 256, 100);
            assert!(items.iter().all(|item| item.lane == lane), "R21");
            former = lane;
            taken.push(lane);
        }
        assert_eq!(taken, [Lane::Owner, Lane::Client, Lane::Owner]);
    }

    #[tokio::test]
    async fn what_was_put_back_comes_first() {
        let queue = Queue::default();
        queue.push(item(Lane::Client, 1).0).unwrap();
        queue.push(item(Lane::Client, 2).0).unwrap();
        let taken = queue.take(2, 100);
        queue.push(item(Lane::Client, 3).0).unwrap();
        queue.put_back(taken);
        let sizes: Vec<usize> = queue.take(9, 100).iter().map(|item| item.bytes).collect();
        assert_eq!(sizes, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_closed_queue_refuses() {
        let queue = Queue::default();
        let (first, receiver) = item(Lane::Client, 1);
        queue.push(first).unwrap();
        fail(queue.close(), &ProposeError::NotLeader { leader: None });
        assert_eq!(receiver.await.unwrap(), Err(ProposeError::NotLeader { leader: None }));
        assert!(queue.push(item(Lane::Client, 1).0).is_err());
    }
}
