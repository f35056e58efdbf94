//! The one place in the ledger that calls bincode: little-endian, variable-length integers, no trailing bytes.

use serde::{Serialize, de::DeserializeOwned};

use crate::{command::COMMAND_VERSION, command::Command, limits::COMMAND_BYTES_MAX};

const CONFIG: bincode::config::Configuration = bincode::config::standard();
/// Most records and commands fit in so many bytes, and are then written without growing.
const ENCODED_BYTES_USUAL: usize = 256;

/// Encodes a value of the ledger's own types.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENCODED_BYTES_USUAL);
    append(&mut bytes, value);
    bytes
}

fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    bincode::serde::encode_into_std_write(value, bytes, CONFIG)
        .expect("the ledger's types have nothing that bincode cannot encode");
}

/// Decodes all of `bytes`; nothing where they are no such value or go on after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let config = CONFIG.with_limit::<{ 4 * COMMAND_BYTES_MAX }>();
    match bincode::serde::decode_from_slice(bytes, config) {
        Ok((value, used)) if used == bytes.len() => Some(value),
        _ => None,
    }
}

/// Encodes a command with its version byte in front.
pub fn encode_command(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENCODED_BYTES_USUAL);
    bytes.push(COMMAND_VERSION);
    append(&mut bytes, command);
    bytes
}

/// What the bytes of a command turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A command.
    Command(Box<Command>),
    /// No command of a known version.
    Undecodable,
    /// A command of a version that this build does not know.
    UnknownVersion(u8),
}

/// Decodes a command.
pub fn decode_command(bytes: &[u8]) -> Decoded {
    match bytes.split_first() {
        Some((&COMMAND_VERSION, rest)) => {
            decode(rest).map_or(Decoded::Undecodable, |command| Decoded::Command(Box::new(command)))
        }
        Some((&version, _)) if version > COMMAND_VERSION => Decoded::UnknownVersion(version),
        _ => Decoded::Undecodable,
    }
}
