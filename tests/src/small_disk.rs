//! Nodes whose data lies on a small file system in memory, mounted in a mount namespace of the one process.
//!
//! That needs root or user namespaces. The disk is the process's and is gone with it.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorla_cli::local::NodeProcess;

use crate::trial::program;

/// A file that takes room from a node, on its own disk.
const FILLER: &str = "filler";

/// The program, which mounts a small disk over a folder of the data of these nodes (a name, or `*`) before it starts.
/// What the harness reads of a node must lie outside of it. Once there is a file `is-healed` in the directory, it does not.
///
/// # Panics
/// When the script can't be written.
#[must_use]
pub fn with_small_disk(directory: &Path, node: &str, folder: &str, mebibytes: u32) -> PathBuf {
    let script = directory.join("quorla-on-a-small-disk");
    let (program, healed) = (program(), directory.join("is-healed"));
    let text = format!(
        r#"#!/bin/sh
case "$4" in
*/{node}/cluster.toml) [ -e "{healed}" ] || {{
    disk="$(dirname "$4")/data/{folder}"
    mkdir -p "$disk"
    exec {unshare} sh -c 'mount -t tmpfs -o size={mebibytes}m none "$0" && exec "$@"' "$disk" "{program}" "$@"
}} ;;
esac
exec "{program}" "$@"
"#,
        healed = healed.display(),
        program = program.display(),
        unshare = unshare().join(" "),
    );
    std::fs::write(&script, text).expect("the directory takes a file");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    script
}

/// Takes room from the small disk over this folder of a node's data until so much is free; more than is free gives some back.
///
/// # Panics
/// When the node does not run, or its disk can't be reached.
pub fn leave_free(node: &NodeProcess, folder: &str, mebibytes: u64) {
    let pid = node.pid().expect("the node runs");
    let inside = node.data_dir.strip_prefix("/").expect("a data directory is absolute");
    let disk = Path::new("/proc").join(pid.to_string()).join("root").join(inside).join(folder);
    let filler = File::options().create(true).truncate(true).write(true).open(disk.join(FILLER)).expect("a filler");
    let space = rustix::fs::statvfs(&disk).expect("a disk");
    let surplus = (space.f_bavail * space.f_frsize).saturating_sub(mebibytes << 20);
    if surplus > 0 {
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, surplus).expect("room is taken");
    }
}

/// Whether this process may mount.
///
/// # Panics
/// When there is no room for a directory.
#[must_use]
pub fn may_mount() -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [program, flags @ ..] = unshare() else { return false };
    let mut command = Command::new(program);
    command.args(flags).args(["mount", "-t", "tmpfs", "-o", "size=1m", "none"]).arg(directory.path());
    command.output().is_ok_and(|output| output.status.success())
}

fn unshare() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["unshare", "--mount"]
    } else {
        &["unshare", "--map-root-user", "--mount"]
    }
}
