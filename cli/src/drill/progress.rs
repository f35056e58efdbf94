//! Progress: a bar on a terminal, a line per step elsewhere. Also the one place where both halves of a drill meet.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::output::Output;

const REDRAW_EVERY: Duration = Duration::from_millis(120);

pub(super) struct Progress {
    total: u32,
    ended: AtomicU32,
    first_half_over: AtomicBool,
    killed: watch::Sender<bool>,
    bar: Option<ProgressBar>,
    output: Output,
}

impl Progress {
    pub(super) fn new(total: u32, output: &Output) -> Self {
        let bar = output.draws_progress().then(|| bar(total));
        Self {
            total,
            ended: AtomicU32::new(0),
            first_half_over: AtomicBool::new(false),
            killed: watch::Sender::new(false),
            bar,
            output: *output,
        }
    }

    pub(super) fn step(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.output.say(text),
        }
    }

    /// One more job has ended.
    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Jobs that have ended, of how many.
    pub(super) fn count(&self) -> (u32, u32) {
        (self.ended.load(Ordering::Relaxed), self.total)
    }

    /// Every job of the first half has ended.
    pub(super) fn first_half_is_over(&self) {
        self.first_half_over.store(true, Ordering::Relaxed);
    }

    /// Whether that is so.
    pub(super) fn is_first_half_over(&self) -> bool {
        self.first_half_over.load(Ordering::Relaxed)
    }

    /// The leader was killed, or will not be.
    pub(super) fn kill_is_over(&self) {
        self.killed.send_replace(true);
    }

    /// Waits for that.
    pub(super) async fn until_kill_is_over(&self) {
        // The sender lives in this very value.
        self.killed.subscribe().wait_for(|over| *over).await.ok();
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} jobs  {elapsed}  {msg}")
        .expect("the template is a constant that was tried");
    let bar = ProgressBar::new(u64::from(total)).with_style(style);
    bar.enable_steady_tick(REDRAW_EVERY);
    bar
}
