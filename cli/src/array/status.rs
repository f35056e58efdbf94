//! `quorla array status`.

use std::cell::RefCell;

use clap::Args;
use quorla_client::ArrayView;

use super::pace::{Pace, words};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::held;
use crate::output::{Document, Output, Table, date, json, printed, span};
use crate::session::Session;
use crate::watch::{Seen, Watch};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Its id, a unique prefix of it, or `last`
    #[arg(value_name = "ARRAY")]
    array: String,
    #[command(flatten)]
    watch: Watch,
}

pub(super) async fn run(arguments: &Status, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let array = connected.job(&arguments.array).await?;
    let array = array.of_task().map_or(array, |(array, _)| array);
    let pace = RefCell::new(Pace::default());
    let look = async |output: &Output| {
        let view = connected.client.array_status(array).await?;
        let document = document(&view, &pace.borrow());
        pace.borrow_mut().look(&view);
        output.screen()?;
        let exit = printed(output, &document, Exit::OK)?;
        Ok(if view.state.is_ended() { Seen::Over(exit) } else { Seen::Going(exit) })
    };
    arguments.watch.until_over(output, look).await
}

/// An array with its tasks by state.
pub(super) fn document(array: &ArrayView, pace: &Pace) -> Document {
    let mut table = Table::pairs();
    table.pair("id", array.id);
    table.pair("name", &array.name);
    table.pair("state", array.state);
    table.maybe("paused", array.paused.as_ref().map(held));
    table.maybe("until", array.until_ms.map(date));
    table.maybe("reason", array.reason.as_ref());
    table.pair("queue", &array.queue);
    table.pair("priority", array.priority);
    table.maybe("retry of", array.retry_of);
    table.pair("indices", format!("{} to {}", array.first, array.last));
    table.maybe("at once", array.running_max);
    let tasks = &array.tasks;
    table.pair("ended", format!("{} of {}", tasks.ended(), tasks.all()));
    for (state, count) in [
        ("queued", tasks.queued),
        ("running", tasks.running),
        ("stopping", tasks.stopping),
        ("backing off", tasks.backing_off),
        ("succeeded", tasks.succeeded),
        ("failed", tasks.failed),
        ("cancelled", tasks.cancelled),
        ("deadline exceeded", tasks.deadline_exceeded),
    ] {
        table.maybe(state, (count > 0).then_some(count));
    }
    table.pair("submitted", date(array.submitted_ms));
    table.maybe("ended at", array.ended_ms.map(date));
    table.maybe("rate", pace.per_1000_s(array).map(words));
    table.maybe("time left", pace.left_ms(array).map(span));
    let mut json = json(array);
    if let Some(fields) = json.as_object_mut() {
        fields.insert("tasks_per_1000_s".to_owned(), pace.per_1000_s(array).into());
        fields.insert("left_ms".to_owned(), pace.left_ms(array).into());
    }
    Document { json, table, ids: vec![array.id.to_string()] }
}
