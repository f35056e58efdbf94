//! The disk guard: how much room the node's data has, and what follows where it gets scarce (R22).
//!
//! Two levels, each with hysteresis. *Low*: the node records no output, and tells the ledger, which gives it no new attempts.
//! *Critical*: submits are refused where it leads, and it hands leadership to a voter with room, if there is one. Deletion,
//! cancellation and ends of attempts always go on, and a ballast file is freed last, so that there is room for them. Measures
//! by statvfs, on a thread that may block; decides nothing about a write that fails, which is the writer's matter.

mod ballast;
mod gate;
mod lead;
mod level;
mod measure;

use std::{path::PathBuf, sync::Arc, time::Duration};

use quorla_actors::output::OutputStore;
use quorla_ledger::disk::DiskLevel;
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{config::DiskConfig, http::Readiness, metrics};

pub use ballast::remove as remove_ballast;
pub use gate::SubmitGate;
pub use lead::give_up_leadership;
pub use level::{Space, Threshold, Thresholds};
pub use measure::{FileSystem, Part};

/// Looks at the disk again and again. See the module.
pub struct Guard {
    data_dir: PathBuf,
    thresholds: Thresholds,
    ballast_bytes: u64,
    pause: Duration,
    levels: Vec<(Part, DiskLevel)>,
    level: watch::Sender<DiskLevel>,
}

impl Guard {
    /// A guard that has looked once; room that only the ballast holds is freed. Blocks.
    pub fn start(data_dir: PathBuf, config: &DiskConfig) -> Self {
        let threshold = |percent, bytes| Threshold { percent, bytes };
        let thresholds = Thresholds {
            low: threshold(config.low_percent, config.low_bytes),
            critical: threshold(config.critical_percent, config.critical_bytes),
        };
        let (level, _) = watch::channel(DiskLevel::Fine);
        let mut guard = Self {
            data_dir,
            thresholds,
            ballast_bytes: config.ballast_bytes,
            pause: config.check_every,
            levels: Vec::new(),
            level,
        };
        guard.look();
        guard
    }

    /// How full the disk is, as it was measured last.
    pub fn level(&self) -> watch::Receiver<DiskLevel> {
        self.level.subscribe()
    }

    /// Looks until it is dropped. What is found goes to the ledger by the agent, to the store of output, and to operators.
    pub async fn run(mut self, output: Arc<OutputStore>, readiness: Readiness) {
        let mut pause = tokio::time::interval(self.pause);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pause.tick().await;
            let look = move || {
                self.look();
                self
            };
            self = tokio::task::spawn_blocking(look).await.expect("a look at the disk does not panic");
            let level = *self.level.borrow();
            output.withhold(level != DiskLevel::Fine);
            readiness.warn("disk", self.warning(level));
        }
    }

    fn look(&mut self) {
        let seen = measure::file_systems(&self.data_dir);
        let before = |part: Part| self.levels.iter().find(|(known, _)| *known == part).map(|(_, level)| *level);
        let levels: Vec<(Part, DiskLevel)> = seen
            .iter()
            .map(|file_system| {
                let level = self.thresholds.level(before(file_system.part).unwrap_or_default(), file_system.space);
                metrics::set_disk_free(file_system.part.name(), file_system.space.free);
                (file_system.part, level)
            })
            .collect();
        // Jobs go on without their output: what only that has no room for is no reason to refuse them.
        let counts = |(part, level): &(Part, DiskLevel)| match part {
            Part::Output => (*level).min(DiskLevel::Low),
            Part::Data | Part::Log | Part::State => *level,
        };
        let level = levels.iter().map(counts).max().unwrap_or_default();
        if let Some(data) = seen.iter().find(|file_system| file_system.part == Part::Data) {
            ballast::keep(&self.data_dir, self.ballast_bytes, data.space, &self.thresholds);
        }
        self.levels = levels;
        metrics::set_disk_guard(level);
        self.level.send_if_modified(|known| std::mem::replace(known, level) != level);
    }

    fn warning(&self, level: DiskLevel) -> Option<String> {
        let short: Vec<&str> =
            self.levels.iter().filter(|(_, level)| *level != DiskLevel::Fine).map(|(part, _)| part.name()).collect();
        let what = match level {
            DiskLevel::Fine => return None,
            DiskLevel::Low => "no new work comes here and output is not recorded",
            DiskLevel::Critical => "where this node leads, new jobs are refused",
        };
        Some(format!("the file system of {} is nearly full: {what}; free some space", short.join(", ")))
    }
}
