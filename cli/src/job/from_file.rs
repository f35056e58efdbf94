//! Jobs from JSON lines. Every line is read and checked before the first job is submitted, so that nothing is half done.

use std::io::BufRead;
use std::path::Path;

use quorla_client::JobRequest;

use crate::exit::Exit;
use crate::fault::Fault;

/// Jobs of one file.
pub(super) const JOBS_MAX: usize = 100_000;
/// Bytes of one line: a job at its bounds, every byte of its input escaped.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Wrong lines that are told.
const FAULTS_TOLD_MAX: usize = 20;

/// A job and the number of its line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) job: JobRequest,
}

/// A line without an idempotency key of its own gets this one with its number.
pub(super) fn read(path: &Path, key: Option<&str>) -> Result<Vec<Line>, Fault> {
    if path == Path::new("-") {
        return parse("standard input", std::io::stdin().lock(), key);
    }
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| {
        Fault::other(format!("open {name}"), error).hint("Check the path, or write - for standard input.")
    })?;
    parse(&name, std::io::BufReader::new(file), key)
}

fn parse(name: &str, mut reader: impl BufRead, key: Option<&str>) -> Result<Vec<Line>, Fault> {
    let mut jobs = Vec::new();
    let mut wrong = Vec::new();
    let mut codes = Vec::new();
    let mut text = Vec::new();
    for number in 1_usize.. {
        text.clear();
        let read = read_line(&mut reader, &mut text).map_err(|error| Fault::other(format!("read {name}"), error))?;
        if text.len() > LINE_BYTES_MAX {
            return Err(too_long(name, number));
        }
        if read == 0 {
            break;
        }
        match line(number, &text, key) {
            Ok(None) => {}
            Ok(Some(job)) if jobs.len() < JOBS_MAX => jobs.push(Line { number, job }),
            Ok(Some(_)) => return Err(too_many(name)),
            Err(fault) => {
                codes.push((fault.code, fault.exit));
                wrong.push(fault.message);
            }
        }
    }
    match codes.first() {
        None => Ok(jobs),
        Some((code, exit)) => Err(refuse(name, code, *exit, wrong)),
    }
}

fn read_line(reader: &mut impl BufRead, text: &mut Vec<u8>) -> std::io::Result<usize> {
    let bound = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    std::io::Read::take(&mut *reader, bound + 1).read_until(b'\n', text)
}

/// Blank lines are none.
fn line(number: usize, text: &[u8], key: Option<&str>) -> Result<Option<JobRequest>, Fault> {
    let not_utf8 = |_| {
        Fault::new(Exit::USAGE, "invalid_request", format!("line {number}: it is not UTF-8; save the file as that"))
    };
    let text = std::str::from_utf8(text).map_err(not_utf8)?;
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(None);
    }
    let mut job = JobRequest::from_json_after(number - 1, text).map_err(|error| {
        let message = error.told();
        Fault { message, ..Fault::from(quorla_client::Error::from(error)) }
    })?;
    let of_line = || key.map(|key| format!("{key}-{number}"));
    job.idempotency_key = job.idempotency_key.take().or_else(of_line);
    let checked = job.check().map_err(|refusal| Fault::from(quorla_client::Error::from(refusal)));
    checked.map_err(|fault| Fault { message: format!("line {number}: {}", fault.message), ..fault })?;
    Ok(Some(job))
}

fn refuse(name: &str, code: &'static str, exit: Exit, mut wrong: Vec<String>) -> Fault {
    let count = wrong.len();
    if count > FAULTS_TOLD_MAX {
        wrong.truncate(FAULTS_TOLD_MAX);
        wrong.push(format!("and {} more", count - FAULTS_TOLD_MAX));
    }
    let lines = if count == 1 { "1 line is".to_owned() } else { format!("{count} lines are") };
    let message = format!("submit the jobs of {name}: {lines} wrong, and nothing was submitted");
    let mut fault = Fault::new(exit, code, message)
        .hint("Each line is one JSON object, for example {\"command\": [\"true\"]}; fields: quorla job submit --help");
    fault.details = wrong;
    fault
}

fn too_long(name: &str, number: usize) -> Fault {
    let message =
        format!("submit the jobs of {name}: line {number} exceeds {LINE_BYTES_MAX} bytes, and nothing was submitted");
    Fault::new(Exit::LIMITED, "limit_exceeded", message).hint("Each job is a line of its own.")
}

fn too_many(name: &str) -> Fault {
    let message = format!("submit the jobs of {name}: it has more than {JOBS_MAX}, and nothing was submitted");
    Fault::new(Exit::LIMITED, "limit_exceeded", message).hint("Split it: split -l 100000")
}

#[cfg(test)]
mod tests {
    use super::{Exit, parse};

    #[test]
    fn lines_keep_their_numbers_and_blank_ones_are_none() {
        let text = "{\"command\": [\"a\"]}\n\n{\"command\": [\"b\"]}";
        let numbers: Vec<usize> = parse("x", text.as_bytes(), None).unwrap().iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 3]);
    }

    #[test]
    fn one_wrong_line_refuses_all_with_its_number() {
        let text = "{\"command\": [\"a\"]}\n{\"command\": [\"b\"], \"prioriti\": 1}\n{\"command\": []}\n";
        let fault = parse("x", text.as_bytes(), None).unwrap_err();
        assert_eq!((fault.code, fault.exit), ("unknown_field", Exit::USAGE));
        assert!(fault.details[0].starts_with("line 2, column ") && fault.details[0].contains("priority"), "{fault:?}");
        assert!(fault.details[1].starts_with("line 3: "), "{fault:?}");
    }

    #[test]
    fn a_key_of_a_line_is_checked_with_its_number() {
        let text = "{\"command\": [\"a\"]}\n".repeat(10);
        let key = "k".repeat(quorla_client::limits::IDEMPOTENCY_KEY_BYTES_MAX - 2);
        let fault = parse("x", text.as_bytes(), Some(&key)).unwrap_err();
        assert_eq!((fault.code, fault.details.len()), ("limit_exceeded", 1));
        assert!(fault.details[0].starts_with("line 10: "), "{fault:?}");
        let jobs = parse("x", text.as_bytes(), Some("night")).unwrap();
        assert_eq!(jobs[9].job.idempotency_key.as_deref(), Some("night-10"));
    }
}
