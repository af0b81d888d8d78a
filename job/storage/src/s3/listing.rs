//! Listing and removing objects.

use std::time::Instant;

use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::types::{Delete, Object as Listed, ObjectIdentifier};

use super::bucket::Bucket;
use super::failure::chain;
use crate::key::Key;
use crate::{Object, StorageError};

/// The most objects that one request removes.
const DELETED_AT_ONCE: usize = 1000;
/// The HTTP status of an answer that tells of single failures.
const OK: u16 = 200;

impl Bucket {
    pub(super) async fn list(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StorageError> {
        let prefix = self.location.full_prefix(self.prefix(prefix)?);
        let mut objects = Vec::new();
        let mut page = None;
        loop {
            let began = Instant::now();
            let answer = self
                .client()
                .list_objects_v2()
                .bucket(self.name())
                .prefix(&prefix)
                .set_continuation_token(page)
                .send()
                .await
                .map_err(self.failed(&prefix, began))?;
            for listed in answer.contents.unwrap_or_default() {
                objects.extend(self.object(listed)?);
            }
            if objects.len() > limit {
                return Err(StorageError::TooMany {
                    place: self.place(&prefix),
                    limit,
                });
            }
            page = answer.next_continuation_token;
            if page.is_none() {
                break;
            }
        }
        objects.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(objects)
    }

    /// An object with its key relative to the location; None for the empty objects, named like a folder, with which
    /// some tools mark one.
    fn object(&self, listed: Listed) -> Result<Option<Object>, StorageError> {
        let root = self.location.full_prefix(None);
        let full = listed.key.unwrap_or_default();
        let bytes = listed.size.and_then(|size| u64::try_from(size).ok());
        if full.ends_with('/') && bytes == Some(0) {
            return Ok(None);
        }
        let key = full.strip_prefix(&root).unwrap_or(&full);
        Key::new(key, &self.location)?;
        let (Some(bytes), Some(version)) = (bytes, listed.e_tag) else {
            return Err(StorageError::Damaged {
                place: self.place(&full),
                reason: "the server lists it without its length or ETag".into(),
            });
        };
        Ok(Some(Object {
            key: key.to_owned(),
            bytes,
            version,
        }))
    }

    pub(super) async fn delete(&self, keys: &[&str]) -> Result<(), StorageError> {
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let began = Instant::now();
            let first = self.location.full_key(self.key(keys[0])?);
            let answer = self
                .client()
                .delete_objects()
                .bucket(self.name())
                .set_checksum_algorithm(self.checksum())
                .delete(self.deletion(keys)?)
                .send()
                .await
                .map_err(self.failed(&first, began))?;
            self.check_deleted(answer, began)?;
        }
        Ok(())
    }

    fn deletion(&self, keys: &[&str]) -> Result<Delete, StorageError> {
        let mut objects = Vec::with_capacity(keys.len());
        for key in keys {
            let full = self.location.full_key(self.key(key)?);
            objects.push(ObjectIdentifier::builder().key(full).build());
        }
        let objects = objects.into_iter().collect::<Result<Vec<_>, _>>();
        objects
            .and_then(|objects| {
                Delete::builder()
                    .set_objects(Some(objects))
                    .quiet(true)
                    .build()
            })
            .map_err(|error| StorageError::Settings(chain(&error)))
    }

    /// The request as a whole may succeed while single objects stay.
    fn check_deleted(
        &self,
        answer: DeleteObjectsOutput,
        began: Instant,
    ) -> Result<(), StorageError> {
        let Some(fault) = answer.errors.into_iter().flatten().next() else {
            return Ok(());
        };
        let key = fault.key.unwrap_or_default();
        let code = fault.code.unwrap_or_default();
        let message = fault.message.unwrap_or_default();
        Err(self.request(&key, began).refused(OK, &code, &message))
    }
}
