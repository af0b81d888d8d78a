//! Names of objects.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::StorageError;

/// The longest name, in bytes, that S3 stores.
const MAX_BYTES: usize = 1024;
/// What the storage's own files are called: never objects.
pub(crate) const RESERVED: &str = ".splade-";

/// A checked name of an object: plain segments with `/` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    pub(crate) fn new(text: &'a str, place: impl fmt::Display) -> Result<Self, StorageError> {
        match fault(text) {
            None => Ok(Self(text)),
            Some(reason) => Err(StorageError::Key {
                key: text.to_owned(),
                place: place.to_string(),
                reason,
            }),
        }
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// The file of this name below a folder. It cannot lie elsewhere.
    pub(crate) fn below(self, folder: &Path) -> PathBuf {
        folder.join(self.0)
    }
}

/// A prefix: a checked name, or everything.
pub(crate) fn prefix(
    text: &str,
    place: impl fmt::Display,
) -> Result<Option<Key<'_>>, StorageError> {
    if text.is_empty() {
        return Ok(None);
    }
    Key::new(text, place).map(Some)
}

/// What keeps a text from being a name of an object.
pub(crate) fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > MAX_BYTES {
        return Some("it is longer than 1024 bytes");
    }
    if text.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    text.split('/').find_map(|segment| match segment {
        "" => Some("a segment is empty, or it begins or ends with /"),
        "." | ".." => Some("a segment is . or .."),
        _ if segment.starts_with(RESERVED) => {
            Some("names that begin with .splade- are the storage's own")
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_none() {
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "../a",
            "a/./b",
            "a\nb",
            "a\0",
            ".splade-x",
            "a/.splade-fetched.json",
        ] {
            assert!(fault(text).is_some(), "{text:?}");
        }
        assert!(fault(&"a".repeat(MAX_BYTES + 1)).is_some());
        for text in ["a", "a/b.c", "...", "a b", ".hidden", "체크포인트/모델"] {
            assert_eq!(fault(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_never_leaves_its_folder(text in "[a./\\\\]{1,12}") {
            if let Ok(key) = Key::new(&text, "here") {
                let path = key.below(Path::new("/root"));
                prop_assert!(path.starts_with("/root") && path != Path::new("/root"));
                prop_assert!(!path.components().any(|part| part == std::path::Component::ParentDir));
            }
        }
    }
}
