//! The node's end of the socket: requests out with their descriptors, notices in.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::directories;
use super::shared::{Message, SPAWNS_PER_MESSAGE_MAX, Shared};
use crate::process::wire::{FDS_PER_SPAWN, Frames, Notice};

const FDS_PER_MESSAGE_MAX: usize = SPAWNS_PER_MESSAGE_MAX * FDS_PER_SPAWN;

pub(super) struct Link {
    socket: UnixStream,
    shared: Arc<Shared>,
    frames: Frames,
    directories: PathBuf,
    /// Directories being removed of attempts that nobody waits for any more.
    removals: JoinSet<()>,
}

impl Link {
    pub(super) fn new(socket: UnixStream, shared: Arc<Shared>, directories: PathBuf) -> Self {
        Self { socket, shared, frames: Frames::default(), directories, removals: JoinSet::new() }
    }

    /// Whether the other end proves to be a warden before it closes.
    pub(super) async fn await_ready(&mut self) -> bool {
        loop {
            match self.frames.next(Notice::decode) {
                Ok(Some(notice)) => return notice == Notice::Ready,
                Ok(None) => {}
                Err(_) => return false,
            }
            if !receive(&self.socket, &mut self.frames).await {
                return false;
            }
        }
    }

    /// Carries requests and notices until the warden closes or breaks the link, or `stopped` is dropped.
    pub(super) async fn serve(&mut self, stopped: oneshot::Receiver<()>) {
        let Self { socket, shared, frames, directories, removals } = self;
        tokio::select! {
            _ = stopped => {}
            () = send_requests(socket, shared) => {}
            () = async {
                while take_notices(frames, shared, directories, removals) && receive(socket, frames).await {}
            } => {}
        }
        self.shared.warden_is_gone();
    }
}

/// Acts on every whole notice; false when there is a malformed one.
fn take_notices(frames: &mut Frames, shared: &Shared, base: &Path, removals: &mut JoinSet<()>) -> bool {
    while removals.try_join_next().is_some() {}
    while let Ok(notice) = frames.next(Notice::decode) {
        match notice {
            None => return true,
            Some(Notice::Ready) => {}
            Some(Notice::Started { fence, pid, boot_ms }) => shared.started(fence, pid, boot_ms),
            Some(Notice::Ended(ended)) => {
                if let Err(unclaimed) = shared.ended(ended)
                    && unclaimed.directory_left
                {
                    let path = directories::of_attempt(base, unclaimed.fence);
                    removals.spawn_blocking(move || directories::remove(&path));
                }
            }
        }
    }
    tracing::error!("the warden sent a malformed frame");
    false
}

/// Reads once; false when the other end is gone.
async fn receive(socket: &UnixStream, frames: &mut Frames) -> bool {
    loop {
        if socket.readable().await.is_err() {
            return false;
        }
        let mut bytes = [0; 8192];
        match socket.try_read(&mut bytes) {
            Ok(0) => return false,
            Ok(length) => {
                frames.push(&bytes[..length]);
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
}

/// Sends whatever is waiting; ends when the other end is gone.
async fn send_requests(socket: &UnixStream, shared: &Shared) {
    loop {
        while let Some(message) = shared.take_message() {
            if send(socket, &message).await.is_err() {
                return;
            }
        }
        shared.bell.notified().await;
    }
}

async fn send(socket: &UnixStream, message: &Message) -> io::Result<()> {
    let mut unsent = message.bytes.as_slice();
    let mut fds: Vec<BorrowedFd> = message.fds.iter().map(AsFd::as_fd).collect();
    while !unsent.is_empty() {
        socket.writable().await?;
        match socket.try_io(Interest::WRITABLE, || send_once(socket, unsent, &fds)) {
            Ok(sent) => {
                unsent = &unsent[sent..];
                fds.clear(); // They go with the first byte.
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send_once(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(fds));
        assert!(fits, "a message carries at most {FDS_PER_MESSAGE_MAX} descriptors");
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?)
}
