//! Sending objects: in one request, or in parts.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use bytes::Bytes;

use super::body;
use super::bucket::Bucket;
use super::failure;
use crate::sha256::Tally;
use crate::{StorageError, Transferred};

/// The most parts that an upload may have.
const MOST_PARTS: u64 = 10_000;

/// What became of a conditional write.
enum Written {
    /// The object is there now.
    New,
    /// There was one.
    Exists,
    /// Another one was being written to the same key: who of them wins is open.
    Contended,
}

impl Bucket {
    pub(super) async fn put_bytes(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        let key = self.location.full_key(self.key(key)?);
        self.put_whole(&key, bytes).await
    }

    /// Whether the object is new: a conditional write. A server that knows none of these, or takes no notice of the
    /// condition, is an error, because a claim that is no claim would let two runs write to one place.
    pub(super) async fn put_new(&self, key: &str, bytes: Bytes) -> Result<bool, StorageError> {
        let key = self.location.full_key(self.key(key)?);
        let began = Instant::now();
        let mut pause = self.settings.first_backoff;
        for _ in 0..self.settings.attempts {
            match self.put_if_absent(&key, bytes.clone()).await? {
                Written::New => return self.prove_condition(&key, bytes).await.map(|()| true),
                Written::Exists => return Ok(false),
                Written::Contended => tokio::time::sleep(jittered(pause)).await,
            }
            pause = (pause * 2).min(self.settings.longest_backoff);
        }
        let reason = "409: others write to the same key again and again".to_owned();
        Err(self.request(&key, began).unavailable(reason))
    }

    /// Makes sure that the server refuses a second conditional write to the key of one that has succeeded.
    async fn prove_condition(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        match self.put_if_absent(key, bytes).await? {
            Written::Exists | Written::Contended => Ok(()),
            Written::New => Err(StorageError::Settings(format!(
                "the server at {} takes no notice of If-None-Match: it has stored {} twice, so two starts of one \
                 training could write to the same place; use a server or a version of it that knows conditional writes, \
                 or a folder",
                self.endpoint(),
                self.place(key)
            ))),
        }
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Written, StorageError> {
        let began = Instant::now();
        let sent = self.put_object(key, bytes).if_none_match("*").send().await;
        match sent {
            Ok(_) => Ok(Written::New),
            Err(error) => match failure::status(&error) {
                Some(412) => Ok(Written::Exists),
                Some(409) => Ok(Written::Contended),
                _ => Err(self.failed(key, began)(error)),
            },
        }
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
        let sent = self.put_object(key, bytes).send().await;
        sent.map_err(self.failed(key, began))?;
        Ok(())
    }

    fn put_object(&self, key: &str, bytes: Bytes) -> PutObjectFluentBuilder {
        self.client()
            .put_object()
            .bucket(self.name())
            .key(key)
            .set_checksum_algorithm(self.checksum())
            .set_checksum_crc32(self.crc32(&bytes))
            .body(body::stream(bytes))
    }
}

/// A random part of a pause, so that those who contend for a key do not meet again.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(fastrand::f64())
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
