//! Replies travel between nodes and are remembered with requests: every variant, refusals and their reasons included.

use quorla_ledger::{
    ids::{ChainHash, Epoch, Fence, JobId, NodeId, RaftId},
    limits::Limit,
    record::JobState,
    reply::{Assigned, Lack, Refusal, Rejection, Reply},
    spec::check::SpecFault,
    units::Millis,
};

use super::Golden;

fn replies() -> Vec<Reply> {
    let assigned = Assigned { job: JobId(1), node: NodeId(2), fence: Fence(3) };
    vec![
        Reply::Founded,
        Reply::StorageAdmitted(RaftId(300)),
        Reply::NodeRegistered { node: NodeId(1), epoch: Epoch(2) },
        Reply::NodeLapsed,
        Reply::NodeDrained,
        Reply::Submitted { job: JobId(1) },
        Reply::Cancelled,
        Reply::Assigned(assigned),
        Reply::AttemptEnded { next: Some(assigned) },
        Reply::AlreadyRecorded,
        Reply::TimersFired { jobs: 1, more: true },
        Reply::Expired { records: 2 },
        Reply::HashAgrees,
        Reply::HashDiffers { actual: ChainHash([1; 32]) },
        Reply::ContentHashMarked { index: 2 },
        Reply::NodeRetired,
        Reply::ItemsPut { items: 3, digest: [1; 16] },
        Reply::TasksStopped { tasks: 2, more: true },
        Reply::PauseIsSet,
        Reply::NodeGuarded,
        Reply::DrainedStopped { attempts: 2 },
        Reply::NodeLabelled,
        Reply::NodeRemoved,
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::CommandIsUndecodable,
        Refusal::ClusterIsFounded,
        Refusal::EntryAdmittedAnother,
        Refusal::StorageIsTaken,
        Refusal::StoragesAreExhausted,
        Refusal::SubmitIsTooOld { oldest: Millis(1) },
        Refusal::RequestIsFromFuture { now: Millis(2) },
        Refusal::KeyConflicts { first: JobId(3) },
        Refusal::JobIsUnknown,
        Refusal::JobHasEnded(JobState::Succeeded { at: Millis(4) }),
        Refusal::JobIsLive,
        Refusal::JobIsNotQueued,
        Refusal::LedgerIsFull,
        Refusal::DemandsAreExhausted,
        Refusal::NodeIsUnknown,
        Refusal::NodeNameIsTaken,
        Refusal::NodesAreExhausted,
        Refusal::EpochIsStale,
        Refusal::AttemptIsStale,
        Refusal::ExpiryIsStale,
        Refusal::CommandIsTooLarge,
        Refusal::DiskIsLow,
        Refusal::IdIsOfAnotherKind,
        Refusal::ArraysAreExhausted,
        Refusal::UploadsAreExhausted,
        Refusal::UploadIsAt { items: 5 },
        Refusal::NothingToRetry,
        Refusal::ArrayIsNotStopping,
        Refusal::TaskIsOfAnArray,
        Refusal::QueuesAreExhausted,
        Refusal::PausedQueuesAreExhausted,
        Refusal::DrainIsNotDue,
        Refusal::LabelIsRegistered { label: "l".into() },
        Refusal::NodeHasNotLeft,
    ]
}

fn faults() -> Vec<SpecFault> {
    let limits = [
        Limit::NameBytes,
        Limit::Arguments,
        Limit::ArgumentBytes,
        Limit::EnvVars,
        Limit::EnvBytes,
        Limit::PathBytes,
        Limit::StdinBytes,
        Limit::Labels,
        Limit::LabelBytes,
        Limit::Constraints,
        Limit::ConstraintValues,
        Limit::ConstraintBytes,
        Limit::Priority,
        Limit::Slots,
        Limit::Attempts,
        Limit::RetryableExitCodes,
        Limit::JitterPercent,
        Limit::SpanMs,
        Limit::OutputTailBytes,
        Limit::IdempotencyKeyBytes,
        Limit::Signal,
        Limit::ReasonBytes,
        Limit::Tasks,
        Limit::ItemBytes,
        Limit::ItemsBytes,
        Limit::ItemsAtOnce,
        Limit::ItemsAtOnceBytes,
        Limit::CpuLimitMilli,
        Limit::MemoryLimitBytes,
        Limit::ProcessesLimit,
        Limit::OpenFilesLimit,
        Limit::FileLimitBytes,
        Limit::CoreLimitBytes,
        Limit::UserBytes,
    ];
    let others = [
        SpecFault::CommandIsEmpty,
        SpecFault::SlotsAreZero,
        SpecFault::AttemptsAreZero,
        SpecFault::SignalIsZero,
        SpecFault::NameIsInvalid("n".into()),
        SpecFault::KeyIsInvalid("k".into()),
        SpecFault::HasNul,
        SpecFault::PathIsRelative("p".into()),
        SpecFault::VariableIsReserved("v".into()),
        SpecFault::TasksAreEmpty,
        SpecFault::RunningIsZero,
        SpecFault::TooLittle { limit: Limit::CpuLimitMilli, least: 10, actual: 9 },
        SpecFault::UserIsInvalid("u".into()),
        SpecFault::LabelIsReserved("l".into()),
        SpecFault::LabelIsAmbiguous("l".into()),
    ];
    limits.map(|limit| SpecFault::TooMuch { limit, actual: 9 }).into_iter().chain(others).collect()
}

fn rejections() -> Vec<Rejection> {
    vec![
        Rejection::NodeIsDown,
        Rejection::NodeIsDraining,
        Rejection::LabelsDiffer { label: "l".into() },
        Rejection::TooSmall(Lack::Cpu(1)),
        Rejection::TooBusy(Lack::Memory(2)),
        Rejection::TooBusy(Lack::Slots(3)),
        Rejection::Reserved { by: JobId(4) },
        Rejection::DiskIsLow,
    ]
}

#[test]
fn replies_keep_their_bytes() {
    let mut golden = Golden::read("replies_v1.hex", include_str!("replies_v1.hex"));
    let spec_refusals = faults().into_iter().map(Refusal::SpecIsInvalid);
    let node_refusals = rejections().into_iter().map(Refusal::NodeRejects);
    let refusals = refusals().into_iter().chain(spec_refusals).chain(node_refusals).map(Reply::Refused);
    for reply in replies().into_iter().chain(refusals) {
        golden.check(&format!("{reply:?}").replace(' ', ""), &reply);
    }
    golden.finish();
}
