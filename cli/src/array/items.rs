//! Which tasks an array has: a range of indices, or the lines of a file.

use std::io::BufRead as _;
use std::path::Path;

use quorla_client::TaskItems;
use quorla_client::limits::{ARRAY_TASKS_MAX, ITEMS_BYTES_MAX};

use crate::exit::Exit;
use crate::fault::Fault;

/// `0-99`, or one number for a single task.
pub(super) fn range(text: &str) -> Result<(u32, u32), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let index = |text: &str| text.trim().parse::<u32>().map_err(|_| format!("{text:?} is no index; write 0-99"));
    let (first, last) = (index(first)?, index(last)?);
    if first > last {
        return Err(format!("{first} is above {last}; write {last}-{first}"));
    }
    if last >= ARRAY_TASKS_MAX {
        return Err(format!("indices are below {ARRAY_TASKS_MAX}"));
    }
    Ok((first, last))
}

/// The lines of a file, or of standard input; empty ones are none.
pub(super) fn read(path: &Path) -> Result<TaskItems, Fault> {
    if path == Path::new("-") {
        return lines("standard input", std::io::stdin().lock());
    }
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| {
        Fault::other(format!("open {name}"), error).hint("Check the path, or write - for standard input.")
    })?;
    lines(&name, std::io::BufReader::new(file))
}

fn lines(name: &str, reader: impl std::io::BufRead) -> Result<TaskItems, Fault> {
    let most = u64::try_from(ITEMS_BYTES_MAX).unwrap_or(u64::MAX);
    let mut items = Vec::new();
    let mut bytes = 0_u64;
    // A file that is no list of items is not read to its end.
    for line in std::io::Read::take(reader, 2 * most).lines() {
        let line = line.map_err(|error| Fault::other(format!("read {name} as lines of text"), error))?;
        let item = line.strip_suffix('\r').unwrap_or(&line);
        if item.is_empty() {
            continue;
        }
        bytes = bytes.saturating_add(u64::try_from(item.len()).unwrap_or(u64::MAX));
        items.push(item.to_owned());
        if bytes > most || u32::try_from(items.len()).is_ok_and(|items| items > ARRAY_TASKS_MAX) {
            let message = format!("read {name}: an array has at most {ARRAY_TASKS_MAX} items in {most} bytes");
            return Err(
                Fault::new(Exit::LIMITED, "limit_exceeded", message).hint("Split the file, for example with split -l.")
            );
        }
    }
    if items.is_empty() {
        return Err(Fault::usage(format!("read {name}: it has no line that is not empty")));
    }
    Ok(TaskItems::Items(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_wrong_ones_explained() {
        assert_eq!(range("0-9999"), Ok((0, 9_999)));
        assert_eq!(range("7"), Ok((7, 7)));
        assert!(range("9-3").unwrap_err().contains("3-9"));
        assert!(range("0-1000000").unwrap_err().contains("below 1000000"));
        assert!(range("a-b").is_err());
    }

    #[test]
    fn lines_are_items_and_empty_ones_are_none() {
        let read = lines("x", "one\n\ntwo words\r\n".as_bytes()).unwrap();
        assert_eq!(read, TaskItems::Items(vec!["one".into(), "two words".into()]));
        assert!(lines("x", "\n".as_bytes()).is_err());
        assert!(lines("x", [0xff, b'\n'].as_slice()).is_err(), "text is asked for");
    }
}
