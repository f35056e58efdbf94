//! Snapshots between members: a head with the manifest, then the files in pieces, then an answer.
//!
//! The receiver hashes what arrives and what it wrote; a truncated or flipped snapshot is refused, and openraft
//! fetches it again. It is shelved only after it was synced, and installed only after that (R3).

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::raft::SnapshotResponse;
use serde::{Deserialize, Serialize};

use super::Links;
use super::envelope::Kind;
use crate::codec;
use crate::failpoints;
use crate::state_store::{FileEntry, KeptSnapshot, Manifest, Shared, StateError};
use crate::transport::{Channel, Duplex, FrameSink, FrameSource, Peer, TransportError, broken};
use crate::types::{TypeConfig, Vote};

const CHUNK_BYTES: u64 = 512 << 10;
/// One piece takes no longer than this on a connection that works.
const PIECE_PATIENCE: Duration = Duration::from_secs(15);
/// Verifying, syncing and installing takes no longer than this.
const INSTALL_PATIENCE: Duration = Duration::from_secs(300);

async fn in_time<T>(
    patience: Duration,
    step: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let silence = |_| broken("the peer is silent");
    tokio::time::timeout(patience, step).await.map_err(silence)?
}

/// Why a snapshot did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("send a snapshot")]
    Transport(#[from] TransportError),
    #[error("send a snapshot")]
    Codec(#[from] codec::CodecError),
    #[error("keep a snapshot")]
    State(#[from] StateError),
    #[error("use the snapshot's file {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("send a snapshot: {path} is not what its manifest says")]
    Spoilt { path: PathBuf },
    #[error("the receiver refused the snapshot: {0}")]
    Refused(String),
    #[error("run a blocking step of a snapshot")]
    Step(#[from] tokio::task::JoinError),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) vote: Vote,
    pub(super) manifest: Manifest,
}

/// What the receiver says in the end.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    Installed { vote: Vote },
    Refused { reason: String },
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> SnapshotError {
    move |source| SnapshotError::File { path: path.to_path_buf(), source }
}

/// Sends a snapshot and waits until the peer has installed it.
pub(super) async fn send(
    links: &Links,
    peer: &Peer,
    vote: Vote,
    snapshot: &Arc<KeptSnapshot>,
) -> Result<SnapshotResponse<TypeConfig>, SnapshotError> {
    let Duplex { mut sink, mut source } = links.open(peer, Channel::SNAPSHOT).await?;
    let head = codec::encode(&Head { vote, manifest: snapshot.manifest().clone() })?;
    sink.send(links.envelope(peer.raft_id, Kind::SnapshotHead).seal(&head)).await?;
    for file in &snapshot.manifest().files {
        let sent = send_file(links, peer.raft_id, sink.as_mut(), snapshot.path(), file).await;
        if let Err(SnapshotError::Spoilt { path }) = &sent {
            tracing::error!(path = %path.display(), "a snapshot is damaged on this disk, another one is built");
            snapshot.spoil();
        }
        sent?;
    }
    sink.send(links.envelope(peer.raft_id, Kind::SnapshotEnd).seal(&[])).await?;
    let frame = in_time(INSTALL_PATIENCE, source.recv()).await?;
    let frame = frame.ok_or_else(|| broken("it ended without an answer"))?;
    let body = links.receive(peer.raft_id, Kind::SnapshotAnswer, frame)?;
    match codec::decode(&body)? {
        Answer::Installed { vote } => Ok(SnapshotResponse::new(vote)),
        Answer::Refused { reason } => Err(SnapshotError::Refused(reason)),
    }
}

/// Sends a file and hashes what it reads: damage on this side shows here, whatever the receiver says.
async fn send_file(
    links: &Links,
    peer: u64,
    sink: &mut dyn FrameSink,
    directory: &Path,
    entry: &FileEntry,
) -> Result<(), SnapshotError> {
    let path = &directory.join(&entry.name);
    let spoilt = || SnapshotError::Spoilt { path: path.clone() };
    let mut hasher = blake3::Hasher::new();
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(spoilt()),
        opened => Some(opened.map_err(file_error(path))?),
    };
    while let Some(open) = file.take() {
        failpoints::check("snapshot.send", path).map_err(file_error(path))?;
        let piece = tokio::task::spawn_blocking(move || read_piece(open)).await?;
        let (open, piece) = piece.map_err(file_error(path))?;
        hasher.update(&piece);
        if !piece.is_empty() {
            in_time(PIECE_PATIENCE, sink.send(links.envelope(peer, Kind::SnapshotChunk).seal(&piece))).await?;
            file = Some(open);
        }
    }
    if *hasher.finalize().as_bytes() == entry.hash { Ok(()) } else { Err(spoilt()) }
}

fn read_piece(mut file: File) -> std::io::Result<(File, Vec<u8>)> {
    let mut piece = Vec::new();
    (&mut file).take(CHUNK_BYTES).read_to_end(&mut piece)?;
    Ok((file, piece))
}

/// Receives the files of `manifest`, verifies them, and shelves the snapshot. What fails is deleted.
pub(super) async fn receive(
    state: &Arc<Shared>,
    manifest: Manifest,
    pieces: &mut Pieces<'_>,
) -> Result<Arc<KeptSnapshot>, SnapshotError> {
    let (number, unfinished) = state.shelf.begin();
    let received = receive_files(&unfinished, &manifest, pieces).await;
    let state = Arc::clone(state);
    // Hashing, syncing and deleting take as long as the disk likes.
    let finishing = tokio::task::spawn_blocking(move || {
        let finished = received.and_then(|()| {
            manifest.verify(&unfinished)?;
            Ok(state.shelf.finish(number, &unfinished, manifest)?)
        });
        if finished.is_err() {
            state.shelf.discard(&unfinished);
        }
        finished
    });
    finishing.await?
}

async fn receive_files(unfinished: &Path, manifest: &Manifest, pieces: &mut Pieces<'_>) -> Result<(), SnapshotError> {
    manifest.check(unfinished)?;
    std::fs::create_dir_all(unfinished).map_err(file_error(unfinished))?;
    for file in &manifest.files {
        receive_file(unfinished, file, pieces).await?;
    }
    pieces.end().await
}

async fn receive_file(directory: &Path, entry: &FileEntry, pieces: &mut Pieces<'_>) -> Result<(), SnapshotError> {
    let path = directory.join(&entry.name);
    let mut file = File::create(&path).map_err(file_error(&path))?;
    let mut left = entry.bytes;
    while left > 0 {
        let piece = pieces.next().await?;
        failpoints::check("snapshot.receive", &path).map_err(file_error(&path))?;
        let bytes = u64::try_from(piece.len()).expect("a length fits 64 bits");
        left = left.checked_sub(bytes).ok_or_else(|| refused("a file is longer than announced"))?;
        let written = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file)).await?;
        file = written.map_err(file_error(&path))?;
    }
    Ok(())
}

fn refused(reason: &str) -> SnapshotError {
    SnapshotError::Refused(reason.to_owned())
}

/// The frames of one snapshot, after its head.
pub(super) struct Pieces<'a> {
    pub(super) source: &'a mut dyn FrameSource,
}

impl Pieces<'_> {
    async fn frame(&mut self) -> Result<(Kind, Bytes), SnapshotError> {
        let frame = in_time(PIECE_PATIENCE, self.source.recv()).await?;
        let frame = frame.ok_or_else(|| refused("it ended too early"))?;
        let (envelope, body) = super::envelope::open(frame).map_err(|error| refused(&error.to_string()))?;
        Ok((envelope.kind, body))
    }

    async fn next(&mut self) -> Result<Bytes, SnapshotError> {
        match self.frame().await? {
            (Kind::SnapshotChunk, body) if !body.is_empty() => Ok(body),
            _ => Err(refused("a piece of a file is missing")),
        }
    }

    async fn end(&mut self) -> Result<(), SnapshotError> {
        match self.frame().await? {
            (Kind::SnapshotEnd, _) => Ok(()),
            _ => Err(refused("more arrived than was announced")),
        }
    }
}
