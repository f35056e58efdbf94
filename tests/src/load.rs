//! Submits that go on while nodes come and go, and the list of what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorla_client::{Client, Error, JobId, JobRequest};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Callers that submit one job after the other until they are told to stop.
pub struct Load {
    callers: Vec<JoinHandle<Vec<Error>>>,
    over: Arc<AtomicBool>,
    acknowledged: watch::Sender<Vec<JobId>>,
}

impl Load {
    /// Starts so many callers that submit this job.
    #[must_use]
    pub fn start(client: &Client, callers: usize, job: &JobRequest) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (acknowledged, _) = watch::channel(Vec::new());
        let caller = |_| {
            let (client, job) = (client.clone(), job.clone());
            tokio::spawn(submit_until(Arc::clone(&over), client, job, acknowledged.clone()))
        };
        let callers = (0..callers).map(caller).collect();
        Self { callers, over, acknowledged }
    }

    /// Waits until so many more jobs are acknowledged than now.
    ///
    /// # Panics
    /// Never: this side keeps the channel open.
    pub async fn so_many_more(&self, jobs: usize) {
        let mut acknowledged = self.acknowledged.subscribe();
        let wanted = acknowledged.borrow().len() + jobs;
        acknowledged.wait_for(|acknowledged| acknowledged.len() >= wanted).await.expect("the load keeps its channel");
    }

    /// Ends the load: every acknowledged job, and every submit that was not acknowledged.
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

async fn submit_until(
    over: Arc<AtomicBool>,
    client: Client,
    job: JobRequest,
    acknowledged: watch::Sender<Vec<JobId>>,
) -> Vec<Error> {
    let mut errors = Vec::new();
    while !over.load(Ordering::Relaxed) {
        match client.submit(job.clone()).await {
            Ok(submitted) => acknowledged.send_modify(|jobs| jobs.push(submitted.job_id)),
            Err(error) => errors.push(error),
        }
    }
    errors
}
