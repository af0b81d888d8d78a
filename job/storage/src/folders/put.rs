//! A folder's files as objects.

use std::path::Path;

use super::Bounds;
use crate::{Storage, StorageError, files};

/// Stores every file below a folder under its relative name, and the file `last` after all others: whoever sees that
/// one sees all. Returns the number of files.
///
/// # Errors
/// There is no file `last`, there is more than the bounds allow, or the folder or the storage fails.
pub fn put_folder(
    folder: &Path,
    storage: &dyn Storage,
    last: &str,
    bounds: Bounds,
) -> Result<usize, StorageError> {
    let mut found = files::below(folder, bounds.objects)?;
    bounds.check(&found, folder.display())?;
    let Some(position) = found.iter().position(|file| file.key == last) else {
        return Err(StorageError::NotFound {
            place: folder.join(last).display().to_string(),
        });
    };
    let crowning = found.remove(position);
    found.push(crowning);
    for file in &found {
        let sent = storage.put_file(&file.key, &folder.join(&file.key))?;
        if sent.bytes != file.bytes {
            let what = "the file changed while its folder was stored";
            return Err(StorageError::io(&folder.join(&file.key))(
                std::io::Error::other(what),
            ));
        }
    }
    Ok(found.len())
}
