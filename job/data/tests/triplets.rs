//! Reading triplets: every fault by name and place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::write_file;
use proptest::prelude::*;
use serde_json::json;
use splade_data::{DataError, SourceError, TeacherScores, Triplet, TripletFault, Triplets};

const GOOD: &str = r#"{"query": "물음", "positive": "답"}"#;

fn read(content: &[u8], name: &str) -> Result<Vec<Triplet>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let file = write_file(folder.path(), name, content);
    Triplets::read(&[file]).collect()
}

fn parse(line: &str) -> Triplet {
    read(line.as_bytes(), "train.jsonl").unwrap().pop().unwrap()
}

/// The fault of a bad second line.
fn fault(line: &str) -> TripletFault {
    match read(format!("{GOOD}\n{line}\n").as_bytes(), "train.jsonl") {
        Err(DataError::Source(SourceError::Triplet {
            path,
            line: 2,
            fault,
        })) if path.ends_with("train.jsonl") => fault,
        other => panic!("{line} gives {other:?}"),
    }
}

#[test]
fn reads_one_negative_many_or_none() {
    let negatives =
        |extra: &str| parse(&format!(r#"{{"query": "q", "positive": "p"{extra}}}"#)).negatives;
    assert_eq!(negatives(""), [""; 0]);
    assert_eq!(negatives(r#", "negative": "n""#), ["n"]);
    assert_eq!(negatives(r#", "negatives": []"#), [""; 0]);
    assert_eq!(negatives(r#", "negatives": ["n", "m"]"#), ["n", "m"]);
}

#[test]
fn reads_teacher_scores_in_both_spellings() {
    let scores = |extra: &str| {
        parse(&format!(r#"{{"query": "q", "positive": "p", {extra}}}"#)).teacher_scores
    };
    let both = Some(TeacherScores {
        positive: 2.5,
        negatives: vec![-1.0, 3e-2],
    });
    assert_eq!(
        scores(r#""negatives": ["n", "m"], "scores": [2.5, -1, 3e-2]"#),
        both
    );
    assert_eq!(
        scores(r#""negatives": ["n", "m"], "positive_score": 2.5, "negative_scores": [-1, 0.03]"#),
        both
    );
    let alone = Some(TeacherScores {
        positive: 7.0,
        negatives: vec![],
    });
    assert_eq!(scores(r#""scores": [7]"#), alone);
    assert_eq!(scores(r#""positive_score": 7"#), alone);
    assert_eq!(
        scores(r#""positive_score": 7, "negative_scores": []"#),
        alone
    );
    assert_eq!(scores(r#""negative": "n""#), None);
}

#[test]
fn ignores_other_keys_and_keeps_text_as_it_is() {
    let line = r#" {"id": {"deep": [1, null]}, "positive": " p\n\"\u00e9\ud83d\ude00 ", "query": "q", "negative_ids": []} "#;
    let triplet = parse(line);
    assert_eq!(
        (triplet.query.as_str(), triplet.positive.as_str()),
        ("q", " p\n\"é😀 ")
    );
}

#[test]
fn blames_the_field() {
    use TripletFault::*;
    let with = |extra: &str| fault(&format!(r#"{{"query": "q", "positive": "p", {extra}}}"#));
    assert_eq!(fault(r#"{"positive": "p"}"#), Missing { field: "query" });
    assert_eq!(fault(r#"{"query": "q"}"#), Missing { field: "positive" });
    let wrong = |field: &str, expected, found| WrongType {
        field: field.to_owned(),
        expected,
        found,
    };
    assert_eq!(
        fault(r#"{"query": 3, "positive": "p"}"#),
        wrong("query", "a string", "a number")
    );
    assert_eq!(
        fault(r#"{"query": "q", "positive": ["p"]}"#),
        wrong("positive", "a string", "an array")
    );
    assert_eq!(
        with(r#""negative": null"#),
        wrong("negative", "a string", "null")
    );
    assert_eq!(
        with(r#""negatives": "n""#),
        wrong("negatives", "an array of strings", "a string")
    );
    assert_eq!(
        with(r#""negatives": ["n", {}]"#),
        wrong("negatives[1]", "a string", "an object")
    );
    assert_eq!(
        with(r#""scores": true"#),
        wrong("scores", "an array of numbers", "a boolean")
    );
    assert_eq!(
        with(r#""scores": ["7"]"#),
        wrong("scores[0]", "a number", "a string")
    );
    assert_eq!(
        with(r#""positive_score": "7""#),
        wrong("positive_score", "a number", "a string")
    );
}

#[test]
fn refuses_empty_text() {
    let blank = |field: &str| TripletFault::Blank {
        field: field.to_owned(),
    };
    assert_eq!(fault(r#"{"query": "", "positive": "p"}"#), blank("query"));
    assert_eq!(
        fault(r#"{"query": "q", "positive": " \t\n\u3000"}"#),
        blank("positive")
    );
    assert_eq!(
        fault(r#"{"query": "q", "positive": "p", "negative": ""}"#),
        blank("negative")
    );
    assert_eq!(
        fault(r#"{"query": "q", "positive": "p", "negatives": ["n", " "]}"#),
        blank("negatives[1]")
    );
}

#[test]
fn refuses_scores_that_do_not_fit_the_texts() {
    let with = |extra: &str| {
        fault(&format!(
            r#"{{"query": "q", "positive": "p", "negative": "n", {extra}}}"#
        ))
    };
    let count = |field, expected, found| TripletFault::ScoreCount {
        field,
        expected,
        found,
    };
    assert_eq!(with(r#""scores": [1]"#), count("scores", 2, 1));
    assert_eq!(with(r#""scores": [1, 2, 3]"#), count("scores", 2, 3));
    assert_eq!(
        with(r#""positive_score": 1, "negative_scores": []"#),
        count("negative_scores", 1, 0)
    );
    assert_eq!(
        with(r#""positive_score": 1"#),
        TripletFault::Missing {
            field: "negative_scores"
        }
    );
    assert_eq!(
        with(r#""negative_scores": [1]"#),
        TripletFault::Missing {
            field: "positive_score"
        }
    );
}

#[test]
fn refuses_scores_that_are_not_finite() {
    let with = |extra: &str| {
        fault(&format!(
            r#"{{"query": "q", "positive": "p", "negative": "n", {extra}}}"#
        ))
    };
    let infinite = |field: &str| TripletFault::NotFinite {
        field: field.to_owned(),
    };
    assert_eq!(with(r#""scores": [1, 1e999]"#), infinite("scores[1]"));
    assert_eq!(
        with(r#""positive_score": -1e39, "negative_scores": [1]"#),
        infinite("positive_score")
    );
    // Python writes these, JSON has no such words.
    assert!(matches!(
        with(r#""scores": [1, NaN]"#),
        TripletFault::Json { .. }
    ));
    assert!(matches!(
        with(r#""scores": [1, Infinity]"#),
        TripletFault::Json { .. }
    ));
}

#[test]
fn refuses_two_spellings_at_once() {
    let with = |extra: &str| fault(&format!(r#"{{"query": "q", "positive": "p", {extra}}}"#));
    let ambiguous = |first, second| TripletFault::Ambiguous { first, second };
    assert_eq!(
        with(r#""negative": "n", "negatives": []"#),
        ambiguous("negative", "negatives")
    );
    assert_eq!(
        with(r#""scores": [1], "positive_score": 1"#),
        ambiguous("scores", "positive_score")
    );
    assert_eq!(
        with(r#""scores": [1], "negative_scores": []"#),
        ambiguous("scores", "negative_scores")
    );
    assert!(matches!(
        with(r#""query": "again""#),
        TripletFault::Json { .. }
    ));
}

#[test]
fn refuses_broken_json() {
    for line in [
        "",
        " ",
        "{",
        r#"{"query": "q""#,
        "query",
        r#"{"query": "q", "positive": "p"} {}"#,
        "[1,",
    ] {
        let TripletFault::Json { reason } = fault(line) else {
            panic!("{line}");
        };
        // The number of the line in the file is told beside it.
        assert!(!reason.contains("line 1 "), "{line}: {reason}");
    }
    assert!(matches!(
        fault(r#"{"query": "\ud800", "positive": "p"}"#),
        TripletFault::Json { .. }
    ));
    assert_eq!(
        fault(r#"["q", "p"]"#),
        TripletFault::NotAnObject { found: "an array" }
    );
    assert_eq!(fault("3"), TripletFault::NotAnObject { found: "a number" });
}

fn any_text() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("blank", |text| !text.trim().is_empty())
}

proptest! {
    #[test]
    fn reads_back_what_was_written(
        texts in prop::collection::vec((any_text(), any_text(), prop::collection::vec((any_text(), any::<f32>()), 0..3)), 1..6),
        name in prop::sample::select(vec!["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"]),
    ) {
        let finite = |score: f32| if score.is_finite() { score } else { 0.5 };
        let triplets: Vec<Triplet> = texts
            .into_iter()
            .map(|(query, positive, negatives)| {
                let scores = negatives.iter().map(|&(_, score)| finite(score)).collect();
                let negatives = negatives.into_iter().map(|(text, _)| text).collect();
                Triplet { query, positive, negatives, teacher_scores: Some(TeacherScores { positive: 1.0, negatives: scores }) }
            })
            .collect();
        let lines: Vec<String> = triplets
            .iter()
            .map(|triplet| {
                let scores = triplet.teacher_scores.as_ref().unwrap();
                json!({
                    "query": triplet.query, "positive": triplet.positive, "negatives": triplet.negatives,
                    "positive_score": scores.positive, "negative_scores": scores.negatives,
                }).to_string()
            })
            .collect();
        prop_assert_eq!(read(lines.join("\n").as_bytes(), name).unwrap(), triplets);
    }

    #[test]
    fn never_panics(line in r#"[{}\[\]",:a-z0-9\\ ]{0,40}|\{"query":.{0,20}\}"#) {
        let _ = read(line.as_bytes(), "t.jsonl");
    }
}
