//! What each command does, one file per noun. Every precondition is checked before anything is changed.

pub(crate) mod array;
pub(crate) mod array_expiry;
pub(crate) mod assign;
pub(crate) mod attempt;
pub(crate) mod cluster;
pub(crate) mod drain;
pub(crate) mod expire;
pub(crate) mod guard;
pub(crate) mod job;
pub(crate) mod label;
pub(crate) mod node;
pub(crate) mod pause;
pub(crate) mod request;
pub(crate) mod task;
pub(crate) mod timer;
pub(crate) mod transaction;
pub(crate) mod upload;

use self::transaction::Transaction;
use crate::{
    command::Command,
    ledger::Records,
    limits::RECORDS_TOUCHED_MAX,
    reply::{Refusal, Reply},
};

type Outcome = Result<Reply, Refusal>;

impl<R: Records> Transaction<'_, R> {
    /// Does one command, or refuses it and leaves everything as it was.
    pub(crate) fn run(&mut self, command: Command) -> Reply {
        let before = self.records_touched();
        let outcome = self.dispatch(command);
        self.save_arrays();
        let touched = self.records_touched() - before;
        assert!(touched <= RECORDS_TOUCHED_MAX, "R8: a command touched {touched} records");
        assert!(outcome.is_ok() || touched == 0, "a refusal changes nothing");
        outcome.unwrap_or_else(Reply::Refused)
    }

    fn dispatch(&mut self, command: Command) -> Outcome {
        match command {
            Command::FoundCluster(founding) => self.found_cluster(founding),
            Command::AdmitStorage(admission) => self.admit_storage(&admission),
            Command::RegisterNode(registration) => self.register_node(registration),
            Command::LapseNode { node, epoch } => self.lapse_node(node, epoch),
            Command::DrainNode(drain) => self.drain_node(drain),
            Command::Submit(submit) => self.submit(submit),
            Command::Retry { request, job, seed } => self.retry(&request, job, seed),
            Command::Cancel { request, job, reason } => self.cancel(&request, job, reason),
            Command::Assign(assign) => self.assign(&assign),
            Command::EndAttempt(end) => self.end_attempt(end),
            Command::FireTimers { upto, max } => self.fire_timers(upto, max),
            Command::ExpireJobs { jobs } => self.expire_jobs(&jobs),
            Command::ExpireRequests { requests } => self.expire_requests(&requests),
            Command::ExpireEvents { pages } => self.expire_events(&pages),
            Command::AssertHash { index, hash } => Ok(self.assert_hash(index, hash)),
            Command::MarkContentHash => Ok(self.mark_content_hash()),
            Command::RetireNode { node, epoch } => self.retire_node(node, epoch),
            Command::SubmitArray(submit) => self.submit_array(&submit),
            Command::PutItems(put) => self.put_items(&put),
            Command::StopTasks { array } => self.stop_tasks(array),
            Command::ExpireArray { array } => self.expire_array(array),
            Command::ExpireUpload { upload } => self.expire_upload(upload),
            Command::PauseJob { request, job, paused, reason } => self.pause_job(&request, job, paused, reason),
            Command::PauseQueue { request, queue, paused, reason } => self.pause_queue(&request, queue, paused, reason),
            Command::GuardNode { node, epoch, level } => self.guard_node(node, epoch, level),
            Command::StopDrained { node } => self.stop_drained(node),
            Command::LabelNode(label) => self.label_node(&label),
            Command::RemoveNode { node } => self.remove_node(node),
        }
    }
}
