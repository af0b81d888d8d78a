//! Where files lie: object storage or a file system.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Pattern of a [`StorageUri`].
pub(crate) const STORAGE_URI_PATTERN: &str = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\x00-\x1f]*)?|file://[^\x00-\x1f]+|[^:\x00-\x1f]+)$";
const MAX_LENGTH: usize = 1024;
const SHORTEST_BUCKET: usize = 3;
const LONGEST_BUCKET: usize = 63;

/// `s3://bucket/key`, `file:///absolute`, `file://relative` or a plain path.
///
/// Relative paths, with or without `file://`, are relative to the working directory of the process
/// that reads them. What follows `file://` is the path itself: there is no host part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageUri(String);

/// Why a text is not a [`StorageUri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a storage location: write s3://bucket/key, file://path or a plain path \
     (at most {MAX_LENGTH} characters, no control characters)"
)]
pub struct StorageUriError {
    text: String,
}

impl StorageUri {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the location is in object storage.
    pub fn is_s3(&self) -> bool {
        self.0.starts_with("s3://")
    }

    /// The path when the location is in a file system, without `file://`.
    pub fn local_path(&self) -> Option<&str> {
        match self.0.strip_prefix("file://") {
            Some(path) => Some(path),
            None if self.is_s3() => None,
            None => Some(&self.0),
        }
    }

    /// Whether `other` is this location or lies below it, going by the text alone: `.` and `..` are resolved,
    /// links and working directories are not known. Of a glob, the folder above its first pattern counts.
    pub fn contains(&self, other: &Self) -> bool {
        let is_absolute = |uri: &Self| uri.local_path().is_some_and(|path| path.starts_with('/'));
        self.is_s3() == other.is_s3()
            && is_absolute(self) == is_absolute(other)
            && other.segments().starts_with(&self.segments())
    }

    fn segments(&self) -> Vec<&str> {
        let path = self.0.strip_prefix("s3://").or(self.local_path());
        let mut segments = Vec::new();
        for segment in path.unwrap_or_default().split('/') {
            match segment {
                "" | "." => {}
                ".." if segments.last().is_some_and(|last| *last != "..") => {
                    segments.pop();
                }
                _ if is_glob(segment) => break,
                _ => segments.push(segment),
            }
        }
        segments
    }
}

/// Whether a path segment is a pattern over names.
fn is_glob(segment: &str) -> bool {
    segment.contains(['*', '?', '['])
}

/// Hand-written twin of [`STORAGE_URI_PATTERN`].
fn is_storage_uri(text: &str) -> bool {
    if text.chars().count() > MAX_LENGTH || text.bytes().any(|byte| byte < 0x20) {
        return false;
    }
    if let Some(rest) = text.strip_prefix("s3://") {
        return is_bucket(rest.split('/').next().unwrap_or_default());
    }
    match text.strip_prefix("file://") {
        Some(path) => !path.is_empty(),
        None => !text.is_empty() && !text.contains(':'),
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

impl FromStr for StorageUri {
    type Err = StorageUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_storage_uri(text) {
            Ok(Self(text.into()))
        } else {
            Err(StorageUriError { text: text.into() })
        }
    }
}

impl TryFrom<String> for StorageUri {
    type Error = StorageUriError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StorageUri> for String {
    fn from(uri: StorageUri) -> Self {
        uri.0
    }
}

impl fmt::Display for StorageUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl JsonSchema for StorageUri {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StorageUri".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": STORAGE_URI_PATTERN,
            "minLength": 1,
            "maxLength": MAX_LENGTH,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_object_storage_from_paths() {
        let path = |text: &str| {
            text.parse::<StorageUri>()
                .unwrap()
                .local_path()
                .map(str::to_owned)
        };
        assert_eq!(path("s3://models/korean/v33"), None);
        assert_eq!(path("file:///data/a"), Some("/data/a".into()));
        assert_eq!(path("file://runs/a"), Some("runs/a".into()));
        assert_eq!(
            path("데이터/train-*.jsonl.zst"),
            Some("데이터/train-*.jsonl.zst".into())
        );
    }

    #[test]
    fn contains_itself_and_what_lies_below() {
        let contains = |left: &str, right: &str| {
            let parse = |text: &str| text.parse::<StorageUri>().unwrap();
            parse(left).contains(&parse(right))
        };
        for (folder, inner) in [
            ("runs/x", "runs/x"),
            ("runs/x", "file://./runs/x/checkpoints/"),
            ("./base", "base"),
            ("runs/y/../x", "runs/x/model"),
            ("data", "data/train-*.jsonl"),
            ("/", "/mnt/model"),
            (".", "runs"),
            ("s3://models/korean", "s3://models/korean/v33"),
        ] {
            assert!(contains(folder, inner), "{folder} {inner}");
        }
        for (folder, other) in [
            ("runs/x/export", "runs/x"),
            ("runs/x", "runs/xy"),
            ("models/korean", "s3://models/korean"),
            ("/runs", "runs"),
            ("data/export", "data/*/train.jsonl"),
        ] {
            assert!(!contains(folder, other), "{folder} {other}");
        }
    }

    #[test]
    fn refuses_other_schemes() {
        for text in [
            "",
            "hf://a/b",
            "https://a/b",
            "s3://",
            "s3://A/b",
            "file://",
            "a\nb",
        ] {
            assert!(text.parse::<StorageUri>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn the_parser_and_the_schema_pattern_agree(text in "(s3://|file://|hf://|)[a-zA-Z0-9./:가\\n-]{0,70}") {
            let pattern = regex::Regex::new(STORAGE_URI_PATTERN).unwrap();
            prop_assert_eq!(text.parse::<StorageUri>().is_ok(), pattern.is_match(&text));
        }
    }
}
