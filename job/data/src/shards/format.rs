//! How shards lie on disk.
//!
//! A folder holds four files of fixed-width little-endian numbers and a header in JSON:
//!
//! | file | record | content |
//! |---|---|---|
//! | `tokens.bin` | `u16` or `u32` | token ids of all texts, end to end |
//! | `texts.bin` | `u64, u64` | of each text: where its tokens end, and the hash of its characters |
//! | `scores.bin` | `f32` | teacher scores: of an example all or none of its documents' |
//! | `examples.bin` | `u64, u64` | of each example: where its texts end, and where its scores end |
//!
//! The texts of an example are its query, its positive, and its hard negatives. Everything begins where the record
//! before it ends.

use serde::{Deserialize, Serialize};

/// Changes whenever the layout or the meaning of the files does.
pub(super) const FORMAT_VERSION: u32 = 1;

pub(super) const HEADER_FILE: &str = "header.json";
pub(super) const TOKENS_FILE: &str = "tokens.bin";
pub(super) const TEXTS_FILE: &str = "texts.bin";
pub(super) const SCORES_FILE: &str = "scores.bin";
pub(super) const EXAMPLES_FILE: &str = "examples.bin";

/// Bytes of a record of `texts.bin` and of `examples.bin`.
pub(super) const RECORD_BYTES: usize = 16;
/// Bytes of a record of `scores.bin`.
pub(super) const SCORE_BYTES: usize = 4;

/// Bytes of a token id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IdWidth {
    U16,
    U32,
}

impl IdWidth {
    /// The narrowest that holds every id of a vocabulary.
    pub(super) fn of_vocabulary(vocab_size: usize) -> Self {
        if vocab_size <= 1 << 16 {
            Self::U16
        } else {
            Self::U32
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }
}

/// What the other files must be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format_version: u32,
    pub(super) fingerprint: String,
    pub(super) id_width: IdWidth,
    pub(super) tokens: Section,
    pub(super) texts: Section,
    pub(super) scores: Section,
    pub(super) examples: Section,
}

/// Size and checksum of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub(super) bytes: u64,
    /// XXH3, 64 bits.
    pub(super) xxh3: u64,
}
