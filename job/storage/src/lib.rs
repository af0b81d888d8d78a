//! Objects in a folder or in S3 behind one blocking trait.
//!
//! A [`Location`] names a folder or a prefix in a bucket; [`open`] gives the [`Storage`] there. An object appears
//! whole or not at all: a process may be killed at any moment and leaves nothing that looks complete. Above that,
//! [`fetch_folder`], [`fetch_matching`] and [`put_folder`] move many files at once.
//!
//! All calls block, and may not be made from inside an async runtime.
//!
//! `docs/storage.md` lists the environment variables by which S3 is reached, and says what happens when it is in trouble.

mod error;
mod files;
mod folders;
mod key;
mod local;
mod location;
mod s3;
mod sha256;
mod staged;

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

pub use error::StorageError;
pub use folders::{Bounds, fetch_folder, fetch_matching, put_folder};
pub use location::{Location, S3Location};
pub use s3::S3Settings;

/// Objects below one [`Location`].
///
/// Keys are relative to the location, with `/` between their segments. No segment is empty, `.`, `..`, or begins with
/// `.splade-`, which is the storage's own. A prefix is a key or empty, and stands for what lies below it as below
/// a folder: `step-1` does not cover `step-10/state.json`.
pub trait Storage: Send + Sync + Debug {
    /// Where the objects lie.
    fn location(&self) -> Location;

    /// Stores bytes as one object, over the one that may be there. When this returns they are durable.
    ///
    /// # Errors
    /// The storage fails or refuses; the object is then what it was before, or complete.
    fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<(), StorageError>;

    /// Stores bytes as one object where there is none, and tells whether it did: of several that try at the same time
    /// at most one hears `true`. One that hears `false` may itself have stored it, where the first answer was lost.
    ///
    /// # Errors
    /// The storage fails or refuses; whether the object is there is then unknown.
    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StorageError>;

    /// Stores a file as one object, over the one that may be there. When this returns it is durable.
    ///
    /// # Errors
    /// The file cannot be read, or the storage fails or refuses; the object is then what it was before, or complete.
    fn put_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError>;

    /// An object's bytes, at most `limit` of them.
    ///
    /// # Errors
    /// There is no such object, it is longer, or the storage fails or refuses.
    fn get_bytes(&self, key: &str, limit: u64) -> Result<Vec<u8>, StorageError>;

    /// Writes an object to a file, which appears whole or not at all; folders above it are made.
    ///
    /// # Errors
    /// There is no such object, the file cannot be written, or the storage fails or refuses.
    fn get_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError>;

    /// The objects below a prefix at any depth, by key, at most `limit` of them. None where there are none.
    ///
    /// # Errors
    /// There are more, one has a name that is no key, or the storage fails or refuses.
    fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, StorageError>;

    /// Removes objects. One that does not exist is no error.
    ///
    /// # Errors
    /// The storage fails or refuses; some of them may be gone.
    fn delete(&self, keys: &[&str]) -> Result<(), StorageError>;
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key, relative to the storage's location.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Changes when the content does: the ETag, or the time of the last change. Only equality means something.
    pub version: String,
}

/// What went through a transfer of a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Length.
    pub bytes: u64,
    /// SHA-256 in hexadecimal, of the bytes as they went through.
    pub sha256: String,
}

/// Opens the storage at a location. A folder need not exist yet; a bucket must, and is first asked when it is used.
///
/// # Errors
/// Settings that cannot work, such as no region.
pub fn open(location: &Location, s3: &S3Settings) -> Result<Arc<dyn Storage>, StorageError> {
    Ok(match location {
        Location::Local(folder) => Arc::new(local::LocalStorage::new(folder)),
        Location::S3(place) => Arc::new(s3::S3Storage::open(place, s3)?),
    })
}
