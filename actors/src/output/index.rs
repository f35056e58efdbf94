//! What output is kept on this node, and what goes first when a bound is reached: pure, no file is touched here.
//!
//! Bounds are counted over whole segments. The newest segment of an attempt grows; every other one is only read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use quorla_ledger::{
    ids::{Fence, JobId},
    units::Millis,
};

/// Segments on a node; each is a file.
pub const SEGMENTS_MAX: usize = 65_536;
/// A segment is closed at this share of what one job may keep, and at [`SEGMENT_BYTES_MAX`].
const SEGMENTS_PER_JOB: u64 = 8;
/// The largest segment: what a reader looks through at the most to find a record.
pub const SEGMENT_BYTES_MAX: u64 = 8 << 20;

/// How much output a node keeps. What exceeds a bound goes, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes for each job.
    pub job_bytes_max: u64,
    /// Bytes for all jobs.
    pub node_bytes_max: u64,
    /// Time since a segment was last written to.
    pub age_max: Millis,
}

/// An attempt whose output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whose {
    /// Its job.
    pub job: JobId,
    /// Its fence.
    pub fence: Fence,
}

/// One segment: an attempt's output from a record on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) whose: Whose,
    pub(super) first: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    bytes: u64,
    written_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    segments: BTreeMap<Segment, Kept>,
    by_age: BTreeSet<(u64, Segment)>,
    jobs: HashMap<JobId, u64>,
    fences: HashMap<Fence, JobId>,
    bytes: u64,
}

impl Bounds {
    pub(super) fn segment_bytes_max(&self) -> u64 {
        (self.job_bytes_max / SEGMENTS_PER_JOB).clamp(1, SEGMENT_BYTES_MAX)
    }
}

impl Index {
    /// Notes that a segment has so many bytes more, or is new.
    pub(super) fn grow(&mut self, segment: Segment, bytes: u64, now_ms: u64) {
        let kept = self.segments.entry(segment).or_insert(Kept { bytes: 0, written_ms: now_ms });
        self.by_age.remove(&(kept.written_ms, segment));
        kept.bytes += bytes;
        kept.written_ms = now_ms;
        self.by_age.insert((now_ms, segment));
        *self.jobs.entry(segment.whose.job).or_default() += bytes;
        self.fences.insert(segment.whose.fence, segment.whose.job);
        self.bytes += bytes;
    }

    /// Forgets a segment, and says how many bytes it had.
    pub(super) fn remove(&mut self, segment: Segment) -> u64 {
        let Some(kept) = self.segments.remove(&segment) else { return 0 };
        self.by_age.remove(&(kept.written_ms, segment));
        self.bytes -= kept.bytes;
        let job = self.jobs.get_mut(&segment.whose.job).expect("a job with a segment is counted");
        *job -= kept.bytes;
        if self.of_job(segment.whose.job).next().is_none() {
            self.jobs.remove(&segment.whose.job);
        }
        if self.of_attempt(segment.whose).next().is_none() {
            self.fences.remove(&segment.whose.fence);
        }
        kept.bytes
    }

    /// What goes next so that the job keeps within its bound once it has so many bytes more.
    pub(super) fn over_job(&self, bounds: &Bounds, job: JobId, more: u64) -> Option<Segment> {
        let bytes = self.jobs.get(&job).copied().unwrap_or(0);
        if bytes + more <= bounds.job_bytes_max { None } else { self.of_job(job).next() }
    }

    /// What goes next so that the node keeps within its bounds once it has so many bytes more.
    pub(super) fn over_node(&self, bounds: &Bounds, more: u64, now_ms: u64) -> Option<Segment> {
        let (written_ms, oldest) = *self.by_age.first()?;
        let too_old = now_ms.saturating_sub(written_ms) > bounds.age_max.0;
        let too_much = self.bytes + more > bounds.node_bytes_max || self.segments.len() > SEGMENTS_MAX;
        (too_old || too_much).then_some(oldest)
    }

    /// The attempt with this fence, while something of it is kept.
    pub(super) fn whose(&self, fence: Fence) -> Option<Whose> {
        self.fences.get(&fence).map(|job| Whose { job: *job, fence })
    }

    /// First sequences of an attempt's segments, in order.
    pub(super) fn firsts(&self, whose: Whose) -> Vec<u64> {
        self.of_attempt(whose).map(|segment| segment.first).collect()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn of_job(&self, job: JobId) -> impl Iterator<Item = Segment> + '_ {
        let from = Segment { whose: Whose { job, fence: Fence(0) }, first: 0 };
        self.segments.range(from..).map(|(segment, _)| *segment).take_while(move |segment| segment.whose.job == job)
    }

    fn of_attempt(&self, whose: Whose) -> impl Iterator<Item = Segment> + '_ {
        let from = Segment { whose, first: 0 };
        self.segments.range(from..).map(|(segment, _)| *segment).take_while(move |segment| segment.whose == whose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { job_bytes_max: 100, node_bytes_max: 250, age_max: Millis(1_000) };

    fn segment(job: u128, fence: u64, first: u64) -> Segment {
        Segment { whose: Whose { job: JobId(job), fence: Fence(fence) }, first }
    }

    #[test]
    fn a_job_loses_its_oldest_segment_and_no_other_job_does() {
        let mut index = Index::default();
        index.grow(segment(1, 5, 1), 60, 10);
        index.grow(segment(2, 6, 1), 90, 5);
        index.grow(segment(1, 7, 1), 40, 11);
        assert_eq!(index.over_job(&BOUNDS, JobId(1), 0), None);
        assert_eq!(index.over_job(&BOUNDS, JobId(1), 1), Some(segment(1, 5, 1)));
        assert_eq!(index.remove(segment(1, 5, 1)), 60);
        assert_eq!(index.over_job(&BOUNDS, JobId(1), 60), None);
        assert_eq!((index.whose(Fence(5)), index.firsts(segment(1, 7, 1).whose)), (None, vec![1]));
    }

    #[test]
    fn a_node_loses_what_was_written_longest_ago() {
        let mut index = Index::default();
        index.grow(segment(1, 5, 1), 100, 10);
        index.grow(segment(2, 6, 1), 100, 11);
        index.grow(segment(1, 5, 1), 20, 12);
        assert_eq!(index.over_node(&BOUNDS, 30, 12), None);
        assert_eq!(index.over_node(&BOUNDS, 31, 12), Some(segment(2, 6, 1)));
        assert_eq!(index.over_node(&BOUNDS, 0, 1_011), None);
        assert_eq!(index.over_node(&BOUNDS, 0, 1_012), Some(segment(2, 6, 1)), "it is too old");
        index.remove(segment(2, 6, 1));
        assert_eq!((index.bytes(), index.over_node(&BOUNDS, 130, 12)), (120, None));
    }
}
