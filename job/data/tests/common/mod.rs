//! What the suites share: a small Korean tokenizer with the traps of real ones, files, and the Python references.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod place;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

/// Pieces of the fixture, from id 5 on.
pub const PIECES: [&str; 14] = [
    "검색", "모델", "##은", "##을", "##이", "학습", "한국", "##어", "a", "##b", "##a", "b", ".",
    "문서",
];

/// `tokenizer.json` as odd as the real one: the end token is spelled `<\s>`, the post-processor calls it `</s>`, the
/// padding token has an id beyond the vocabulary, and truncation and padding are stored.
pub fn tokenizer_json() -> serde_json::Value {
    let special = ["<s>", "<\\s>", "<unk>", "<cls>", "<mask>"];
    let mut added: Vec<_> = special
        .iter()
        .zip(0..)
        .map(|(token, id)| added_token(id, token))
        .collect();
    added.push(added_token(19, "<pad>"));
    let vocab: serde_json::Map<_, _> = special
        .iter()
        .chain(&PIECES)
        .zip(0..)
        .map(|(&token, id)| (token.to_owned(), json!(id)))
        .collect();
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 19, "pad_type_id": 0, "pad_token": "<pad>",
        },
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}},
            ],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]},
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab,
        },
    })
}

fn added_token(id: u32, token: &str) -> serde_json::Value {
    json!({
        "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    })
}

/// Writes [`tokenizer_json`] into a folder.
pub fn write_tokenizer(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer_json().to_string()).unwrap();
}

/// The tokenizer of [`tokenizer_json`].
pub fn tokenizer() -> splade_data::Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(folder.path());
    splade_data::Tokenizer::from_folder(folder.path()).unwrap()
}

/// Writes a file, compressed as its name says.
pub fn write_file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    let content = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(content, 1).unwrap(),
        _ => content.to_vec(),
    };
    fs::write(&path, content).unwrap();
    path
}

/// What a Python program prints as JSON, given `input` as JSON on its standard input.
pub fn python(program: &str, input: &serde_json::Value) -> serde_json::Value {
    let interpreter = std::env::var_os("SPLADE_PYTHON").expect(
        "this test compares with the Python references: set SPLADE_PYTHON to an interpreter that has \
         torch 2.11 and transformers 5 (`make setup` says where it put one)",
    );
    let mut child = Command::new(&interpreter)
        .args(["-c", program])
        .env("HF_HUB_OFFLINE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start SPLADE_PYTHON {interpreter:?}: {error}"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the reference failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The message of an error and of what caused it.
pub fn message<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
    result.unwrap_err().to_string()
}
