//! Followers over the death of the leader, of the node that they ask, and of the node that runs the job.

use futures::StreamExt as _;
use quorla_client::{
    Client, FollowFrom, Followed, GapReason, JobId, JobRequest, JobState, JobView, OutputGap, OutputPlace,
};
use quorla_tests::children;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::trial::{Trial, settings, with_short_leases};
use tokio::sync::mpsc;

/// Prints numbers one line at a time until the gate is open, then the word `last`.
fn counting(gate: &std::path::Path) -> JobRequest {
    let script = "n=0; while [ ! -e \"$GATE\" ]; do n=$((n+1)); echo $n; sleep 0.01; done; echo last";
    JobRequest::new(["sh", "-c", script]).env("GATE", gate.display().to_string())
}

/// What a follower has been told so far and goes on being told.
struct Reader {
    told: mpsc::Receiver<Followed>,
    lines: Vec<String>,
    open_line: String,
    gaps: Vec<OutputGap>,
    ended: Option<Box<JobView>>,
}

impl Reader {
    fn start(client: Client, job: JobId, from: FollowFrom) -> Self {
        let (sender, told) = mpsc::channel(64);
        tokio::spawn(async move {
            let mut following = client.follow(job, from);
            while let Some(followed) = following.next().await {
                match followed {
                    Ok(followed) => {
                        if sender.send(followed).await.is_err() {
                            return;
                        }
                    }
                    Err(error @ quorla_client::Error::Refused(_)) => panic!("{error}"),
                    Err(_) => {}
                }
            }
        });
        Self { told, lines: Vec::new(), open_line: String::new(), gaps: Vec::new(), ended: None }
    }

    /// Takes one more thing that is told; false at the end.
    async fn next(&mut self) -> bool {
        let guard = std::time::Duration::from_secs(90);
        let told = tokio::time::timeout(guard, self.told.recv()).await.expect("a follower does not hang");
        match told {
            None => return false,
            Some(Followed::Record(record)) => {
                self.open_line.push_str(std::str::from_utf8(record.bytes.as_bytes()).unwrap());
                while let Some((line, rest)) = self.open_line.split_once('\n') {
                    self.lines.push(line.to_owned());
                    self.open_line = rest.to_owned();
                }
            }
            Some(Followed::Gap(gap)) => self.gaps.push(gap),
            Some(Followed::Ended(view)) => self.ended = Some(view),
            Some(Followed::AttemptEnded { .. } | Followed::CaughtUp) => {}
        }
        true
    }

    async fn so_many_more(&mut self, lines: usize) {
        let until = self.lines.len() + lines;
        while self.lines.len() < until {
            assert!(self.next().await, "{:?}", self.ended);
        }
    }

    async fn end(mut self) -> Self {
        while self.next().await {}
        self
    }

    /// Every line once and in order.
    fn is_whole(&self) {
        let (last, counted) = self.lines.split_last().expect("it printed");
        assert_eq!(last, "last");
        assert!(is_counted(counted), "{counted:?}");
        assert_eq!(self.gaps, []);
        assert_eq!(self.ended.as_ref().map(|view| view.state), Some(JobState::Succeeded));
    }
}

fn is_counted(lines: &[String]) -> bool {
    (1_usize..).zip(lines).all(|(n, line)| *line == n.to_string())
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_the_leader_and_then_the_node_that_is_asked_die() {
    let mut trial = Trial::start(settings(3)).await;
    let leader = trial.leader().await;
    // On a follower, so that both others can die one after the other.
    let runs_on = (leader + 1) % 3;
    let gates = tempfile::tempdir().unwrap();
    let gate = gates.path().join("open");
    let mut other = vec![leader, (leader + 2) % 3];
    for position in &other {
        let name = trial.cluster.nodes()[*position].name.clone();
        trial.client.drain_node(&name, None).await.unwrap();
    }
    let job = trial.client.submit(counting(&gate)).await.unwrap().job_id;
    let mut reader = Reader::start(trial.client.clone(), job, FollowFrom::default());
    reader.so_many_more(20).await;
    assert_eq!(trial.running(job).await.node, Some(trial.cluster.nodes()[runs_on].name.clone()));

    trial.node(leader).kill().await.unwrap();
    reader.so_many_more(50).await;
    trial.cluster.restart(leader).await.unwrap();
    // The client is with whoever leads now; when that is the node of the job, with the other one.
    let asked = other.pop().unwrap();
    let mut pinned = Reader::start(pinned_to_two(&trial, asked, leader).await, job, FollowFrom::default());
    pinned.so_many_more(20).await;
    trial.node(asked).kill().await.unwrap();
    pinned.so_many_more(50).await;
    reader.so_many_more(50).await;
    trial.cluster.restart(asked).await.unwrap();

    std::fs::write(&gate, "").unwrap();
    let (reader, pinned) = (reader.end().await, pinned.end().await);
    reader.is_whole();
    pinned.is_whole();
    assert_eq!(reader.lines, pinned.lines);
    // Once more, from the middle, when all is over.
    let place = OutputPlace { attempt: 1, sequence: 31 };
    let later = Reader::start(trial.client.clone(), job, FollowFrom { place, ..FollowFrom::default() }).end().await;
    assert!(later.gaps.is_empty() && reader.lines.ends_with(&later.lines) && later.lines.len() < reader.lines.len());
    trial.stop().await;
}

/// A client that begins with one node and knows another, and stays away from the leader.
async fn pinned_to_two(trial: &Trial, first: usize, second: usize) -> Client {
    let mut options = trial.options_of(first);
    options.addresses.extend(trial.options_of(second).addresses);
    Client::connect(options).await.unwrap()
}

#[tokio::test]
async fn a_retry_on_another_node_follows_a_gap_when_the_first_node_is_gone() {
    let mut trial = Trial::start(with_short_leases(settings(3))).await;
    let gates = tempfile::tempdir().unwrap();
    let gate = gates.path().join("open");
    let job = trial.client.submit(counting(&gate)).await.unwrap().job_id;
    let mut reader = Reader::start(trial.client.clone(), job, FollowFrom::default());
    reader.so_many_more(20).await;
    let victim = trial.position(&trial.running(job).await.node.unwrap());
    trial.node(victim).kill().await.unwrap();
    eventually_holds("it runs again", async || !children::of_attempt(job, 2).is_empty()).await;
    // The first line of the second attempt.
    while reader.lines.iter().filter(|line| *line == "1").count() < 2 {
        assert!(reader.next().await);
    }
    std::fs::write(&gate, "").unwrap();
    let reader = reader.end().await;
    let [gap] = reader.gaps.as_slice() else { panic!("{:?}", reader.gaps) };
    assert!(matches!(gap, OutputGap { attempt: 1, until: None, reason: GapReason::NodeIsGone, .. }), "{gap:?}");
    assert!(gap.from > 1, "what was told before is not missing: {gap:?}");
    let second = reader.lines.iter().rposition(|line| line == "1").unwrap();
    assert!(is_counted(&reader.lines[..second]) && is_counted(&reader.lines[second..reader.lines.len() - 1]));
    assert_eq!(reader.ended.unwrap().state, JobState::Succeeded);
    trial.stop().await;
}

#[tokio::test]
async fn a_node_that_is_started_again_brings_back_what_its_jobs_printed() {
    let mut trial = Trial::start(with_short_leases(settings(1))).await;
    let gates = tempfile::tempdir().unwrap();
    let gate = gates.path().join("open");
    let job = trial.client.submit(counting(&gate)).await.unwrap().job_id;
    let mut reader = Reader::start(trial.client.clone(), job, FollowFrom::default());
    reader.so_many_more(20).await;
    trial.node(0).kill().await.unwrap();
    trial.cluster.restart(0).await.unwrap();
    std::fs::write(&gate, "").unwrap();
    let reader = reader.end().await;
    let [gap] = reader.gaps.as_slice() else { panic!("{:?}", reader.gaps) };
    assert!(matches!(gap, OutputGap { attempt: 1, until: None, reason: GapReason::EndUnknown, .. }), "{gap:?}");
    let (last, counted) = reader.lines.split_last().unwrap();
    assert!(last == "last" && counted.len() >= 20 && gap.from > 1, "{counted:?} {gap:?}");
    // The second attempt may have counted, too, before it saw that the gate is open.
    let second = counted.iter().rposition(|line| line == "1").filter(|at| *at > 0).unwrap_or(counted.len());
    assert!(is_counted(&counted[..second]) && is_counted(&counted[second..]), "{counted:?}");
    trial.stop().await;
}
