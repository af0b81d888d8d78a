//! SHA-256 of files, by which models, data and checkpoints are told apart.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// A digest over several pieces.
#[derive(Debug, Default)]
pub struct ContentDigest(Sha256);

impl ContentDigest {
    /// Takes in bytes.
    pub fn add(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Takes in a file's content and gives its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add_file(&mut self, path: &Path) -> std::io::Result<u64> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; BUFFER];
        let mut length = 0;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(length);
            }
            length += count as u64;
            self.0.update(&buffer[..count]);
        }
    }

    /// The digest in hexadecimal.
    pub fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
