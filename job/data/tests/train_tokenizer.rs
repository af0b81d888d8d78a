//! Training tokenizers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{message, python};
use serde_json::json;
use splade_data::{Tokenizer, train};

/// Sentences of a made-up Korean, many words of equal counts.
fn texts() -> Vec<String> {
    let nouns = [
        "검색",
        "모델",
        "문서",
        "학습",
        "한국어",
        "질의",
        "색인",
        "벡터",
        "희소",
        "search",
        "model",
    ];
    let endings = ["은", "을", "이", "에서", "으로", "의"];
    let verbs = [
        "찾는다.",
        "배운다!",
        "만든다,",
        "학습한다",
        "(나타낸다)",
        "2026년에 쓴다",
    ];
    let pick = |list: &[&str], index: usize| list[index % list.len()].to_owned();
    (0..600)
        .map(|index| {
            let first = pick(&nouns, index) + &pick(&endings, index / 3);
            let second = pick(&nouns, index * 7 + 1) + &pick(&endings, index / 5);
            format!("{first} {second} {}", pick(&verbs, index / 11))
        })
        .collect()
}

fn train_on(texts: Vec<String>, vocab_size: usize, folder: &Path) -> Tokenizer {
    train::wordpiece(texts.into_iter(), vocab_size, 512, folder).unwrap()
}

#[test]
fn gives_the_same_bytes_for_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ];
    let read =
        |name: &str| files.map(|file| fs::read(folder.path().join(name).join(file)).unwrap());
    train_on(texts(), 200, &folder.path().join("first"));
    for again in 0..4 {
        // Neither the order of texts nor the seeds of hash maps may show.
        let mut texts = texts();
        texts.rotate_left(again * 100);
        train_on(texts, 200, &folder.path().join("again"));
        assert!(read("first") == read("again"), "run {again} differs");
    }
}

#[test]
fn learns_pieces_up_to_the_vocabulary_size() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = train_on(texts(), 150, folder.path());
    assert_eq!(tokenizer.vocab_size(), 150);
    for (id, token) in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(tokenizer.token(id as u32).as_deref(), Some(token));
    }
    assert_eq!(tokenizer.special_ids(), [0, 1, 2, 3, 4]);
    assert_eq!(tokenizer.masked_position_ids(), [0, 2, 3, 4]);
    assert!(tokenizer.id("검색").is_some() && tokenizer.id("search").is_some());
    let ids = tokenizer.encode("검색 모델", 64).unwrap();
    assert_eq!(
        (ids.first(), ids.last(), ids.len()),
        (Some(&2), Some(&3), 4)
    );
    assert_eq!(tokenizer.subwords("漢").unwrap(), [1]);
}

#[test]
fn splits_a_larger_vocabulary_into_fewer_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = |vocab_size| {
        let tokenizer = train_on(texts(), vocab_size, folder.path());
        texts()
            .iter()
            .map(|text| tokenizer.subwords(text).unwrap().len())
            .sum::<usize>()
    };
    let (small, large) = (pieces(110), pieces(200));
    assert!(
        large < small,
        "{large} pieces with the larger vocabulary, {small} with the smaller"
    );
}

#[test]
fn stops_where_nothing_repeats() {
    let folder = tempfile::tempdir().unwrap();
    // 5 special tokens, 가 나 다, ##나 ##다, and no pair twice.
    assert_eq!(
        train_on(vec!["가나다".to_owned()], 1000, folder.path()).vocab_size(),
        10
    );
}

#[test]
fn refuses_what_cannot_be_trained() {
    let folder = tempfile::tempdir().unwrap();
    let text = message(train::wordpiece(
        ["가나다".to_owned()].into_iter(),
        9,
        512,
        folder.path(),
    ));
    assert!(
        text.contains("tokenizer of 9 pieces") && text.contains("need 10"),
        "{text}"
    );
    let text = message(train::wordpiece(
        [" \n".to_owned()].into_iter(),
        9,
        512,
        folder.path(),
    ));
    assert!(text.contains("no words"), "{text}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let text = message(train::wordpiece(
        texts().into_iter(),
        500,
        512,
        &file.join("inside"),
    ));
    assert!(
        text.contains("cannot write") && text.contains("inside"),
        "{text}"
    );
}

#[test]
fn gives_the_ids_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = train_on(texts(), 180, folder.path());
    let mut samples = texts();
    samples.extend(
        [
            "",
            "[MASK] 검색 [SEP]",
            "처음 보는 낱말들",
            "SEARCH searching",
            "검색\t모델\u{200b}은",
        ]
        .map(str::to_owned),
    );
    samples.push("가".repeat(101));
    let reference = python(
        "import json, sys
from transformers import AutoTokenizer
given = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(given['folder'])
names = ['pad_token_id', 'unk_token_id', 'cls_token_id', 'sep_token_id', 'mask_token_id', 'model_max_length']
encoded = tokenizer(given['texts'], truncation=True, max_length=9)
print(json.dumps({
    'ids': encoded['input_ids'],
    'keys': sorted(encoded.keys()),
    'roles': [getattr(tokenizer, name) for name in names],
    'size': len(tokenizer),
    'decoded': [tokenizer.decode(ids) for ids in encoded['input_ids'][:50]],
}))",
        &json!({"folder": folder.path(), "texts": samples}),
    );
    let ids = tokenizer.encode_batch(&samples, 9).unwrap();
    let decoded: Vec<_> = ids[..50]
        .iter()
        .map(|ids| tokenizer.decode(ids).unwrap())
        .collect();
    assert_eq!(json!(ids), reference["ids"]);
    assert_eq!(json!(decoded), reference["decoded"]);
    assert_eq!(reference["keys"], json!(["attention_mask", "input_ids"]));
    assert_eq!(reference["roles"], json!([0, 1, 2, 3, 4, 512]));
    assert_eq!(reference["size"], json!(tokenizer.vocab_size()));
}
