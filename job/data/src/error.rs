//! What can go wrong with data, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::lines::MAX_LINE_BYTES;

/// Anything this crate can fail with.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The files of triplets.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The shards made of them.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The order of an epoch.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// A batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// A tokenizer that cannot be read, used or trained.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file of the tokenizer cannot be read.
    #[error("cannot read {}: {source}; a tokenizer folder needs a tokenizer.json", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the tokenizer is larger than any real one.
    #[error("{} has {bytes} bytes, more than the {limit} a tokenizer may have; is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A file of the tokenizer does not hold what it should.
    #[error("{} is damaged or of an unknown format: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A length that leaves no room for text.
    #[error(
        "a maximal length of {max_length} leaves no room beside {special_tokens} special tokens; raise it"
    )]
    MaxLength {
        /// What was asked for, in tokens.
        max_length: usize,
        /// Special tokens around every text.
        special_tokens: usize,
    },
    /// The tokenizer refuses a text or ids.
    #[error("the tokenizer fails: {reason}")]
    Refused {
        /// What the library said.
        reason: String,
    },
    /// Nothing to train on.
    #[error("cannot train a tokenizer: the texts hold no words")]
    NoText,
    /// The characters alone fill the vocabulary.
    #[error(
        "cannot train a tokenizer of {vocab_size} pieces: special tokens and single characters already need {needed}; \
         raise the vocabulary size"
    )]
    VocabularyTooSmall {
        /// What was asked for.
        vocab_size: usize,
        /// The least that this text needs.
        needed: usize,
    },
    /// A trained tokenizer cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file of triplets that cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No globs at all.
    #[error("no glob says where the triplets are; give at least one")]
    NoPattern,
    /// A glob that is none.
    #[error("`{pattern}` is no glob pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// A glob without files.
    #[error("`{pattern}` matches no file; check the path, and that the volume is mounted")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A file that does not exist or may not be read.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or decompressing failed.
    #[error("{}:{line}: cannot read on: {source}; is the file complete?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// A line is longer than any record may be.
    #[error("{}:{line}: the line is longer than {MAX_LINE_BYTES} bytes; is the file JSONL?", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
    },
    /// A line is not text.
    #[error("{}:{line}: the line is not UTF-8 after {valid} bytes; convert the file", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// Bytes of the line that are UTF-8.
        valid: usize,
    },
    /// A line is no triplet.
    #[error("{}:{line}: {fault}", path.display())]
    Triplet {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// What is wrong with it.
        fault: TripletFault,
    },
    /// All files together hold no triplet.
    #[error("no triplet in {files:?}")]
    Empty {
        /// The files.
        files: Vec<PathBuf>,
    },
}

/// Why a line is no triplet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TripletFault {
    /// The line, or a string in it, is broken JSON.
    #[error("broken JSON: {reason}")]
    Json {
        /// What the parser said.
        reason: String,
    },
    /// The line is JSON but no object.
    #[error("the line must be a JSON object, not {found}")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A field that must be there is not.
    #[error("field `{field}` is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds something else.
    #[error("field `{field}` must be {expected}, not {found}")]
    WrongType {
        /// The field.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A text without characters, or of white space only.
    #[error("field `{field}` is empty; remove the line or fill it in")]
    Blank {
        /// The field.
        field: String,
    },
    /// Two spellings of the same thing.
    #[error("fields `{first}` and `{second}` say the same thing; keep one of them")]
    Ambiguous {
        /// One field.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Teacher scores that do not go with the texts.
    #[error("field `{field}` has {found} scores where the line's texts need {expected}")]
    ScoreCount {
        /// The field.
        field: &'static str,
        /// Scores that the texts need.
        expected: usize,
        /// Scores that are there.
        found: usize,
    },
    /// A score that is no finite number of 32 bits.
    #[error("field `{field}` is no finite 32-bit number")]
    NotFinite {
        /// The field.
        field: String,
    },
    /// A text of which the tokenizer leaves nothing.
    #[error("field `{field}` has no tokens: the tokenizer drops all of its characters")]
    NoTokens {
        /// The field.
        field: String,
    },
}

/// Shards that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The cache folder fails.
    #[error("cannot {action} {}: {source}; the shard cache needs free space and write permission", path.display())]
    Cache {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of triplets is not what it was a moment ago.
    #[error("{} changed while it was read; start again when it is complete", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// More triplets than an index of 32 bits can name.
    #[error("more than {} triplets in one data set; split it", u32::MAX)]
    TooMany,
    /// Shards that were whole when opened, or just made, are not.
    #[error("the shards in {} are damaged: {reason}; delete the folder and start again", folder.display())]
    Damaged {
        /// Their folder.
        folder: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// An index beyond the last triplet.
    #[error("there is no triplet {index}, the data set has {len}")]
    OutOfRange {
        /// The index.
        index: usize,
        /// Triplets in the data set.
        len: usize,
    },
}

/// A sampler that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// A group of nobody.
    #[error("there are no ranks to share the examples")]
    NoRanks,
    /// More examples than an index of 32 bits can name.
    #[error("cannot sample from {len} examples, the most are {}", u32::MAX)]
    TooMany {
        /// Examples of the data set.
        len: usize,
    },
}

/// Examples that make no batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// No examples.
    #[error("a batch needs at least one example")]
    Empty,
}
