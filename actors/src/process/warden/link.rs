//! The warden's end of the socket: requests with their descriptors in, notices out; neither ever blocks.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send};

use super::{FDS_PER_SPAWN, Malformed, Notice, Request, Spawn};
use crate::process::wire::Frames;

/// The kernel's limit of descriptors in one message (SCM_MAX_FD).
const FDS_PER_MESSAGE_MAX: usize = 253;
const READ_BYTES: usize = 16 * 1024;

/// Why the link is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    NodeIsGone,
    Malformed,
}

impl From<Malformed> for Broken {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

pub(super) enum Received {
    Spawn(Spawn, [OwnedFd; FDS_PER_SPAWN]),
    Plain(Request),
}

pub(super) struct Link {
    socket: OwnedFd,
    frames: Frames,
    /// Descriptors whose spawn has not been decoded yet, in the order of the spawns.
    fds: VecDeque<OwnedFd>,
    /// Notices that the node has not taken yet; at most two per attempt, which the node bounds.
    unsent: Vec<u8>,
}

impl Link {
    /// Moves the socket away from standard input and out of reach of children.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        Ok(Self { socket, frames: Frames::default(), fds: VecDeque::new(), unsent: Vec::new() })
    }

    /// Takes what one message brings; nothing there is fine.
    pub(super) fn receive(&mut self) -> Result<(), Broken> {
        let mut bytes = [0_u8; READ_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let message = match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
            Ok(message) => message,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(_) => return Err(Broken::NodeIsGone),
        };
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = part {
                self.fds.extend(fds);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Broken::Malformed); // Descriptors were lost: no spawn could be trusted to have its own.
        }
        if message.bytes == 0 {
            return Err(Broken::NodeIsGone);
        }
        self.frames.push(&bytes[..message.bytes]);
        Ok(())
    }

    pub(super) fn next_request(&mut self) -> Result<Option<Received>, Broken> {
        let Some(request) = self.frames.next(Request::decode)? else {
            return Ok(None);
        };
        let Request::Spawn(spawn) = request else {
            return Ok(Some(Received::Plain(request)));
        };
        if self.fds.len() < FDS_PER_SPAWN {
            return Err(Broken::Malformed);
        }
        let stdio: Vec<OwnedFd> = self.fds.drain(..FDS_PER_SPAWN).collect();
        let stdio = stdio.try_into().expect("exactly that many were drained");
        Ok(Some(Received::Spawn(spawn, stdio)))
    }

    pub(super) fn queue(&mut self, notice: &Notice) {
        notice.encode(&mut self.unsent);
    }

    /// Sends what the socket takes. A node that is gone is noticed by `receive`.
    pub(super) fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match send(&self.socket, &self.unsent, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
        self.unsent.shrink_to(READ_BYTES);
    }

    pub(super) fn is_clogged(&self) -> bool {
        !self.unsent.is_empty()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
