//! The binary `quorla`. Everything lies in the library beside, so that tests can start clusters with it.

use std::process::ExitCode;

/// For RocksDB too, whose allocations the feature `override` brings here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quorla_cli::main()
}
