//! Who is whose child, read from `/proc`; shared by the warden and by the node that outlives its warden.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::process::Pid;

/// The calling process's own children, dead ones that are not reaped included. Reads `/proc/self/task/*/children`,
/// kept open; where the kernel has no such file, all of `/proc`.
///
/// The list is exact as long as nobody reaps a child meanwhile; in the warden only the caller does.
pub(super) struct Children {
    /// One for each thread that there was at the start.
    lists: Vec<File>,
    buffer: Vec<u8>,
}

impl Children {
    pub(super) fn new() -> Self {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| File::open(task.path().join("children")).ok()).collect();
        Self { lists, buffer: Vec::new() }
    }

    pub(super) fn list(&mut self) -> Vec<Pid> {
        if self.lists.is_empty() {
            return scan();
        }
        let mut found = Vec::new();
        for list in &self.lists {
            read_whole(list, &mut self.buffer);
            let text = str::from_utf8(&self.buffer).expect("the kernel writes digits and spaces");
            found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw));
        }
        found
    }
}

/// The kernel gives about a page at a time, and makes the list anew when read from its start.
fn read_whole(list: &File, buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut page = [0; 4096];
    while let Ok(length @ 1..) = list.read_at(&mut page, buffer.len() as u64) {
        buffer.extend_from_slice(&page[..length]);
    }
}

/// The group and the session of a process, None when they are of another PID namespace. Both ids are in use as long as
/// it is not reaped.
pub(super) fn groups(pid: Pid) -> Option<(Pid, Pid)> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name in parentheses may hold anything, so count from its end: state, parent, group, session.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(2);
    let mut next = || fields.next().and_then(|field| field.parse().ok()).and_then(Pid::from_raw);
    Some((next()?, next()?))
}

fn scan() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_nonzero().get().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found = Vec::new();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else {
            continue;
        };
        let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_ascii_whitespace().nth(1));
        if parent == Some(own.as_str()) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}
