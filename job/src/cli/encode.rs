//! `splade-job encode`: texts to sparse vectors, as a stream.

use super::failure::Failure;
use crate::encoder::{Pruning, TextEncoder};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use splade_retrieval::SparseVector;
use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write, stdin, stdout};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tch::Device;

/// Texts read before they are encoded: memory stays the same however long the input is.
const TEXTS_AT_ONCE: usize = 512;
/// A longer line is no text.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Turn lines or JSON lines into sparse vectors.
#[derive(Debug, Args)]
pub struct Encode {
    /// Folder of the model.
    #[arg(long)]
    model: PathBuf,
    /// Texts; standard input by default.
    #[arg(long, short)]
    input: Option<PathBuf>,
    /// Where vectors go, one JSON object a line; standard output by default.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Read JSON lines and take the text from this field; other fields are passed on. Plain lines by default.
    #[arg(long)]
    field: Option<String>,
    /// What the weights are keyed by.
    #[arg(long, value_enum, default_value_t = Keys::Tokens)]
    keys: Keys,
    /// Keep the strongest terms only.
    #[arg(long)]
    top_k: Option<NonZeroUsize>,
    /// Drop weights below this.
    #[arg(long, default_value_t = 0.0, value_parser = threshold)]
    threshold: f32,
    /// Cut texts after this many tokens; the model's longest by default.
    #[arg(long)]
    max_length: Option<NonZeroUsize>,
    /// Let special tokens be neither terms nor positions (for models that were trained without the mask).
    #[arg(long)]
    mask_special_tokens: bool,
    /// Print for people: terms by weight, a plus before those that the text does not contain.
    #[arg(long, conflicts_with = "keys")]
    explain: bool,
}

/// What the weights are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keys {
    /// The token's spelling.
    Tokens,
    /// The token's id.
    Ids,
}

/// One text, and the JSON object that it came in.
struct Item {
    text: String,
    record: Map<String, Value>,
}

impl Encode {
    /// Does it.
    ///
    /// # Errors
    /// A model that cannot be loaded, or input that cannot be read.
    pub fn run(&self) -> Result<(), Failure> {
        let encoder = TextEncoder::open(
            &self.model,
            self.mask_special_tokens,
            Device::cuda_if_available(),
        )?;
        let input: Box<dyn Read> = match &self.input {
            Some(path) => Box::new(File::open(path).map_err(|source| Failure::io(path, source))?),
            None => Box::new(stdin().lock()),
        };
        let mut input = BufReader::new(input);
        let Some(path) = &self.output else {
            return self.stream(&encoder, &mut input, &mut stdout().lock());
        };
        // Under its name only when it is whole: the input may bear that name, and a bad line may be the last.
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(".".as_ref()))
            .map_err(|source| Failure::io(path, source))?;
        self.stream(&encoder, &mut input, &mut file)?;
        file.persist(path)
            .map_err(|error| Failure::io(path, error.error))?;
        Ok(())
    }

    fn stream(
        &self,
        encoder: &TextEncoder,
        input: &mut impl BufRead,
        sink: &mut impl Write,
    ) -> Result<(), Failure> {
        let mut sink = BufWriter::new(sink);
        let mut line = 0;
        let longest = self.max_length.map_or(usize::MAX, NonZeroUsize::get);
        loop {
            let items = self.read(input, &mut line)?;
            if items.is_empty() {
                break;
            }
            let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
            let pruning = Pruning {
                top_k: self.top_k.map(NonZeroUsize::get),
                threshold: self.threshold,
            };
            let vectors = encoder.encode(&texts, longest, pruning)?;
            for (item, vector) in items.into_iter().zip(&vectors) {
                let written = if self.explain {
                    writeln!(sink, "{}", explain(encoder, &item.text, vector)?)
                } else {
                    writeln!(sink, "{}", self.record(encoder, item, vector))
                };
                written.map_err(|source| Failure::io(self.output_path(), source))?;
            }
        }
        sink.flush()
            .map_err(|source| Failure::io(self.output_path(), source))
    }

    fn output_path(&self) -> &std::path::Path {
        self.output.as_deref().unwrap_or("standard output".as_ref())
    }

    fn input_name(&self) -> String {
        self.input
            .as_ref()
            .map_or("standard input".to_owned(), |path| {
                path.display().to_string()
            })
    }

    fn read(&self, input: &mut impl BufRead, line: &mut u64) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::with_capacity(TEXTS_AT_ONCE);
        while items.len() < TEXTS_AT_ONCE {
            let mut bytes = Vec::new();
            let count = input
                .take(MAX_LINE_BYTES + 1)
                .read_until(b'\n', &mut bytes)
                .map_err(|source| Failure::io(self.input_name().as_ref(), source))?;
            if count == 0 {
                break;
            }
            *line += 1;
            let fault =
                |what: String| Failure::data(format!("{}, line {line}: {what}", self.input_name()));
            if bytes.len() as u64 > MAX_LINE_BYTES {
                return Err(fault("is longer than 16 MiB".to_owned()));
            }
            let text = String::from_utf8(bytes).map_err(|_| fault("is not UTF-8".to_owned()))?;
            items.push(
                self.item(text.trim_end_matches(['\n', '\r']))
                    .map_err(fault)?,
            );
        }
        Ok(items)
    }

    fn item(&self, line: &str) -> Result<Item, String> {
        let Some(field) = &self.field else {
            return Ok(Item {
                text: line.to_owned(),
                record: Map::new(),
            });
        };
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let Value::Object(mut record) = value else {
            return Err("is not a JSON object".to_owned());
        };
        if field != "vector" && record.contains_key("vector") {
            return Err("has a field vector already, which is where the weights go".to_owned());
        }
        match record.remove(field) {
            Some(Value::String(text)) => Ok(Item { text, record }),
            Some(_) => Err(format!("field {field} is not a text")),
            None => Err(format!("field {field} is missing")),
        }
    }

    fn record(&self, encoder: &TextEncoder, item: Item, vector: &SparseVector) -> Value {
        let weights: Map<String, Value> = vector
            .iter()
            .map(|(id, weight)| {
                let key = match self.keys {
                    Keys::Ids => id.to_string(),
                    Keys::Tokens => spelling(encoder, id),
                };
                (key, json!(weight))
            })
            .collect();
        let mut record = item.record;
        record.insert("vector".to_owned(), Value::Object(weights));
        Value::Object(record)
    }
}

/// A weight from 0 on.
fn threshold(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("must be a number from 0 on".to_owned()),
    }
}

/// The token of an id; an embedding row that the tokenizer has no token for keeps its number.
fn spelling(encoder: &TextEncoder, id: u32) -> String {
    encoder
        .tokenizer()
        .token(id)
        .unwrap_or_else(|| format!("#{id}"))
}

/// `text`, then its terms by weight, those that are not its own tokens marked with a plus.
fn explain(encoder: &TextEncoder, text: &str, vector: &SparseVector) -> Result<String, Failure> {
    let own: HashSet<u32> = encoder.tokenizer().subwords(text)?.into_iter().collect();
    let mut terms: Vec<(u32, f32)> = vector.iter().collect();
    terms.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    let terms: Vec<String> = terms
        .into_iter()
        .map(|(id, weight)| {
            let mark = if own.contains(&id) { "" } else { "+" };
            format!("{mark}{} {weight:.2}", spelling(encoder, id))
        })
        .collect();
    Ok(format!("{text}\n    {}", terms.join(", ")))
}
