//! What a process of this machine uses, as the kernel tells it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// Of `st_blocks`, whatever the file system's own are.
const BLOCK_BYTES: u64 = 512;
/// Of the times in `/proc/PID/stat`, whatever the kernel's own are.
const TICKS_PER_S: u64 = 100;

/// A node and its warden, its only child that is not a job: jobs are the warden's.
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    // A child that has ended holds nothing.
    let of_children: u64 = children.map(|child: u32| resident_bytes_of_one(child).unwrap_or(0)).sum();
    Ok(resident_bytes_of_one(pid)? + of_children)
}

fn resident_bytes_of_one(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|text| text.split_whitespace().next());
    Ok(kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1_024)
}

pub(crate) fn open_files(pid: u32) -> io::Result<u64> {
    let count = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// What disappears while it is looked at is not there.
pub(crate) fn disk_bytes(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(of) if of.is_dir() => disk_bytes(&entry.path()).unwrap_or(0),
            Ok(of) => of.blocks() * BLOCK_BYTES,
            Err(_) => 0,
        };
    }
    Ok(bytes)
}

/// Processor time of a process since it began, in user mode and in the kernel.
pub(crate) fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_seen() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 1 << 20 && open_files(pid).unwrap() > 2);
    }

    #[test]
    fn work_takes_processor_time() {
        let pid = std::process::id();
        let before = processor_time(pid).unwrap();
        let mut rounds: u64 = 0;
        while processor_time(pid).unwrap() == before {
            rounds = std::hint::black_box(rounds + 1);
        }
        assert!(rounds > 0);
    }

    #[test]
    fn a_directory_holds_what_lies_below_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("below")).unwrap();
        let before = disk_bytes(root.path()).unwrap();
        fs::write(root.path().join("below/file"), vec![1; 64 * 1_024]).unwrap();
        let file = fs::File::open(root.path().join("below/file")).unwrap();
        file.sync_all().unwrap();
        assert!(disk_bytes(root.path()).unwrap() >= before + 64 * 1_024);
    }
}
