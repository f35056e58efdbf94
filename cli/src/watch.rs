//! `--watch`: the same look again and again until Ctrl-C, or until nothing more can change.

use std::time::Duration;

use clap::Args;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::span_ms;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Look again every so often until Ctrl-C, an array until it has ended [default span: 2s]
    #[arg(long, value_name = "SPAN", num_args = 0..=1, require_equals = true, default_missing_value = "2s",
          value_parser = span_ms)]
    watch: Option<u64>,
}

/// What a look saw.
pub(crate) enum Seen {
    /// It may look different the next time.
    Going(Exit),
    /// It stays as it is.
    Over(Exit),
}

impl Watch {
    /// Looks once, or for ever. `look` reads, then calls [`Output::screen`] on what it is given, then prints.
    pub(crate) async fn run(
        &self,
        output: &Output,
        look: impl AsyncFn(&Output) -> Result<Exit, Fault>,
    ) -> Result<Exit, Fault> {
        self.until_over(output, async |output| look(output).await.map(Seen::Going)).await
    }

    /// Looks once, or until a look says that it is over.
    pub(crate) async fn until_over(
        &self,
        output: &Output,
        look: impl AsyncFn(&Output) -> Result<Seen, Fault>,
    ) -> Result<Exit, Fault> {
        let Some(every_ms) = self.watch else {
            let (Seen::Going(exit) | Seen::Over(exit)) = look(output).await?;
            return Ok(exit);
        };
        let mut seen = look(&output.watched(true)).await?;
        loop {
            if let Seen::Over(exit) = seen {
                return Ok(exit);
            }
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            match look(&output.watched(false)).await {
                Err(fault) if passes(&fault) => output.fault(&fault),
                Err(fault) => return Err(fault),
                Ok(next) => seen = next,
            }
        }
    }
}

/// An outage is what many watch for; it ends nothing.
fn passes(fault: &Fault) -> bool {
    !fault.silent && [Exit::UNAVAILABLE, Exit::LIMITED, Exit::UNKNOWN].contains(&fault.exit)
}
