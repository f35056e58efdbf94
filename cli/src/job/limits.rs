//! The flags that bound what a job may use, and say who it runs as.

use clap::Args;
use quorla_client::JobRequest;

use super::duration::{bytes, cpu_milli};

/// Kept by the kernel while the job runs. The first three count all its processes together.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// CPUs that it gets at the most: 2, 0.5, 250m
    #[arg(long, value_parser = cpu_milli, value_name = "CPU")]
    cpu_limit: Option<u32>,
    /// Memory that it gets at the most, without swap; one that needs more is killed (oom)
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    memory_limit: Option<u64>,
    /// Processes and threads at one time
    #[arg(long, value_name = "N")]
    process_limit: Option<u32>,
    /// Open files of each process
    #[arg(long, value_name = "N")]
    open_file_limit: Option<u32>,
    /// Size of each file that it writes
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    file_size_limit: Option<u64>,
    /// Size of a core dump [default: none is written]
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    core_size_limit: Option<u64>,
    /// The user that it runs as: a name on the node, or uid:gid [default: the node's own]
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
}

impl LimitFlags {
    pub(super) fn apply(self, job: &mut JobRequest) {
        job.limits.cpu_milli = self.cpu_limit;
        job.limits.memory_bytes = self.memory_limit;
        job.limits.processes = self.process_limit;
        job.limits.open_files = self.open_file_limit;
        job.limits.file_bytes = self.file_size_limit;
        job.limits.core_bytes = self.core_size_limit;
        job.run_as = self.run_as;
    }
}
