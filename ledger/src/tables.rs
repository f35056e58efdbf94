//! Where each record lies: a one-byte table tag, then a key whose byte order is the order that readers want.
//!
//! Keys are an on-disk format. Tags from `0xF0` on belong to the layer that stores the tables; a group id goes in front there.

use crate::ids::{Fence, JobId, NodeId, StorageId};
use crate::units::Millis;

/// The first byte of every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// The one [`crate::record::MetaRecord`].
    Meta = b'M',
    /// The one [`crate::record::ClusterRecord`].
    Cluster = b'C',
    /// [`crate::record::NodeRecord`] by node id.
    Nodes = b'N',
    /// [`crate::record::StorageRecord`] by storage id.
    Storages = b'S',
    /// [`crate::record::JobRecord`] of jobs that have not ended, by job id: what a start reads.
    Live = b'L',
    /// [`crate::record::JobRecord`] of jobs that have ended, by job id.
    Ended = b'F',
    /// Nothing, by (end time, job id): what retention walks.
    EndedAt = b'D',
    /// [`crate::spec::JobSpec`] by (random part, time) of the job id: what prefixes of ids are looked up in.
    Specs = b'P',
    /// [`crate::outcome::Tails`] by (job id, fence).
    Tails = b'T',
    /// [`crate::record::RequestRecord`] by request id.
    Requests = b'Q',
    /// Request id, by digest of (principal, idempotency key).
    Keys = b'K',
    /// [`crate::event::EventPage`] by the sequence of its first event.
    Events = b'E',
    /// [`crate::array::ArrayRecord`] by array id, from its submission until it is removed.
    Arrays = b'A',
    /// [`crate::array::ArrayProgress`] of arrays that have not ended, by array id: what a start reads.
    LiveArrays = b'a',
    /// [`crate::array::ArrayProgress`] of arrays that have ended, by array id.
    EndedArrays = b'z',
    /// Nothing, by (end time, array id): what retention walks. An array whose items another one reads has none.
    ArrayEndedAt = b'd',
    /// [`crate::array::TaskRecord`] of tasks that started and have not ended, by task id: what a start reads.
    LiveTasks = b't',
    /// [`crate::array::TaskRecord`] of tasks that ended, by task id; those that ended with their array have none.
    EndedTasks = b'f',
    /// [`crate::array::TaskPage`] by (array id, page): indices that have no waiting task.
    Holes = b'h',
    /// [`crate::array::TaskPage`] by (array id, page): tasks with a record that ended and did not succeed.
    Unsucceeded = b'u',
    /// Items of an array or an upload by (array id, block): a list of text.
    Items = b'i',
    /// [`crate::array::UploadRecord`] by array id.
    Uploads = b'U',
    /// [`crate::record::QueueRecord`] of queues that are paused, by name.
    Queues = b'q',
}

/// The key of the one meta record.
pub const META: [u8; 1] = [Table::Meta as u8];
/// The key of the one cluster record.
pub const CLUSTER: [u8; 1] = [Table::Cluster as u8];

impl Table {
    /// The prefix of all its keys.
    pub const fn prefix(self) -> [u8; 1] {
        [self as u8]
    }

    fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
        key.push(self as u8);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// Key of a live job.
pub fn live(job: JobId) -> Vec<u8> {
    Table::Live.key(&[&job.0.to_be_bytes()])
}

/// Key of an ended job.
pub fn ended(job: JobId) -> Vec<u8> {
    Table::Ended.key(&[&job.0.to_be_bytes()])
}

/// Key of an ended job in the order of ends.
pub fn ended_at(at: Millis, job: JobId) -> Vec<u8> {
    Table::EndedAt.key(&[&at.0.to_be_bytes(), &job.0.to_be_bytes()])
}

/// The job in a key of [`ended_at`].
pub fn job_of_ended_at(key: &[u8]) -> Option<(Millis, JobId)> {
    let rest = key.strip_prefix(&Table::EndedAt.prefix())?;
    let (at, job) = rest.split_first_chunk::<8>()?;
    Some((Millis(u64::from_be_bytes(*at)), JobId(u128::from_be_bytes(job.try_into().ok()?))))
}

/// Key of a job's specification, in the order of the text form of the job's id: 10 bytes random part, 6 bytes time.
pub fn spec(job: JobId) -> Vec<u8> {
    Table::Specs.key(&[&job.random().to_be_bytes()[6..], &job.born_at().0.to_be_bytes()[2..]])
}

/// The job in a key of [`spec`].
pub fn job_of_spec(key: &[u8]) -> Option<JobId> {
    let rest = key.strip_prefix(&Table::Specs.prefix())?;
    let (random, time) = rest.split_first_chunk::<10>()?;
    let time: [u8; 6] = time.try_into().ok()?;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&time);
    bytes[6..].copy_from_slice(random);
    Some(JobId(u128::from_be_bytes(bytes)))
}

/// Key of the recorded output of one attempt.
pub fn tails(job: JobId, fence: Fence) -> Vec<u8> {
    Table::Tails.key(&[&job.0.to_be_bytes(), &fence.0.to_be_bytes()])
}

/// Key of a node.
pub fn node(node: NodeId) -> Vec<u8> {
    Table::Nodes.key(&[&node.0.to_be_bytes()])
}

/// Key of a storage.
pub fn storage(storage: StorageId) -> Vec<u8> {
    Table::Storages.key(&[&storage.0.to_be_bytes()])
}

/// Key of a remembered request.
pub fn request(request: JobId) -> Vec<u8> {
    Table::Requests.key(&[&request.0.to_be_bytes()])
}

/// The request in a key of [`request`].
pub fn request_of(key: &[u8]) -> Option<JobId> {
    let rest = key.strip_prefix(&Table::Requests.prefix())?;
    Some(JobId(u128::from_be_bytes(rest.try_into().ok()?)))
}

/// Key of an idempotency key's digest.
pub fn idempotency_key(digest: &[u8; 16]) -> Vec<u8> {
    Table::Keys.key(&[digest])
}

/// Key of an array's record.
pub fn array(array: JobId) -> Vec<u8> {
    Table::Arrays.key(&[&array.0.to_be_bytes()])
}

/// Key of the progress of an array that has not ended.
pub fn live_array(array: JobId) -> Vec<u8> {
    Table::LiveArrays.key(&[&array.0.to_be_bytes()])
}

/// Key of the progress of an array that has ended.
pub fn ended_array(array: JobId) -> Vec<u8> {
    Table::EndedArrays.key(&[&array.0.to_be_bytes()])
}

/// Key of an ended array in the order of ends.
pub fn array_ended_at(at: Millis, array: JobId) -> Vec<u8> {
    Table::ArrayEndedAt.key(&[&at.0.to_be_bytes(), &array.0.to_be_bytes()])
}

/// The array in a key of [`array_ended_at`].
pub fn array_of_ended_at(key: &[u8]) -> Option<(Millis, JobId)> {
    let rest = key.strip_prefix(&Table::ArrayEndedAt.prefix())?;
    let (at, array) = rest.split_first_chunk::<8>()?;
    Some((Millis(u64::from_be_bytes(*at)), JobId(u128::from_be_bytes(array.try_into().ok()?))))
}

/// Key of a task that has not ended.
pub fn live_task(task: JobId) -> Vec<u8> {
    Table::LiveTasks.key(&[&task.0.to_be_bytes()])
}

/// The task in a key of [`live_task`].
pub fn task_of_live(key: &[u8]) -> Option<JobId> {
    let rest = key.strip_prefix(&Table::LiveTasks.prefix())?;
    Some(JobId(u128::from_be_bytes(rest.try_into().ok()?)))
}

/// Key of a task that has ended.
pub fn ended_task(task: JobId) -> Vec<u8> {
    Table::EndedTasks.key(&[&task.0.to_be_bytes()])
}

/// Key of one page of an array's holes.
pub fn holes(array: JobId, page: u32) -> Vec<u8> {
    Table::Holes.key(&[&array.0.to_be_bytes(), &page.to_be_bytes()])
}

/// Key of one page of an array's tasks that did not succeed.
pub fn unsucceeded(array: JobId, page: u32) -> Vec<u8> {
    Table::Unsucceeded.key(&[&array.0.to_be_bytes(), &page.to_be_bytes()])
}

/// Key of one block of items.
pub fn items(array: JobId, block: u32) -> Vec<u8> {
    Table::Items.key(&[&array.0.to_be_bytes(), &block.to_be_bytes()])
}

/// Key of an upload.
pub fn upload(array: JobId) -> Vec<u8> {
    Table::Uploads.key(&[&array.0.to_be_bytes()])
}

/// Key of a paused queue.
pub fn queue(name: &str) -> Vec<u8> {
    Table::Queues.key(&[name.as_bytes()])
}

/// Key of a page of events.
pub fn event_page(first: u64) -> Vec<u8> {
    Table::Events.key(&[&first.to_be_bytes()])
}
