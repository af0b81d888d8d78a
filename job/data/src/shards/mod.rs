//! Triplets as tokens in memory-mapped files: made on first use, then shared by every epoch, rank and run.

mod build;
mod format;
mod reader;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{DataError, ShardError, SourceError};
use crate::fingerprint::{Fingerprint, content_hash};
use crate::lines::Compression;
use crate::tokenizer::Tokenizer;
use crate::triplets::TeacherScores;
use format::{FORMAT_VERSION, IdWidth};
use reader::{ShardReader, Unreadable};

/// What shards are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSpec {
    /// Files of triplets, in order. See [`expand`](crate::expand).
    pub files: Vec<PathBuf>,
    /// Longest query in tokens, special tokens included.
    pub query_max_length: usize,
    /// Longest positive or negative in tokens, special tokens included.
    pub document_max_length: usize,
    /// Hard negatives that are kept of each triplet, the first ones. A triplet may have fewer.
    pub hard_negatives: usize,
}

/// The triplets of a data set as tokens.
#[derive(Debug)]
pub struct Shards {
    reader: ShardReader,
    folder: PathBuf,
    fingerprint: String,
}

/// One triplet as tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its place in the data set, from 0.
    pub index: usize,
    /// The query.
    pub query: Text,
    /// The document that answers it.
    pub positive: Text,
    /// Its hard negatives.
    pub negatives: Vec<Text>,
    /// A teacher's scores of the documents, where the data has them.
    pub teacher_scores: Option<TeacherScores>,
}

/// A text as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// XXH3 of the whole text's UTF-8, before it was cut: equal for equal texts.
    pub id: u64,
    /// Token ids, special tokens included.
    pub tokens: Vec<u32>,
}

impl Shards {
    /// Opens the shards of a data set in the cache folder, or makes them there.
    ///
    /// They lie in a folder named by the fingerprint of all that they are made of: the content of the files, the
    /// tokenizer, the lengths. Damaged ones are made anew. Of several processes one makes them and the others wait;
    /// what is not finished never bears that name. `progress` hears how many triplets are done.
    ///
    /// # Errors
    /// Files that cannot be read or hold a line that is no triplet; a cache folder that is full or may not be written.
    pub fn open_or_build(
        spec: &ShardSpec,
        tokenizer: &Tokenizer,
        cache: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, DataError> {
        let content_hashes = content_hashes(&spec.files)?;
        let fingerprint = fingerprint(spec, tokenizer, &content_hashes);
        let id_width = IdWidth::of_vocabulary(tokenizer.vocab_size());
        let folder = cache.join(&fingerprint);
        let open = || ShardReader::open(&folder, &fingerprint, id_width);
        if let Ok(reader) = open() {
            return Ok(Self {
                reader,
                folder,
                fingerprint,
            });
        }
        fs::create_dir_all(cache).map_err(cache_error("create", cache))?;
        let lock = lock(&cache.join(format!("{fingerprint}.lock")))?;
        // Another process may have made them while this one waited.
        if let Err(unreadable) = open() {
            if let Unreadable::Damaged(reason) = unreadable {
                tracing::warn!(folder = %folder.display(), reason, "making damaged shards anew");
                fs::remove_dir_all(&folder).map_err(cache_error("remove", &folder))?;
            }
            let unfinished = build::start(cache, &fingerprint)?;
            build::build(spec, tokenizer, unfinished.path(), &fingerprint, progress)?;
            check_unchanged(&spec.files, content_hashes)?;
            build::put_in_place(unfinished, &folder)?;
        }
        let reader = open();
        drop(lock);
        match reader {
            Ok(reader) => Ok(Self {
                reader,
                folder,
                fingerprint,
            }),
            Err(Unreadable::Damaged(reason)) => Err(ShardError::Damaged { folder, reason }.into()),
            Err(Unreadable::Absent) => Err(ShardError::Damaged {
                folder,
                reason: "removed from outside".to_owned(),
            }
            .into()),
        }
    }

    /// Triplets of the data set. Never more than 32 bits can number.
    pub fn len(&self) -> usize {
        self.reader.len()
    }

    /// Whether there is no triplet. Never so: an empty data set is an error.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// SHA-256 of all that the shards are made of, in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Index of the first triplet without teacher scores; None where all are scored.
    ///
    /// # Errors
    /// Files that changed after they were opened.
    pub fn first_unscored(&self) -> Result<Option<usize>, DataError> {
        for index in 0..self.len() {
            let is_scored = self.reader.is_scored(index);
            if !is_scored.ok_or_else(|| self.damaged(index))? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Triplet `index`.
    ///
    /// # Errors
    /// An index beyond the last, or files that changed after they were opened.
    pub fn example(&self, index: usize) -> Result<Example, DataError> {
        self.checked(index, ShardReader::example)
    }

    /// Triplet `index` without the tokens of its texts: which texts they are, and the teacher's scores.
    ///
    /// # Errors
    /// As [`Shards::example`].
    pub fn example_without_tokens(&self, index: usize) -> Result<Example, DataError> {
        self.checked(index, ShardReader::example_without_tokens)
    }

    fn checked(
        &self,
        index: usize,
        read: impl Fn(&ShardReader, usize) -> Option<Example>,
    ) -> Result<Example, DataError> {
        let len = self.len();
        if index >= len {
            return Err(ShardError::OutOfRange { index, len }.into());
        }
        Ok(read(&self.reader, index).ok_or_else(|| self.damaged(index))?)
    }

    fn damaged(&self, index: usize) -> ShardError {
        ShardError::Damaged {
            folder: self.folder.clone(),
            reason: format!("triplet {index} points outside its files"),
        }
    }
}

fn fingerprint(spec: &ShardSpec, tokenizer: &Tokenizer, content_hashes: &[String]) -> String {
    let (before, after) = tokenizer.surroundings();
    let bytes = |ids: &[u32]| {
        ids.iter()
            .flat_map(|id| id.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let mut fingerprint = Fingerprint::default()
        .number("format_version", u64::from(FORMAT_VERSION))
        .field("tokenizer", tokenizer.fingerprint())
        .field("before_text", bytes(before))
        .field("after_text", bytes(after))
        .number("query_max_length", spec.query_max_length as u64)
        .number("document_max_length", spec.document_max_length as u64)
        .number("hard_negatives", spec.hard_negatives as u64);
    for (file, hash) in spec.files.iter().zip(content_hashes) {
        // The same bytes are other text where their name says that they are compressed.
        fingerprint = fingerprint
            .field("compression", format!("{:?}", Compression::of(file)))
            .field("content", hash);
    }
    fingerprint.finish()
}

fn content_hashes(files: &[PathBuf]) -> Result<Vec<String>, SourceError> {
    let hash = |file: &PathBuf| {
        content_hash(file).map_err(|source| SourceError::Open {
            path: file.clone(),
            source,
        })
    };
    files.iter().map(hash).collect()
}

/// Shards must not bear the fingerprint of content that they do not hold.
fn check_unchanged(files: &[PathBuf], before: Vec<String>) -> Result<(), DataError> {
    let changed = files
        .iter()
        .zip(before)
        .zip(content_hashes(files)?)
        .find(|((_, before), now)| before != now);
    match changed {
        Some(((file, _), _)) => Err(ShardError::SourceChanged { path: file.clone() }.into()),
        None => Ok(()),
    }
}

/// Keeps other processes from making the same shards until the file is dropped, or this process dies.
fn lock(path: &Path) -> Result<File, ShardError> {
    let file = File::create(path).map_err(cache_error("create", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tracing::info!("another process makes these shards; waiting for it");
            file.lock().map_err(cache_error("lock", path))?;
        }
        Err(TryLockError::Error(source)) => return Err(cache_error("lock", path)(source)),
    }
    Ok(file)
}

fn cache_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Cache {
        action,
        path: path.to_owned(),
        source,
    }
}
