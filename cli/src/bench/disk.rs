//! What the disk can do: append 4 KiB to a growing file and `fdatasync`, one after the other.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use quorla_client::clock::Stopwatch;

use super::figures::{Figures, Latencies};
use crate::fault::Fault;

const BLOCK: [u8; 4096] = [0x5a; 4096];
const LASTS: Duration = Duration::from_secs(2);

pub(super) fn measure(directory: &Path) -> Result<Figures, Fault> {
    let path = directory.join("fdatasync.bench");
    let measured = append_and_sync(&path);
    std::fs::remove_file(&path).ok();
    measured.map_err(|error| Fault::other(format!("append and fdatasync {}", path.display()), error))
}

fn append_and_sync(path: &Path) -> std::io::Result<Figures> {
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    let mut latencies = Latencies::new();
    let since = Stopwatch::start();
    while since.elapsed() < LASTS {
        let one = Stopwatch::start();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        latencies.record(one.elapsed());
    }
    Ok(Figures { workload: "fdatasync", in_flight: 1, elapsed: since.elapsed(), latencies, errors: 0 })
}
