//! Reading tokenizers: ids, lengths, special tokens.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{message, python, tokenizer, tokenizer_json, write_tokenizer};
use serde_json::json;
use splade_data::Tokenizer;

const START: u32 = 0;
const END: u32 = 1;
const UNKNOWN: u32 = 2;
const PADDING: u32 = 19;

#[test]
fn encodes_with_special_tokens_and_ignores_stored_truncation_and_padding() {
    let tokenizer = tokenizer();
    assert_eq!(
        tokenizer.encode("한국어 검색", 10).unwrap(),
        [START, 11, 12, 5, END]
    );
    assert_eq!(tokenizer.subwords("한국어 검색").unwrap(), [11, 12, 5]);
    assert_eq!(tokenizer.encode("", 10).unwrap(), [START, END]);
    assert_eq!(tokenizer.subwords("미지").unwrap(), [UNKNOWN]);
}

#[test]
fn normalises_decomposed_hangul() {
    let decomposed = "\u{1100}\u{1165}\u{11b7}\u{1109}\u{1162}\u{11a8}";
    assert_eq!(
        tokenizer().subwords(decomposed).unwrap(),
        tokenizer().subwords("검색").unwrap()
    );
}

#[test]
fn cuts_the_text_and_keeps_the_end_token() {
    let tokenizer = tokenizer();
    assert_eq!(
        tokenizer.encode("한국어 검색 모델", 5).unwrap(),
        [START, 11, 12, 5, END]
    );
    assert_eq!(
        tokenizer.encode("한국어 검색 모델", 3).unwrap(),
        [START, 11, END]
    );
}

#[test]
fn refuses_a_length_without_room_for_text() {
    let text = message(tokenizer().encode("검색", 2));
    assert!(
        text.contains("maximal length of 2") && text.contains("2 special tokens"),
        "{text}"
    );
    assert_eq!(
        tokenizer()
            .omitting_special_tokens()
            .encode("검색", 1)
            .unwrap(),
        [5]
    );
}

#[test]
fn can_omit_special_tokens() {
    let tokenizer = tokenizer().omitting_special_tokens();
    assert_eq!(tokenizer.encode("한국어 검색", 2).unwrap(), [11, 12]);
    assert_eq!(tokenizer.encode("", 2).unwrap(), [0u32; 0]);
}

#[test]
fn encodes_a_batch_in_order() {
    let tokenizer = tokenizer();
    let texts: Vec<String> = (0..500).map(|count| "검색 ".repeat(count % 7)).collect();
    let batch = tokenizer.encode_batch(&texts, 6).unwrap();
    for (text, ids) in texts.iter().zip(&batch) {
        assert_eq!(ids, &tokenizer.encode(text, 6).unwrap());
    }
    assert_eq!(batch.len(), 500);
}

#[test]
fn knows_tokens_by_id_and_by_name() {
    let tokenizer = tokenizer();
    assert_eq!(
        (tokenizer.highest_id(), tokenizer.vocab_size()),
        (PADDING, 20)
    );
    assert_eq!(tokenizer.token(END).as_deref(), Some("<\\s>"));
    assert_eq!(tokenizer.token(20), None);
    assert_eq!(
        (tokenizer.id("##어"), tokenizer.id("</s>")),
        (Some(12), None)
    );
    assert_eq!(tokenizer.decode(&[11, 12, 5]).unwrap(), "한국어 검색");
    assert_eq!(tokenizer.decode(&[START, 5]).unwrap(), "<s> 검색");
}

#[test]
fn reads_special_ids_from_added_tokens() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.special_ids(), [0, 1, 2, 3, 4, PADDING]);
    assert_eq!(tokenizer.masked_position_ids(), [0, 1, 3, 4, PADDING]);
}

#[test]
fn reads_special_ids_from_the_files_beside() {
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(folder.path());
    // Roles as text, as object and as null; a role whose token does not exist.
    let config = json!({
        "cls_token": "검색", "bos_token": null, "eos_token": "[ABSENT]", "unk_token": {"content": "모델", "special": true},
        "model_max_length": 8,
    });
    fs::write(
        folder.path().join("tokenizer_config.json"),
        config.to_string(),
    )
    .unwrap();
    fs::write(
        folder.path().join("special_tokens_map.json"),
        r#"{"sep_token": {"content": "."}}"#,
    )
    .unwrap();
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.special_ids(), [0, 1, 2, 3, 4, 5, 6, 17, PADDING]);
    // Both tokens that are called unknown stand for text.
    assert_eq!(
        tokenizer.masked_position_ids(),
        [0, 1, 3, 4, 5, 17, PADDING]
    );
}

#[test]
fn fingerprints_the_content_of_the_file() {
    let fingerprint = tokenizer().fingerprint().to_owned();
    assert_eq!(fingerprint, tokenizer().fingerprint());
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tokenizer.json"),
        format!("{} ", tokenizer_json()),
    )
    .unwrap();
    assert_ne!(
        Tokenizer::from_folder(folder.path()).unwrap().fingerprint(),
        fingerprint
    );
}

#[test]
fn names_the_file_that_is_missing_or_damaged() {
    let text = message(Tokenizer::from_folder(Path::new("/nowhere")));
    assert!(text.contains("/nowhere/tokenizer.json"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tokenizer.json"),
        r#"{"version": "1.0"}"#,
    )
    .unwrap();
    let text = message(Tokenizer::from_folder(folder.path()));
    assert!(text.contains("tokenizer.json is damaged"), "{text}");

    write_tokenizer(folder.path());
    fs::write(
        folder.path().join("special_tokens_map.json"),
        r#"{"cls_token": 7}"#,
    )
    .unwrap();
    let text = message(Tokenizer::from_folder(folder.path()));
    assert!(
        text.contains("special_tokens_map.json is damaged"),
        "{text}"
    );
}

#[test]
fn gives_the_ids_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(folder.path());
    let config = json!({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "pad_token": "<pad>"});
    fs::write(
        folder.path().join("tokenizer_config.json"),
        config.to_string(),
    )
    .unwrap();
    let texts = [
        "한국어 검색 모델은 문서을 학습.",
        "",
        "   ",
        "a ab ba bab",
        "미지 검색<mask>문서",
        "검색 ".repeat(30).trim(),
    ]
    .map(str::to_owned);
    let reference = python(
        "import json, sys
from transformers import AutoTokenizer
given = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(given['folder'])
print(json.dumps([tokenizer(given['texts'], truncation=True, max_length=n)['input_ids'] for n in given['lengths']]))",
        &json!({"folder": folder.path(), "texts": texts, "lengths": [3, 4, 7, 64]}),
    );
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let ours: Vec<_> = [3, 4, 7, 64]
        .iter()
        .map(|&length| tokenizer.encode_batch(&texts, length).unwrap())
        .collect();
    assert_eq!(json!(ours), reference);
}
