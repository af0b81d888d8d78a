//! Where objects lie.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::StorageError;
use crate::key::{self, Key};

const SHORTEST_BUCKET: usize = 3;
const LONGEST_BUCKET: usize = 63;

/// A folder, or a prefix in a bucket.
///
/// Written as `s3://bucket/prefix`, `file:///absolute`, `file://relative` or a plain path. Relative paths are relative
/// to the working directory of the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// A folder.
    Local(PathBuf),
    /// A prefix in a bucket.
    S3(S3Location),
}

/// A prefix in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct S3Location {
    bucket: String,
    prefix: String,
}

impl Location {
    /// The location of what lies under a key or prefix here.
    ///
    /// # Errors
    /// A text that is no key.
    pub fn join(&self, key: &str) -> Result<Self, StorageError> {
        let Some(key) = key::prefix(key, self)? else {
            return Ok(self.clone());
        };
        Ok(match self {
            Self::Local(folder) => Self::Local(key.below(folder)),
            Self::S3(place) => Self::S3(S3Location {
                bucket: place.bucket.clone(),
                prefix: place.full_key(key),
            }),
        })
    }
}

impl S3Location {
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What every key here begins with, without a `/` at its end; empty for the whole bucket.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key inside the bucket.
    pub(crate) fn full_key(&self, key: Key<'_>) -> String {
        if self.prefix.is_empty() {
            key.as_str().to_owned()
        } else {
            format!("{}/{}", self.prefix, key.as_str())
        }
    }

    /// What the keys below a prefix begin with.
    pub(crate) fn full_prefix(&self, prefix: Option<Key<'_>>) -> String {
        let mut text = prefix.map_or_else(|| self.prefix.clone(), |prefix| self.full_key(prefix));
        if !text.is_empty() {
            text.push('/');
        }
        text
    }

    fn parse(rest: &str) -> Result<Self, &'static str> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err("a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens");
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty()
            && let Some(reason) = key::fault(prefix)
        {
            return Err(reason);
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

fn is_bucket(name: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (SHORTEST_BUCKET..=LONGEST_BUCKET).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| is_end(byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
}

impl FromStr for Location {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| StorageError::Location {
            text: text.to_owned(),
            reason,
        };
        if text.chars().any(char::is_control) {
            return Err(fail("it has a control character"));
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            return S3Location::parse(rest).map(Self::S3).map_err(fail);
        }
        let path = match text.strip_prefix("file://") {
            Some(path) => path,
            None if text.contains(':') => return Err(fail("it begins with no scheme known here")),
            None => text,
        };
        if path.is_empty() {
            return Err(fail("there is no path"));
        }
        Ok(Self::Local(PathBuf::from(path)))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => folder.display().fmt(formatter),
            Self::S3(place) => place.fmt(formatter),
        }
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(formatter, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Location {
        text.parse().unwrap()
    }

    #[test]
    fn texts_that_name_a_location() {
        for (text, shown) in [
            ("s3://models", "s3://models"),
            ("s3://models/", "s3://models"),
            ("s3://models/korean/v33/", "s3://models/korean/v33"),
            ("file:///runs/a", "/runs/a"),
            ("file://runs/a", "runs/a"),
            ("runs/a", "runs/a"),
        ] {
            assert_eq!(parse(text).to_string(), shown);
        }
    }

    #[test]
    fn texts_that_name_none() {
        for text in [
            "",
            "file://",
            "hf://model",
            "s3://",
            "s3://ab",
            "s3://Models/x",
            "s3://-models",
            "s3:///x",
            "s3://models//x",
            "s3://models/a//b",
            "s3://models/../x",
            "a\nb",
        ] {
            let error = text.parse::<Location>().unwrap_err();
            assert!(matches!(error, StorageError::Location { .. }), "{text:?}");
            assert!(!error.is_temporary());
        }
    }

    #[test]
    fn joins_keys_and_nothing_else() {
        let joined = |text: &str, key: &str| parse(text).join(key).map(|place| place.to_string());
        assert_eq!(joined("s3://models", "a/b").unwrap(), "s3://models/a/b");
        assert_eq!(joined("s3://models/v33", "a").unwrap(), "s3://models/v33/a");
        assert_eq!(joined("runs", "a/b").unwrap(), "runs/a/b");
        assert_eq!(joined("runs", "").unwrap(), "runs");
        assert!(joined("runs", "../a").is_err());
        assert!(joined("s3://models", "/a").is_err());
    }
}
