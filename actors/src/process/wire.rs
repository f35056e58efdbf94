//! The frames between a node and its warden.
//!
//! Both ends are the same program, started together, so there is one version; a `Ready` notice proves that the
//! child is a warden at all. A frame is a `u32` length and a tagged body, little-endian; a `Spawn` is accompanied
//! by three file descriptors (standard input, output, error), sent with or before its last byte. Decoding never
//! trusts a length, and anything odd is [`Malformed`]: the warden then kills everything.

mod cursor;
mod frames;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use cursor::{Cursor, put_bytes, put_list, put_optional};
pub(super) use frames::Frames;

use super::cgroup::{Cgroups, Found, Place, Version};
use super::outcome::Usage;
use super::spec::{COMMAND_BYTES_MAX, Limits, User};

/// Largest body of a frame: the largest command, its list lengths and the fixed fields.
pub(super) const FRAME_BYTES_MAX: usize = 4 * COMMAND_BYTES_MAX;
/// File descriptors that accompany a spawn.
pub(super) const FDS_PER_SPAWN: usize = 3;

/// The other end wrote something that is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Node to warden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Spawn(Spawn),
    /// Signal the group, and kill it once the grace is over.
    Kill {
        fence: u64,
        signal: i32,
        grace_ms: u64,
    },
    /// Kill everything at this boot time; 0 means never.
    LeaseDeadline {
        boot_ms: u64,
    },
    /// Where to make control groups; before any spawn.
    Cgroups(Cgroups),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spawn {
    pub(super) fence: u64,
    pub(super) directory: Vec<u8>,
    /// Whether to make the directory, and to remove it afterwards.
    pub(super) fresh: bool,
    /// The program first.
    pub(super) arguments: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub(super) environment: Vec<Vec<u8>>,
    pub(super) limits: Limits,
    pub(super) user: Option<User>,
}

/// Warden to node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    Ready,
    Started { fence: u64, pid: u32, boot_ms: u64 },
    Ended(Ended),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) fence: u64,
    pub(super) end: End,
    pub(super) usage: Usage,
    pub(super) boot_ms: u64,
    /// The fresh directory still has something in it.
    pub(super) directory_left: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    Signaled(i32),
    Failed {
        stage: Stage,
        errno: i32,
    },
    Lapsed,
    /// The kernel killed in its control group, and it did not succeed all the same.
    OutOfMemory,
}

/// How far a spawn came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    MakeDirectory = 1,
    Fork = 2,
    Prepare = 3,
    EnterDirectory = 4,
    Program = 5,
    Limit = 6,
    User = 7,
}

impl Stage {
    pub(super) fn from_raw(raw: u32) -> Option<Self> {
        let all = [
            Self::MakeDirectory,
            Self::Fork,
            Self::Prepare,
            Self::EnterDirectory,
            Self::Program,
            Self::Limit,
            Self::User,
        ];
        all.into_iter().find(|stage| *stage as u32 == raw)
    }
}

/// Appends one frame: its length, then the body that `body` writes.
fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start - 4).expect("a frame is bounded far below 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

impl Request {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        frame(out, |out| match self {
            Self::Spawn(spawn) => {
                out.push(1);
                out.extend(spawn.fence.to_le_bytes());
                put_bytes(out, &spawn.directory);
                out.push(u8::from(spawn.fresh));
                put_list(out, &spawn.arguments);
                put_list(out, &spawn.environment);
                put_limits(out, &spawn.limits);
                put_optional(out, spawn.user.map(|user| u64::from(user.uid) << 32 | u64::from(user.gid)));
            }
            Self::Kill { fence, signal, grace_ms } => {
                out.push(2);
                out.extend(fence.to_le_bytes());
                out.extend(signal.to_le_bytes());
                out.extend(grace_ms.to_le_bytes());
            }
            Self::LeaseDeadline { boot_ms } => {
                out.push(3);
                out.extend(boot_ms.to_le_bytes());
            }
            Self::Cgroups(cgroups) => {
                out.push(4);
                [&cgroups.cpu, &cgroups.memory, &cgroups.processes].into_iter().for_each(|found| put_found(out, found));
            }
        });
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let request = match cursor.u8()? {
            1 => Self::Spawn(Spawn {
                fence: cursor.u64()?,
                directory: cursor.bytes()?,
                fresh: cursor.flag()?,
                arguments: cursor.list()?,
                environment: cursor.list()?,
                limits: limits(&mut cursor)?,
                user: cursor.optional()?.map(user).transpose()?,
            }),
            2 => Self::Kill { fence: cursor.u64()?, signal: cursor.i32()?, grace_ms: cursor.u64()? },
            3 => Self::LeaseDeadline { boot_ms: cursor.u64()? },
            4 => {
                let (cpu, memory, processes) = (found(&mut cursor)?, found(&mut cursor)?, found(&mut cursor)?);
                Self::Cgroups(Cgroups { cpu, memory, processes })
            }
            _ => return Err(Malformed),
        };
        cursor.end(request)
    }
}

impl Notice {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        frame(out, |out| match self {
            Self::Ready => out.push(1),
            Self::Started { fence, pid, boot_ms } => {
                out.push(2);
                out.extend(fence.to_le_bytes());
                out.extend(pid.to_le_bytes());
                out.extend(boot_ms.to_le_bytes());
            }
            Self::Ended(ended) => {
                out.push(3);
                out.extend(ended.fence.to_le_bytes());
                let (tag, first, second) = match ended.end {
                    End::Exited(code) => (1, 0, code),
                    End::Signaled(signal) => (2, 0, signal),
                    End::Failed { stage, errno } => (3, stage as u8, errno),
                    End::Lapsed => (4, 0, 0),
                    End::OutOfMemory => (5, 0, 0),
                };
                out.extend([tag, first]);
                out.extend(second.to_le_bytes());
                out.extend(ended.usage.user_ms.to_le_bytes());
                out.extend(ended.usage.system_ms.to_le_bytes());
                out.extend(ended.usage.max_rss_bytes.to_le_bytes());
                out.extend(ended.boot_ms.to_le_bytes());
                out.push(u8::from(ended.directory_left));
            }
        });
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let notice = match cursor.u8()? {
            1 => Self::Ready,
            2 => Self::Started { fence: cursor.u64()?, pid: cursor.u32()?, boot_ms: cursor.u64()? },
            3 => Self::Ended(Ended {
                fence: cursor.u64()?,
                end: end(&mut cursor)?,
                usage: Usage { user_ms: cursor.u64()?, system_ms: cursor.u64()?, max_rss_bytes: cursor.u64()? },
                boot_ms: cursor.u64()?,
                directory_left: cursor.flag()?,
            }),
            _ => return Err(Malformed),
        };
        cursor.end(notice)
    }
}

fn put_limits(out: &mut Vec<u8>, limits: &Limits) {
    let Limits { cpu_milli_max, memory_bytes_max, processes_max, open_files_max, file_bytes_max, core_bytes_max } =
        *limits;
    let narrow = [cpu_milli_max, processes_max].map(|bound| bound.map(u64::from));
    let wide = [memory_bytes_max, open_files_max, file_bytes_max, core_bytes_max];
    narrow.into_iter().chain(wide).for_each(|bound| put_optional(out, bound));
}

fn limits(cursor: &mut Cursor) -> Result<Limits, Malformed> {
    let narrow = |bound: Option<u64>| bound.map(u32::try_from).transpose().map_err(|_| Malformed);
    Ok(Limits {
        cpu_milli_max: narrow(cursor.optional()?)?,
        processes_max: narrow(cursor.optional()?)?,
        memory_bytes_max: cursor.optional()?,
        open_files_max: cursor.optional()?,
        file_bytes_max: cursor.optional()?,
        core_bytes_max: cursor.optional()?,
    })
}

fn user(both: u64) -> Result<User, Malformed> {
    let half = |bits: u64| u32::try_from(bits).map_err(|_| Malformed);
    Ok(User { uid: half(both >> 32)?, gid: half(both & u64::from(u32::MAX))? })
}

/// Why there is none is the node's to know.
fn put_found(out: &mut Vec<u8>, found: &Found) {
    let (version, directory) = match found {
        Ok(Place { version: Version::V1, directory }) => (1, directory.as_os_str().as_bytes()),
        Ok(Place { version: Version::V2, directory }) => (2, directory.as_os_str().as_bytes()),
        Err(_) => (0, &[][..]),
    };
    out.push(version);
    put_bytes(out, directory);
}

fn found(cursor: &mut Cursor) -> Result<Found, Malformed> {
    let (version, directory) = (cursor.u8()?, PathBuf::from(OsString::from_vec(cursor.bytes()?)));
    match version {
        0 => Ok(Err(String::new())),
        1 => Ok(Ok(Place { version: Version::V1, directory })),
        2 => Ok(Ok(Place { version: Version::V2, directory })),
        _ => Err(Malformed),
    }
}

fn end(cursor: &mut Cursor) -> Result<End, Malformed> {
    let (tag, stage, value) = (cursor.u8()?, cursor.u8()?, cursor.i32()?);
    match tag {
        1 => Ok(End::Exited(value)),
        2 => Ok(End::Signaled(value)),
        3 => Ok(End::Failed { stage: Stage::from_raw(stage.into()).ok_or(Malformed)?, errno: value }),
        4 => Ok(End::Lapsed),
        5 => Ok(End::OutOfMemory),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn() -> Request {
        Request::Spawn(Spawn {
            fence: 1 << 50,
            directory: b"/d".to_vec(),
            fresh: true,
            arguments: vec![b"sh".to_vec(), Vec::new()],
            environment: vec![b"A=1".to_vec()],
            limits: Limits { open_files_max: Some(9), cpu_milli_max: Some(7), ..Limits::default() },
            user: Some(User { uid: 5, gid: u32::MAX }),
        })
    }

    fn notices() -> Vec<Notice> {
        let ended = |end| {
            let usage = Usage { user_ms: 1, system_ms: 2, max_rss_bytes: 3 };
            Notice::Ended(Ended { fence: 7, end, usage, boot_ms: 9, directory_left: true })
        };
        vec![
            Notice::Ready,
            Notice::Started { fence: 7, pid: 8, boot_ms: 9 },
            ended(End::Exited(7)),
            ended(End::Signaled(9)),
            ended(End::Failed { stage: Stage::Program, errno: 2 }),
            ended(End::Lapsed),
            ended(End::OutOfMemory),
        ]
    }

    #[test]
    fn every_frame_comes_back_as_it_was_sent_whatever_the_cuts() {
        let place = |version| Ok(Place { version, directory: "/d".into() });
        let cgroups = Cgroups { cpu: place(Version::V1), memory: place(Version::V2), processes: Err(String::new()) };
        let requests = [
            spawn(),
            Request::Kill { fence: 2, signal: 15, grace_ms: 5 },
            Request::LeaseDeadline { boot_ms: 3 },
            Request::Cgroups(cgroups),
        ];
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| request.encode(&mut bytes));
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for byte in bytes {
            frames.push(&[byte]);
            seen.extend(frames.next(Request::decode).unwrap());
        }
        assert_eq!(seen, requests);
        let mut bytes = Vec::new();
        notices().iter().for_each(|notice| notice.encode(&mut bytes));
        let mut frames = Frames::default();
        frames.push(&bytes);
        let seen: Vec<_> = std::iter::from_fn(|| frames.next(Notice::decode).unwrap()).collect();
        assert_eq!(seen, notices());
    }

    #[test]
    fn cut_or_padded_bodies_are_malformed() {
        let mut bytes = Vec::new();
        spawn().encode(&mut bytes);
        for length in 0..bytes.len() - 4 {
            assert_eq!(Request::decode(&bytes[4..4 + length]), Err(Malformed), "{length}");
        }
        bytes.push(0);
        assert_eq!(Request::decode(&bytes[4..]), Err(Malformed));
        let mut frames = Frames::default();
        frames.push(&u32::MAX.to_le_bytes());
        assert_eq!(frames.next(Request::decode), Err(Malformed));
    }
}
