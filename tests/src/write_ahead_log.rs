//! A database's write-ahead log, cut short by exactly its last record, as a disk that lied about a sync would leave it.
//!
//! The format is RocksDB's: blocks of 32 KiB, in them fragments of records, each with a checksum, a length, a type and, in
//! a recycled file, the number of the log that it belongs to; what follows from an earlier life of the file has another one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32 << 10;
const PLAIN_HEADER_BYTES: usize = 7;
const RECYCLED_HEADER_BYTES: usize = 11;
const TYPE_AT: usize = 6;
/// Types of fragments that are whole records or begin one; the second of each belongs to recycled files.
const FULL: [u8; 2] = [1, 5];
const FIRST: [u8; 2] = [2, 6];
const RECYCLED: std::ops::RangeInclusive<u8> = 5..=8;

/// Cuts the last record off the newest log in this directory that has one.
///
/// # Panics
/// When no log has a record.
pub fn cut_last_record(directory: &Path) {
    let mut logs: Vec<(u64, PathBuf)> = fs::read_dir(directory)
        .expect("the directory of the log")
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.strip_suffix(".log")?.parse().ok()?, entry.path())))
        .collect();
    logs.sort_unstable();
    let last = logs.iter().rev().find_map(|(number, path)| Some((path, last_record(path, *number)?)));
    let (path, starts_at) = last.expect("one of the logs has a record");
    let file = File::options().write(true).open(path).expect("the log can be written");
    file.set_len(u64::try_from(starts_at).expect("an offset fits")).expect("the log can be cut");
}

/// Where the last record begins.
fn last_record(path: &Path, number: u64) -> Option<usize> {
    let bytes = fs::read(path).expect("the log can be read");
    let (mut at, mut last) = (0, None);
    while at + PLAIN_HEADER_BYTES <= bytes.len() {
        let left_in_block = BLOCK_BYTES - at % BLOCK_BYTES;
        if left_in_block < PLAIN_HEADER_BYTES {
            at += left_in_block;
            continue;
        }
        let Some((kind, length)) = fragment(&bytes[at..], number) else { break };
        if FULL.contains(&kind) || FIRST.contains(&kind) {
            last = Some(at);
        }
        at += length;
    }
    last
}

/// Type and length of the fragment here, unless it is none of this log's.
fn fragment(bytes: &[u8], number: u64) -> Option<(u8, usize)> {
    let kind = *bytes.get(TYPE_AT).filter(|kind| **kind != 0)?;
    let length = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    if !RECYCLED.contains(&kind) {
        return Some((kind, PLAIN_HEADER_BYTES + length));
    }
    let of: [u8; 4] = bytes.get(PLAIN_HEADER_BYTES..RECYCLED_HEADER_BYTES)?.try_into().ok()?;
    // The file keeps the lower half of the number.
    (u64::from(u32::from_le_bytes(of)) == number & u64::from(u32::MAX))
        .then_some((kind, RECYCLED_HEADER_BYTES + length))
}
