//! The binary `quorla`. Everything lies in the library beside, so that tests can start clusters with it.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorla_cli::main()
}
