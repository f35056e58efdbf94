//! Following a job's output: pages, one after the other, as a stream that resumes by itself.
//!
//! A page is asked for when the one before was taken, so that a slow reader holds one page and slows nobody. Every page
//! names the place where the next one begins; whichever node answers goes on exactly there.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream};

use super::{Client, call_for};
use crate::error::Error;
use crate::ids::JobId;
use crate::limits::FOLLOW_MS_MAX;
use crate::reply::Reply;
use crate::request::{FollowQuery, ReadLevel, Request};
use crate::view::{JobView, OutputGap, OutputPage, OutputPiece, OutputPlace, OutputRecord, OutputStream};

/// Which part of a job's output is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowFrom {
    /// The first record; by default the first of all. A program that stored [`Follow::place`] goes on there.
    pub place: OutputPlace,
    /// Only this attempt; by default those that follow as well.
    pub attempt: Option<u32>,
    /// Only this stream.
    pub stream: Option<OutputStream>,
    /// Nothing older than this, in milliseconds since 1970.
    pub since_ms: u64,
}

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// What the job wrote.
    Record(OutputRecord),
    /// Records that are missing.
    Gap(OutputGap),
    /// All of an attempt was told; another one may follow.
    AttemptEnded {
        /// The attempt.
        attempt: u32,
    },
    /// All that there is now was told; told again after more.
    CaughtUp,
    /// Nothing follows: the job has ended like this, or the one attempt that was asked for has.
    Ended(Box<JobView>),
}

/// A job's output as a stream; see [`Client::follow`].
pub struct Follow {
    client: Client,
    query: FollowQuery,
    told: VecDeque<Followed>,
    /// The place after what was given out.
    place: OutputPlace,
    asking: Option<BoxFuture<'static, Result<OutputPage, Error>>>,
    /// The page before had something, so that the next one needs no word from a quorum.
    flowing: bool,
    caught_up: bool,
    over: bool,
}

impl Client {
    /// Follows a job's output from a place on, over attempts and until the job has ended. Every byte that is kept comes
    /// once and in order, whatever happens to nodes and connections meanwhile; what is missing is told as a gap.
    ///
    /// An error that passes by waiting (no node is reached for longer than this client is patient) does not end the
    /// stream: polled again, it goes on where it was.
    ///
    /// ```no_run
    /// # async fn example(client: quorla_client::Client, job: quorla_client::JobId) -> Result<(), quorla_client::Error> {
    /// use futures::StreamExt as _;
    /// use quorla_client::{FollowFrom, Followed};
    ///
    /// let mut output = client.follow(job, FollowFrom::default());
    /// while let Some(told) = output.next().await {
    ///     if let Followed::Record(record) = told? {
    ///         print!("{}", String::from_utf8_lossy(record.bytes.as_bytes()));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn follow(&self, job: JobId, from: FollowFrom) -> Follow {
        let FollowFrom { place, attempt, stream, since_ms } = from;
        let place = attempt.map_or(place, |attempt| place.max(OutputPlace::of_attempt(attempt)));
        let query =
            FollowQuery { job, from: place, attempt, stream, since_ms, timeout_ms: FOLLOW_MS_MAX, read: self.read };
        Follow {
            client: self.clone(),
            query,
            told: VecDeque::new(),
            place,
            asking: None,
            flowing: false,
            caught_up: false,
            over: false,
        }
    }

    /// One page of a job's output; [`Client::follow`] asks for all of them.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such job or attempt.
    pub async fn output(&self, query: FollowQuery) -> Result<OutputPage, Error> {
        call_for!(self, Request::Follow(query), Some(query.job), Reply::Output)
    }
}

impl Follow {
    /// The place after all that was given out: a follower that begins there goes on without loss or repetition.
    #[must_use]
    pub const fn place(&self) -> OutputPlace {
        self.place
    }

    fn ask(&mut self) -> &mut BoxFuture<'static, Result<OutputPage, Error>> {
        let (client, mut query) = (self.client.clone(), self.query);
        if !self.caught_up {
            query.timeout_ms = 0;
        }
        if self.flowing && query.read == ReadLevel::Linearizable {
            query.read = ReadLevel::AtLeast(client.applied_index());
        }
        self.asking.get_or_insert_with(|| async move { client.output(query).await }.boxed())
    }

    fn take(&mut self, page: OutputPage) {
        let OutputPage { pieces, next, caught_up, ended } = page;
        self.told.extend(pieces.into_iter().map(|piece| match piece {
            OutputPiece::Record(record) => Followed::Record(record),
            OutputPiece::Gap(gap) => Followed::Gap(gap),
            OutputPiece::AttemptEnded { attempt } => Followed::AttemptEnded { attempt },
        }));
        self.flowing = !self.told.is_empty();
        if caught_up && ended.is_none() && (self.flowing || !self.caught_up) {
            self.told.push_back(Followed::CaughtUp);
        }
        self.told.extend(ended.map(Followed::Ended));
        self.caught_up = caught_up;
        self.query.from = next;
    }

    /// Notes that this is given out.
    fn give(&mut self, told: Followed) -> Followed {
        match &told {
            Followed::Record(OutputRecord { attempt, sequence, .. }) => {
                self.place = OutputPlace { attempt: *attempt, sequence: sequence + 1 };
            }
            Followed::Gap(OutputGap { attempt, until: Some(until), .. }) => {
                self.place = OutputPlace { attempt: *attempt, sequence: *until };
            }
            Followed::Gap(OutputGap { attempt, until: None, .. }) | Followed::AttemptEnded { attempt } => {
                self.place = OutputPlace::of_attempt(attempt.saturating_add(1));
            }
            Followed::CaughtUp => self.place = self.query.from,
            Followed::Ended(_) => self.over = true,
        }
        told
    }
}

impl Stream for Follow {
    type Item = Result<Followed, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(told) = this.told.pop_front() {
                return Poll::Ready(Some(Ok(this.give(told))));
            }
            if this.over {
                return Poll::Ready(None);
            }
            let Poll::Ready(answer) = this.ask().poll_unpin(context) else { return Poll::Pending };
            this.asking = None;
            match answer {
                Ok(page) => this.take(page),
                Err(error) => {
                    (this.over, this.flowing) = (!passes(&error), false);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

/// Whether asking again later may help.
const fn passes(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::NotNow(_) | Error::OutcomeUnknown { .. })
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { query, place, .. } = self;
        f.debug_struct("Follow").field("query", query).field("place", place).finish_non_exhaustive()
    }
}
