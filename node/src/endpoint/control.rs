//! The control thread: a runtime of one thread for the socket's driver and the control connections (R21).
//!
//! Nothing that computes or blocks may run here.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::EndpointError;

/// How long tasks may take to notice that the thread ends.
const STOP_MAX: Duration = Duration::from_millis(100);

/// The running control thread; it ends when this is dropped.
pub(super) struct ControlRuntime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ControlRuntime {
    pub(super) fn start() -> Result<Self, EndpointError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(EndpointError::ControlThread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("quorla-control".to_owned())
            .spawn(move || {
                // Either a stop or the end of the sender: both end the thread.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_timeout(STOP_MAX);
            })
            .map_err(EndpointError::ControlThread)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `build` so that what it spawns and registers belongs to the control thread.
    pub(super) fn enter<T>(&self, build: impl FnOnce() -> T) -> T {
        let _entered = self.handle.enter();
        build()
    }
}

impl Drop for ControlRuntime {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last owner may be a task on the control thread itself, which can't wait for its own end.
        if thread.thread().id() != thread::current().id() && Handle::try_current().is_err() {
            let _ = thread.join();
        }
    }
}
