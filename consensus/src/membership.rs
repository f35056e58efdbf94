//! Changes of the membership, one at a time, on the leader: admit, add as learner, promote, replace, remove (R1, R25).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use quorla_ledger::codec::encode_command;
use quorla_ledger::command::{AdmitStorage, Command};
use quorla_ledger::ids::{ClusterId, NodeKey, RaftId, StorageId};
use quorla_ledger::reply::{Refusal, Reply};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::consensus::Consensus;
use crate::error::{MembershipError, ProposeError};
use crate::keys::GroupId;
use crate::network::envelope::{self, Envelope, Kind};
use crate::proposer::Lane;
use crate::route::Route;
use crate::transport::{Channel, Duplex, Peer, Transport, TransportError, broken};
use crate::types::{Member, TypeConfig};

/// A learner so close to the leader is caught up.
const LAG_MAX: u64 = 256;
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a member tries to have a storage admitted, and how long it waits in between.
const ADMIT_PATIENCE: Duration = Duration::from_secs(10);
const ADMIT_PAUSE: Duration = Duration::from_millis(50);

/// What a storage needs to know to become a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Its Raft id from now on.
    pub raft_id: RaftId,
    /// The cluster.
    pub cluster: ClusterId,
}

/// What a storage that has no Raft id yet asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdmitRequest {
    storage: StorageId,
    address: String,
    /// Set by the member that passes the request on to the leader.
    node_key: Option<[u8; 32]>,
}

#[derive(Debug, Serialize, Deserialize)]
enum AdmitAnswer {
    Admitted(Admission),
    Refused(Refusal),
    Failed(String),
}

type ChangeResult =
    Result<openraft::raft::ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

impl Consensus {
    /// Makes a storage known and adds it as a learner. Any member can be asked; repeating it is harmless.
    ///
    /// # Errors
    /// When the ledger refused it, or it was not done in time: then it may be asked for again.
    pub async fn admit(
        &self,
        node_key: NodeKey,
        storage: StorageId,
        address: String,
    ) -> Result<Admission, MembershipError> {
        let deadline = Instant::now() + ADMIT_PATIENCE;
        loop {
            let admitted = match self.router().route() {
                Route::Local(_) => self.admit_here(node_key, storage, address.clone()).await,
                Route::Remote(leader, _) => {
                    let address = address.clone();
                    self.pass_on(&leader, &AdmitRequest { storage, address, node_key: Some(node_key.0) }).await
                }
                Route::Nowhere => Err(MembershipError::NotLeader { leader: None }),
            };
            // The same storage keeps its Raft id, however often it is admitted.
            match admitted {
                Err(error) if error.may_pass() && Instant::now() < deadline => tokio::time::sleep(ADMIT_PAUSE).await,
                settled => return settled,
            }
        }
    }

    async fn admit_here(
        &self,
        node_key: NodeKey,
        storage: StorageId,
        address: String,
    ) -> Result<Admission, MembershipError> {
        let raft_id = self.admit_to_ledger(node_key, storage).await?;
        self.add_learner(Peer { raft_id: raft_id.0, node_key: node_key.0, address }).await?;
        Ok(Admission { raft_id, cluster: self.storage().identity().cluster })
    }

    async fn admit_to_ledger(&self, node: NodeKey, storage: StorageId) -> Result<RaftId, MembershipError> {
        let command = encode_command(&Command::AdmitStorage(AdmitStorage { node, storage }));
        loop {
            match self.propose(Lane::Owner, command.clone()).await {
                Ok(Reply::StorageAdmitted(raft_id)) => return Ok(raft_id),
                // An entry gives one Raft id only: its index.
                Ok(Reply::Refused(Refusal::EntryAdmittedAnother)) => {}
                Ok(Reply::Refused(refusal)) => return Err(MembershipError::Refused { refusal }),
                Ok(reply) => return Err(MembershipError::OddReply { reply }),
                Err(ProposeError::NotLeader { leader }) => return Err(MembershipError::NotLeader { leader }),
                Err(error) => return Err(MembershipError::Propose(error)),
            }
        }
    }

    async fn pass_on(&self, leader: &Peer, request: &AdmitRequest) -> Result<Admission, MembershipError> {
        let envelope = self.links().envelope(leader.raft_id, Kind::Admit);
        ask_admission(self.links().transport.as_ref(), leader, self.group(), envelope, request).await
    }

    /// Answers a storage that asks to be admitted.
    pub(crate) async fn answer_admission(
        &self,
        from: [u8; 32],
        is_member: bool,
        body: &[u8],
    ) -> Result<Vec<u8>, codec::CodecError> {
        let request: AdmitRequest = codec::decode(body)?;
        let node_key = NodeKey(request.node_key.filter(|_| is_member).unwrap_or(from));
        let answer = match self.admit(node_key, request.storage, request.address).await {
            Ok(admission) => AdmitAnswer::Admitted(admission),
            Err(MembershipError::Refused { refusal }) => AdmitAnswer::Refused(refusal),
            Err(error) => AdmitAnswer::Failed(error.to_string()),
        };
        codec::encode(&answer)
    }

    /// Adds a member that receives the log and does not vote. Harmless when it is a member already.
    ///
    /// # Errors
    /// When this node does not lead, or raft did not make the change.
    pub async fn add_learner(&self, peer: Peer) -> Result<(), MembershipError> {
        if self.is_member(peer.raft_id) {
            return Ok(());
        }
        let member = Member { node_key: peer.node_key, address: peer.address };
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(peer.raft_id, member)]))).await
    }

    /// Makes learners voters, in one change. All of them must be caught up.
    ///
    /// # Errors
    /// When one of them is not caught up, this node does not lead, or raft did not make the change.
    pub async fn promote(&self, raft_ids: BTreeSet<u64>) -> Result<(), MembershipError> {
        self.require_caught_up(&raft_ids)?;
        self.change(ChangeMembers::AddVoterIds(raft_ids)).await
    }

    /// Puts a caught-up learner in the place of a voter, which is removed, in one joint change (R1).
    ///
    /// # Errors
    /// As `promote`.
    pub async fn replace(&self, old: u64, new: u64) -> Result<(), MembershipError> {
        self.require_caught_up(&BTreeSet::from([new]))?;
        let add = ChangeMembers::AddVoterIds(BTreeSet::from([new]));
        let remove = ChangeMembers::RemoveVoters(BTreeSet::from([old]));
        self.change(ChangeMembers::Batch(vec![add, remove])).await
    }

    /// Removes a member, voter or learner.
    ///
    /// # Errors
    /// When this node does not lead, or raft did not make the change.
    pub async fn remove(&self, raft_id: u64) -> Result<(), MembershipError> {
        let ids = BTreeSet::from([raft_id]);
        let is_voter = self.status().borrow().voters.iter().any(|peer| peer.raft_id == raft_id);
        let change = if is_voter { ChangeMembers::RemoveVoters(ids) } else { ChangeMembers::RemoveNodes(ids) };
        self.change(change).await
    }

    /// Whether the leader knows this member to have nearly all of the log.
    pub fn is_caught_up(&self, raft_id: u64) -> bool {
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow_watched();
        let matched = metrics.replication.as_ref().and_then(|progress| *progress.get(&raft_id)?);
        matched.is_some_and(|matched| matched.index + LAG_MAX >= metrics.last_log_index.unwrap_or(0))
    }

    fn is_member(&self, raft_id: u64) -> bool {
        let metrics = self.raft().metrics();
        metrics.borrow_watched().membership_config.get_node(&raft_id).is_some()
    }

    fn require_caught_up(&self, raft_ids: &BTreeSet<u64>) -> Result<(), MembershipError> {
        if !matches!(self.router().route(), Route::Local(_)) {
            return Err(MembershipError::NotLeader { leader: self.router().leader() });
        }
        match raft_ids.iter().find(|raft_id| !self.is_caught_up(**raft_id)) {
            Some(raft_id) => Err(MembershipError::NotCaughtUp { raft_id: *raft_id }),
            None => Ok(()),
        }
    }

    /// One change at a time: openraft refuses a second one, and the callers here wait instead.
    async fn change(&self, change: ChangeMembers<u64, Member>) -> Result<(), MembershipError> {
        let turn = self.membership_turn().acquire().await;
        let _turn = turn.map_err(|_| MembershipError::NotLeader { leader: None })?;
        let changed: ChangeResult = self.raft().change_membership(change, false).await;
        match changed {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => {
                Err(MembershipError::NotLeader { leader: self.router().leader() })
            }
            Err(error) => Err(MembershipError::Raft { reason: error.to_string() }),
        }
    }
}

/// Asks a member to admit this storage, which has no Raft id yet. The member passes it on to the leader.
///
/// # Errors
/// When the member was not reached or failed, which may pass, or the ledger refused it.
pub async fn request_admission(
    transport: &dyn Transport,
    member: &Peer,
    group: GroupId,
    storage: StorageId,
    address: String,
) -> Result<Admission, MembershipError> {
    let request = AdmitRequest { storage, address, node_key: None };
    let envelope = Envelope { kind: Kind::Admit, from: 0, to: 0, wall_ms: 0 };
    ask_admission(transport, member, group, envelope, &request).await
}

async fn ask_admission(
    transport: &dyn Transport,
    member: &Peer,
    group: GroupId,
    envelope: Envelope,
    request: &AdmitRequest,
) -> Result<Admission, MembershipError> {
    let asked = tokio::time::timeout(PATIENCE, exchange(transport, member, group, envelope, request)).await;
    match asked {
        Ok(Ok(AdmitAnswer::Admitted(admission))) => Ok(admission),
        Ok(Ok(AdmitAnswer::Refused(refusal))) => Err(MembershipError::Refused { refusal }),
        Ok(Ok(AdmitAnswer::Failed(reason))) => Err(MembershipError::Asked { reason }),
        Ok(Err(error)) => Err(MembershipError::Transport(error)),
        Err(_) => Err(MembershipError::Silent),
    }
}

async fn exchange(
    transport: &dyn Transport,
    member: &Peer,
    group: GroupId,
    envelope: Envelope,
    request: &AdmitRequest,
) -> Result<AdmitAnswer, TransportError> {
    let Duplex { mut sink, mut source } = transport.open(member, group.0, Channel::FORWARD).await?;
    let body = codec::encode(request).map_err(broken)?;
    sink.send(envelope.seal(&body)).await?;
    let frame = source.recv().await?.ok_or_else(|| broken("it ended without an answer"))?;
    let (_, body) = envelope::open(frame).map_err(broken)?;
    // Nothing follows; whether the peer still hears that does not matter.
    let _ = sink.finish().await;
    codec::decode(&body).map_err(broken)
}
