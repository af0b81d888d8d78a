//! `splade-job init`: a tokenizer and a small ModernBERT from text.

use super::failure::Failure;
use crate::model::{SmallModel, SpecialIds, initialise};
use clap::Args;
use splade_data::Tokenizer;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Make a tokenizer and a small ModernBERT with random weights from text.
#[derive(Debug, Args)]
pub struct Init {
    /// Text to learn the vocabulary from: plain lines, or .jsonl, whose fields title, text, query, positive and
    /// negative(s) count.
    #[arg(long = "text", required = true, num_args = 1..)]
    texts: Vec<PathBuf>,
    /// Folder to write; it must not hold a model yet.
    #[arg(long)]
    out: PathBuf,
    /// Tokens of the vocabulary.
    #[arg(long, default_value_t = 6000)]
    vocab_size: usize,
    /// Width of the model; 32 a head.
    #[arg(long, default_value_t = 128)]
    hidden_size: u32,
    /// Layers.
    #[arg(long, default_value_t = 2)]
    layers: u32,
    /// Longest text, in tokens.
    #[arg(long, default_value_t = 256)]
    max_length: u32,
    /// Seed of the weights.
    #[arg(long, default_value_t = 42)]
    seed: u32,
}

/// Width of an attention head.
const HEAD_WIDTH: u32 = 32;
const TEXT_FIELDS: [&str; 6] = [
    "title",
    "text",
    "query",
    "positive",
    "negative",
    "negatives",
];

impl Init {
    /// Does it.
    ///
    /// # Errors
    /// Text that cannot be read, a folder that holds a model, or no room for the vocabulary.
    pub fn run(&self) -> Result<(), Failure> {
        if self.hidden_size == 0 || !self.hidden_size.is_multiple_of(HEAD_WIDTH) {
            return Err(Failure::usage(format!(
                "--hidden-size {} is no multiple of {HEAD_WIDTH}",
                self.hidden_size
            )));
        }
        if self.out.join("config.json").exists() {
            return Err(Failure::usage(format!(
                "{} holds a model already; remove it first",
                self.out.display()
            )));
        }
        std::fs::create_dir_all(&self.out).map_err(|source| Failure::io(&self.out, source))?;
        let mut texts = Vec::new();
        for path in &self.texts {
            read_texts(path, &mut texts)?;
        }
        let tokenizer = splade_data::train::wordpiece(
            texts.iter().cloned(),
            self.vocab_size,
            self.max_length as usize,
            &self.out,
        )?;
        let id = |token: &str| {
            tokenizer
                .id(token)
                .ok_or_else(|| Failure::software(format!("the new tokenizer lacks {token}")))
        };
        let special = SpecialIds {
            pad: id("[PAD]")?,
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
        };
        let shape = SmallModel {
            vocab_size: tokenizer.highest_id() as usize + 1,
            hidden_size: self.hidden_size,
            layers: self.layers,
            heads: self.hidden_size / HEAD_WIDTH,
            max_length: self.max_length,
            seed: self.seed,
        };
        initialise(&self.out, &shape, special, &rarity(&tokenizer, &texts)?)?;
        println!(
            "{}: {} tokens, {} layers of width {}",
            self.out.display(),
            shape.vocab_size,
            self.layers,
            self.hidden_size
        );
        Ok(())
    }
}

/// Inverse document frequency of each token over these texts, as BM25 weighs it, 1 on average.
///
/// A token that stands in no text counts as one that stands in a single one.
fn rarity(tokenizer: &Tokenizer, texts: &[String]) -> Result<Vec<f32>, Failure> {
    let mut frequency = vec![0u32; tokenizer.vocab_size()];
    for tokens in tokenizer.encode_batch(texts, usize::MAX)? {
        for token in tokens.into_iter().collect::<HashSet<u32>>() {
            if let Some(count) = frequency.get_mut(token as usize) {
                *count += 1;
            }
        }
    }
    let total = texts.len() as f32;
    let idf = |count: u32| {
        let count = count.max(1) as f32;
        (1.0 + (total - count + 0.5) / (count + 0.5)).ln()
    };
    let weights: Vec<f32> = frequency.into_iter().map(idf).collect();
    let mean = weights.iter().sum::<f32>() / weights.len() as f32;
    Ok(weights.into_iter().map(|weight| weight / mean).collect())
}

/// Adds the texts of a file: each line, or the text fields of each JSON line.
fn read_texts(path: &Path, texts: &mut Vec<String>) -> Result<(), Failure> {
    let file = File::open(path).map_err(|source| Failure::io(path, source))?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "jsonl");
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|source| Failure::io(path, source))?;
        if !is_json {
            texts.push(line);
            continue;
        }
        let fault = |what: String| {
            Failure::data(format!("{}, line {}: {what}", path.display(), number + 1))
        };
        let record: serde_json::Value =
            serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?;
        let before = texts.len();
        for field in TEXT_FIELDS {
            match record.get(field) {
                Some(serde_json::Value::String(text)) => texts.push(text.clone()),
                Some(serde_json::Value::Array(list)) => {
                    texts.extend(
                        list.iter()
                            .filter_map(|text| text.as_str().map(str::to_owned)),
                    );
                }
                _ => {}
            }
        }
        if texts.len() == before {
            return Err(fault(format!(
                "none of the fields {} holds text",
                TEXT_FIELDS.join(", ")
            )));
        }
    }
    Ok(())
}
