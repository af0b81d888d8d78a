//! What can go wrong with storage, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Anything that storage can fail with. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A text that names no location.
    #[error(
        "{text:?} is not a storage location: {reason}; write s3://bucket/prefix, file://path or a plain path"
    )]
    Location {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that names no object.
    #[error("{key:?} cannot be the name of an object in {place}: {reason}")]
    Key {
        /// The text.
        key: String,
        /// The storage.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Settings that cannot work.
    #[error("S3 settings: {0}")]
    Settings(String),
    /// There is no such object.
    #[error("{place} does not exist")]
    NotFound {
        /// The object.
        place: String,
    },
    /// There is no such bucket.
    #[error(
        "there is no bucket {bucket:?} at {endpoint}; create it, or correct its name, the endpoint or the region"
    )]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// The server.
        endpoint: String,
    },
    /// The server knows the credentials not, or grants them too little.
    #[error(
        "{place}: {code}: access is denied with the credentials from {credentials}; correct them, or what they are granted"
    )]
    Denied {
        /// What was asked for.
        place: String,
        /// What the server called it.
        code: String,
        /// Where the credentials come from.
        credentials: String,
    },
    /// Nothing gives credentials.
    #[error(
        "{place}: no credentials: {reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE"
    )]
    NoCredentials {
        /// What was asked for.
        place: String,
        /// What was tried.
        reason: String,
    },
    /// The server does not answer, or not sensibly, after all retries.
    #[error("{place}: the storage is unavailable after {:.1} s of trying: {reason}", waited.as_secs_f32())]
    Unavailable {
        /// What was asked for.
        place: String,
        /// Since the first try, or since bytes last arrived.
        waited: Duration,
        /// How the last try failed.
        reason: String,
    },
    /// The server refuses for another reason.
    #[error("{place}: the storage refuses: {code}: {message}")]
    Refused {
        /// What was asked for.
        place: String,
        /// What the server called it.
        code: String,
        /// What the server said.
        message: String,
    },
    /// Content is not what the server says that it is, try after try.
    #[error("{place} is damaged: {reason}")]
    Damaged {
        /// The object.
        place: String,
        /// What does not fit.
        reason: String,
    },
    /// More bytes than the caller takes.
    #[error("{place} has {bytes} bytes, more than the {limit} that are taken")]
    TooLarge {
        /// The object, or the objects together.
        place: String,
        /// Its size.
        bytes: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// More objects than the caller takes.
    #[error("{place} holds more than the {limit} objects that are taken")]
    TooMany {
        /// The listed place.
        place: String,
        /// The most that is taken.
        limit: usize,
    },
    /// A pattern without a match.
    #[error("{pattern:?} matches no object; check the name, and that the data are there")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A text that is no pattern.
    #[error("{pattern:?} is no glob pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What the file system says.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl StorageError {
    /// Whether the same call may succeed later without anyone changing anything: a caller may go on without its
    /// storage for a while. Otherwise something must be corrected first.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Io { source, .. } => !matches!(
                source.kind(),
                ErrorKind::NotFound
                    | ErrorKind::NotADirectory
                    | ErrorKind::IsADirectory
                    | ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::InvalidFilename
                    | ErrorKind::InvalidInput
                    | ErrorKind::InvalidData
                    | ErrorKind::UnexpectedEof
            ),
            _ => false,
        }
    }

    /// Says for which path the file system failed.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
