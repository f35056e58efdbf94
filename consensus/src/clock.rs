//! The clocks as this crate sees them: passed in, never read here.

/// Where time comes from; the node implements it, tests script it.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch; may jump.
    fn wall_ms(&self) -> u64;
    /// Milliseconds of CLOCK_BOOTTIME: never goes back, counts while the machine sleeps.
    fn boot_ms(&self) -> u64;
}
