//! The node's ends of an attempt's pipes: standard input going in, outputs collected in rings.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::output::RECORD_BYTES_MAX;
use crate::process::outcome::Tail;
use crate::process::ring::Ring;

/// Read in one go before others get their turn: one record.
const TURN_BYTES: usize = RECORD_BYTES_MAX;
/// Read at most after the end: more than any pipe holds, so that a survivor that goes on writing delays nothing.
const REST_BYTES: usize = 2 * 1024 * 1024;

/// One output stream of an attempt.
pub(super) struct Output {
    pipe: Option<Receiver>,
    taken: Taken,
}

/// What was read.
struct Taken {
    ring: Ring,
    /// What no recorder has yet; nothing without one.
    unrecorded: Option<Vec<u8>>,
}

impl Output {
    /// Makes the pipe; gives the attempt's end too.
    pub(super) fn new(tail_bytes_max: u32) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?; // Only ours: programs expect blocking output.
        let pipe = Some(Receiver::from_owned_fd_unchecked(ours)?);
        let bytes_max = usize::try_from(tail_bytes_max).expect("at most 64 Ki");
        Ok((Self { pipe, taken: Taken { ring: Ring::new(bytes_max), unrecorded: None } }, theirs))
    }

    /// Keeps what is read from now on for a recorder, too.
    pub(super) fn record(&mut self) {
        self.taken.unrecorded = Some(Vec::new());
    }

    /// What was read since the last time, for the recorder.
    pub(super) fn unrecorded(&mut self) -> Vec<u8> {
        self.taken.unrecorded.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits for output and takes some. Never resolves once the stream is closed. Nothing is lost by cancelling.
    pub(super) async fn collect(&mut self) {
        let Some(pipe) = &self.pipe else {
            return std::future::pending().await;
        };
        let open = pipe.readable().await.is_ok() && read(&mut self.taken, TURN_BYTES, |bytes| pipe.try_read(bytes));
        if !open {
            self.pipe = None;
        }
    }

    /// Takes what is in the pipe now and closes it, whoever else still holds the other end.
    pub(super) fn finish(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            // Not `try_read`, which reads nothing until the runtime has seen the pipe readable.
            read(&mut self.taken, REST_BYTES, |bytes| Ok(rustix::io::read(pipe.as_fd(), bytes)?));
        }
    }

    /// The newest bytes of all that was taken.
    pub(super) fn into_tail(self) -> Tail {
        self.taken.ring.into_tail()
    }
}

/// Reads until nothing is there or the bound is reached; false once the stream is closed.
fn read(into: &mut Taken, bytes_max: usize, source: impl Fn(&mut [u8]) -> io::Result<usize>) -> bool {
    let mut bytes = [0_u8; 16 * 1024];
    let mut taken = 0;
    while taken < bytes_max {
        match source(&mut bytes) {
            Ok(0) => return false,
            Ok(length) => {
                into.ring.push(&bytes[..length]);
                into.unrecorded.iter_mut().for_each(|unrecorded| unrecorded.extend(&bytes[..length]));
                taken += length;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

/// Standard input of an attempt: what the pipe did not take at once.
pub(super) struct Input {
    pipe: Option<Sender>,
    bytes: Vec<u8>,
    written: usize,
}

impl Input {
    /// Makes the attempt's end and fills it as far as it takes; no input at all is `/dev/null`.
    pub(super) fn new(bytes: Vec<u8>) -> io::Result<(Self, OwnedFd)> {
        let mut input = Self { pipe: None, bytes, written: 0 };
        if input.bytes.is_empty() {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            return Ok((input, rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?));
        }
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
        let sink = |bytes: &[u8]| Ok(rustix::io::write(&ours, bytes)?);
        if write(&input.bytes, &mut input.written, sink) {
            input.pipe = Some(Sender::from_owned_fd_unchecked(ours)?);
        }
        Ok((input, theirs))
    }

    /// Waits for room and writes some. Never resolves once all is written, or nobody reads. Cancelling is safe.
    pub(super) async fn feed(&mut self) {
        let Some(pipe) = &self.pipe else {
            return std::future::pending().await;
        };
        let unfinished =
            pipe.writable().await.is_ok() && write(&self.bytes, &mut self.written, |bytes| pipe.try_write(bytes));
        if !unfinished {
            *self = Self { pipe: None, bytes: Vec::new(), written: 0 };
        }
    }
}

/// Writes what fits; true when there is more to come. A reader that has left is no failure.
fn write(bytes: &[u8], written: &mut usize, sink: impl Fn(&[u8]) -> io::Result<usize>) -> bool {
    while *written < bytes.len() {
        match sink(&bytes[*written..]) {
            Ok(length) => *written += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    false
}
