//! Printing a job's output as it comes: each stream to the descriptor it belongs to, what is missing in words.
//!
//! On a terminal only what is text passes, unless it is asked for raw; into a file or a pipe bytes pass as they are.
//! Writing waits for its reader on a thread of its own, so that Ctrl-C is heard meanwhile.

use std::collections::VecDeque;
use std::io::IsTerminal as _;

use quorla_client::{Client, GapReason, JobId, OutputGap, OutputRecord, OutputStream, Tail};

use crate::fault::Fault;
use crate::output::{Output, Plain, date};

/// How output is to look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// Bytes as they are, on a terminal too.
    pub(super) raw: bool,
    /// Each line behind the time at which the node read it.
    pub(super) timestamps: bool,
    /// Only this stream.
    pub(super) stream: Option<OutputStream>,
}

/// Prints records.
pub(super) struct Printer {
    output: Output,
    look: Look,
    stdout: Face,
    stderr: Face,
}

/// One stream as it is shown.
struct Face {
    plain: Option<Plain>,
    begins_line: bool,
}

impl Printer {
    pub(super) fn new(output: Output, look: Look) -> Self {
        let face =
            |on_terminal: bool| Face { plain: (on_terminal && !look.raw).then(Plain::default), begins_line: true };
        let (stdout, stderr) = (face(std::io::stdout().is_terminal()), face(std::io::stderr().is_terminal()));
        Self { output, look, stdout, stderr }
    }

    pub(super) async fn record(&mut self, record: &OutputRecord) -> Result<(), Fault> {
        self.bytes(record.stream, record.bytes.as_bytes(), Some(record.at_ms)).await
    }

    /// Says what is missing. Where the whole output of an attempt is, its end is shown as the ledger recorded it.
    pub(super) async fn gap(&mut self, client: &Client, job: JobId, gap: &OutputGap) -> Result<(), Fault> {
        self.output.say(format!("quorla: {}", words(gap)));
        if gap.from > 1 || gap.until.is_some() || gap.reason == GapReason::AttemptForgotten {
            return Ok(());
        }
        // What can't be had now is missing like the rest.
        let Ok(logs) = client.logs(job, Some(gap.attempt)).await else { return Ok(()) };
        self.tail(OutputStream::Stdout, &logs.stdout).await?;
        self.tail(OutputStream::Stderr, &logs.stderr).await
    }

    async fn tail(&mut self, stream: OutputStream, tail: &Tail) -> Result<(), Fault> {
        if tail.bytes.is_empty() || self.look.stream.is_some_and(|only| only != stream) {
            return Ok(());
        }
        let (bytes, stream_name) = (tail.bytes.len(), stream.as_str());
        self.output.say(format!("quorla: the last {bytes} bytes of its {stream_name} are recorded with the job:"));
        self.bytes(stream, tail.bytes.as_bytes(), None).await
    }

    async fn bytes(&mut self, stream: OutputStream, bytes: &[u8], at_ms: Option<u64>) -> Result<(), Fault> {
        let face = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let mut shown = face.plain.as_mut().map_or_else(|| bytes.to_vec(), |plain| plain.text(bytes).into_bytes());
        if let Some(at_ms) = at_ms.filter(|_| self.look.timestamps) {
            shown = face.stamped(&shown, at_ms);
        }
        let output = self.output;
        let write = move || match stream {
            OutputStream::Stdout => output.raw(&shown),
            OutputStream::Stderr => {
                output.raw_stderr(&shown);
                Ok(())
            }
        };
        tokio::task::spawn_blocking(write).await.expect("writing does not panic")
    }
}

impl Face {
    /// The same with the time in front of each line that begins in it.
    fn stamped(&mut self, bytes: &[u8], at_ms: u64) -> Vec<u8> {
        let stamp = format!("{}.{:03} ", date(at_ms), at_ms % 1_000);
        let mut stamped = Vec::with_capacity(bytes.len() + stamp.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.begins_line {
                stamped.extend_from_slice(stamp.as_bytes());
            }
            stamped.extend_from_slice(line);
            self.begins_line = line.ends_with(b"\n");
        }
        stamped
    }
}

fn words(gap: &OutputGap) -> String {
    let OutputGap { attempt, from, until, reason } = *gap;
    let which = match until {
        Some(until) => format!("records {from} to {} of attempt {attempt}", until.saturating_sub(1)),
        None if from > 1 => format!("whatever attempt {attempt} printed after record {}", from - 1),
        None => format!("whatever attempt {attempt} printed"),
    };
    let why = match reason {
        GapReason::DiskLow => "not recorded: the disk of its node was nearly full",
        GapReason::Expired => "not kept any more: the newest output stays",
        GapReason::EndUnknown => "lost with its node's process or disk",
        GapReason::NodeIsGone => "its node is gone",
        GapReason::AttemptForgotten => "the job had too many attempts to remember",
    };
    format!("missing: {which} ({why})")
}

/// Bytes of records that wait to be shown as the last lines.
const LAST_BYTES_MAX: usize = 64 << 20;

/// The last lines of what there is, until all of it was seen.
#[derive(Debug)]
pub(super) struct Last {
    lines_max: usize,
    records: VecDeque<OutputRecord>,
    newlines: usize,
    bytes: usize,
}

impl Last {
    pub(super) const fn new(lines_max: usize) -> Self {
        Self { lines_max, records: VecDeque::new(), newlines: 0, bytes: 0 }
    }

    pub(super) fn push(&mut self, record: OutputRecord) {
        self.newlines += newlines(&record);
        self.bytes += record.bytes.len();
        self.records.push_back(record);
        while let Some(first) = self.records.front()
            && (self.newlines - newlines(first) > self.lines_max || self.bytes > LAST_BYTES_MAX)
        {
            self.newlines -= newlines(first);
            self.bytes -= first.bytes.len();
            self.records.pop_front();
        }
    }

    /// The records of the last lines, the first of them cut where its line begins.
    pub(super) fn take(&mut self) -> Vec<OutputRecord> {
        let open_line = self.records.back().is_some_and(|last| !last.bytes.as_bytes().ends_with(b"\n"));
        let mut excess = (self.newlines + usize::from(open_line)).saturating_sub(self.lines_max);
        let mut kept: Vec<OutputRecord> = std::mem::take(&mut self.records).into();
        (self.newlines, self.bytes) = (0, 0);
        if self.lines_max == 0 {
            return Vec::new();
        }
        for record in &mut kept {
            let bytes = record.bytes.as_bytes();
            let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
            let ends: Vec<usize> = ends.take(excess).collect();
            let Some(last) = excess.checked_sub(1) else { break };
            let cut = ends.get(last).copied().unwrap_or(bytes.len());
            excess -= ends.len();
            record.bytes = bytes[cut..].into();
        }
        kept.retain(|record| !record.bytes.is_empty());
        kept
    }
}

fn newlines(record: &OutputRecord) -> usize {
    record.bytes.as_bytes().iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::prop;
    use proptest::proptest;

    use super::{Face, GapReason, Last, OutputGap, OutputRecord, OutputStream, words};

    fn record(text: &str) -> OutputRecord {
        OutputRecord { attempt: 1, fence: 1, sequence: 1, at_ms: 0, stream: OutputStream::Stdout, bytes: text.into() }
    }

    fn last(lines_max: usize, parts: &[String]) -> String {
        let mut last = Last::new(lines_max);
        parts.iter().filter(|part| !part.is_empty()).for_each(|part| last.push(record(part)));
        last.take().iter().map(|record| String::from_utf8_lossy(record.bytes.as_bytes()).into_owned()).collect()
    }

    proptest! {
        #[test]
        fn the_last_lines_are_those_of_the_whole(parts in prop::collection::vec("[ab\n]{0,6}", 0..8), lines in 0_usize..5) {
            let whole = parts.concat();
            let all: Vec<&str> = whole.split_inclusive('\n').collect();
            let expected = all[all.len().saturating_sub(lines)..].concat();
            assert_eq!(last(lines, &parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn each_line_has_one_time_however_it_is_cut() {
        let mut face = Face { plain: None, begins_line: true };
        let mut shown = face.stamped(b"one\ntw", 1_007);
        shown.extend(face.stamped(b"o\nthree", 2_000));
        let expected = "1970-01-01 00:00:01.007 one\n1970-01-01 00:00:01.007 two\n1970-01-01 00:00:02.000 three";
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }

    #[test]
    fn a_gap_says_what_is_missing_and_why() {
        let gap = OutputGap { attempt: 2, from: 3, until: Some(9), reason: GapReason::Expired };
        assert_eq!(words(&gap), "missing: records 3 to 8 of attempt 2 (not kept any more: the newest output stays)");
    }
}
