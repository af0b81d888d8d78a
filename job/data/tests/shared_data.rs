//! The real Korean tokenizer and real triplets, from the folder $SPLADE_SHARED. Behind the feature `shared-data`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::PathBuf;

use common::python;
use serde_json::json;
use splade_data::{ShardSpec, Shards, Tokenizer, Triplets};

fn shared() -> PathBuf {
    let folder = std::env::var_os("SPLADE_SHARED")
        .expect("set SPLADE_SHARED to the shared folder, the one that holds data/tokenizer");
    PathBuf::from(folder).join("data")
}

#[test]
fn reads_the_special_tokens_of_the_real_tokenizer() {
    let tokenizer = Tokenizer::from_folder(&shared().join("tokenizer")).unwrap();
    assert_eq!(tokenizer.vocab_size(), 50_000);
    let special: Vec<u32> = (0..37).chain([49_999]).collect();
    assert_eq!(tokenizer.special_ids(), special);
    let masked: Vec<u32> = special.into_iter().filter(|&id| id != 2).collect();
    assert_eq!(tokenizer.masked_position_ids(), masked);
}

#[test]
fn gives_the_ids_of_transformers_for_real_text() {
    let folder = shared().join("tokenizer");
    let file = shared().join("strategyqa-ko-facts").join("train.jsonl");
    let texts: Vec<String> = Triplets::read(&[file])
        .take(1000)
        .flat_map(|triplet| {
            let triplet = triplet.unwrap();
            [triplet.query, triplet.positive]
        })
        .collect();
    let reference = python(
        "import json, sys
from transformers import AutoTokenizer
given = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(given['folder'])
print(json.dumps(tokenizer(given['texts'], truncation=True, max_length=48)['input_ids']))",
        &json!({"folder": folder, "texts": texts}),
    );
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    assert_eq!(
        json!(tokenizer.encode_batch(&texts, 48).unwrap()),
        reference
    );
}

#[test]
fn shards_real_triplets() {
    let tokenizer = Tokenizer::from_folder(&shared().join("tokenizer")).unwrap();
    let files = vec![shared().join("strategyqa-ko-facts").join("train.jsonl")];
    let triplets: Vec<_> = Triplets::read(&files).collect::<Result<_, _>>().unwrap();
    assert_eq!(triplets.len(), 3545);
    let cache = tempfile::tempdir().unwrap();
    let spec = ShardSpec {
        files,
        query_max_length: 64,
        document_max_length: 256,
        hard_negatives: 1,
    };
    let shards = Shards::open_or_build(&spec, &tokenizer, cache.path(), &mut |_| {}).unwrap();
    assert_eq!(shards.len(), triplets.len());
    for (index, triplet) in triplets.iter().enumerate() {
        let example = shards.example(index).unwrap();
        assert_eq!(
            example.query.tokens,
            tokenizer.encode(&triplet.query, 64).unwrap()
        );
        assert_eq!(
            example.positive.tokens,
            tokenizer.encode(&triplet.positive, 256).unwrap()
        );
        assert_eq!(example.negatives.len(), 1);
    }
}
