//! Which ids are special, as a tokenizer's files say it. No name is ever guessed.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::read_bounded;
use crate::error::TokenizerError;

/// Files beside `tokenizer.json` that name special tokens by role.
const ROLE_FILES: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

/// Ids of special tokens, each list sorted.
#[derive(Clone, Debug)]
pub(super) struct SpecialTokens {
    pub(super) ids: Vec<u32>,
    pub(super) masked_position_ids: Vec<u32>,
}

/// A token as these files write it: its text, or an object that holds it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Token { content: String },
}

impl Named {
    fn content(&self) -> &str {
        match self {
            Self::Text(content) | Self::Token { content } => content,
        }
    }
}

/// Special tokens by role. Further keys of the files say other things.
#[derive(Deserialize)]
struct Roles {
    cls_token: Option<Named>,
    sep_token: Option<Named>,
    bos_token: Option<Named>,
    eos_token: Option<Named>,
    pad_token: Option<Named>,
    unk_token: Option<Named>,
    mask_token: Option<Named>,
}

/// The unknown token as the model of `tokenizer.json` names it.
#[derive(Deserialize)]
struct TokenizerFile {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    /// WordPiece, WordLevel, BPE.
    unk_token: Option<String>,
    /// Unigram.
    unk_id: Option<u32>,
}

impl SpecialTokens {
    /// From the content of `tokenizer.json` at `path` and the files beside it, where they are.
    pub(super) fn read(
        folder: &Path,
        path: &Path,
        content: &[u8],
        tokenizer: &tokenizers::Tokenizer,
    ) -> Result<Self, TokenizerError> {
        let file: TokenizerFile = parse(path, content)?;
        let mut unknown: BTreeSet<u32> = file.model.unk_id.into_iter().collect();
        unknown.extend(
            file.model
                .unk_token
                .and_then(|token| tokenizer.token_to_id(&token)),
        );
        let added = tokenizer.get_added_tokens_decoder();
        let mut ids: BTreeSet<u32> = added
            .iter()
            .filter(|(_, token)| token.special)
            .map(|(&id, _)| id)
            .collect();
        for name in ROLE_FILES {
            let path = folder.join(name);
            if !path.exists() {
                continue;
            }
            let roles: Roles = parse(&path, &read_bounded(&path)?)?;
            let id = |token: &Option<Named>| {
                token
                    .as_ref()
                    .and_then(|token| tokenizer.token_to_id(token.content()))
            };
            unknown.extend(id(&roles.unk_token));
            let Roles {
                cls_token,
                sep_token,
                bos_token,
                eos_token,
                pad_token,
                unk_token,
                mask_token,
            } = &roles;
            let named = [
                cls_token, sep_token, bos_token, eos_token, pad_token, unk_token, mask_token,
            ];
            ids.extend(named.into_iter().filter_map(id));
        }
        let masked_position_ids = ids.difference(&unknown).copied().collect();
        Ok(Self {
            ids: ids.into_iter().collect(),
            masked_position_ids,
        })
    }
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, content: &'a [u8]) -> Result<T, TokenizerError> {
    serde_json::from_slice(content).map_err(|error| TokenizerError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
