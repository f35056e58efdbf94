//! A bounded look at what is kept of one attempt's output, from a sequence on.
//!
//! Blocks: it reads files. Sees only what the writer said was written whole.

use std::{io, path::Path};

use quorla_ledger::ids::Fence;
use serde::{Deserialize, Serialize};

use super::{
    index::{Segment, Whose},
    record::{Frame, Record, Stream},
    segment::Reader,
};

/// Bytes of records in one page; a record more may follow the last that fits.
pub const PAGE_BYTES_MAX: usize = 512 * 1_024;
/// What a record counts beside its bytes, in a page and in whatever it is told on in.
pub const RECORD_COST: usize = 64;
/// Bytes of segments that one page looks through for what is asked for: more than one whole segment.
const LOOKED_THROUGH_BYTES_MAX: u64 = 16 << 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The attempt.
    pub fence: Fence,
    /// The first sequence.
    pub from: u64,
    /// Nothing older than this, in milliseconds since 1970 of the node's clock.
    pub since_ms: u64,
    /// Only this stream.
    pub stream: Option<Stream>,
}

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In the order of sequences.
    pub pieces: Vec<Piece>,
    /// The sequence to ask from next.
    pub next: u64,
    /// What follows.
    pub rest: Rest,
}

/// One piece of an attempt's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// What was written.
    Record(Record),
    /// Records that are not kept any more.
    Gap {
        /// The first one missing.
        from: u64,
        /// The first one that is there.
        until: u64,
    },
    /// Records that were never written: the disk was nearly full.
    Withheld {
        /// The first one missing.
        from: u64,
        /// The first one that is there.
        until: u64,
    },
}

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// More is there now.
    More,
    /// Nothing now; the attempt goes on.
    Live,
    /// Nothing: all that the attempt wrote was recorded and is told.
    Complete,
    /// Nothing; whether the attempt wrote more is not known.
    Unknown,
    /// Nothing of the attempt is kept here, and it does not run here.
    Nothing,
}

/// A place in a segment where a sequence begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// What is known of an attempt before its files are looked at.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) whose: Whose,
    /// First sequences of its segments.
    pub(super) firsts: Vec<u64>,
    /// The sequence that was not written yet, while the attempt runs.
    pub(super) live_until: Option<u64>,
    /// Where the sequence that is asked for was found before.
    pub(super) place: Option<Place>,
}

/// A page, and where it ended.
pub(super) struct Look {
    pub(super) page: Page,
    pub(super) place: Option<Place>,
}

struct Looker<'a> {
    query: &'a Query,
    look: Look,
    bytes: usize,
    looked_through: u64,
}

/// Reads a page.
///
/// # Errors
/// When a file can't be read; one that is not found was expired meanwhile, and the caller looks anew.
pub(super) fn look(directory: &Path, known: &Known, query: &Query) -> io::Result<Look> {
    let rest = if known.live_until.is_some() { Rest::Live } else { Rest::Unknown };
    let page = Page { pieces: Vec::new(), next: query.from, rest };
    let mut looker = Looker { query, look: Look { page, place: known.place }, bytes: 0, looked_through: 0 };
    let before = known.firsts.iter().rposition(|first| *first <= query.from).unwrap_or(0);
    for (position, first) in known.firsts.iter().enumerate().skip(before) {
        let segment = Segment { whose: known.whose, first: *first };
        looker.gap_until(*first, |from, until| Piece::Gap { from, until });
        let is_last = position + 1 == known.firsts.len();
        if looker.read_segment(directory, known, segment, is_last)? {
            break;
        }
    }
    Ok(looker.look)
}

impl Looker<'_> {
    /// Reads one segment; true when the page ends with it.
    fn read_segment(&mut self, directory: &Path, known: &Known, segment: Segment, is_last: bool) -> io::Result<bool> {
        let offset = known.place.filter(|place| place.segment == segment.first).map(|place| place.offset);
        let mut reader = Reader::open(directory, &segment, offset)?;
        let begun = reader.offset();
        loop {
            let place = Place { segment: segment.first, offset: reader.offset() };
            if self.is_full(reader.offset() - begun) {
                self.look.page.rest = Rest::More;
                self.look.place = Some(place);
                return Ok(true);
            }
            match reader.next()? {
                Some(Frame::Record(record)) if self.is_written(known, record.sequence) => self.take(record),
                Some(Frame::End { next }) => {
                    self.gap_until(next, |from, until| Piece::Withheld { from, until });
                    self.look.page.rest = Rest::Complete;
                    return Ok(true);
                }
                _ if !is_last => {
                    self.looked_through += reader.offset() - begun;
                    return Ok(false);
                }
                // Over or torn, nothing further can be read. The file stays as it is, for who may know how to mend it.
                _ => {
                    self.look.place = Some(place);
                    // All before it was written: what can't be read of that is damaged.
                    if let Some(until) = known.live_until {
                        self.gap_until(until, |from, until| Piece::Gap { from, until });
                    }
                    return Ok(true);
                }
            }
        }
    }

    const fn is_full(&self, read: u64) -> bool {
        self.bytes >= PAGE_BYTES_MAX || self.looked_through + read >= LOOKED_THROUGH_BYTES_MAX
    }

    fn is_written(&self, known: &Known, sequence: u64) -> bool {
        known.live_until.is_none_or(|until| sequence < until)
    }

    fn take(&mut self, record: Record) {
        let Query { since_ms, stream, .. } = *self.query;
        if record.sequence < self.look.page.next {
            return;
        }
        // What is kept of an attempt begins with a segment: within one, nothing was removed.
        self.gap_until(record.sequence, |from, until| Piece::Withheld { from, until });
        self.look.page.next = record.sequence + 1;
        if record.at_ms >= since_ms && stream.is_none_or(|stream| stream == record.stream) {
            self.bytes += record.bytes.0.len() + RECORD_COST;
            self.look.page.pieces.push(Piece::Record(record));
        }
    }

    /// Tells of records that are missing before this one.
    fn gap_until(&mut self, until: u64, piece: impl FnOnce(u64, u64) -> Piece) {
        let page = &mut self.look.page;
        if page.next < until {
            page.pieces.push(piece(page.next, until));
            page.next = until;
        }
    }
}
