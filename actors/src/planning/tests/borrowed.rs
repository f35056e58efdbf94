//! Retention of arrays whose items others read.

use quorla_ledger::{
    Command, Reply,
    command::{EndAttempt, PutItems, Request, SubmitArray, Tasks},
    ids::{Fence, JobId, Principal},
    outcome::{AttemptEnd, Exit, Tails, Usage},
    units::Millis,
};

use super::{Retention, Task, World, spec};

fn array_id(now: Millis, number: u128) -> JobId {
    JobId::array(now, number << 20)
}

impl World {
    /// An array of one item whose only task fails.
    fn failed_array(&mut self, number: u128) -> JobId {
        let principal = Principal([0; 32]);
        let id = array_id(self.now, number);
        let put = PutItems { principal, upload: id, first: 0, items: vec!["item".to_owned()] };
        let Reply::ItemsPut { items: count, digest } = self.apply(&Command::PutItems(put)) else { panic!("not taken") };
        let (request, tasks) = (Request { principal, id, key: None }, Tasks::Items { count, digest });
        let array = SubmitArray { request, spec: spec(None), tasks, running_max: None, seed: 0 };
        let reply = self.apply(&Command::SubmitArray(array));
        assert!(matches!(reply, Reply::Submitted { .. }), "{reply:?}");
        self.end_all();
        id
    }

    /// Whatever runs fails, and what waits for its place after it.
    fn end_all(&mut self) {
        loop {
            let plan = self.plan();
            self.carry_out(plan);
            let held: Vec<(Fence, JobId)> = self.ledger.nodes().flat_map(|node| node.held().clone()).collect();
            let Some((fence, job)) = held.first().copied() else { return };
            let end = AttemptEnd { exit: Exit::Code(1), usage: Usage::default() };
            let report = EndAttempt { job, fence, end, tails: Tails::default(), refill: false };
            self.apply(&Command::EndAttempt(report));
        }
    }
}

#[test]
fn arrays_whose_items_others_read_keep_no_younger_one_from_going() {
    let retention = Retention { arrays_max: 0, ..Retention::default() };
    let mut world = World::new(retention);
    world.register();
    let lenders: Vec<JobId> = (1..=70).map(|number| world.failed_array(number)).collect();
    let younger = world.failed_array(71);
    for (number, lender) in (72..).zip(lenders) {
        let request = Request { principal: Principal([0; 32]), id: array_id(world.now, number), key: None };
        let reply = world.apply(&Command::Retry { request, job: lender, seed: 0 });
        assert!(matches!(reply, Reply::Submitted { .. }), "{reply:?}");
    }
    let expiry: Vec<Command> =
        world.retain().into_iter().filter(|it| it.task == Task::ExpireArrays).map(|it| it.command).collect();
    assert_eq!(expiry, [Command::ExpireArray { array: younger }]);
}
