//! The client plane of a node: requests become commands where the node leads, and are passed on or sent away elsewhere.

use quorla_ledger::{
    Command, Records, Refusal, array,
    command::{DrainNode, Submit, SubmitArray},
    ids::{JobId, NodeKey},
    memory::MemoryTables,
    tables,
};

use super::{
    agenda::Purpose,
    agent::key_of,
    messages::{Answer, Caller, ClientRequest, End, Held, Message, Site},
    node::{Ticket, Waiter},
    world::World,
};

/// Whether a job, array or task is there.
pub(super) fn exists(tables: &MemoryTables, job: JobId) -> bool {
    let stored = |key: Vec<u8>| tables.read(&key).is_some();
    match job.is_plain() {
        true => stored(tables::ended(job)) || stored(tables::live(job)),
        false if job.is_array() => stored(tables::array(job)),
        false => array::task_record(&|key| tables.read(key), job).is_some(),
    }
}

impl World {
    /// A client asks this node, or another node asks for it.
    pub(super) fn hear_request(
        &mut self,
        site: Site,
        caller: Caller,
        call: u64,
        request: ClientRequest,
        forwarded: bool,
    ) {
        if self.raft.leads(site).is_none() {
            return self.pass_on(site, caller, call, request, forwarded);
        }
        if self.calm_since.is_none() && self.dice.chance(20) {
            self.census.count("request refused for overload");
            return self.answer(site, caller, call, Answer::Overloaded);
        }
        if let ClientRequest::Read { job } = request {
            return self.begin_read(site, caller, call, job);
        }
        if request.adds_work() && self.has_no_room(site) {
            self.census.count("request refused for want of disk");
            return self.answer(site, caller, call, Answer::Refused(Refusal::DiskIsLow));
        }
        let command = self.command(request);
        if self.propose(site, &command, Waiter::Caller { caller, call }).is_err() {
            self.answer(site, caller, call, Answer::NoQuorum);
        }
    }

    /// The rule of R22, by what the leader's replica knows.
    fn has_no_room(&self, site: Site) -> bool {
        let voters: Vec<NodeKey> = self.sites().map(key_of).collect();
        self.node(site).is_some_and(|node| node.replica.ledger.disk_refuses(&key_of(site), &voters))
    }

    fn pass_on(&mut self, site: Site, caller: Caller, call: u64, request: ClientRequest, forwarded: bool) {
        let leader = self.raft.members[site.0].hint.filter(|hint| *hint != site);
        match leader {
            Some(leader) if !forwarded && self.dice.chance(500) => {
                self.census.count("request forwarded");
                let message = Message::Ask { caller, call, request, forwarded: true };
                self.send(End::Site(site), End::Site(leader), message);
            }
            Some(_) if !forwarded => self.answer(site, caller, call, Answer::NotLeader { leader }),
            _ => self.answer(site, caller, call, Answer::NoQuorum),
        }
    }

    /// The command for a request; the proposer adds its random bits (R10).
    fn command(&mut self, request: ClientRequest) -> Command {
        let seed = self.dice.bits();
        match request {
            ClientRequest::Submit { request, spec } => Command::Submit(Submit { request, spec: *spec, seed }),
            ClientRequest::SubmitArray { request, spec, tasks, running_max } => {
                Command::SubmitArray(SubmitArray { request, spec: *spec, tasks, running_max, seed })
            }
            ClientRequest::Cancel { request, job } => Command::Cancel { request, job, reason: None },
            ClientRequest::Retry { request, job } => Command::Retry { request, job, seed },
            ClientRequest::Drain { request, node, drain } => Command::DrainNode(DrainNode { request, node, drain }),
            ClientRequest::Pause { request, what: Held::Job(job), paused } => {
                Command::PauseJob { request, job, paused, reason: None }
            }
            ClientRequest::Pause { request, what: Held::Queue(queue), paused } => {
                Command::PauseQueue { request, queue, paused, reason: None }
            }
            ClientRequest::Read { .. } => unreachable!("a read is no command"),
        }
    }

    fn begin_read(&mut self, site: Site, caller: Caller, call: u64, job: JobId) {
        let ticket = self.draw_ticket();
        let node = self.machines[site.0].node.as_mut().expect("it hears");
        node.awaiting.insert(ticket, Waiter::Reader { caller, call, job });
        self.begin_quorum_round(site, Purpose::Read(ticket));
    }

    /// R13: a read is answered behind a quorum round, from a state at least as new as the log was then.
    pub(super) fn read_round_answered(&mut self, site: Site, ticket: Ticket, read_at: Option<usize>) {
        let Some(position) = read_at else {
            return self.outcome_is_unknown(site, ticket);
        };
        self.learn(site, position);
        let node = self.machines[site.0].node.as_mut().expect("it takes its turn");
        let Some(Waiter::Reader { caller, call, job }) = node.awaiting.remove(&ticket) else {
            return;
        };
        let tables = &node.replica.tables;
        let exists = exists(tables, job);
        self.census.count("linearizable read answered");
        self.answer(site, caller, call, Answer::Seen { exists });
    }
}
