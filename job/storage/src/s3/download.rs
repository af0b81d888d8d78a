//! Receiving an object: what is cut or stands still goes on where it stopped.

use std::time::{Duration, Instant};

use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;

use super::bucket::Bucket;
use super::failure;
use super::settings::S3Settings;
use crate::StorageError;

/// Where an object goes.
pub(super) trait Sink {
    /// The object begins, of so many bytes; what was written before does not count.
    fn begin(&mut self, length: u64) -> Result<(), StorageError>;
    /// Its next bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError>;
}

impl Bucket {
    /// Sends an object into a sink, which then holds all of it and no more.
    pub(super) async fn get(&self, key: &str, sink: &mut dyn Sink) -> Result<(), StorageError> {
        let key = self.location.full_key(self.key(key)?);
        let mut download = Download {
            bucket: self,
            key: &key,
            patience: Patience::new(&self.settings),
            at: 0,
            length: 0,
            version: None,
            restarts: 0,
        };
        while !download.advance(sink).await? {}
        Ok(())
    }
}

/// How far one object has come.
struct Download<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    patience: Patience<'a>,
    /// Bytes in the sink.
    at: u64,
    /// Bytes of the object.
    length: u64,
    /// The ETag of what is in the sink: where it is known, the rest can be asked for.
    version: Option<String>,
    /// How often all that had come was of no use.
    restarts: u32,
}

/// What the answer to a request is.
enum Answer {
    Body(Box<GetObjectOutput>),
    /// Another object lies there than the one that was begun.
    Changed,
}

impl Download<'_> {
    /// One request: whether the object is whole then.
    async fn advance(&mut self, sink: &mut dyn Sink) -> Result<bool, StorageError> {
        match self.ask().await? {
            Answer::Changed => self.restart("the object changes while it is read")?,
            Answer::Body(response) => {
                if self.at > 0 && !self.continues(&response) {
                    self.restart("the server cannot continue in the middle")?;
                }
                if self.at == 0 {
                    self.begin(&response, sink)?;
                }
                if let Err(reason) = self.receive(response.body, sink).await? {
                    return self.cut(&reason).await.map(|()| false);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After a body that did not end well.
    async fn cut(&mut self, reason: &str) -> Result<(), StorageError> {
        if self.at == self.length && self.length > 0 {
            // Every byte has come, and yet the reader complains: the checksum.
            self.restart(reason)?;
        } else if self.version.is_none() && self.at > 0 {
            self.restart("the server names no version to continue")?;
        }
        if self.patience.wait().await {
            return Ok(());
        }
        let request = self.bucket.request(self.key, self.patience.since);
        let (at, length) = (self.at, self.length);
        Err(request.unavailable(format!("{reason}, after {at} of {length} bytes")))
    }

    async fn ask(&self) -> Result<Answer, StorageError> {
        let began = Instant::now();
        let mut request = self
            .bucket
            .client()
            .get_object()
            .bucket(self.bucket.name())
            .key(self.key);
        if self.at > 0 {
            request = request
                .range(format!("bytes={}-", self.at))
                .set_if_match(self.version.clone());
        }
        match request.send().await {
            Ok(response) => Ok(Answer::Body(Box::new(response))),
            // A failed condition, or a range beyond the end of what now lies there.
            Err(error) if matches!(failure::status(&error), Some(412 | 416)) && self.at > 0 => {
                Ok(Answer::Changed)
            }
            Err(error) => Err(self.bucket.failed::<GetObjectError>(self.key, began)(error)),
        }
    }

    /// Whether a body begins where the sink ends. A server may answer with the whole object instead.
    fn continues(&self, response: &GetObjectOutput) -> bool {
        let expected = format!("bytes {}-", self.at);
        response
            .content_range()
            .is_some_and(|range| range.starts_with(&expected))
    }

    fn begin(
        &mut self,
        response: &GetObjectOutput,
        sink: &mut dyn Sink,
    ) -> Result<(), StorageError> {
        let length = response
            .content_length()
            .and_then(|length| u64::try_from(length).ok());
        self.length = length.ok_or_else(|| self.damaged("the server tells no length".into()))?;
        self.version = response.e_tag().map(str::to_owned);
        sink.begin(self.length)
    }

    /// Takes in a body. The inner error is the connection's, the outer one is final.
    async fn receive(
        &mut self,
        mut body: ByteStream,
        sink: &mut dyn Sink,
    ) -> Result<Result<(), String>, StorageError> {
        loop {
            match body.try_next().await {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    if self.at > self.length {
                        return Err(self.damaged(format!("more than {} bytes came", self.length)));
                    }
                    sink.write(&bytes)?;
                    self.patience.renew();
                }
                Ok(None) if self.at == self.length => return Ok(Ok(())),
                Ok(None) => return Ok(Err("the body ends too early".into())),
                Err(error) => return Ok(Err(failure::chain(&error))),
            }
        }
    }

    /// Forgets what has come, a bounded number of times.
    fn restart(&mut self, reason: &str) -> Result<(), StorageError> {
        self.restarts += 1;
        if self.restarts >= self.bucket.settings.attempts {
            return Err(self.damaged(reason.to_owned()));
        }
        self.at = 0;
        self.version = None;
        Ok(())
    }

    fn damaged(&self, reason: String) -> StorageError {
        StorageError::Damaged {
            place: self.bucket.place(self.key),
            reason,
        }
    }
}

/// How often and how long a download is tried again without a new byte.
struct Patience<'a> {
    settings: &'a S3Settings,
    failures: u32,
    /// When a byte last came.
    since: Instant,
}

impl<'a> Patience<'a> {
    fn new(settings: &'a S3Settings) -> Self {
        Self {
            settings,
            failures: 0,
            since: Instant::now(),
        }
    }

    /// A byte has come.
    fn renew(&mut self) {
        self.failures = 0;
        self.since = Instant::now();
    }

    /// Waits before the next try; false when there is none.
    async fn wait(&mut self) -> bool {
        self.failures += 1;
        if self.failures >= self.settings.attempts || self.since.elapsed() >= self.settings.deadline
        {
            return false;
        }
        tokio::time::sleep(self.pause(fastrand::f64())).await;
        true
    }

    /// A share of the longest pause before the next try.
    fn pause(&self, share: f64) -> Duration {
        let doublings = (self.failures - 1).min(16);
        let longest = self.settings.first_backoff.saturating_mul(1 << doublings);
        longest.min(self.settings.longest_backoff).mul_f64(share)
    }
}
