//! A child that was told its parent's id ends when that parent does, however the parent ends.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Lets the kernel kill this process when the thread that started it ends. Call it first.
///
/// # Errors
/// When the kernel refuses, or when the parent is gone already.
pub fn die_with_parent(parent: u32) -> std::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the kernel knew.
    let expected = i32::try_from(parent).ok().and_then(Pid::from_raw);
    if expected.is_none() || getppid() != expected {
        return Err(std::io::Error::other(format!("the parent process {parent} is gone")));
    }
    Ok(())
}
