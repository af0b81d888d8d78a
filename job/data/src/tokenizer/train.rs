//! Training a tokenizer from text.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde_json::json;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

use super::wordpiece::{AlphabetTooLarge, CONTINUATION, choose_pieces};
use super::{TOKENIZER_FILE, Tokenizer, refused};
use crate::error::{DataError, TokenizerError};

const PAD: &str = "[PAD]";
const UNK: &str = "[UNK]";
const CLS: &str = "[CLS]";
const SEP: &str = "[SEP]";
const MASK: &str = "[MASK]";
/// In the order of their ids.
const SPECIAL_TOKENS: [&str; 5] = [PAD, UNK, CLS, SEP, MASK];

/// A longer word is one unknown token, as in BERT: no use learning from it.
const MAX_WORD_CHARACTERS: usize = 100;

/// Texts whose words are counted at once.
const TEXTS_AT_ONCE: usize = 4096;

/// Trains a WordPiece tokenizer (NFC, words split at white space and punctuation as in BERT, `[CLS] text [SEP]`) and
/// writes it as a Hugging Face folder that `transformers.AutoTokenizer` loads.
///
/// Same texts, same bytes. The vocabulary has at most `vocab_size` tokens, and fewer where the texts hold no more
/// repeated pairs of pieces. `model_max_length` is the longest text in tokens that the folder names.
///
/// # Errors
/// Texts without words, a `vocab_size` below what their characters need, a folder that cannot be written.
pub fn wordpiece(
    texts: impl Iterator<Item = String>,
    vocab_size: usize,
    model_max_length: usize,
    out_folder: &Path,
) -> Result<Tokenizer, DataError> {
    let words = count_words(texts)?;
    if words.is_empty() {
        return Err(TokenizerError::NoText.into());
    }
    let room = vocab_size.saturating_sub(SPECIAL_TOKENS.len());
    let pieces = choose_pieces(&words, room).map_err(|AlphabetTooLarge(pieces)| {
        TokenizerError::VocabularyTooSmall {
            vocab_size,
            needed: SPECIAL_TOKENS.len() + pieces,
        }
    })?;
    write_folder(&pieces, model_max_length, out_folder)?;
    Tokenizer::from_folder(out_folder)
}

/// Every word with how often it occurs. Sorted, so that nothing hangs on the order of texts or threads.
fn count_words(
    texts: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, u64>, TokenizerError> {
    let mut texts = texts.fuse();
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let chunk: Vec<String> = texts.by_ref().take(TEXTS_AT_ONCE).collect();
        if chunk.is_empty() {
            return Ok(words);
        }
        let split: Result<Vec<Vec<String>>, TokenizerError> =
            chunk.par_iter().map(|text| split_words(text)).collect();
        for word in split?.into_iter().flatten() {
            *words.entry(word).or_default() += 1;
        }
    }
}

fn split_words(text: &str) -> Result<Vec<String>, TokenizerError> {
    let mut text = NormalizedString::from(text);
    NFC.normalize(&mut text).map_err(refused)?;
    let mut text = PreTokenizedString::from(text);
    BertPreTokenizer.pre_tokenize(&mut text).map_err(refused)?;
    let words = text.get_splits(OffsetReferential::Normalized, OffsetType::None);
    let words = words.into_iter().map(|(word, _, _)| word);
    Ok(words
        .filter(|word| word.chars().count() <= MAX_WORD_CHARACTERS)
        .map(str::to_owned)
        .collect())
}

fn write_folder(
    pieces: &[String],
    model_max_length: usize,
    folder: &Path,
) -> Result<(), TokenizerError> {
    fs::create_dir_all(folder).map_err(|source| TokenizerError::Write {
        path: folder.to_owned(),
        source,
    })?;
    let roles = json!({
        "pad_token": PAD, "unk_token": UNK, "cls_token": CLS, "sep_token": SEP, "mask_token": MASK,
    });
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        // Neither BERT nor ModernBERT needs token types for single texts, and ModernBERT refuses them.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": true,
    });
    if let (Some(config), Some(roles)) = (config.as_object_mut(), roles.as_object()) {
        config.extend(roles.clone());
    }
    write(
        &folder.join("special_tokens_map.json"),
        &format!("{roles:#}\n"),
    )?;
    write(
        &folder.join("tokenizer_config.json"),
        &format!("{config:#}\n"),
    )?;
    write(&folder.join(TOKENIZER_FILE), &tokenizer_json(pieces)?)
}

fn write(path: &Path, content: &str) -> Result<(), TokenizerError> {
    fs::write(path, content).map_err(|source| TokenizerError::Write {
        path: path.to_owned(),
        source,
    })
}

/// The text of `tokenizer.json`, in the library's own layout.
fn tokenizer_json(pieces: &[String]) -> Result<String, TokenizerError> {
    let special = SPECIAL_TOKENS.into_iter();
    let tokens: BTreeMap<&str, usize> = special
        .chain(pieces.iter().map(String::as_str))
        .zip(0..)
        .collect();
    let added: Vec<_> = SPECIAL_TOKENS
        .into_iter()
        .enumerate()
        .map(|(id, token)| {
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true,
            })
        })
        .collect();
    let placed = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let text = |name: &str, type_id: u32| json!({ "Sequence": { "id": name, "type_id": type_id } });
    let template_token =
        |token: &str| json!({ "id": token, "ids": [tokens.get(token)], "tokens": [token] });
    let whole = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": { "type": "NFC" },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [placed(CLS), text("A", 0), placed(SEP)],
            "pair": [placed(CLS), text("A", 0), placed(SEP), text("B", 1), placed(SEP)],
            "special_tokens": { CLS: template_token(CLS), SEP: template_token(SEP) },
        },
        "decoder": { "type": "WordPiece", "prefix": CONTINUATION, "cleanup": true },
        "model": {
            "type": "WordPiece",
            "unk_token": UNK,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": MAX_WORD_CHARACTERS,
            "vocab": tokens,
        },
    });
    let tokenizer = tokenizers::Tokenizer::from_bytes(whole.to_string()).map_err(refused)?;
    tokenizer.to_string(true).map_err(refused)
}
