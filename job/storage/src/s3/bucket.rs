//! A prefix in a bucket, and how requests to it are named in errors.

use std::error::Error;
use std::time::Instant;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ChecksumAlgorithm;

use super::body;
use super::client::{self, Connected};
use super::failure::Request;
use super::settings::S3Settings;
use crate::key::{self, Key};
use crate::{S3Location, StorageError};

/// A prefix in a bucket. Its operations lie in the modules beside this one.
pub(super) struct Bucket {
    pub(super) location: S3Location,
    pub(super) settings: S3Settings,
    server: Connected,
}

impl Bucket {
    pub(super) async fn connect(
        location: &S3Location,
        settings: &S3Settings,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            location: location.clone(),
            settings: settings.clone(),
            server: client::connect(settings).await?,
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.server.client
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.server.endpoint
    }

    pub(super) fn name(&self) -> &str {
        self.location.bucket()
    }

    pub(super) fn key<'a>(&self, text: &'a str) -> Result<Key<'a>, StorageError> {
        Key::new(text, &self.location)
    }

    pub(super) fn prefix<'a>(&self, text: &'a str) -> Result<Option<Key<'a>>, StorageError> {
        key::prefix(text, &self.location)
    }

    /// The object of a full key, for messages.
    pub(super) fn place(&self, full_key: &str) -> String {
        format!("s3://{}/{full_key}", self.name())
    }

    /// The kind of checksum that requests carry, if any.
    pub(super) fn checksum(&self) -> Option<ChecksumAlgorithm> {
        self.server
            .has_checksums
            .then_some(ChecksumAlgorithm::Crc32)
    }

    /// The checksum of a body, where requests carry any.
    pub(super) fn crc32(&self, bytes: &[u8]) -> Option<String> {
        self.server.has_checksums.then(|| body::crc32(bytes))
    }

    /// What a request is about that began at some time.
    pub(super) fn request(&self, full_key: &str, began: Instant) -> Request<'_> {
        let source = self.server.source.get();
        Request {
            place: self.place(full_key),
            bucket: self.name(),
            endpoint: self.endpoint(),
            credentials: source.map_or_else(|| "no source yet".to_owned(), Clone::clone),
            waited: began.elapsed(),
        }
    }

    /// What the failure of a request means that began at some time.
    pub(super) fn failed<E>(
        &self,
        full_key: &str,
        began: Instant,
    ) -> impl FnOnce(SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        move |error| self.request(full_key, began).failed(&error)
    }
}
