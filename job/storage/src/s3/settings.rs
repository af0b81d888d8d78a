//! How S3 is reached, and how long it is waited for.

use std::path::PathBuf;
use std::time::Duration;

use crate::StorageError;

/// The smallest part of a multipart upload that S3 takes, in bytes.
pub(super) const SMALLEST_PART: u64 = 5 << 20;
/// Where requests go, in variables: the first that is set counts.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
const PATH_STYLE_VARIABLE: &str = "SPLADE_S3_PATH_STYLE";

/// How S3 is reached, and how long it is waited for. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Settings {
    /// Another S3 than Amazon's, such as `http://minio:9000`; None for Amazon's, or what a profile says.
    pub endpoint: Option<String>,
    /// The region; None for what the environment, a profile or the machine says, and with a custom endpoint
    /// `us-east-1` where none does.
    pub region: Option<String>,
    /// Whether the bucket goes into the path and not into the host name; None for exactly with a custom endpoint.
    pub path_style: Option<bool>,
    /// A shared credentials file to use alone; None for the standard order of sources.
    pub credentials_file: Option<PathBuf>,
    /// Size of a part in bytes, at least 5 MiB. Larger files go up in parts; so much memory is used by each at once.
    pub part_bytes: u64,
    /// Parts that go up at once.
    pub parallel_parts: usize,
    /// Tries of one request, the first included, and of a download without a new byte.
    pub attempts: u32,
    /// The longest wait before the second try; it doubles with each.
    pub first_backoff: Duration,
    /// The longest wait before any try.
    pub longest_backoff: Duration,
    /// For making a connection.
    pub connect_timeout: Duration,
    /// For one try, until the answer begins. A part must go up in that time.
    pub attempt_timeout: Duration,
    /// For which a body may stand still in either direction.
    pub stall_timeout: Duration,
    /// For one request with all its tries, and for a download without a new byte.
    pub deadline: Duration,
}

impl Default for S3Settings {
    /// Amazon's S3 with the environment's credentials: 8 tries in at most 3 minutes, parts of 16 MiB, 4 at once.
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            path_style: None,
            credentials_file: None,
            part_bytes: 16 << 20,
            parallel_parts: 4,
            attempts: 8,
            first_backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(20),
            deadline: Duration::from_secs(180),
        }
    }
}

impl S3Settings {
    /// The defaults, with the endpoint and the path style that the environment names.
    ///
    /// # Errors
    /// A variable with a value that it cannot have.
    pub fn from_environment() -> Result<Self, StorageError> {
        let mut endpoint = None;
        for name in ENDPOINT_VARIABLES {
            endpoint = match endpoint {
                None => variable(name)?,
                found => found,
            };
        }
        let path_style = match variable(PATH_STYLE_VARIABLE)?.as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(other) => {
                return Err(StorageError::Settings(format!(
                    "{PATH_STYLE_VARIABLE} is {other:?}; it can be true or false"
                )));
            }
        };
        Ok(Self {
            endpoint,
            path_style,
            ..Self::default()
        })
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let fail = |what: String| Err(StorageError::Settings(what));
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(endpoint)?;
        }
        if self.part_bytes < SMALLEST_PART {
            return fail(format!(
                "parts of {} bytes are smaller than the {SMALLEST_PART} that S3 takes",
                self.part_bytes
            ));
        }
        if self.parallel_parts == 0 || self.attempts == 0 {
            return fail("parallel parts and attempts must be at least 1".into());
        }
        Ok(())
    }
}

/// An endpoint is a URL without a user: a password in it would end up in messages.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), StorageError> {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| endpoint.strip_prefix(scheme));
    match host {
        Some(host) if host.contains('@') => Err(StorageError::Settings(
            "the endpoint must not hold a user or password; use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into(),
        )),
        Some(host) if !host.is_empty() && !host.starts_with(['/', ':', '?']) => Ok(()),
        _ => Err(StorageError::Settings(format!(
            "the endpoint {endpoint:?} is no URL such as https://minio.example:9000"
        ))),
    }
}

/// A variable of the environment; an empty one is unset.
fn variable(name: &str) -> Result<Option<String>, StorageError> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(StorageError::Settings(format!("{name} is not UTF-8")))
        }
    }
}
