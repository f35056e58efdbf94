//! The secret of the QUIC endpoint that survives a restart because it is derived from the node's private key.
//!
//! With it a node that came back answers packets of its earlier life with a stateless reset (RFC 9000, section
//! 10.3), so that peers dial again at once instead of waiting for the idle timeout.

use std::time::Duration;

use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator};
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest, Sha256};

/// Key of the stateless reset tokens.
pub(super) struct ResetKey {
    secret: [u8; 32],
}

impl ResetKey {
    pub(super) fn of(key: &PrivateKeyDer<'_>) -> Self {
        Self { secret: derive(key, b"quorla stateless reset 1") }
    }
}

/// Random connection ids of one length, of which every one is worth a reset.
///
/// quinn's default generator signs its ids with a key of this life, and so keeps silent about those of an earlier one.
pub(super) struct ConnectionIds;

const CONNECTION_ID_BYTES: usize = 8;

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; CONNECTION_ID_BYTES]>())
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn derive(key: &PrivateKeyDer<'_>, purpose: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(purpose).chain_update(key.secret_der()).finalize().into()
}

const BLOCK_BYTES: usize = 64;
const TAG_BYTES: usize = 32;

/// HMAC-SHA-256 (RFC 2104).
impl HmacKey for ResetKey {
    fn sign(&self, message: &[u8], signature_out: &mut [u8]) {
        let inner = Sha256::new().chain_update(self.padded(0x36)).chain_update(message).finalize();
        let tag = Sha256::new().chain_update(self.padded(0x5c)).chain_update(inner).finalize();
        signature_out.copy_from_slice(&tag);
    }

    fn signature_len(&self) -> usize {
        TAG_BYTES
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mut expected = [0; TAG_BYTES];
        self.sign(message, &mut expected);
        let same_length = signature.len() == TAG_BYTES;
        let difference = expected.iter().zip(signature).fold(0, |all, (left, right)| all | (left ^ right));
        if same_length && difference == 0 { Ok(()) } else { Err(CryptoError) }
    }
}

impl ResetKey {
    fn padded(&self, pad: u8) -> [u8; BLOCK_BYTES] {
        let mut block = [pad; BLOCK_BYTES];
        block.iter_mut().zip(self.secret).for_each(|(byte, secret)| *byte ^= secret);
        block
    }
}

#[cfg(test)]
mod tests {
    use quinn::crypto::HmacKey;

    use super::{ResetKey, TAG_BYTES};

    #[test]
    fn tag_agrees_with_an_independent_implementation() {
        let key = ResetKey { secret: [0x0b; 32] };
        let mut tag = [0; TAG_BYTES];
        key.sign(b"Hi There", &mut tag);
        let reference = HMAC_OF_HI_THERE;
        assert_eq!(tag, reference);
        assert!(key.verify(b"Hi There", &tag).is_ok());
        assert!(key.verify(b"Hi there", &tag).is_err());
    }

    /// `hmac.new(b"\x0b" * 32, b"Hi There", "sha256")` of Python's standard library.
    const HMAC_OF_HI_THERE: [u8; 32] = [
        0x19, 0x8a, 0x60, 0x7e, 0xb4, 0x4b, 0xfb, 0xc6, 0x99, 0x03, 0xa0, 0xf1, 0xcf, 0x2b, 0xbd, 0xc5, 0xba, 0x0a,
        0xa3, 0xf3, 0xd9, 0xae, 0x3c, 0x1c, 0x7a, 0x3b, 0x16, 0x96, 0xa0, 0xb6, 0x8c, 0xf7,
    ];
}
