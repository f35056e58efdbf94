//! How fast this machine starts processes: `/bin/true`, one after the other in each of two threads.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use quorla_client::clock::Stopwatch;

use crate::fault::Fault;
use crate::output::Output;

/// What is started, without the cluster and with it.
pub(super) const PROGRAM: &str = "/bin/true";

/// As many as the processors that the figures of other systems were taken on.
const THREADS: u32 = 2;
const LASTS: Duration = Duration::from_secs(3);

/// Processes per second.
pub(super) async fn measure_telling(output: &Output) -> Result<f64, Fault> {
    output.say(format!("starting {PROGRAM} without the cluster, in two threads"));
    let measured = tokio::task::spawn_blocking(measure).await;
    measured.map_err(|error| Fault::other("measure how fast processes start", error))?
}

fn measure() -> Result<f64, Fault> {
    let since = Stopwatch::start();
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| start_until_over(since))).collect();
        threads.into_iter().map(|thread| thread.join().expect("counting does not panic")).collect::<Vec<_>>()
    });
    let elapsed = since.elapsed();
    let mut started = 0;
    for count in counts {
        started += count.map_err(|error| Fault::other(format!("start {PROGRAM}"), error))?;
    }
    Ok(f64::from(started) / elapsed.as_secs_f64())
}

fn start_until_over(since: Stopwatch) -> std::io::Result<u32> {
    let mut started = 0;
    while since.elapsed() < LASTS {
        Command::new(PROGRAM).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        started += 1;
    }
    Ok(started)
}
