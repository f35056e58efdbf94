//! Stacks for children that begin in the warden's memory. The kernel clears a stack's mark as soon as its child has left that
//! memory, by its exec or its end, and then it can be used again.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_void;

use super::child::Child;

/// Children that can be on their way to their programs at once; one that hangs there keeps its stack.
const STACKS_MAX: usize = 16;
/// System calls and what the debug profile wraps around them; only touched pages cost memory.
const STACK_BYTES: usize = 128 * 1024;
/// Below each stack, so that one that is too small ends its child and damages nothing else.
const GUARD_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Stacks(Vec<Stack>);

/// A stack, and what the child on it reads until the mark is clear. Stacks and marks live as long as the warden.
pub(super) struct Stack {
    top: *mut c_void,
    mark: &'static AtomicI32,
    /// From a box; null when nobody is on the stack.
    child: *mut Child,
}

impl Stacks {
    /// A stack that is free, a new one if need be; none when every one has a child on it.
    pub(super) fn free(&mut self) -> Option<&mut Stack> {
        self.sweep();
        let place = match self.0.iter().position(|stack| stack.child.is_null()) {
            Some(place) => place,
            None if self.0.len() < STACKS_MAX => {
                self.0.push(Stack::map().ok()?);
                self.0.len() - 1
            }
            None => return None,
        };
        self.0.get_mut(place)
    }

    /// Frees those whose children have left.
    pub(super) fn sweep(&mut self) {
        self.0.iter_mut().filter(|stack| stack.is_left()).for_each(|stack| drop(stack.take_back()));
    }

    /// Stacks that were ever needed.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Stack {
    fn map() -> io::Result<Self> {
        let bytes = GUARD_BYTES + STACK_BYTES;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping that is never unmapped; its lowest part becomes inaccessible, and the top, one
        // past its end and page-aligned, is only ever handed to the kernel as where a stack begins.
        unsafe {
            let base = libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, kind, -1, 0);
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            if libc::mprotect(base, GUARD_BYTES, libc::PROT_NONE) != 0 {
                let error = io::Error::last_os_error();
                libc::munmap(base, bytes);
                return Err(error);
            }
            let mark = Box::leak(Box::new(AtomicI32::new(0)));
            Ok(Self { top: base.byte_add(bytes), mark, child: ptr::null_mut() })
        }
    }

    fn is_left(&self) -> bool {
        self.mark.load(Ordering::Acquire) == 0
    }

    /// Puts a child on it: where its stack begins, the mark for the kernel to clear, and the child itself.
    pub(super) fn occupy(&mut self, child: Child) -> (*mut c_void, *mut i32, *mut Child) {
        self.mark.store(1, Ordering::Release);
        self.child = Box::into_raw(Box::new(child));
        (self.top, self.mark.as_ptr(), self.child)
    }

    /// Nobody is on it any more: who was.
    pub(super) fn take_back(&mut self) -> Option<Box<Child>> {
        self.mark.store(0, Ordering::Release);
        let child = std::mem::replace(&mut self.child, ptr::null_mut());
        // SAFETY: from `occupy`, and taken once; no process reads it any more.
        (!child.is_null()).then(|| unsafe { Box::from_raw(child) })
    }
}
