//! The leader's side of the forward channel: commands into the queue, read indexes from the rounds, admissions.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::codec;
use crate::consensus::Consensus;
use crate::network::envelope::{self, Envelope, Kind};
use crate::proposer::forward::{self, Answer, AnswerResult, Answers, Request, Wish};
use crate::proposer::{Item, Lane, Waiter};
use crate::rounds::{Asked, Rounds};
use crate::route::Route;
use crate::transport::{Duplex, FrameSink, FrameSource, TransportError, broken};

/// Serves one stream until its peer finishes or it breaks.
pub(crate) async fn serve(consensus: &Consensus, from: [u8; 32], duplex: Duplex) -> Result<(), TransportError> {
    let Duplex { mut sink, mut source } = duplex;
    let Some(first) = source.recv().await? else { return Ok(()) };
    let (envelope, body) = envelope::open(first.clone()).map_err(broken)?;
    if envelope.kind == Kind::Admit {
        return admit(consensus, from, envelope, &body, sink.as_mut()).await;
    }
    let (answers, outgoing) = mpsc::unbounded_channel();
    let reading = read_all(consensus, from, first, source.as_mut(), answers);
    let writing = write_all(consensus, envelope.from, outgoing, sink.as_mut());
    let (read, written) = futures::future::join(reading, writing).await;
    read.and(written)
}

async fn admit(
    consensus: &Consensus,
    from: [u8; 32],
    envelope: Envelope,
    body: &[u8],
    sink: &mut dyn FrameSink,
) -> Result<(), TransportError> {
    // Only a member may ask for another node: it passes on what a newcomer asked of it.
    let is_member = consensus.server().is_member_with_key(envelope.from, from);
    let answer = consensus.answer_admission(from, is_member, body).await.map_err(broken)?;
    sink.send(consensus.links().envelope(envelope.from, Kind::AdmitAnswer).seal(&answer)).await?;
    sink.finish().await
}

/// Takes requests; ends when the peer finishes, and lets the rounds that it asked for end first.
async fn read_all(
    consensus: &Consensus,
    from: [u8; 32],
    first: Bytes,
    source: &mut dyn FrameSource,
    answers: Answers,
) -> Result<(), TransportError> {
    let mut rounds = FuturesUnordered::new();
    let mut next = Some(first);
    loop {
        if let Some(frame) = next.take() {
            let (_, body) = consensus.server().read(from, frame)?;
            let (request, commands) = forward::decode(body)?;
            if let Some(number) = take(consensus, request, commands, &answers) {
                rounds.push(read_index(Arc::clone(consensus.rounds()), number, answers.clone()));
            }
        }
        // `recv` keeps its place when it is polled again, and is never dropped between two frames.
        let mut receiving = source.recv();
        next = loop {
            tokio::select! {
                received = &mut receiving => break received?,
                Some(()) = rounds.next(), if !rounds.is_empty() => {}
            }
        };
        if next.is_none() {
            drop(receiving);
            while rounds.next().await.is_some() {}
            return Ok(());
        }
    }
}

async fn read_index(rounds: Arc<Rounds>, number: u64, answers: Answers) {
    let result = match rounds.next(Asked::Here).await {
        Ok(index) => AnswerResult::ReadIndex(index),
        Err(_) => AnswerResult::NotLeader,
    };
    // A stream that is gone has told its side already.
    let _ = answers.send(Answer { number, result });
}

/// Queues commands, or returns the number of a request for a read index.
fn take(consensus: &Consensus, request: Request, commands: Vec<Bytes>, answers: &Answers) -> Option<u64> {
    let number = request.number;
    let refuse = |result| drop(answers.send(Answer { number, result }));
    if consensus.router().route() != Route::Local(request.leader) {
        refuse(AnswerResult::NotLeader);
        return None;
    }
    let lane = match request.wish {
        Wish::ReadIndex => return Some(number),
        Wish::ProposeForClient => Lane::Client,
        Wish::ProposeForOwner => Lane::Owner,
    };
    let proposer = consensus.proposer();
    let waiter = Waiter::Remote(number, answers.clone());
    if let Err(error) = proposer.push(Item::many(lane, commands, waiter, proposer.deadline())) {
        forward::tell(answers, number, Err(error));
    }
    None
}

async fn write_all(
    consensus: &Consensus,
    to: u64,
    mut outgoing: mpsc::UnboundedReceiver<Answer>,
    sink: &mut dyn FrameSink,
) -> Result<(), TransportError> {
    while let Some(answer) = outgoing.recv().await {
        let body = codec::encode(&answer).map_err(broken)?;
        sink.send(consensus.links().envelope(to, Kind::ForwardAnswer).seal(&body)).await?;
    }
    sink.finish().await
}
