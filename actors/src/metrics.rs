//! The names of what the actors measure. No id is ever a label.

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
