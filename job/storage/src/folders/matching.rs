//! The objects that a glob matches.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{Bounds, fetched::Fetched};
use crate::{Location, S3Settings, StorageError, open};

/// A `*` stays inside its segment, as in a shell.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The files that a glob such as `s3://bucket/data/train-*.jsonl.zst` matches, as paths of this machine, by name.
///
/// Objects of a bucket are brought into `cache`, under the bucket's name and their own, unless they lie there
/// unchanged. Files of this machine stay where they are.
///
/// # Errors
/// A text that is no glob, no match, more than the bounds allow, or a storage or folder that fails.
pub fn fetch_matching(
    pattern: &str,
    cache: &Path,
    s3: &S3Settings,
    bounds: Bounds,
) -> Result<Vec<PathBuf>, StorageError> {
    let no_match = || StorageError::NoMatch {
        pattern: pattern.to_owned(),
    };
    let found = match pattern.strip_prefix("s3://") {
        Some(rest) => fetch(rest, pattern, cache, s3, bounds)?,
        None => local(pattern, bounds)?,
    };
    if found.is_empty() {
        return Err(no_match());
    }
    Ok(found)
}

fn fetch(
    rest: &str,
    pattern: &str,
    cache: &Path,
    s3: &S3Settings,
    bounds: Bounds,
) -> Result<Vec<PathBuf>, StorageError> {
    let (root, below) = split(rest);
    let matcher = parse(below, pattern)?;
    let location: Location = format!("s3://{root}").parse()?;
    let storage = open(&location, s3)?;
    let mut objects = storage.list("", bounds.objects)?;
    objects.retain(|object| matcher.matches_with(&object.key, OPTIONS));
    bounds.check(&objects, pattern)?;
    let mut fetched = Fetched::open(&cache.join(root), storage.as_ref())?;
    fetched.fetch(storage.as_ref(), &objects)?;
    objects
        .iter()
        .map(|object| fetched.path(&object.key))
        .collect()
}

/// Parts a pattern before the first segment with a wildcard, or before the last one.
fn split(pattern: &str) -> (&str, &str) {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    match pattern[..wild].rfind('/') {
        Some(end) => (&pattern[..end], &pattern[end + 1..]),
        None => (pattern, ""),
    }
}

fn local(pattern: &str, bounds: Bounds) -> Result<Vec<PathBuf>, StorageError> {
    let path = pattern.strip_prefix("file://").unwrap_or(pattern);
    parse(path, pattern)?;
    let mut found = Vec::new();
    for path in glob::glob_with(path, OPTIONS).map_err(|error| fault(pattern, &error))? {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            StorageError::io(&path)(error.into())
        })?;
        if path.is_dir() {
            continue;
        }
        if found.len() == bounds.objects {
            return Err(StorageError::TooMany {
                place: pattern.to_owned(),
                limit: bounds.objects,
            });
        }
        found.push(path);
    }
    found.sort();
    Ok(found)
}

fn parse(text: &str, whole: &str) -> Result<Pattern, StorageError> {
    Pattern::new(text).map_err(|error| fault(whole, &error))
}

fn fault(pattern: &str, error: &glob::PatternError) -> StorageError {
    StorageError::Pattern {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_parted_before_its_wildcards() {
        assert_eq!(split("b/data/train-*.jsonl"), ("b/data", "train-*.jsonl"));
        assert_eq!(split("b/*/train.jsonl"), ("b", "*/train.jsonl"));
        assert_eq!(split("b/data/train.jsonl"), ("b/data", "train.jsonl"));
        assert_eq!(split("b/**"), ("b", "**"));
        assert_eq!(split("b"), ("b", ""));
    }
}
