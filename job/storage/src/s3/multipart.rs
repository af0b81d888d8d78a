//! Sending an object in parts, which become one object all at once.

use std::time::Instant;

use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::body;
use super::bucket::Bucket;
use super::failure;
use super::upload::Parts;
use crate::StorageError;

/// Metadata by which an object tells which upload made it.
const UPLOAD: &str = "splade-upload";

/// An upload that has begun: parts without an object.
struct Upload<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    /// The server's name for it.
    id: String,
    /// Our name for it, which the object carries.
    mark: String,
}

impl Bucket {
    /// Sends the parts and makes them the object; whatever fails, no part is left behind.
    pub(super) async fn put_parts(
        &self,
        key: &str,
        parts: &mut Parts<'_>,
    ) -> Result<(), StorageError> {
        let upload = Upload::begin(self, key).await?;
        let sent = match upload.send(parts).await {
            Ok(sent) => upload.complete(sent).await,
            Err(error) => Err(error),
        };
        if sent.is_err() {
            upload.abort().await;
        }
        sent
    }
}

impl<'a> Upload<'a> {
    async fn begin(bucket: &'a Bucket, key: &'a str) -> Result<Self, StorageError> {
        let mark = Uuid::new_v4().to_string();
        let began = Instant::now();
        let created = bucket
            .client()
            .create_multipart_upload()
            .bucket(bucket.name())
            .key(key)
            .set_checksum_algorithm(bucket.checksum())
            .metadata(UPLOAD, &mark)
            .send()
            .await
            .map_err(bucket.failed(key, began))?;
        let Some(id) = created.upload_id else {
            let request = bucket.request(key, began);
            return Err(request.unavailable("the server began an upload without a name".into()));
        };
        Ok(Self {
            bucket,
            key,
            id,
            mark,
        })
    }

    /// Sends every part, a few at once.
    async fn send(&self, parts: &mut Parts<'_>) -> Result<Vec<CompletedPart>, StorageError> {
        let mut flying = JoinSet::new();
        let mut sent = Vec::new();
        let mut number = 0;
        while let Some(part) = parts.next()? {
            if flying.len() == self.bucket.settings.parallel_parts {
                sent.extend(self.landed(&mut flying).await?);
            }
            number += 1;
            flying.spawn(send_part(self.part(number, part), number));
        }
        while let Some(part) = self.landed(&mut flying).await? {
            sent.push(part);
        }
        sent.sort_by_key(|part| part.part_number);
        Ok(sent)
    }

    fn part(&self, number: i32, bytes: Bytes) -> UploadPartFluentBuilder {
        self.bucket
            .client()
            .upload_part()
            .bucket(self.bucket.name())
            .key(self.key)
            .upload_id(&self.id)
            .part_number(number)
            .set_checksum_algorithm(self.bucket.checksum())
            .set_checksum_crc32(self.bucket.crc32(&bytes))
            .body(body::stream(bytes))
    }

    /// The next part that has arrived. When one fails, the others are called back before the failure is told:
    /// one that arrived after the abort would stay.
    async fn landed(&self, flying: &mut Flying) -> Result<Option<CompletedPart>, StorageError> {
        let (began, error) = match flying.join_next().await {
            None => return Ok(None),
            Some(Ok((_, Ok(part)))) => return Ok(Some(part)),
            Some(Ok((began, Err(error)))) => (began, error),
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        };
        flying.shutdown().await;
        Err(self.bucket.failed(self.key, began)(*error))
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<(), StorageError> {
        let began = Instant::now();
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let completed = self
            .bucket
            .client()
            .complete_multipart_upload()
            .bucket(self.bucket.name())
            .key(self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        match completed {
            Ok(_) => Ok(()),
            // An earlier try may have succeeded without our hearing of it: the upload is then gone, and the object is ours.
            Err(error)
                if failure::code(&error) == Some("NoSuchUpload") && self.is_object().await? =>
            {
                Ok(())
            }
            Err(error) => Err(self.bucket.failed(self.key, began)(error)),
        }
    }

    /// Whether the object is the one that this upload makes.
    async fn is_object(&self) -> Result<bool, StorageError> {
        let began = Instant::now();
        let head = self
            .bucket
            .client()
            .head_object()
            .bucket(self.bucket.name())
            .key(self.key)
            .send()
            .await;
        match head {
            Ok(head) => Ok(head
                .metadata
                .and_then(|mut map| map.remove(UPLOAD))
                .as_ref()
                == Some(&self.mark)),
            Err(error) => match self.bucket.failed(self.key, began)(error) {
                StorageError::NotFound { .. } => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Lets the server forget the parts. The failure that led here is the one to report.
    async fn abort(&self) {
        let aborted = self
            .bucket
            .client()
            .abort_multipart_upload()
            .bucket(self.bucket.name())
            .key(self.key)
            .upload_id(&self.id)
            .send()
            .await;
        match aborted {
            Err(error) if failure::code(&error) != Some("NoSuchUpload") => tracing::warn!(
                object = self.bucket.place(self.key),
                error = failure::chain(&error),
                "the parts of a failed upload stay in the bucket; a lifecycle rule that aborts incomplete uploads removes them"
            ),
            _ => {}
        }
    }
}

type PartError = aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::upload_part::UploadPartError>;
type Flying = JoinSet<(Instant, Result<CompletedPart, Box<PartError>>)>;

async fn send_part(
    request: UploadPartFluentBuilder,
    number: i32,
) -> (Instant, Result<CompletedPart, Box<PartError>>) {
    let began = Instant::now();
    let sent = request.send().await.map_err(Box::new).map(|part| {
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_crc32(part.checksum_crc32)
            .build()
    });
    (began, sent)
}
