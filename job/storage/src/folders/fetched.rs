//! What a folder holds of a storage, so that nothing is fetched twice.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::staged::{Staged, remove_abandoned};
use crate::{Object, Storage, StorageError, files};

/// Where a folder's record lies in it.
const RECORD: &str = ".splade-fetched.json";
/// Version of the record: another one is as none.
const FORMAT: u32 = 1;
/// The record is written again when so many bytes have come since.
const RECORDED_EVERY: u64 = 64 << 20;

/// A folder and the record of what has been fetched into it.
pub(super) struct Fetched {
    folder: PathBuf,
    record: Record,
    unrecorded: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Record {
    format: u32,
    /// The storage.
    location: String,
    objects: BTreeMap<String, Entry>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    /// The object's version when it was fetched.
    version: String,
    /// The file's version since then.
    file: String,
}

impl Fetched {
    /// The folder's record of this storage. Without one, or with one of another storage, nothing counts as fetched.
    pub(super) fn open(folder: &Path, storage: &dyn Storage) -> Result<Self, StorageError> {
        let location = storage.location().to_string();
        let known = match fs::read(folder.join(RECORD)) {
            Ok(text) => serde_json::from_slice::<Record>(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StorageError::io(&folder.join(RECORD))(error)),
        };
        if folder.is_dir() {
            remove_abandoned(folder).map_err(StorageError::io(folder))?;
        }
        let usable = known.filter(|known| known.format == FORMAT && known.location == location);
        Ok(Self {
            folder: folder.to_owned(),
            record: usable.unwrap_or(Record {
                format: FORMAT,
                location,
                objects: BTreeMap::new(),
            }),
            unrecorded: 0,
        })
    }

    /// Fetches those objects that are not here yet. What has come stays recorded if a later one fails.
    pub(super) fn fetch(
        &mut self,
        storage: &dyn Storage,
        objects: &[Object],
    ) -> Result<(), StorageError> {
        let fetched = objects
            .iter()
            .try_for_each(|object| self.fetch_one(storage, object));
        fetched.and(self.write())
    }

    fn fetch_one(&mut self, storage: &dyn Storage, object: &Object) -> Result<(), StorageError> {
        let path = self.path(&object.key)?;
        if self.is_here(object, &path) {
            return Ok(());
        }
        let transferred = storage.get_file(&object.key, &path)?;
        if transferred.bytes != object.bytes {
            return Err(StorageError::Damaged {
                place: format!("{}/{}", storage.location(), object.key),
                reason: format!(
                    "{} bytes were listed and {} fetched; it changes while it is read",
                    object.bytes, transferred.bytes
                ),
            });
        }
        let entry = Entry {
            bytes: object.bytes,
            version: object.version.clone(),
            file: version(&path).map_err(StorageError::io(&path))?,
        };
        self.record.objects.insert(object.key.clone(), entry);
        self.unrecorded += object.bytes;
        if self.unrecorded >= RECORDED_EVERY {
            self.write()?;
        }
        Ok(())
    }

    fn is_here(&self, object: &Object, path: &Path) -> bool {
        let known = self.record.objects.get(&object.key);
        known.is_some_and(|known| {
            known.version == object.version
                && known.bytes == object.bytes
                && version(path).is_ok_and(|file| file == known.file)
        })
    }

    /// Removes what was fetched earlier and is no longer among the objects, which are sorted by key. Other files stay.
    pub(super) fn keep_only(&mut self, objects: &[Object]) -> Result<(), StorageError> {
        let gone: Vec<String> = self
            .record
            .objects
            .keys()
            .filter(|known| {
                let found = objects.binary_search_by(|object| object.key.cmp(known));
                found.is_err()
            })
            .cloned()
            .collect();
        for key in gone {
            let path = self.path(&key)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io(&path)(error));
                }
                _ => {}
            }
            self.record.objects.remove(&key);
        }
        Ok(())
    }

    pub(super) fn path(&self, key: &str) -> Result<PathBuf, StorageError> {
        Ok(Key::new(key, self.folder.display())?.below(&self.folder))
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let path = self.folder.join(RECORD);
        let text = serde_json::to_vec(&self.record)
            .map_err(|error| StorageError::io(&path)(error.into()))?;
        let mut staged = Staged::begin(&path)?;
        staged.write(&text)?;
        staged.commit()?;
        self.unrecorded = 0;
        Ok(())
    }
}

fn version(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    Ok(format!("{} {}", metadata.len(), files::version(&metadata)?))
}
