//! The allocator of this test binary: counts the bytes that each thread has allocated and not freed.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static HELD_BYTES: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that this thread allocated beyond what it freed.
pub(crate) fn held_bytes() -> i64 {
    HELD_BYTES.with(Cell::get)
}

fn count(bytes: usize, sign: i64) {
    let bytes = i64::try_from(bytes).expect("an allocation fits 63 bits");
    // A thread that ends may free after its counter is gone.
    let _ = HELD_BYTES.try_with(|held| held.set(held.get() + sign * bytes));
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory but its own cell, which
// is initialised without an allocation.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise about `layout` is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: `pointer` came from `alloc` above, hence from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
