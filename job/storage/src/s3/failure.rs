//! What the SDK's errors mean.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};

use crate::StorageError;

/// Names that servers give to keys, tokens and signatures that they do not accept, whatever the status.
const CREDENTIAL_CODES: [&str; 6] = [
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];
/// Names for requests that went to the wrong region.
const REGION_CODES: [&str; 3] = [
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
];
/// Names for content that did not arrive as it was sent.
const DIGEST_CODES: [&str; 3] = ["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"];

/// What a request was about, for messages.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    /// The object or place.
    pub(super) place: String,
    pub(super) bucket: &'a str,
    pub(super) endpoint: &'a str,
    /// Where the credentials come from.
    pub(super) credentials: String,
    /// Since the first try.
    pub(super) waited: Duration,
}

/// What the server called its refusal, where it answered at all.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error.as_service_error().and_then(|error| error.code())
}

/// The HTTP status of a refusal, where the server answered at all.
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error
        .raw_response()
        .map(|response: &HttpResponse| response.status().as_u16())
}

impl Request<'_> {
    pub(super) fn failed<E>(self, error: &SdkError<E>) -> StorageError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let Some(cause) = find::<CredentialsError>(error) {
            return self.without_credentials(cause);
        }
        match error {
            SdkError::ServiceError(service) => {
                let status = status(error).unwrap_or_default();
                let named = service.err().code().map(str::to_owned);
                let code = named.unwrap_or_else(|| format!("HTTP status {status}"));
                let message = service.err().message().unwrap_or("no message");
                self.refused(status, &code, message)
            }
            SdkError::ConstructionFailure(_) => StorageError::Settings(chain(error)),
            _ if is_untrusted(error) => StorageError::Settings(format!(
                "the certificate of {} is not trusted: {}; name its authority in SSL_CERT_FILE",
                self.endpoint,
                chain(error)
            )),
            _ => self.unavailable(chain(error)),
        }
    }

    pub(super) fn unavailable(self, reason: String) -> StorageError {
        StorageError::Unavailable {
            place: self.place,
            waited: self.waited,
            reason,
        }
    }

    /// What a refusal means, by its status and the server's name for it.
    pub(super) fn refused(self, status: u16, code: &str, message: &str) -> StorageError {
        match (status, code) {
            (_, "NoSuchBucket") => StorageError::NoBucket {
                bucket: self.bucket.to_owned(),
                endpoint: self.endpoint.to_owned(),
            },
            (_, known) if REGION_CODES.contains(&known) => StorageError::Settings(format!(
                "bucket {:?} is not in the region asked: {message}; set AWS_REGION to the bucket's",
                self.bucket
            )),
            (_, known) if DIGEST_CODES.contains(&known) => StorageError::Damaged {
                place: self.place,
                reason: format!("{code}: {message}"),
            },
            (401 | 403, _) => self.denied(code),
            (_, known) if CREDENTIAL_CODES.contains(&known) => self.denied(code),
            // Somebody aborted the upload, such as a lifecycle rule: a new one may succeed.
            (_, "NoSuchUpload") => self.unavailable(format!("{code}: {message}")),
            (404, _) => StorageError::NotFound { place: self.place },
            (408 | 429 | 500 | 502 | 503 | 504, _)
            | (_, "RequestTimeout" | "SlowDown" | "InternalError") => {
                self.unavailable(format!("{code}: {message}"))
            }
            _ => StorageError::Refused {
                place: self.place,
                code: code.to_owned(),
                message: message.to_owned(),
            },
        }
    }

    fn denied(self, code: &str) -> StorageError {
        StorageError::Denied {
            place: self.place,
            code: code.to_owned(),
            credentials: self.credentials,
        }
    }

    /// A source of credentials that cannot be reached may come back; one that has none will not.
    fn without_credentials(self, error: &CredentialsError) -> StorageError {
        let is_away = matches!(error, CredentialsError::ProviderTimedOut(_))
            || find::<ConnectorError>(error).is_some();
        if is_away {
            let reason = format!("no credentials from {}: {}", self.credentials, chain(error));
            return self.unavailable(reason);
        }
        StorageError::NoCredentials {
            place: self.place,
            reason: chain(error),
        }
    }
}

/// An error's causes, outermost first, each that adds something.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let said = cause.to_string();
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
    }
    text
}

/// Whether the server's certificate is why there is no connection.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    matches!(
        find::<rustls::Error>(error),
        Some(rustls::Error::InvalidCertificate(_))
    )
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// An error and what lies behind it. What an IO error carries is not its source, but the cause all the same.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        }
    })
}
