//! Objects in a bucket of S3, or of a server that speaks like it.

mod body;
mod bucket;
mod client;
mod credentials;
mod download;
mod failure;
mod listing;
mod multipart;
mod settings;
mod upload;

use std::fmt;
use std::path::Path;

use tokio::runtime::Runtime;

use crate::sha256::Tally;
use crate::staged::Staged;
use crate::{Location, Object, S3Location, Storage, StorageError, Transferred};
use bucket::Bucket;
use download::Sink;
pub use settings::S3Settings;

/// Threads that carry several parts at once; the caller's own thread does the rest.
const THREADS: usize = 2;

/// A prefix in a bucket, for callers that block.
pub(crate) struct S3Storage {
    runtime: Runtime,
    bucket: Bucket,
}

impl S3Storage {
    pub(crate) fn open(location: &S3Location, settings: &S3Settings) -> Result<Self, StorageError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("storage")
            .enable_all()
            .build()
            .map_err(|error| StorageError::Settings(format!("no threads for S3: {error}")))?;
        let bucket = runtime.block_on(Bucket::connect(location, settings))?;
        Ok(Self { runtime, bucket })
    }
}

impl fmt::Debug for S3Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Storage")
            .field("location", &self.bucket.location)
            .field("endpoint", &self.bucket.endpoint())
            .finish_non_exhaustive()
    }
}

impl Storage for S3Storage {
    fn location(&self) -> Location {
        Location::S3(self.bucket.location.clone())
    }

    fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.runtime
            .block_on(self.bucket.put_bytes(key, bytes.into()))
    }

    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StorageError> {
        self.runtime
            .block_on(self.bucket.put_new(key, bytes.into()))
    }

    fn put_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError> {
        self.runtime.block_on(self.bucket.put_file(key, path))
    }

    fn get_bytes(&self, key: &str, limit: u64) -> Result<Vec<u8>, StorageError> {
        let mut memory = Memory {
            place: self.bucket.place(key),
            limit,
            bytes: Vec::new(),
        };
        self.runtime.block_on(self.bucket.get(key, &mut memory))?;
        Ok(memory.bytes)
    }

    fn get_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError> {
        let mut file = FileSink {
            staged: Staged::begin(path)?,
            tally: Tally::default(),
        };
        self.runtime.block_on(self.bucket.get(key, &mut file))?;
        file.staged.commit()?;
        Ok(file.tally.finish())
    }

    fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, StorageError> {
        self.runtime.block_on(self.bucket.list(prefix, limit))
    }

    fn delete(&self, keys: &[&str]) -> Result<(), StorageError> {
        self.runtime.block_on(self.bucket.delete(keys))
    }
}

/// A bounded object in memory.
struct Memory {
    place: String,
    limit: u64,
    bytes: Vec<u8>,
}

impl Sink for Memory {
    fn begin(&mut self, length: u64) -> Result<(), StorageError> {
        self.bytes.clear();
        if length > self.limit {
            return Err(StorageError::TooLarge {
                place: self.place.clone(),
                bytes: length,
                limit: self.limit,
            });
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// An object in a file that is not yet under its name.
struct FileSink {
    staged: Staged,
    tally: Tally,
}

impl Sink for FileSink {
    fn begin(&mut self, _: u64) -> Result<(), StorageError> {
        self.tally = Tally::default();
        self.staged.restart()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.tally.add(bytes);
        self.staged.write(bytes)
    }
}
