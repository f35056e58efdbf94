//! The names of what the actors measure, and the help of each. No id is ever a label.

use metrics::{counter, describe_counter, describe_gauge};

/// Attempts that this node started.
pub const ATTEMPTS_STARTED: &str = "quorla_attempts_started_total";
/// Attempts of this node that ended, by `outcome`.
pub const ATTEMPTS_ENDED: &str = "quorla_attempts_ended_total";
/// Attempts whose process may be alive on this node.
pub const ATTEMPTS_RUNNING: &str = "quorla_attempts_running";
/// Nodes that this leader decided to lapse.
pub const LAPSES_DECIDED: &str = "quorla_lapses_decided_total";
/// Links of agents that this leader serves.
pub const AGENT_LINKS: &str = "quorla_agent_links";
/// Proposals of this leader that got no answer.
pub const PROPOSALS_UNANSWERED: &str = "quorla_proposals_unanswered_total";
/// Restarts of actors by their supervisor, by `role`.
pub const ACTOR_RESTARTS: &str = "quorla_actor_restarts_total";
/// Connections of clients being served.
pub const SESSIONS: &str = "quorla_sessions";
/// Bytes of output that this node keeps.
pub const OUTPUT_KEPT_BYTES: &str = "quorla_output_kept_bytes";
/// Records of output that this node wrote.
pub const OUTPUT_RECORDS: &str = "quorla_output_records_total";
/// Bytes of output that this node removed because a bound was reached.
pub const OUTPUT_EXPIRED_BYTES: &str = "quorla_output_expired_bytes_total";
/// Attempts of this node whose output could not be written.
pub const OUTPUT_WRITES_FAILED: &str = "quorla_output_writes_failed_total";
/// Bytes of output that this node did not write, for its disk was nearly full.
pub const OUTPUT_WITHHELD_BYTES: &str = "quorla_output_withheld_bytes_total";
/// Gaps in output that this node told followers of.
pub const OUTPUT_GAPS: &str = "quorla_output_gaps_total";
/// Ends of attempts that the ledger refused for a newer fence or epoch.
pub const COMPLETIONS_STALE: &str = "quorla_completions_stale_total";

/// Gives the recorder the help of each.
pub fn describe() {
    describe_counter!(ATTEMPTS_STARTED, "Attempts that this node started.");
    describe_counter!(ATTEMPTS_ENDED, "Attempts of this node that ended, by outcome.");
    describe_gauge!(ATTEMPTS_RUNNING, "Attempts whose process may be alive on this node.");
    describe_counter!(LAPSES_DECIDED, "Nodes whose lease this leader declared lapsed.");
    describe_gauge!(AGENT_LINKS, "Agents that are linked to this leader.");
    describe_counter!(PROPOSALS_UNANSWERED, "Proposals of this leader's scheduler that got no answer.");
    describe_counter!(ACTOR_RESTARTS, "Restarts of actors by their supervisor, by role.");
    describe_counter!(COMPLETIONS_STALE, "Ends of attempts refused because they were not this node's any more.");
    describe_gauge!(SESSIONS, "Connections of clients being served.");
    describe_gauge!(OUTPUT_KEPT_BYTES, "Bytes of output that this node keeps.");
    describe_counter!(OUTPUT_RECORDS, "Records of output that this node wrote.");
    describe_counter!(OUTPUT_EXPIRED_BYTES, "Bytes of output removed here because a bound was reached.");
    describe_counter!(OUTPUT_WRITES_FAILED, "Attempts whose output could not be written here.");
    describe_counter!(
        OUTPUT_WITHHELD_BYTES,
        "Bytes of output that were not written here, for the disk was nearly full."
    );
    describe_counter!(OUTPUT_GAPS, "Gaps in output that followers were told of here.");
    for plain in [ATTEMPTS_STARTED, LAPSES_DECIDED, PROPOSALS_UNANSWERED, COMPLETIONS_STALE] {
        counter!(plain).absolute(0);
    }
    for plain in [OUTPUT_RECORDS, OUTPUT_EXPIRED_BYTES, OUTPUT_WRITES_FAILED, OUTPUT_WITHHELD_BYTES, OUTPUT_GAPS] {
        counter!(plain).absolute(0);
    }
}

/// Prometheus has floats only: beyond 2^53 the last digits are lost, which a graph does not show.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}
