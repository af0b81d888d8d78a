//! Many files at once between a storage and a folder of this machine.

mod fetch;
mod fetched;
mod matching;
mod put;

pub use fetch::fetch_folder;
pub use matching::fetch_matching;
pub use put::put_folder;

use crate::{Object, StorageError};

/// The most that a transfer of many files may take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Objects, those included that are listed but not wanted.
    pub objects: usize,
    /// Their bytes together.
    pub bytes: u64,
}

impl Bounds {
    fn check(&self, objects: &[Object], place: impl ToString) -> Result<(), StorageError> {
        let bytes = objects
            .iter()
            .fold(0_u64, |sum, object| sum.saturating_add(object.bytes));
        if bytes > self.bytes {
            return Err(StorageError::TooLarge {
                place: place.to_string(),
                bytes,
                limit: self.bytes,
            });
        }
        Ok(())
    }
}
