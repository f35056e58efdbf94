//! A job's output, a page at a time, from whichever nodes ran its attempts.
//!
//! Stateless: a page names where the next one begins, so that any node goes on where another stopped. The ledger says which
//! attempts there are and whether one can still write; the node that ran it says what is kept. What neither has any more
//! is told as a gap, and only once it is certain that waiting does not bring it back.

use std::time::Duration;

use quorla_actors::output::{PAGE_BYTES_MAX, Page, Piece, Query, RECORD_COST, Rest, Stream};
use quorla_client::{
    ErrorBody, ErrorCode, FollowQuery, GapReason, JobId, OutputGap, OutputPage, OutputPiece, OutputPlace, OutputRecord,
    OutputStream, ReadLevel, Reply, limits::WAIT_MS_MAX,
};
use quorla_ledger::{
    record::{AttemptRecord, Course, JobRecord, NodeRecord},
    units::Millis,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Dispatch, ended::Listener, reading::Reading, refuse};
use crate::{identity::KeyId, output::NotRead};

const ATTEMPTED: &str = "follow a job's output";
/// How long after the end of an attempt its node may be away before its output is said to be gone: a node that is started
/// again comes back with what it kept.
const RETURN_GRACE: Millis = Millis(5_000);
/// Between two tries to reach a node that is away.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// When a client asks again for what a node keeps that is away.
const RETRY_AFTER_MS: u64 = 500;

/// A page in the making.
struct Telling {
    query: FollowQuery,
    pieces: Vec<OutputPiece>,
    bytes: usize,
    next: OutputPlace,
}

/// What is to be told next.
enum Want<'r> {
    /// Output of this attempt.
    Attempt(&'r AttemptRecord),
    /// Nothing that there is yet.
    Change,
    /// Nothing any more.
    Over,
}

/// What reading an attempt came to.
enum Came {
    Page(Page),
    NotRead(NotRead),
    /// The ledger changed meanwhile.
    Changed,
}

/// How the page goes on.
enum Onward {
    /// It is answered as it is.
    Answer { caught_up: bool },
    /// By what the ledger hears next, unless there is something to tell.
    Wait,
    /// By another look.
    Again,
}

impl Dispatch {
    pub(super) async fn follow_output(&self, query: FollowQuery) -> Result<(u64, Reply), ErrorBody> {
        let deadline = Instant::now() + Duration::from_millis(query.timeout_ms.min(WAIT_MS_MAX));
        let mut changed = self.ended.listen_to_changes(query.job);
        let mut reading = self.read(ATTEMPTED, query.read).await?;
        let mut telling = Telling { query, pieces: Vec::new(), bytes: 0, next: query.from };
        loop {
            if telling.pieces.is_empty() && self.is_closing() {
                return Err(self.shutting_down(ATTEMPTED));
            }
            let record = reading.job(query.job)?.ok_or_else(|| refuse::no_record(ATTEMPTED, query.job))?;
            let step = match telling.want(&record)? {
                _ if telling.bytes >= PAGE_BYTES_MAX => Onward::Answer { caught_up: false },
                Want::Over => {
                    let view = self.show_record(&reading, &record)?;
                    return Ok((reading.applied_index(), telling.answer(true, Some(Box::new(view)))));
                }
                Want::Change => Onward::Wait,
                Want::Attempt(attempt) => {
                    let attempt = attempt.clone();
                    self.tell_attempt(&mut telling, &reading, &attempt, &mut changed, deadline).await?
                }
            };
            match step {
                Onward::Answer { caught_up } => return Ok((reading.applied_index(), telling.answer(caught_up, None))),
                Onward::Wait
                    if !telling.pieces.is_empty() || timeout_at(deadline, changed.changed()).await.is_err() =>
                {
                    return Ok((reading.applied_index(), telling.answer(true, None)));
                }
                Onward::Wait | Onward::Again => reading = self.read(ATTEMPTED, ReadLevel::Stale).await?,
            }
        }
    }

    /// Tells what there is of one attempt, and how the page goes on.
    async fn tell_attempt(
        &self,
        telling: &mut Telling,
        reading: &Reading,
        attempt: &AttemptRecord,
        changed: &mut Listener<'_>,
        deadline: Instant,
    ) -> Result<Onward, ErrorBody> {
        let node = reading.node(attempt.placed.node)?;
        let came = match &node {
            Some(node) => self.read_attempt(telling, attempt, node, changed, deadline).await,
            None => Came::NotRead(NotRead::Unreached("the node was removed".to_owned())),
        };
        let is_open = attempt.course == Course::Open;
        let page = match came {
            Came::Page(page) => page,
            Came::Changed => return Ok(Onward::Again),
            Came::NotRead(NotRead::Unreached(_)) if is_gone(attempt, node.as_ref(), self.consensus.ledger_time()) => {
                telling.end_attempt(Some(GapReason::NodeIsGone));
                return Ok(Onward::Again);
            }
            Came::NotRead(why) => return self.wait_for_node_of(telling, &why, changed, deadline).await,
        };
        let (rest, next) = (page.rest, page.next);
        telling.take(attempt, page);
        telling.next.sequence = next;
        Ok(match rest {
            // What is looked through is bounded by the time too: the place that is answered has advanced.
            Rest::More if telling.bytes < PAGE_BYTES_MAX && Instant::now() < deadline => Onward::Again,
            Rest::More => Onward::Answer { caught_up: false },
            Rest::Live if is_open => Onward::Answer { caught_up: true },
            // Lost to the ledger, and its node has not stopped it yet: whoever asks again at once would do so in a loop.
            Rest::Live => {
                let _ = timeout(RETRY_PAUSE, changed.changed()).await;
                Onward::Answer { caught_up: true }
            }
            // The ledger is about to hear of its end, or its node of its beginning.
            Rest::Complete | Rest::Unknown | Rest::Nothing if is_open => Onward::Wait,
            Rest::Complete => {
                telling.end_attempt(None);
                Onward::Again
            }
            Rest::Unknown => {
                telling.end_attempt(Some(GapReason::EndUnknown));
                Onward::Again
            }
            Rest::Nothing => {
                telling.end_attempt(missing_of(reading, telling.query.job, attempt)?);
                Onward::Again
            }
        })
    }

    /// Asks the attempt's node; waits for output only when there is nothing to tell yet.
    async fn read_attempt(
        &self,
        telling: &Telling,
        attempt: &AttemptRecord,
        node: &NodeRecord,
        changed: &mut Listener<'_>,
        deadline: Instant,
    ) -> Came {
        let query = Query {
            fence: attempt.placed.fence,
            from: telling.next.sequence,
            since_ms: telling.query.since_ms,
            stream: telling.query.stream.map(stream),
        };
        let may_wait = telling.pieces.is_empty() && attempt.course == Course::Open;
        let within = if may_wait { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
        tokio::select! {
            page = self.output.read(KeyId(node.key.0), query, within) => match page {
                Ok(page) => Came::Page(page),
                Err(why) => Came::NotRead(why),
            },
            () = changed.changed(), if may_wait => Came::Changed,
        }
    }

    /// A node that is away may come back: what there is is told, and then it is looked for again.
    async fn wait_for_node_of(
        &self,
        telling: &Telling,
        why: &NotRead,
        changed: &mut Listener<'_>,
        deadline: Instant,
    ) -> Result<Onward, ErrorBody> {
        if !telling.pieces.is_empty() {
            return Ok(Onward::Answer { caught_up: false });
        }
        if let NotRead::Unreadable(reason) = why {
            return Err(ErrorBody::new(ErrorCode::Internal, format!("{ATTEMPTED}: {reason}"))
                .hint("Look at the disk of the node that ran it."));
        }
        if Instant::now() + RETRY_PAUSE >= deadline {
            return Err(ErrorBody::new(ErrorCode::Overloaded, format!("{ATTEMPTED}: {why}"))
                .retry_after_ms(RETRY_AFTER_MS)
                .hint("See whether the node that ran it is there: quorla node list"));
        }
        // Either way it is looked at again.
        let _ = timeout(RETRY_PAUSE, changed.changed()).await;
        Ok(Onward::Again)
    }
}

impl Telling {
    /// What to tell next; attempts that the ledger forgot are told as gaps on the way.
    fn want<'r>(&mut self, record: &'r JobRecord) -> Result<Want<'r>, ErrorBody> {
        if let Some(only) = self.query.attempt
            && record.state.is_ended()
            && (only == 0 || only > record.attempts_made)
        {
            return Err(refuse::unknown_attempt(self.query.job, only, record.attempts_made));
        }
        self.next.attempt = self.next.attempt.max(1);
        self.next.sequence = self.next.sequence.max(1);
        loop {
            let number = self.next.attempt;
            if self.query.attempt.is_some_and(|only| number > only) {
                return Ok(Want::Over);
            }
            if let Some(attempt) = record.attempts.iter().find(|attempt| attempt.number == number) {
                return Ok(Want::Attempt(attempt));
            }
            if number > record.attempts_made {
                return Ok(if record.state.is_ended() { Want::Over } else { Want::Change });
            }
            self.end_attempt(Some(GapReason::AttemptForgotten));
        }
    }

    fn take(&mut self, attempt: &AttemptRecord, page: Page) {
        for piece in page.pieces {
            let piece = match piece {
                Piece::Record(record) => {
                    self.bytes += record.bytes.0.len() + RECORD_COST;
                    OutputPiece::Record(OutputRecord {
                        attempt: attempt.number,
                        fence: attempt.placed.fence.0,
                        sequence: record.sequence,
                        at_ms: record.at_ms,
                        stream: shown(record.stream),
                        bytes: record.bytes.0.into(),
                    })
                }
                Piece::Gap { from, until } => gap(attempt, from, until, GapReason::Expired),
                Piece::Withheld { from, until } => gap(attempt, from, until, GapReason::DiskLow),
            };
            self.pieces.push(piece);
        }
    }

    /// Nothing more comes of the attempt; what is missing at its end has a reason.
    fn end_attempt(&mut self, missing: Option<GapReason>) {
        let OutputPlace { attempt, sequence } = self.next;
        if let Some(reason) = missing {
            self.pieces.push(OutputPiece::Gap(OutputGap { attempt, from: sequence, until: None, reason }));
        }
        self.pieces.push(OutputPiece::AttemptEnded { attempt });
        self.next = OutputPlace::of_attempt(attempt.saturating_add(1));
    }

    fn answer(self, caught_up: bool, ended: Option<Box<quorla_client::JobView>>) -> Reply {
        let gaps = self.pieces.iter().filter(|piece| matches!(piece, OutputPiece::Gap(_))).count();
        if gaps > 0 {
            let gaps = u64::try_from(gaps).unwrap_or(u64::MAX);
            ::metrics::counter!(quorla_actors::metrics::OUTPUT_GAPS).increment(gaps);
        }
        Reply::Output(OutputPage { pieces: self.pieces, next: self.next, caught_up, ended })
    }
}

const fn gap(attempt: &AttemptRecord, from: u64, until: u64, reason: GapReason) -> OutputPiece {
    OutputPiece::Gap(OutputGap { attempt: attempt.number, from, until: Some(until), reason })
}

/// Whether what the attempt's node keeps is not to be waited for.
fn is_gone(attempt: &AttemptRecord, node: Option<&NodeRecord>, now: Millis) -> bool {
    let ended_at = match &attempt.course {
        Course::Open => return false,
        Course::Ended { at, .. } | Course::Lost { at } => *at,
    };
    node.is_none_or(|node| !node.up) && now.since(ended_at) > RETURN_GRACE
}

/// Why a node keeps nothing of an attempt that has ended; nothing when it printed nothing.
fn missing_of(reading: &Reading, job: JobId, attempt: &AttemptRecord) -> Result<Option<GapReason>, ErrorBody> {
    if matches!(attempt.course, Course::Lost { .. }) {
        return Ok(Some(GapReason::EndUnknown));
    }
    let job = quorla_ledger::ids::JobId(job.as_u128());
    let tails = reading.tails(job, attempt.placed.fence)?.unwrap_or_default();
    let printed = [tails.stdout, tails.stderr].iter().any(|tail| !tail.bytes.is_empty() || tail.dropped.0 > 0);
    Ok(printed.then_some(GapReason::Expired))
}

const fn stream(stream: OutputStream) -> Stream {
    match stream {
        OutputStream::Stdout => Stream::Stdout,
        OutputStream::Stderr => Stream::Stderr,
    }
}

const fn shown(stream: Stream) -> OutputStream {
    match stream {
        Stream::Stdout => OutputStream::Stdout,
        Stream::Stderr => OutputStream::Stderr,
    }
}
