//! A data set and its shards, and what the shards must hold.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use splade_data::{DataError, ShardSpec, Shards, TeacherScores, Tokenizer, Triplet};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use super::{tokenizer, write_file};

/// A triplet as a line of JSON.
pub fn line(triplet: &Triplet) -> String {
    let mut line = json!({"query": triplet.query, "positive": triplet.positive, "negatives": triplet.negatives});
    if let Some(scores) = &triplet.teacher_scores {
        line["positive_score"] = json!(scores.positive);
        line["negative_scores"] = json!(scores.negatives);
    }
    line.to_string() + "\n"
}

/// A triplet without teacher scores.
pub fn triplet(query: &str, positive: &str, negatives: &[&str]) -> Triplet {
    Triplet {
        query: query.to_owned(),
        positive: positive.to_owned(),
        negatives: negatives.iter().map(|&text| text.to_owned()).collect(),
        teacher_scores: None,
    }
}

/// A data set and a cache in a folder of their own.
pub struct Place {
    pub folder: TempDir,
    pub spec: ShardSpec,
}

impl Place {
    pub fn new(content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![write_file(folder.path(), "train.jsonl", content.as_bytes())];
        let spec = ShardSpec {
            files,
            query_max_length: 6,
            document_max_length: 9,
            hard_negatives: 2,
        };
        Self { folder, spec }
    }

    pub fn small() -> Self {
        Self::new(
            &[
                triplet("검색", "문서", &["모델", "학습"]),
                triplet("한국어", "a b", &[]),
            ]
            .map(|t| line(&t))
            .concat(),
        )
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("deep").join("cache")
    }

    pub fn open(&self) -> Result<Shards, DataError> {
        self.open_with(&tokenizer()).map(|(shards, _)| shards)
    }

    /// The shards and how many triplets were tokenised for them.
    pub fn open_with(&self, tokenizer: &Tokenizer) -> Result<(Shards, u64), DataError> {
        let mut built = 0;
        let shards = Shards::open_or_build(&self.spec, tokenizer, &self.cache(), &mut |done| {
            built = done
        })?;
        Ok((shards, built))
    }

    pub fn built(&self) -> u64 {
        self.open_with(&tokenizer()).unwrap().1
    }

    /// What lies in the cache besides locks.
    pub fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.filter(|name| !name.ends_with(".lock")).collect()
    }
}

/// What the shards must hold, tokenised directly.
pub fn assert_holds(
    shards: &Shards,
    triplets: &[Triplet],
    spec: &ShardSpec,
    tokenizer: &Tokenizer,
) {
    assert_eq!(shards.len(), triplets.len());
    for (index, triplet) in triplets.iter().enumerate() {
        let example = shards.example(index).unwrap();
        assert_eq!(example.index, index);
        assert_eq!(
            example.query.tokens,
            tokenizer
                .encode(&triplet.query, spec.query_max_length)
                .unwrap()
        );
        let kept = triplet.negatives.len().min(spec.hard_negatives);
        let documents: Vec<&String> = [&triplet.positive]
            .into_iter()
            .chain(&triplet.negatives[..kept])
            .collect();
        let found: Vec<_> = [&example.positive]
            .into_iter()
            .chain(&example.negatives)
            .collect();
        assert_eq!(found.len(), documents.len());
        for (found, text) in found.iter().zip(documents) {
            assert_eq!(
                found.tokens,
                tokenizer.encode(text, spec.document_max_length).unwrap()
            );
            assert_eq!(found.id, xxh3_64(text.as_bytes()));
        }
        assert_eq!(example.query.id, xxh3_64(triplet.query.as_bytes()));
        let scores = triplet.teacher_scores.as_ref().map(|scores| TeacherScores {
            positive: scores.positive,
            negatives: scores.negatives[..kept].to_vec(),
        });
        assert_eq!(example.teacher_scores, scores);
    }
}
