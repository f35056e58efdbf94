//! Gives back the pages of the program that only its start has needed.
//!
//! A start touches most of the code once, relocations and initialisers, and the kernel maps what lies around each touch.
//! All of it would count as resident for as long as the process lives. What is needed again comes back from the page
//! cache, at the cost of a minor fault for each 64 KiB.
#![allow(unsafe_code)]

use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Unmaps the pages of code that this process shares with its files. Does nothing where `/proc` is not
/// mounted; a mapping that the kernel refuses to touch stays.
pub fn forget_start() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for Range { start, end } in maps.lines().filter_map(executable) {
        let memory = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the range is one mapping of executable code backed by a file, which nothing in this process writes to
        // (text has no relocations): dropping its pages means reading the same bytes again from the file.
        let _ = unsafe { madvise(memory, end - start, Advice::LinuxDontNeed) };
    }
}

/// Forgets how much memory this process once had. A child begins with what its parent had at most as its own peak, so that what
/// a start took would be told as every attempt's.
pub fn forget_peak() {
    // 5 is "the peak resident set size is now the current one"; see proc(5). Without it figures are larger, and nothing else.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The range of a line of `/proc/self/maps` when it is a file's code.
fn executable(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (access, _offset, _device, inode) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let address = |text| usize::from_str_radix(text, 16).ok();
    (access == "r-xp" && inode != "0").then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_given_back() {
        let line =
            |access, inode| format!("55a10f41e000-55a110b88000 {access} 00117000 fe:00 {inode}   /usr/bin/quorla");
        assert_eq!(executable(&line("r-xp", "1001")), Some(0x55a1_0f41_e000..0x55a1_10b8_8000));
        assert_eq!(executable(&line("r--p", "1001")), None, "relocations were written to it");
        assert_eq!(executable(&line("rw-p", "1001")), None);
        assert_eq!(executable(&line("r-xp", "0")), None, "there is nothing to read it again from");
        assert_eq!(executable("7ffd-7ffe r-xp"), None);
    }

    #[test]
    fn a_process_goes_on_with_less() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("RssFile:")).unwrap();
            line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let before = resident();
        forget_start();
        assert!(resident() < before);
    }
}
