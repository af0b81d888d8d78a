//! Objects as files below a folder.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::key::{self, Key};
use crate::sha256::Tally;
use crate::staged::{Staged, remove_abandoned, remove_abandoned_below};
use crate::{Location, Object, Storage, StorageError, Transferred, files};

/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

/// A folder of objects.
#[derive(Debug)]
pub(crate) struct LocalStorage {
    folder: PathBuf,
}

impl LocalStorage {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn key<'a>(&self, text: &'a str) -> Result<Key<'a>, StorageError> {
        Key::new(text, self.folder.display())
    }

    fn path(&self, key: &str) -> Result<PathBuf, StorageError> {
        Ok(self.key(key)?.below(&self.folder))
    }

    /// Opens an object. A folder is none.
    fn read(&self, path: &Path) -> Result<(File, u64), StorageError> {
        let opened = File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        match opened {
            Ok((_, metadata)) if metadata.is_dir() => Err(not_found(path)),
            Ok((file, metadata)) => Ok((file, metadata.len())),
            Err(error) if is_absent(&error) => Err(not_found(path)),
            Err(error) => Err(StorageError::io(path)(error)),
        }
    }

    /// Removes folders that have become empty, from one upwards, but never the storage's own.
    fn remove_empty_folders(&self, lowest: &Path) -> Result<(), StorageError> {
        let above = lowest
            .ancestors()
            .take_while(|folder| *folder != self.folder && folder.starts_with(&self.folder));
        for folder in above {
            let removed = remove_abandoned(folder).and_then(|()| fs::remove_dir(folder));
            match removed {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => break,
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(StorageError::io(folder)(error)),
            }
        }
        Ok(())
    }
}

impl Storage for LocalStorage {
    fn location(&self) -> Location {
        Location::Local(self.folder.clone())
    }

    fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<(), StorageError> {
        let mut staged = Staged::begin(&self.path(key)?)?;
        staged.write(&bytes)?;
        staged.commit()
    }

    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StorageError> {
        let mut staged = Staged::begin(&self.path(key)?)?;
        staged.write(&bytes)?;
        staged.commit_new()
    }

    fn put_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError> {
        let target = self.path(key)?;
        let source = File::open(path).map_err(StorageError::io(path))?;
        copy(source, path, &target)
    }

    fn get_bytes(&self, key: &str, limit: u64) -> Result<Vec<u8>, StorageError> {
        let path = self.path(key)?;
        let (file, bytes) = self.read(&path)?;
        let too_large = |bytes| StorageError::TooLarge {
            place: path.display().to_string(),
            bytes,
            limit,
        };
        if bytes > limit {
            return Err(too_large(bytes));
        }
        let mut content = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(StorageError::io(&path))?;
        if content.len() as u64 > limit {
            return Err(too_large(content.len() as u64));
        }
        Ok(content)
    }

    fn get_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError> {
        let source = self.path(key)?;
        let (file, _) = self.read(&source)?;
        copy(file, &source, path)
    }

    fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, StorageError> {
        remove_abandoned_below(&self.folder);
        let Some(prefix) = key::prefix(prefix, self.folder.display())? else {
            return files::below(&self.folder, limit);
        };
        let folder = prefix.below(&self.folder);
        if folder.is_file() {
            return Ok(Vec::new());
        }
        let mut objects = files::below(&folder, limit)?;
        for object in &mut objects {
            object.key = format!("{}/{}", prefix.as_str(), object.key);
        }
        Ok(objects)
    }

    fn delete(&self, keys: &[&str]) -> Result<(), StorageError> {
        for key in keys {
            let path = self.path(key)?;
            match fs::remove_file(&path) {
                Err(error) if !is_absent(&error) && error.kind() != io::ErrorKind::IsADirectory => {
                    return Err(StorageError::io(&path)(error));
                }
                _ => {}
            }
            if let Some(folder) = path.parent() {
                self.remove_empty_folders(folder)?;
            }
        }
        Ok(())
    }
}

fn copy(mut source: File, from: &Path, to: &Path) -> Result<Transferred, StorageError> {
    let mut staged = Staged::begin(to)?;
    let mut tally = Tally::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = source.read(&mut buffer).map_err(StorageError::io(from))?;
        if count == 0 {
            break;
        }
        tally.add(&buffer[..count]);
        staged.write(&buffer[..count])?;
    }
    staged.commit()?;
    Ok(tally.finish())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn not_found(path: &Path) -> StorageError {
    StorageError::NotFound {
        place: path.display().to_string(),
    }
}
