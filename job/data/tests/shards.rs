//! Shards: what goes in comes out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;

use common::place::{Place, assert_holds, line, triplet};
use common::{PIECES, message, tokenizer, tokenizer_json, write_file};
use proptest::prelude::*;
use serde_json::json;
use splade_data::{DataError, ShardError, Shards, TeacherScores, Tokenizer, Triplet};

fn any_words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&PIECES[..])
        .prop_map(|piece| piece.trim_start_matches('#').to_owned());
    prop::collection::vec(word, 1..14).prop_map(|words| words.join(" "))
}

fn any_triplet() -> impl Strategy<Value = Triplet> {
    let negatives = prop::collection::vec((any_words(), -9f32..9f32), 0..5);
    (
        any_words(),
        any_words(),
        negatives,
        prop::option::of(-9f32..9f32),
    )
        .prop_map(|(query, positive, negatives, score)| {
            let (negatives, scores) = negatives.into_iter().unzip();
            let teacher_scores = score.map(|positive| TeacherScores {
                positive,
                negatives: scores,
            });
            Triplet {
                query,
                positive,
                negatives,
                teacher_scores,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hold_what_direct_tokenisation_gives(
        triplets in prop::collection::vec(any_triplet(), 1..20),
        hard_negatives in 0usize..4,
        cut in 0usize..20,
    ) {
        let lines: Vec<String> = triplets.iter().map(line).collect();
        let (first, second) = lines.split_at(cut.min(lines.len()));
        let mut place = Place::new(&first.concat());
        place.spec.files.push(write_file(place.folder.path(), "more.jsonl.zst", second.concat().as_bytes()));
        place.spec.hard_negatives = hard_negatives;
        let tokenizer = tokenizer();
        let (made, built) = place.open_with(&tokenizer).unwrap();
        prop_assert_eq!(built, triplets.len() as u64);
        assert_holds(&made, &triplets, &place.spec, &tokenizer);
        let (opened, built) = place.open_with(&tokenizer).unwrap();
        prop_assert_eq!((built, opened.fingerprint()), (0, made.fingerprint()));
        assert_holds(&opened, &triplets, &place.spec, &tokenizer);
    }
}

#[test]
fn hold_more_than_one_chunk_in_order() {
    let triplets: Vec<Triplet> = (0..10_000)
        .map(|number: usize| {
            triplet(
                &"a ".repeat(1 + number % 5),
                &"검색 ".repeat(1 + number % 11),
                &["b"],
            )
        })
        .collect();
    let place = Place::new(&triplets.iter().map(line).collect::<String>());
    let mut heard = Vec::new();
    let shards = Shards::open_or_build(&place.spec, &tokenizer(), &place.cache(), &mut |done| {
        heard.push(done)
    })
    .unwrap();
    assert_holds(&shards, &triplets, &place.spec, &tokenizer());
    assert!(
        heard.len() > 1 && heard.is_sorted() && heard.last() == Some(&10_000),
        "{heard:?}"
    );
}

#[test]
fn hold_ids_beyond_16_bits() {
    let place = Place::new(&line(&triplet("검색", "문서", &["모델"])));
    let tokenizers = tempfile::tempdir().unwrap();
    // 65,536 ids still fit 16 bits, one more does not.
    for (highest_id, bytes) in [(65_535, 2), (65_536, 4), (1_000_000, 4)] {
        let mut tokenizer = tokenizer_json();
        tokenizer["model"]["vocab"]["문서"] = json!(highest_id);
        fs::write(
            tokenizers.path().join("tokenizer.json"),
            tokenizer.to_string(),
        )
        .unwrap();
        let tokenizer = Tokenizer::from_folder(tokenizers.path()).unwrap();
        let (shards, _) = place.open_with(&tokenizer).unwrap();
        assert_eq!(
            shards.example(0).unwrap().positive.tokens,
            [0, highest_id, 1]
        );
        let tokens = place.cache().join(shards.fingerprint()).join("tokens.bin");
        assert_eq!(fs::metadata(tokens).unwrap().len(), 9 * bytes);
    }
}

#[test]
fn give_equal_texts_equal_ids() {
    let shards = Place::new(
        &[
            triplet("a", "b", &["a"]),
            triplet("b", "a a a a a a a a a", &["a a a a a a a a b"]),
        ]
        .map(|t| line(&t))
        .concat(),
    )
    .open()
    .unwrap();
    let (first, second) = (shards.example(0).unwrap(), shards.example(1).unwrap());
    assert_eq!(first.query.id, first.negatives[0].id);
    assert_eq!(first.positive.id, second.query.id);
    // Cut to the same tokens, yet other texts.
    assert_eq!(second.positive.tokens, second.negatives[0].tokens);
    assert_ne!(second.positive.id, second.negatives[0].id);
}

#[test]
fn refuse_a_text_without_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let mut odd = tokenizer_json();
    odd["normalizer"] = json!({"type": "Replace", "pattern": {"String": "문서"}, "content": ""});
    fs::write(folder.path().join("tokenizer.json"), odd.to_string()).unwrap();
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let place = Place::new(&line(&triplet("검색", "모델", &["검색", "문서"])));
    place.open_with(&tokenizer).unwrap();
    let text = message(place.open_with(&tokenizer.omitting_special_tokens()));
    assert!(
        text.contains("train.jsonl:1: field `negatives[1]` has no tokens"),
        "{text}"
    );
}

#[test]
fn refuse_lengths_without_room() {
    let mut place = Place::small();
    place.spec.document_max_length = 2;
    assert!(message(place.open()).contains("maximal length of 2"));
}

#[test]
fn refuse_an_index_beyond_the_last() {
    let error = Place::small().open().unwrap().example(2).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Shard(ShardError::OutOfRange { index: 2, len: 2 })
        ),
        "{error}"
    );
}
