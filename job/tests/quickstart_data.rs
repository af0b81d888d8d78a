//! The shipped data set is what its sources say, and its split is honest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn it_is_built_from_its_sources() {
    let out = tempfile::tempdir().unwrap();
    let data = common::repository("data/quickstart");
    let build = Command::new("python3")
        .arg(data.join("build.py"))
        .arg(out.path())
        .output()
        .unwrap();
    common::text(build, "build.py");
    for name in [
        "corpus.jsonl",
        "queries.jsonl",
        "train.jsonl",
        "qrels/train.tsv",
        "qrels/test.tsv",
    ] {
        let (built, committed) = (
            fs::read(out.path().join(name)).unwrap(),
            fs::read(data.join(name)).unwrap(),
        );
        assert!(
            built == committed,
            "{name} differs: run python3 data/quickstart/build.py"
        );
    }
}

#[test]
fn no_passage_of_the_test_split_is_trained_on() {
    let data = common::repository("data/quickstart");
    let corpus = records(&data.join("corpus.jsonl"));
    let queries = records(&data.join("queries.jsonl"));
    assert!(
        corpus.len() >= 500 && queries.len() >= 1500,
        "{} passages, {} questions",
        corpus.len(),
        queries.len()
    );
    let split = |name: &str| -> (HashSet<String>, HashSet<String>) {
        let text = fs::read_to_string(data.join("qrels").join(name)).unwrap();
        text.lines()
            .skip(1)
            .map(|line| {
                let mut columns = line.split('\t').map(str::to_owned);
                (columns.next().unwrap(), columns.next().unwrap())
            })
            .unzip()
    };
    let (test_queries, test_passages) = split("test.tsv");
    let (_, train_passages) = split("train.tsv");
    assert!(test_passages.is_disjoint(&train_passages));
    let held_out: HashSet<String> = corpus
        .iter()
        .filter(|passage| test_passages.contains(passage["_id"].as_str().unwrap()))
        .map(|passage| {
            format!(
                "{}\n{}",
                passage["title"].as_str().unwrap(),
                passage["text"].as_str().unwrap()
            )
        })
        .collect();
    let held_out_questions: HashSet<&str> = queries
        .iter()
        .filter(|query| test_queries.contains(query["_id"].as_str().unwrap()))
        .map(|query| query["text"].as_str().unwrap())
        .collect();
    assert_eq!(held_out.len(), test_passages.len());
    for triplet in records(&data.join("train.jsonl")) {
        assert!(
            !held_out_questions.contains(triplet["query"].as_str().unwrap()),
            "{}",
            triplet["query"]
        );
        let texts = triplet["negatives"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&triplet["positive"]]);
        for text in texts {
            assert!(!held_out.contains(text.as_str().unwrap()));
        }
    }
}
