//! What is known to be durable, in two small files beside the log database (R2).
//!
//! Recovery of recycled WALs drops everything after the first bad record without a word. The mark says how far
//! the log reached; a log behind it is proven loss. It is written after the sync that it speaks of, into the
//! slot that does not hold the newest valid mark, so that a torn write leaves the other one.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failpoints;
use crate::sealed;
use crate::types::{LogId, Vote};
use crate::{codec, keys::GroupId};

const SLOTS: [&str; 2] = ["mark.0", "mark.1"];

/// How far the log was durable when this was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Counts the marks written, to tell the newer slot.
    pub(crate) count: u64,
    /// The database's own sequence number.
    pub(crate) sequence: u64,
    /// By group.
    pub(crate) groups: BTreeMap<u16, GroupMark>,
}

/// How far one group's log was durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupMark {
    pub(crate) last: Option<LogId>,
    pub(crate) vote: Option<Vote>,
}

/// The two slots.
pub(crate) struct MarkFile {
    directory: PathBuf,
    newest: Mark,
}

impl MarkFile {
    /// Reads the newest valid mark; none when there never was one.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let mut newest = Mark::default();
        let mut unreadable = 0;
        for slot in SLOTS {
            match read_slot(&directory.join(slot))? {
                Slot::Valid(mark) if mark.count >= newest.count => newest = mark,
                Slot::Valid(_) | Slot::Absent => {}
                Slot::Torn => unreadable += 1,
            }
        }
        if unreadable == SLOTS.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "both marks of the log are unreadable"));
        }
        Ok(Self { directory: directory.to_path_buf(), newest })
    }

    pub(crate) fn newest(&self) -> &Mark {
        &self.newest
    }

    /// Writes and syncs a mark unless it says what the newest one says.
    pub(crate) fn write(&mut self, sequence: u64, groups: &BTreeMap<u16, GroupMark>) -> io::Result<()> {
        if self.newest.sequence == sequence && self.newest.groups == *groups {
            return Ok(());
        }
        failpoints::check("log.mark", &self.directory)?;
        let mark = Mark { count: self.newest.count + 1, sequence, groups: groups.clone() };
        let slot = if mark.count.is_multiple_of(2) { SLOTS[0] } else { SLOTS[1] };
        let path = self.directory.join(slot);
        let is_new = !path.exists();
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        file.write_all(&sealed::seal(&codec::encode(&mark)?))?;
        file.sync_data()?;
        if is_new {
            sealed::sync_directory(&self.directory)?;
        }
        self.newest = mark;
        Ok(())
    }
}

enum Slot {
    Valid(Mark),
    Torn,
    Absent,
}

fn read_slot(path: &Path) -> io::Result<Slot> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let mark = sealed::open(&bytes).and_then(|content| codec::decode(content).ok());
            Ok(mark.map_or(Slot::Torn, Slot::Valid))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Slot::Absent),
        Err(error) => Err(error),
    }
}

/// What is missing when the log reached less far than the mark says; `None` when nothing is.
pub(crate) fn loss(
    mark: &Mark,
    sequence: u64,
    found: impl Fn(GroupId) -> io::Result<GroupMark>,
) -> io::Result<Option<String>> {
    for (group, marked) in &mark.groups {
        let found = found(GroupId(*group))?;
        if found.vote < marked.vote {
            return Ok(Some(format!("the vote {:?} is gone, found {:?}", marked.vote, found.vote)));
        }
        if found.last < marked.last {
            return Ok(Some(format!("entries up to {:?} are gone, the last is {:?}", marked.last, found.last)));
        }
    }
    if sequence < mark.sequence {
        return Ok(Some(format!("write {} is gone, the last is {sequence}", mark.sequence)));
    }
    Ok(None)
}
