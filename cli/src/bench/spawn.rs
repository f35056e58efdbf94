//! How fast this machine starts processes: `/bin/true`, one after the other in each of two threads.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use quorla_client::clock::Stopwatch;

use crate::fault::Fault;

/// As many as the processors that the figures of other systems were taken on.
const THREADS: u32 = 2;
const LASTS: Duration = Duration::from_secs(3);

/// Processes per second.
pub(super) fn measure(program: &str) -> Result<f64, Fault> {
    let since = Stopwatch::start();
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| start_until_over(program, since))).collect();
        threads.into_iter().map(|thread| thread.join().expect("counting does not panic")).collect::<Vec<_>>()
    });
    let elapsed = since.elapsed();
    let mut started = 0;
    for count in counts {
        started += count.map_err(|error| Fault::other(format!("start {program}"), error))?;
    }
    Ok(f64::from(started) / elapsed.as_secs_f64())
}

fn start_until_over(program: &str, since: Stopwatch) -> std::io::Result<u32> {
    let mut started = 0;
    while since.elapsed() < LASTS {
        Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        started += 1;
    }
    Ok(started)
}
