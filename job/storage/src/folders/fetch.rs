//! All objects below a place.

use std::path::{Path, PathBuf};

use super::{Bounds, fetched::Fetched};
use crate::{Storage, StorageError};

/// Brings every object of a storage into a folder and returns their paths, by key. What has not changed since it was
/// last fetched is not fetched again; what is no longer there is removed; files that did not come so are left alone.
/// Each file appears whole.
///
/// # Errors
/// There is no object, there are more than the bounds allow, or the storage or the folder fails.
pub fn fetch_folder(
    storage: &dyn Storage,
    folder: &Path,
    bounds: Bounds,
) -> Result<Vec<PathBuf>, StorageError> {
    let place = storage.location();
    let objects = storage.list("", bounds.objects)?;
    if objects.is_empty() {
        return Err(StorageError::NotFound {
            place: place.to_string(),
        });
    }
    bounds.check(&objects, place)?;
    let mut fetched = Fetched::open(folder, storage)?;
    fetched.keep_only(&objects)?;
    fetched.fetch(storage, &objects)?;
    objects
        .iter()
        .map(|object| fetched.path(&object.key))
        .collect()
}
