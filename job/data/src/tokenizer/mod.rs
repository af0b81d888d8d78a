//! A Hugging Face tokenizer: texts to ids and back, and which ids are special.

mod special;
pub mod train;
mod wordpiece;

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use tokenizers::{Encoding, Token};

use crate::error::{DataError, TokenizerError};
use crate::fingerprint::sha256;
use special::SpecialTokens;

/// File of the tokenizer itself.
const TOKENIZER_FILE: &str = "tokenizer.json";

/// Stands for a text when the post-processor is asked what it puts around one. No vocabulary goes that far.
const SENTINEL: u32 = u32::MAX;

/// A tokenizer read from a Hugging Face folder. Same ids as `transformers.AutoTokenizer` for single texts.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    fingerprint: String,
    highest_id: u32,
    special: SpecialTokens,
    before: Vec<u32>,
    after: Vec<u32>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, and `tokenizer_config.json` and `special_tokens_map.json` where they are.
    ///
    /// Special tokens are what these files say. Truncation and padding stored in the file are ignored.
    ///
    /// # Errors
    /// Files that are missing, damaged or larger than any tokenizer.
    pub fn from_folder(folder: &Path) -> Result<Self, DataError> {
        Ok(Self::read(folder)?)
    }

    fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let path = folder.join(TOKENIZER_FILE);
        let bytes = read_bounded(&path)?;
        let format = |reason: String| TokenizerError::Format {
            path: path.clone(),
            reason,
        };
        let mut inner =
            tokenizers::Tokenizer::from_bytes(&bytes).map_err(|error| format(error.to_string()))?;
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| format(error.to_string()))?;
        let highest_id = inner.get_vocab(true).into_values().max();
        let highest_id = highest_id.ok_or_else(|| format("the vocabulary is empty".to_owned()))?;
        if highest_id == SENTINEL {
            return Err(format(format!("no id may be as high as {SENTINEL}")));
        }
        let special = SpecialTokens::read(folder, &path, &bytes, &inner)?;
        let (before, after) = surroundings(&inner).map_err(format)?;
        Ok(Self {
            inner,
            fingerprint: sha256(&bytes),
            highest_id,
            special,
            before,
            after,
        })
    }

    /// The same tokenizer, putting no special tokens around texts.
    pub fn omitting_special_tokens(self) -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
            ..self
        }
    }

    /// The ids of a text with its special tokens, at most `max_length` of them.
    ///
    /// A longer text loses its end, never the special tokens around it. Without special tokens a text may have no ids.
    ///
    /// # Errors
    /// A `max_length` without room for text.
    pub fn encode(&self, text: &str, max_length: usize) -> Result<Vec<u32>, DataError> {
        let special_tokens = self.before.len() + self.after.len();
        if max_length <= special_tokens {
            return Err(TokenizerError::MaxLength {
                max_length,
                special_tokens,
            }
            .into());
        }
        let mut ids = self.before.clone();
        ids.extend(
            self.subwords(text)?
                .into_iter()
                .take(max_length - special_tokens),
        );
        ids.extend(&self.after);
        Ok(ids)
    }

    /// [`Tokenizer::encode`] of many texts, on all cores, in order.
    ///
    /// # Errors
    /// As for one text.
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        max_length: usize,
    ) -> Result<Vec<Vec<u32>>, DataError> {
        texts
            .par_iter()
            .map(|text| self.encode(text.as_ref(), max_length))
            .collect()
    }

    /// The ids of a whole text, without special tokens around it.
    ///
    /// # Errors
    /// A text that the tokenizer's model refuses (an unknown word where it has no token for such).
    pub fn subwords(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let encoding = self.inner.encode_fast(text, false).map_err(refused)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, special tokens included.
    ///
    /// # Errors
    /// Ids that the tokenizer's decoder refuses.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        Ok(self.inner.decode(ids, false).map_err(refused)?)
    }

    /// The highest id of all tokens, added ones included.
    pub fn highest_id(&self) -> u32 {
        self.highest_id
    }

    /// The highest id + 1: rows that an embedding needs. Ids below may be unused.
    pub fn vocab_size(&self) -> usize {
        self.highest_id as usize + 1
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Ids of all special tokens, sorted: those added as special, and those that the configuration names.
    pub fn special_ids(&self) -> &[u32] {
        &self.special.ids
    }

    /// Ids of the special tokens that stand for no text, sorted: all but the one of unknown words.
    pub fn masked_position_ids(&self) -> &[u32] {
        &self.special.masked_position_ids
    }

    /// SHA-256 of `tokenizer.json`, in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The ids that [`Tokenizer::encode`] puts before and after every text.
    pub(crate) fn surroundings(&self) -> (&[u32], &[u32]) {
        (&self.before, &self.after)
    }
}

/// Ids that the post-processor puts before and after a single text.
///
/// Found out once, so that a text can be cut before they are added: the library's own truncation keeps and processes
/// everything that it cuts off.
fn surroundings(tokenizer: &tokenizers::Tokenizer) -> Result<(Vec<u32>, Vec<u32>), String> {
    let text = Encoding::from_tokens(vec![Token::new(SENTINEL, String::new(), (0, 0))], 0);
    let whole = tokenizer
        .post_process(text, None, true)
        .map_err(|error| error.to_string())?;
    let parts: Vec<&[u32]> = whole.get_ids().split(|&id| id == SENTINEL).collect();
    match parts[..] {
        [before, after] => Ok((before.to_vec(), after.to_vec())),
        _ => Err("its post-processor does not keep a single text in one piece".to_owned()),
    }
}

fn refused(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Refused {
        reason: error.to_string(),
    }
}

/// A whole file, unless it is larger than any tokenizer.
fn read_bounded(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    const LIMIT: u64 = 256 * 1024 * 1024;
    let read = |source| TokenizerError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(read)?.len();
    if bytes > LIMIT {
        return Err(TokenizerError::TooLarge {
            path: path.to_owned(),
            bytes,
            limit: LIMIT,
        });
    }
    fs::read(path).map_err(read)
}
