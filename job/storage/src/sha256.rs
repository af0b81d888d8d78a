//! SHA-256 of what passes through.

use sha2::{Digest, Sha256};

use crate::Transferred;

/// Counts and digests bytes in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    digest: Sha256,
    bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> Transferred {
        let digest = self.digest.finalize();
        Transferred {
            bytes: self.bytes,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
