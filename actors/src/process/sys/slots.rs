//! Memory shared with the children, one word per open spawn, through which a child tells where it failed: so a spawn costs
//! no pipe. After a successful exec the job has no way to it any more.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::wire::Stage;

/// Spawns whose outcome is open at any one time; the shared memory takes 4 bytes for each that was ever needed.
pub(in crate::process) const SLOTS_MAX: u32 = 64 * 1024;

/// See the module.
pub(in crate::process) struct Slots {
    words: &'static [AtomicU32],
    free: Vec<u32>,
    used: u32,
}

impl Slots {
    pub(in crate::process) fn new() -> io::Result<Self> {
        let count = usize::try_from(SLOTS_MAX).expect("64 Ki fits");
        // SAFETY: a fresh anonymous mapping of exactly that many zeroed words, never unmapped, and page-aligned;
        // zero is a valid AtomicU32, and all access to it is atomic.
        let words = unsafe {
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
            let memory = libc::mmap(ptr::null_mut(), count * size_of::<AtomicU32>(), access, kind, -1, 0);
            if memory == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            std::slice::from_raw_parts(memory.cast::<AtomicU32>(), count)
        };
        Ok(Self { words, free: Vec::new(), used: 0 })
    }

    pub(in crate::process) fn claim(&mut self) -> Option<u32> {
        let slot = self.free.pop().or_else(|| {
            (self.used < SLOTS_MAX).then(|| {
                self.used += 1;
                self.used - 1
            })
        })?;
        self.word(slot).store(0, Ordering::Relaxed);
        Some(slot)
    }

    /// Gives the slot back and says where the child failed, if it did before its exec.
    pub(in crate::process) fn release(&mut self, slot: u32) -> Option<(Stage, i32)> {
        let word = self.word(slot).load(Ordering::Acquire);
        self.free.push(slot);
        let stage = Stage::from_raw(word >> 16)?;
        Some((stage, i32::try_from(word & 0xFFFF).expect("16 bits fit")))
    }

    pub(super) fn word(&self, slot: u32) -> &'static AtomicU32 {
        &self.words[usize::try_from(slot).expect("a slot is below 64 Ki")]
    }
}

/// A child's word about where it failed.
pub(super) fn tell(word: &AtomicU32, stage: Stage, errno: i32) {
    let errno = u32::try_from(errno).unwrap_or(0) & 0xFFFF;
    word.store((stage as u32) << 16 | errno, Ordering::Release);
}
