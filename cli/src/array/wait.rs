//! Waiting for an array, with a bar on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use quorla_client::{ArrayView, Client, Error, JobId};

use super::{pace, status};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, printed, span};

/// Between two looks at an array that has not ended.
const LOOK_EVERY_MS: u64 = 500;
const REDRAW_EVERY: Duration = Duration::from_millis(120);

/// Waits for the last task, shows the array, and ends as it did. An outage is waited through.
pub(super) async fn until_ended(client: &Client, array: JobId, output: &Output) -> Result<Exit, Fault> {
    let mut bar = None;
    let mut pace = pace::Pace::default();
    let mut told = false;
    let ended = loop {
        let view = match client.array_status(array).await {
            Ok(view) => view,
            Err(error) if passes_by_waiting(&error) => {
                if !std::mem::replace(&mut told, true) {
                    output.say(format!("quorla: still waiting for array {array}: {error}"));
                }
                continue;
            }
            Err(error) => return Err(Fault::from(error).about(array)),
        };
        if output.draws_progress() {
            draw(bar.get_or_insert_with(|| fresh(&view)), &view, &pace);
        }
        pace.look(&view);
        if view.state.is_ended() {
            break view;
        }
        match client.wait(array, Some(LOOK_EVERY_MS)).await {
            Err(error) if !passes_by_waiting(&error) => return Err(Fault::from(error).about(array)),
            _ => {}
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    printed(output, &status::document(&ended, &pace::Pace::default()), Exit::of_ended(ended.state))
}

const fn passes_by_waiting(error: &Error) -> bool {
    matches!(
        error,
        Error::Unavailable { .. } | Error::NotNow(_) | Error::OutcomeUnknown { .. } | Error::WaitTimedOut { .. }
    )
}

fn fresh(array: &ArrayView) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} tasks  {elapsed}  {msg}")
        .expect("the template is a constant that was tried");
    let bar = ProgressBar::new(u64::from(array.tasks.all())).with_style(style);
    bar.enable_steady_tick(REDRAW_EVERY);
    bar
}

fn draw(bar: &ProgressBar, array: &ArrayView, pace: &pace::Pace) {
    let tasks = &array.tasks;
    bar.set_position(u64::from(tasks.ended()));
    let mut words = vec![format!("{} running", tasks.running + tasks.stopping)];
    if tasks.failed > 0 {
        words.push(format!("{} failed", tasks.failed));
    }
    words.extend(pace.per_1000_s(array).map(pace::words));
    words.extend(pace.left_ms(array).map(|left| format!("{} left", span(left))));
    bar.set_message(words.join(", "));
}
