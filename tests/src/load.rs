//! Jobs that are submitted and run while nodes come and go, and the list of what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorla_client::{Client, Error, JobId, JobRequest};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::eventually::eventually_holds;

/// Callers that each submit a job, wait for its end and begin anew, until they are told to stop. So no more jobs live at
/// once than there are callers.
pub struct Load {
    callers: Vec<JoinHandle<Vec<Error>>>,
    over: Arc<AtomicBool>,
    acknowledged: watch::Sender<Vec<JobId>>,
}

impl Load {
    /// Starts so many callers of this job.
    #[must_use]
    pub fn start(client: &Client, callers: usize, job: &JobRequest) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (acknowledged, _) = watch::channel(Vec::new());
        let caller = |_| {
            let (client, job) = (client.clone(), job.clone());
            tokio::spawn(run_until(Arc::clone(&over), client, job, acknowledged.clone()))
        };
        let callers = (0..callers).map(caller).collect();
        Self { callers, over, acknowledged }
    }

    /// Waits until so many more jobs are acknowledged than now.
    ///
    /// # Panics
    /// When they are not within the guard.
    pub async fn so_many_more(&self, jobs: usize) {
        let count = || self.acknowledged.borrow().len();
        let wanted = count() + jobs;
        eventually_holds("more jobs are acknowledged", async || count() >= wanted).await;
    }

    /// Ends the load: every acknowledged job, and every call that did not give what it was for.
    ///
    /// # Panics
    /// When a caller did.
    pub async fn stop(self) -> (Vec<JobId>, Vec<Error>) {
        self.over.store(true, Ordering::Relaxed);
        let callers = futures::future::join_all(self.callers).await;
        let errors = callers.into_iter().flat_map(|errors| errors.expect("a caller does not panic")).collect();
        (self.acknowledged.borrow().clone(), errors)
    }
}

async fn run_until(
    over: Arc<AtomicBool>,
    client: Client,
    job: JobRequest,
    acknowledged: watch::Sender<Vec<JobId>>,
) -> Vec<Error> {
    let mut errors = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let done = match client.submit(job.clone()).await {
            Ok(submitted) => {
                acknowledged.send_modify(|jobs| jobs.push(submitted.job_id));
                client.wait(submitted.job_id, None).await.map(drop)
            }
            Err(error) => Err(error),
        };
        errors.extend(done.err());
    }
    errors
}
