//! The only place of this crate that calls bincode: openraft's types, our own records and peer messages.
//!
//! It knows no message: versions are enum variants or leading bytes, chosen by the callers.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that this version can't read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value doesn't fit the encoding.
    #[error("encode a value")]
    Encode(#[from] bincode::error::EncodeError),
    /// The bytes are no such value.
    #[error("decode a value")]
    Decode(#[from] bincode::error::DecodeError),
    /// The value ended before the bytes did.
    #[error("decode a value: {0} bytes are left over")]
    Trailing(usize),
}

/// No message of peers is larger than this, so a hostile length prefix allocates nothing.
const DECODED_BYTES_MAX: usize = 64 << 20;
/// Most messages fit in so many bytes, and are then written without growing.
const ENCODED_BYTES_USUAL: usize = 256;

/// Encodes a value. It fails only for types that bincode can't hold.
///
/// # Errors
/// When the value has a length that the encoding can't express.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(ENCODED_BYTES_USUAL);
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard())?;
    Ok(bytes)
}

/// Decodes a value that fills all of `bytes`.
///
/// # Errors
/// When they are something else, or go on after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_limit::<DECODED_BYTES_MAX>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config)?;
    match bytes.len() - used {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}

impl From<CodecError> for std::io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = encode(&7_u64).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<u64>(&bytes), Err(CodecError::Trailing(1))));
    }
}
