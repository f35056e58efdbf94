//! The processes that run attempts, and the warden that ends them: the reality that the oracles compare with.
//!
//! Owns when a process really begins and ends. A process does what its command line says: so long, then an exit code that
//! depends on the number of the attempt; some ignore the first signal.

use quorla_actors::{holdings::KillHow, messages::Start};
use quorla_ledger::{
    ids::{Fence, JobId},
    outcome::{AttemptEnd, Exit, Tail, Tails, Usage},
    spec::Kill,
    units::{Bytes, Millis},
};

use super::{
    agenda::{Moment, Turn},
    invariants::Fact,
    messages::Site,
    workload::Behaviour,
    world::World,
};

/// The kernel takes a moment to end a process.
const KILL_MS_MAX: u64 = 30;
const SIGKILL: u8 = 9;

/// A running process group.
#[derive(Debug)]
pub(super) struct Process {
    job: JobId,
    began_at: Millis,
    behaviour: Behaviour,
    kill: Kill,
}

impl World {
    /// The executor starts a process for an attempt.
    pub(super) fn spawn(&mut self, site: Site, start: &Start) {
        let (job, fence) = (start.order.job, start.order.fence);
        let behaviour = Behaviour::read(&start.work.command);
        let factor = if self.machines[site.0].slow { self.dice.between(2, 6) } else { 1 };
        let exit = Exit::Code(behaviour.exit_code(start.number));
        let end = ended(exit, behaviour.runs_ms * factor);
        let process = Process { job, began_at: self.agenda.now(), behaviour, kill: start.work.kill };
        self.machines[site.0].processes.insert(fence, process);
        self.census.count("process spawned");
        self.tell(&Fact::ProcessBegins { site, job, fence, at: self.agenda.now() });
        let span_ms = self.dice.between(0, 3) + behaviour.runs_ms * factor;
        self.agenda.set_in(span_ms, Moment::ProcessEnds { site, fence, exit: end });
    }

    /// A process ends, unless it has ended before.
    pub(super) fn process_ends(&mut self, site: Site, fence: Fence, end: AttemptEnd) {
        let machine = &mut self.machines[site.0];
        let Some(process) = machine.processes.remove(&fence) else {
            return;
        };
        let usage = Usage { wall: self.agenda.now().since(process.began_at), ..end.usage };
        let end = AttemptEnd { exit: end.exit, usage };
        self.tell(&Fact::ProcessIsGone { site, job: process.job, fence, exit: &end.exit });
        self.give_turn(site, 0, Turn::ProcessIsGone { fence, end });
    }

    /// The agent wants an attempt to end.
    pub(super) fn signal(&mut self, site: Site, fence: Fence, how: KillHow) {
        let Some(process) = self.machines[site.0].processes.get(&fence) else {
            return;
        };
        let (stubborn, kill) = (process.behaviour.stubborn, process.kill);
        let (span_ms, signal) = match how {
            KillHow::Now => (self.dice.between(0, KILL_MS_MAX), SIGKILL),
            KillHow::WithGrace if stubborn => (kill.grace.0, SIGKILL),
            KillHow::WithGrace => (self.dice.between(0, kill.grace.0), kill.signal),
        };
        let exit = ended(Exit::Signal(signal), 0);
        self.agenda.set_in(span_ms, Moment::ProcessEnds { site, fence, exit });
    }

    /// The lease ran out, or the node process is gone: everything is killed, without a verdict on any job.
    pub(super) fn warden_strikes(&mut self, site: Site) {
        let fences: Vec<Fence> = self.machines[site.0].processes.keys().copied().collect();
        if !fences.is_empty() {
            self.census.count("warden struck");
        }
        for fence in fences {
            let span_ms = self.dice.between(0, KILL_MS_MAX);
            let exit = ended(Exit::GivenUp, 0);
            self.agenda.set_in(span_ms, Moment::ProcessEnds { site, fence, exit });
        }
    }
}

const fn ended(exit: Exit, wall_ms: u64) -> AttemptEnd {
    let usage = Usage { wall: Millis(wall_ms), user: Millis(0), system: Millis(0), rss_max: Bytes(0) };
    AttemptEnd { exit, usage }
}

/// A little output, so that tails are stored and removed.
pub(super) fn tails(fence: Fence) -> Tails {
    let tail = Tail { bytes: fence.0.to_le_bytes().to_vec(), dropped: Bytes(0) };
    Tails { stdout: tail, stderr: Tail::default() }
}
