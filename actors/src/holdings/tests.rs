//! One claim of the agent's holdings per test; outputs are recorded in short words.

use quorla_ledger::{
    ids::{BootId, Epoch, Fence, JobId, NodeId},
    outcome::{AttemptEnd, Exit, StopCause, Tails, Usage},
    units::Millis,
};

use super::{HELD_MAX, Holdings, KillHow, Output, memory::ENDED_REMEMBERED_MAX};
use crate::{
    lease::LeaseTerms,
    messages::{Desired, Listed, Order, Stop},
};

const NODE: NodeId = NodeId(1);
const EPOCH: Epoch = Epoch(5);
const BOOT: BootId = BootId(70);
const TTL_MS: u64 = 10_000;

/// An agent and its virtual time.
struct Agent {
    holdings: Holdings,
    now: Millis,
}

impl Agent {
    fn unregistered() -> Self {
        let (holdings, outputs) = Holdings::begin(LeaseTerms::default(), BOOT, Millis(0));
        assert_eq!(short(outputs), ["register 70"]);
        Self { holdings, now: Millis(0) }
    }

    /// Registered at 0; its first renewal went out then.
    fn registered() -> Self {
        let mut agent = Self::unregistered();
        assert_eq!(agent.register(BOOT, EPOCH), ["lease 10000", "renew 1"]);
        agent
    }

    /// Holds these running attempts, named at index 10.
    fn running(fences: &[u64]) -> Self {
        let mut agent = Self::registered();
        for fence in fences {
            assert_eq!(agent.start(*fence, 10), [format!("spawn {fence}")]);
        }
        agent
    }

    fn at(&mut self, now: u64) -> &mut Self {
        self.now = Millis(now);
        self
    }

    fn register(&mut self, boot: BootId, epoch: Epoch) -> Vec<String> {
        short(self.holdings.registered(boot, NODE, epoch, self.now))
    }

    fn start(&mut self, fence: u64, as_of: u64) -> Vec<String> {
        short(self.holdings.start(order(fence, as_of), self.now))
    }

    fn stop(&mut self, fence: u64, as_of: u64) -> Vec<String> {
        let stop = Stop { order: order(fence, as_of), cause: StopCause::Cancel };
        short(self.holdings.stop(&stop, self.now))
    }

    /// A full set; negative fences are to be stopped.
    fn desired(&mut self, fences: &[i64], as_of: u64) -> Vec<String> {
        let attempts = fences.iter().map(|fence| {
            let stop = (*fence < 0).then_some(StopCause::Cancel);
            let fence = fence.unsigned_abs();
            Listed { job: JobId(u128::from(fence)), fence: Fence(fence), stop }
        });
        let desired = Desired { epoch: EPOCH, as_of, attempts: attempts.collect() };
        short(self.holdings.desired(&desired, self.now))
    }

    fn exited(&mut self, fence: u64) -> Vec<String> {
        let end = AttemptEnd { exit: Exit::Code(0), usage: Usage::default() };
        short(self.holdings.exited(Fence(fence), end, Tails::default(), self.now))
    }

    fn acknowledged(&mut self, sequence: u64) -> Vec<String> {
        short(self.holdings.acknowledged(EPOCH, sequence, self.now))
    }

    fn tick(&mut self) -> Vec<String> {
        short(self.holdings.tick(self.now))
    }
}

fn order(fence: u64, as_of: u64) -> Order {
    Order { epoch: EPOCH, as_of, job: JobId(u128::from(fence)), fence: Fence(fence) }
}

fn short(outputs: impl IntoIterator<Item = Output>) -> Vec<String> {
    let word = |output| match output {
        Output::Register { boot } => format!("register {}", boot.0),
        Output::SendRenewal(renewal) => format!("renew {}", renewal.sequence),
        Output::LeaseUntil(until) => format!("lease {}", until.0),
        Output::Spawn(order) => format!("spawn {}", order.fence.0),
        Output::Kill { fence, how: KillHow::Now } => format!("kill {} now", fence.0),
        Output::Kill { fence, how: KillHow::WithGrace } => format!("kill {}", fence.0),
        Output::Report(report) if report.end.exit == Exit::GivenUp => format!("give up {}", report.fence.0),
        Output::Report(report) => format!("report {}", report.fence.0),
        Output::Fetch { fences, .. } => fences.iter().fold("fetch".to_owned(), |text, f| format!("{text} {}", f.0)),
    };
    outputs.into_iter().map(word).collect()
}

#[test]
fn a_start_spawns_once_however_often_it_comes() {
    let mut agent = Agent::running(&[1]);
    assert!(agent.start(1, 10).is_empty());
    assert!(agent.start(1, 11).is_empty());
}

#[test]
fn an_order_for_another_epoch_is_ignored() {
    let mut agent = Agent::registered();
    let order = Order { epoch: Epoch(4), ..order(1, 10) };
    assert_eq!(agent.holdings.start(order, agent.now), None);
}

#[test]
fn an_end_is_reported_until_it_is_recorded() {
    let mut agent = Agent::running(&[1]);
    assert_eq!(agent.at(100).exited(1), ["report 1"]);
    assert!(agent.at(599).tick().is_empty());
    assert_eq!(agent.at(600).tick(), ["report 1"]);
    assert!(agent.at(1_599).tick().is_empty(), "the pause doubles");
    assert_eq!(agent.at(1_600).tick(), ["report 1"]);
    agent.holdings.recorded(Fence(1), 12);
    assert!(agent.holdings.is_empty());
    assert!(agent.at(2_999).tick().is_empty());
}

#[test]
fn a_new_link_is_told_everything_at_once() {
    let mut agent = Agent::running(&[1, 2]);
    agent.exited(1);
    assert_eq!(short(agent.holdings.link_opened(Millis(1))), ["renew 2", "report 1"]);
}

#[test]
fn what_ended_is_never_started_again_by_a_late_order() {
    let mut agent = Agent::running(&[1]);
    agent.exited(1);
    assert!(agent.start(1, 10).is_empty(), "unrecorded");
    assert!(agent.desired(&[1], 10).is_empty(), "unrecorded, in a full set");
    agent.holdings.recorded(Fence(1), 12);
    assert!(agent.start(1, 11).is_empty(), "recorded");
    assert!(agent.desired(&[1], 11).is_empty(), "recorded, in a full set");
    agent.desired(&[], 12);
    assert!(agent.start(1, 11).is_empty(), "older than the full set that made it forget");
    assert!(agent.desired(&[1], 11).is_empty(), "an older full set");
}

#[test]
fn what_may_have_ended_too_long_ago_to_know_is_given_up() {
    let mut agent = Agent::registered();
    for fence in 1..=u64::try_from(ENDED_REMEMBERED_MAX).unwrap() + 1 {
        agent.start(fence, 10);
        agent.exited(fence);
        agent.holdings.recorded(Fence(fence), 11);
    }
    assert_eq!(agent.start(1, 10), ["give up 1"]);
    assert!(agent.start(2, 10).is_empty(), "remembered");
}

#[test]
fn a_full_set_fetches_what_is_missing() {
    let mut agent = Agent::running(&[1]);
    assert_eq!(agent.desired(&[1, 2, 3], 11), ["fetch 2 3"]);
    assert_eq!(agent.start(2, 11), ["spawn 2"]);
}

#[test]
fn a_full_set_kills_what_it_does_not_list() {
    let mut agent = Agent::running(&[1, 2]);
    assert_eq!(agent.desired(&[2], 11), ["kill 1 now"]);
    assert_eq!(agent.exited(1), ["give up 1"]);
}

#[test]
fn a_full_set_older_than_a_start_does_not_kill_it() {
    let mut agent = Agent::running(&[1]);
    assert!(agent.desired(&[], 9).is_empty());
}

#[test]
fn an_end_that_a_full_set_no_longer_lists_is_not_reported_again() {
    let mut agent = Agent::running(&[1]);
    agent.exited(1);
    assert!(agent.desired(&[], 12).is_empty());
    assert!(agent.holdings.is_empty());
}

#[test]
fn a_stop_kills_once_and_the_true_end_is_reported() {
    let mut agent = Agent::running(&[1]);
    assert_eq!(agent.stop(1, 11), ["kill 1"]);
    assert!(agent.stop(1, 11).is_empty());
    assert!(agent.desired(&[-1], 11).is_empty());
    assert_eq!(agent.exited(1), ["report 1"]);
}

#[test]
fn a_stop_of_what_never_came_gives_it_up_for_good() {
    let mut agent = Agent::registered();
    assert_eq!(agent.stop(1, 11), ["give up 1"]);
    assert!(agent.start(1, 10).is_empty());
    assert_eq!(agent.desired(&[-1, -2], 12), ["give up 2"]);
}

#[test]
fn the_digest_shows_a_stop_that_never_came() {
    let mut agent = Agent::running(&[1]);
    let before = agent.holdings.digest();
    agent.stop(1, 11);
    assert_ne!(agent.holdings.digest(), before);
}

#[test]
fn renewals_go_out_every_pause() {
    let mut agent = Agent::registered();
    assert_eq!(agent.holdings.wakes_at(), Some(Millis(3_000)));
    assert!(agent.at(2_999).tick().is_empty());
    assert_eq!(agent.at(3_000).tick(), ["renew 2"]);
}

#[test]
fn a_lease_counts_from_when_its_renewal_was_sent() {
    let mut agent = Agent::registered();
    agent.at(3_000).tick();
    assert_eq!(agent.at(9_000).acknowledged(2), ["lease 13000"]);
    assert!(agent.acknowledged(1).is_empty(), "an older one adds nothing");
    assert!(agent.acknowledged(9).is_empty(), "nor does one never sent");
}

#[test]
fn past_its_lease_everything_is_killed_then_a_new_epoch_is_asked_for() {
    let mut agent = Agent::running(&[1, 2, 3]);
    agent.exited(3);
    assert!(agent.at(TTL_MS - 1).tick().iter().all(|output| !output.starts_with("kill")));
    assert_eq!(agent.at(TTL_MS).tick(), ["kill 1 now", "kill 2 now"]);
    assert!(agent.acknowledged(1).is_empty(), "too late");
    assert!(agent.start(4, 11).is_empty());
    assert!(agent.exited(1).is_empty(), "another one may still run");
    assert_eq!(agent.exited(2), ["register 71"]);
    assert!(agent.holdings.is_empty());
}

#[test]
fn an_acknowledgement_after_the_end_of_the_lease_revives_nothing() {
    let mut agent = Agent::registered();
    agent.at(9_000).tick();
    assert!(agent.at(TTL_MS).acknowledged(2).is_empty());
    assert_eq!(agent.tick(), ["register 71"]);
}

#[test]
fn an_epoch_that_is_over_ends_like_its_lease() {
    let mut agent = Agent::running(&[1]);
    assert!(agent.holdings.epoch_is_over(Epoch(4), Millis(1)).is_empty(), "an earlier epoch");
    assert_eq!(short(agent.holdings.epoch_is_over(EPOCH, Millis(1))), ["kill 1 now"]);
}

#[test]
fn a_registration_is_repeated_with_the_same_boot_id() {
    let mut agent = Agent::unregistered();
    assert!(agent.at(999).tick().is_empty());
    assert_eq!(agent.at(1_000).tick(), ["register 70"]);
    assert!(agent.register(BootId(69), EPOCH).is_empty(), "the answer to another one");
    assert_eq!(agent.register(BOOT, EPOCH), ["lease 10000", "renew 1"], "counted from the first time");
}

#[test]
fn a_registration_answered_after_its_lease_is_made_anew() {
    let mut agent = Agent::unregistered();
    assert_eq!(agent.at(TTL_MS).register(BOOT, EPOCH), ["register 71"]);
}

#[test]
fn a_stale_registration_is_made_anew_above_the_latest_one() {
    let stale = |agent: &mut Agent, boot, latest| {
        short(agent.holdings.registration_is_stale(BootId(boot), BootId(latest), agent.now))
    };
    let mut agent = Agent::unregistered();
    assert!(stale(agent.at(2_000), 69, 69).is_empty(), "the answer to another one");
    assert_eq!(stale(&mut agent, 70, 70), ["register 71"]);
    assert!(stale(&mut agent, 70, 70).is_empty(), "once");
    assert_eq!(stale(&mut agent, 71, 200), ["register 201"]);
}

#[test]
fn a_draining_agent_gives_up_what_runs_and_starts_nothing() {
    let mut agent = Agent::running(&[1]);
    assert_eq!(short(agent.holdings.drain()), ["kill 1"]);
    assert!(agent.start(2, 11).is_empty());
    assert!(agent.desired(&[1, 2], 11).is_empty());
    assert_eq!(agent.exited(1), ["give up 1"]);
    agent.holdings.recorded(Fence(1), 12);
    assert!(agent.holdings.is_empty());
    assert!(agent.at(TTL_MS).tick().is_empty(), "no other epoch is asked for");
}

#[test]
fn holdings_are_bounded() {
    let mut agent = Agent::registered();
    for fence in 1..=HELD_MAX {
        agent.start(fence, 10);
    }
    assert!(agent.start(HELD_MAX + 1, 10).is_empty());
}
