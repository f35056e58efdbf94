//! The invariants as observers of one stream of facts: what clients were told, what processes really did, what replicas
//! applied. One file for each; none of them asks the code under test whether it is right.

use std::fmt;

use quorla_ledger::{
    Batch, Command, Defect, Refusal, Reply,
    codec::{self, Decoded},
    event::{Event, EventPage},
    ids::{Fence, JobId},
    ledger::Applied,
    memory::MemoryTables,
    outcome::Exit,
    record::{JobRecord, NodeRecord, Stored},
    tables::Table,
    units::Millis,
};

use super::{
    faults::Relief,
    messages::{ClientRequest, Site},
    replica::Replica,
};

mod i01_acknowledged_is_kept;
mod i02_one_key_one_job;
mod i03_one_completion;
mod i04_fences_rise;
mod i05_leases_do_not_overlap;
mod i06_legal_transitions;
mod i06_paused_is_not_started;
mod i07_no_over_allocation;
mod i08_caps_are_kept;
mod i13_replicas_agree;
mod i14_events_are_dense;
mod i16_every_job_ends;
mod r05_arrays_add_up;
mod r09_refused_is_not_done;
mod r18_drains_move;
mod r22_guarded_nodes_get_nothing;

/// Something that is so, whatever the code under test thinks of it.
#[derive(Debug)]
pub(super) enum Fact<'f> {
    /// A fault began.
    WentWrong { what: &'static str, site: Site },
    /// A fault is over.
    IsWellAgain(Relief),
    /// A client sends a request for the first time.
    Asked { request: &'f ClientRequest },
    /// A client was told an outcome.
    Answered { request: &'f ClientRequest, outcome: &'f Outcome },
    /// A process began.
    ProcessBegins { site: Site, job: JobId, fence: Fence, at: Millis },
    /// A process is gone.
    ProcessIsGone { site: Site, job: JobId, fence: Fence, exit: &'f Exit },
    /// An agent counts its lease until then, true time.
    LeaseLasts { site: Site, until: Millis },
    /// A replica applied an entry.
    Applied { site: Site, index: u64, payload: &'f [u8], applied: &'f Applied },
    /// The first replica applied an entry.
    Committed(&'f Committed),
    /// A leader has applied its own first entry.
    LeaderIsReady { site: Site, tables: &'f MemoryTables },
    /// Somebody looked at a replica.
    Looked { site: Site, replica: &'f Replica, thoroughly: bool },
    /// Nothing goes wrong from now on, true time.
    CalmBegins { at: Millis },
    /// The calm has lasted as long as it may.
    TimeIsUp { unfinished: &'f str },
    /// All has ended; what is stored at last.
    ItIsOver { tables: &'f MemoryTables },
}

impl Fact<'_> {
    /// The fact as a line of a replayed seed's story; nothing where it would only fill the page.
    pub(super) fn in_words(&self) -> Option<String> {
        match self {
            Self::Applied { site, index, payload, applied } => {
                let committed = Committed::read(payload, applied);
                let events: Vec<&Event> = committed.events().collect();
                Some(format!("{site:?} applies {index}: {:?} {events:?}", committed.replies()))
            }
            Self::Committed(_) | Self::Looked { .. } | Self::ItIsOver { .. } => None,
            Self::LeaderIsReady { site, .. } => Some(format!("{site:?} leads")),
            Self::WentWrong { what, site } => Some(format!("{what}: {site:?}")),
            Self::IsWellAgain(relief) => Some(format!("well again: {relief:?}")),
            other => Some(format!("{other:?}")),
        }
    }
}

/// An entry with what it did, decoded once.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) done: Vec<(Command, Reply)>,
    pub(super) page: Option<EventPage>,
    pub(super) event_next: u64,
    /// Job records as the entry left them, by key.
    pub(super) jobs: Vec<JobRecord>,
    /// Node records as the entry left them, by id.
    pub(super) nodes: Vec<NodeRecord>,
}

/// What a client was told in the end.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Done(Reply),
    Seen {
        exists: bool,
    },
    Refused(Refusal),
    /// It was not done and will not be.
    NotDone,
    /// Nobody can say.
    Unknown,
}

impl Outcome {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "request done",
            Self::Seen { .. } => "read done",
            Self::Refused(_) => "request refused",
            Self::NotDone => "request not done",
            Self::Unknown => "request unknown",
        }
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) invariant: &'static str,
    pub(super) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is broken: {}", self.invariant, self.what)
    }
}

/// One invariant.
trait Invariant: fmt::Debug {
    fn name(&self) -> &'static str;

    /// Takes a fact in; the error says what cannot be.
    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String>;
}

/// All invariants.
#[derive(Debug)]
pub(super) struct Bench {
    invariants: Vec<Box<dyn Invariant>>,
    index_committed: u64,
}

impl Bench {
    pub(super) fn new(defect: Defect) -> Self {
        let invariants: Vec<Box<dyn Invariant>> = vec![
            Box::<i01_acknowledged_is_kept::AcknowledgedIsKept>::default(),
            Box::<i02_one_key_one_job::OneKeyOneJob>::default(),
            Box::<i03_one_completion::OneCompletion>::default(),
            Box::<i05_leases_do_not_overlap::LeasesDoNotOverlap>::default(),
            Box::<i04_fences_rise::FencesRise>::default(),
            Box::<i06_legal_transitions::LegalTransitions>::default(),
            Box::<i06_paused_is_not_started::PausedIsNotStarted>::default(),
            Box::<i07_no_over_allocation::NoOverAllocation>::default(),
            Box::<i08_caps_are_kept::CapsAreKept>::default(),
            Box::new(i13_replicas_agree::ReplicasAgree::new(defect)),
            Box::<i14_events_are_dense::EventsAreDense>::default(),
            Box::<i16_every_job_ends::EveryJobEnds>::default(),
            Box::<r05_arrays_add_up::ArraysAddUp>::default(),
            Box::<r09_refused_is_not_done::RefusedIsNotDone>::default(),
            Box::<r22_guarded_nodes_get_nothing::GuardedNodesGetNothing>::default(),
            Box::<r18_drains_move::DrainsMove>::default(),
        ];
        Self { invariants, index_committed: 0 }
    }

    pub(super) fn hear(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        if let Fact::Applied { index, payload, applied, .. } = fact
            && *index > self.index_committed
        {
            self.index_committed = *index;
            self.pass_on(&Fact::Committed(&Committed::read(payload, applied)))?;
        }
        self.pass_on(fact)
    }

    fn pass_on(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        for invariant in &mut self.invariants {
            invariant.hear(fact).map_err(|what| Violation { invariant: invariant.name(), what })?;
        }
        Ok(())
    }
}

impl Committed {
    fn read(payload: &[u8], applied: &Applied) -> Self {
        let batch = Batch::parse(payload).expect("a proposer seals whole batches");
        let commands = batch.commands().map(|bytes| match codec::decode_command(bytes) {
            Decoded::Command(command) => *command,
            other => panic!("a proposer encodes commands: {other:?}"),
        });
        let done = commands.zip(applied.replies.iter().cloned()).collect();
        let stored = |table: Table| {
            let in_table = move |key: &[u8]| key.starts_with(&table.prefix());
            applied.changes.iter().filter(move |(key, _)| in_table(key)).filter_map(|(_, value)| value.as_deref())
        };
        let page = stored(Table::Events).map(read).next();
        let jobs = stored(Table::Live).chain(stored(Table::Ended)).map(read).collect();
        let nodes = stored(Table::Nodes).map(read).collect();
        Self { done, page, event_next: applied.event_next, jobs, nodes }
    }

    fn replies(&self) -> Vec<&Reply> {
        self.done.iter().map(|(_, reply)| reply).collect()
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.page.iter().flat_map(|page| &page.events)
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    let Some(Stored::V1(record)) = codec::decode(bytes) else { panic!("the ledger stores what it can read") };
    record
}
