//! What a request of a client is called as a label: a closed set, nothing of a request's content.

use quorla_client::Request;

/// The kind of this request. Those that wait as long as their caller likes are kinds of their own.
pub(super) const fn kind(request: &Request) -> &'static str {
    match request {
        Request::Hello(_) => "hello",
        Request::Submit(_) => "submit_job",
        Request::SubmitMany(_) => "submit_jobs",
        Request::Wait(_) => "wait_job",
        Request::Info(_) => "job_info",
        Request::List(_) => "list_jobs",
        Request::ResolvePrefix(_) => "resolve_prefix",
        Request::Cancel(_) => "cancel_job",
        Request::Retry(_) => "retry_job",
        Request::History(_) => "job_history",
        Request::Logs(_) => "job_logs",
        Request::Nodes(_) => "list_nodes",
        Request::Status => "cluster_status",
        Request::MarkContentHash(_) => "mark_content_hash",
        Request::ContentHash(_) => "wait_content_hash",
        Request::Explain(_) => "explain_job",
        Request::DrainNode(_) => "drain_node",
        Request::WaitForNode(_) => "wait_node",
        Request::SubmitArray(_) => "submit_array",
        Request::PutItems(_) => "put_items",
        Request::ArrayStatus(_) => "array_status",
        Request::NodeInfo(_) => "node_info",
        Request::LabelNode(_) => "label_node",
        Request::Follow(_) => "wait_output",
        Request::PauseJob(_) => "pause_job",
        Request::PauseQueue(_) => "pause_queue",
        Request::Queues(_) => "list_queues",
    }
}
