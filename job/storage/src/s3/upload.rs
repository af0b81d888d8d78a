//! Sending objects: in one request, or in parts.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;

use super::body;
use super::bucket::Bucket;
use crate::sha256::Tally;
use crate::{StorageError, Transferred};

/// The most parts that an upload may have.
const MOST_PARTS: u64 = 10_000;

impl Bucket {
    pub(super) async fn put_bytes(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        let key = self.location.full_key(self.key(key)?);
        self.put_whole(&key, bytes).await
    }

    pub(super) async fn put_file(
        &self,
        key: &str,
        path: &Path,
    ) -> Result<Transferred, StorageError> {
        let key = self.location.full_key(self.key(key)?);
        let mut parts = Parts::open(path, self.settings.part_bytes)?;
        if parts.are_many() {
            self.put_parts(&key, &mut parts).await?;
        } else {
            let only = parts.next()?;
            self.put_whole(&key, only.unwrap_or_default()).await?;
        }
        parts.finish()
    }

    async fn put_whole(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        let began = Instant::now();
        self.client()
            .put_object()
            .bucket(self.name())
            .key(key)
            .set_checksum_algorithm(self.checksum())
            .set_checksum_crc32(self.crc32(&bytes))
            .body(body::stream(bytes))
            .send()
            .await
            .map_err(self.failed(key, began))?;
        Ok(())
    }
}

/// A file's content, part by part, digested on its way.
pub(super) struct Parts<'a> {
    file: File,
    path: &'a Path,
    length: u64,
    part_bytes: u64,
    tally: Tally,
    left: u64,
}

impl<'a> Parts<'a> {
    fn open(path: &'a Path, least_part_bytes: u64) -> Result<Self, StorageError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(StorageError::io(path))?;
        Ok(Self {
            file,
            path,
            length,
            part_bytes: least_part_bytes.max(length.div_ceil(MOST_PARTS)),
            tally: Tally::default(),
            left: length,
        })
    }

    fn are_many(&self) -> bool {
        self.length > self.part_bytes
    }

    /// The next part; None at the end.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let count = self.left.min(self.part_bytes);
        if count == 0 {
            return Ok(None);
        }
        let mut part = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        (&self.file)
            .take(count)
            .read_to_end(&mut part)
            .map_err(StorageError::io(self.path))?;
        if part.len() as u64 != count {
            return Err(self.changed());
        }
        self.left -= count;
        self.tally.add(&part);
        Ok(Some(part.into()))
    }

    /// What all parts were, when the last has been taken.
    fn finish(mut self) -> Result<Transferred, StorageError> {
        let more = self
            .file
            .read(&mut [0])
            .map_err(StorageError::io(self.path))?;
        if more > 0 {
            return Err(self.changed());
        }
        Ok(self.tally.finish())
    }

    fn changed(&self) -> StorageError {
        let what = format!("the file is no longer {} bytes long", self.length);
        StorageError::io(self.path)(std::io::Error::other(what))
    }
}
