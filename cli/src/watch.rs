//! `--watch`: the same look again and again until Ctrl-C.

use std::time::Duration;

use clap::Args;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::span_ms;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Look again every so often until Ctrl-C [default span: 2s]
    #[arg(long, value_name = "SPAN", num_args = 0..=1, require_equals = true, default_missing_value = "2s",
          value_parser = span_ms)]
    watch: Option<u64>,
}

impl Watch {
    /// Looks once, or for ever. `look` reads, then calls [`Output::screen`] on what it is given, then prints.
    pub(crate) async fn run(
        &self,
        output: &Output,
        look: impl AsyncFn(&Output) -> Result<Exit, Fault>,
    ) -> Result<Exit, Fault> {
        let Some(every_ms) = self.watch else {
            return look(output).await;
        };
        look(&output.watched(true)).await?;
        loop {
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            match look(&output.watched(false)).await {
                Err(fault) if passes(&fault) => output.fault(&fault),
                Err(fault) => return Err(fault),
                Ok(_) => {}
            }
        }
    }
}

/// An outage is what many watch for; it ends nothing.
fn passes(fault: &Fault) -> bool {
    !fault.silent && [Exit::UNAVAILABLE, Exit::LIMITED, Exit::UNKNOWN].contains(&fault.exit)
}
