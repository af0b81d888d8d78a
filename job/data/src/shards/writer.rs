//! Writing shards front to back, holding none of them in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::format::{
    EXAMPLES_FILE, FORMAT_VERSION, HEADER_FILE, Header, IdWidth, SCORES_FILE, Section, TEXTS_FILE,
    TOKENS_FILE,
};
use super::{Text, cache_error};
use crate::error::ShardError;
use crate::triplets::TeacherScores;

/// An example whose texts are tokens already.
pub(super) struct EncodedExample {
    /// Query, positive, hard negatives.
    pub(super) texts: Vec<Text>,
    pub(super) teacher_scores: Option<TeacherScores>,
}

/// Shards in the making, in a folder of their own.
pub(super) struct ShardWriter {
    folder: PathBuf,
    id_width: IdWidth,
    tokens: SectionWriter,
    texts: SectionWriter,
    scores: SectionWriter,
    examples: SectionWriter,
    tokens_end: u64,
    texts_end: u64,
    scores_end: u64,
    examples_end: u64,
}

impl ShardWriter {
    /// Opens the files in an empty folder.
    pub(super) fn create(folder: &Path, id_width: IdWidth) -> Result<Self, ShardError> {
        Ok(Self {
            folder: folder.to_owned(),
            id_width,
            tokens: SectionWriter::create(folder.join(TOKENS_FILE))?,
            texts: SectionWriter::create(folder.join(TEXTS_FILE))?,
            scores: SectionWriter::create(folder.join(SCORES_FILE))?,
            examples: SectionWriter::create(folder.join(EXAMPLES_FILE))?,
            tokens_end: 0,
            texts_end: 0,
            scores_end: 0,
            examples_end: 0,
        })
    }

    /// Appends an example.
    pub(super) fn push(&mut self, example: &EncodedExample) -> Result<(), ShardError> {
        if self.examples_end == u64::from(u32::MAX) {
            return Err(ShardError::TooMany);
        }
        for text in &example.texts {
            self.push_tokens(&text.tokens)?;
            self.tokens_end += text.tokens.len() as u64;
            self.texts.write(&self.tokens_end.to_le_bytes())?;
            self.texts.write(&text.id.to_le_bytes())?;
        }
        self.texts_end += example.texts.len() as u64;
        if let Some(scores) = &example.teacher_scores {
            for score in [scores.positive].iter().chain(&scores.negatives) {
                self.scores.write(&score.to_le_bytes())?;
                self.scores_end += 1;
            }
        }
        self.examples.write(&self.texts_end.to_le_bytes())?;
        self.examples.write(&self.scores_end.to_le_bytes())?;
        self.examples_end += 1;
        Ok(())
    }

    fn push_tokens(&mut self, tokens: &[u32]) -> Result<(), ShardError> {
        // The width was chosen for the vocabulary: what it cuts off is zero.
        let bytes: Vec<u8> = match self.id_width {
            IdWidth::U16 => tokens
                .iter()
                .flat_map(|&token| (token as u16).to_le_bytes())
                .collect(),
            IdWidth::U32 => tokens
                .iter()
                .flat_map(|&token| token.to_le_bytes())
                .collect(),
        };
        self.tokens.write(&bytes)
    }

    /// Writes the header and waits until everything is on the disk.
    pub(super) fn finish(self, fingerprint: &str) -> Result<(), ShardError> {
        let header = Header {
            format_version: FORMAT_VERSION,
            fingerprint: fingerprint.to_owned(),
            id_width: self.id_width,
            tokens: self.tokens.finish()?,
            texts: self.texts.finish()?,
            scores: self.scores.finish()?,
            examples: self.examples.finish()?,
        };
        let mut file = SectionWriter::create(self.folder.join(HEADER_FILE))?;
        let text = serde_json::to_vec_pretty(&header).map_err(|error| file.error(error.into()))?;
        file.write(&text)?;
        file.finish()?;
        sync_folder(&self.folder)
    }
}

/// Makes the names in a folder last.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ShardError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(cache_error("sync", folder))
}

/// One file, its size and its checksum so far.
struct SectionWriter {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    hasher: Xxh3,
}

impl SectionWriter {
    fn create(path: PathBuf) -> Result<Self, ShardError> {
        let file = File::create_new(&path).map_err(cache_error("create", &path))?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(1 << 18, file),
            bytes: 0,
            hasher: Xxh3::new(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ShardError> {
        self.file
            .write_all(bytes)
            .map_err(|source| self.error(source))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<Section, ShardError> {
        self.file.flush().map_err(|source| self.error(source))?;
        self.file
            .get_ref()
            .sync_all()
            .map_err(|source| self.error(source))?;
        Ok(Section {
            bytes: self.bytes,
            xxh3: self.hasher.digest(),
        })
    }

    fn error(&self, source: io::Error) -> ShardError {
        cache_error("write", &self.path)(source)
    }
}
