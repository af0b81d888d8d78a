//! BM25 on real Korean data reproduces the nDCG@10 that bm25s and pytrec_eval gave on the same files.
//!
//! Needs `SPLADE_SHARED`, the folder that has `data/`, and the cargo feature `shared-data`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;
use splade_retrieval::{
    Analyzer, Bm25Index, Bm25Parameters, Dataset, Document, DocumentIds, Qrels, Query, evaluate,
};
use tokenizers::Tokenizer;

fn shared(path: &str) -> PathBuf {
    let folder = std::env::var_os("SPLADE_SHARED")
        .expect("SPLADE_SHARED is not set: name the folder that has data/strategyqa-ko-facts");
    PathBuf::from(folder).join("data").join(path)
}

fn model_subwords() -> Analyzer {
    let tokenizer = Tokenizer::from_file(shared("tokenizer/tokenizer.json")).unwrap();
    Analyzer::Subword {
        name: "model".to_owned(),
        tokenizer: Box::new(move |text| Ok(tokenizer.encode(text, false)?.get_tokens().to_vec())),
    }
}

fn assert_ndcg(dataset: &Dataset, analyzer: Analyzer, expected: f64) {
    let ids = DocumentIds::new(dataset.corpus.iter().map(|document| document.id.as_str())).unwrap();
    let texts: Vec<_> = dataset.corpus.iter().map(Document::contents).collect();
    let name = analyzer.name().to_owned();
    let index = Bm25Index::build(
        ids,
        &texts,
        analyzer,
        Bm25Parameters::new(1.5, 0.75).unwrap(),
    )
    .unwrap();
    let queries: Vec<(&str, &str)> = dataset
        .queries
        .iter()
        .map(|query| (query.id.as_str(), query.text.as_str()))
        .collect();
    let run = index.search_all(&queries, 100).unwrap();
    let found = evaluate(&dataset.qrels, &run).unwrap().mean.ndcg_at_10;
    println!("{} {name}: nDCG@10 {found:.4}", dataset.name);
    assert!(
        (found - expected).abs() < 0.001,
        "{} {name}: {found}, expected {expected}",
        dataset.name
    );
}

fn strategyqa() -> Dataset {
    let dataset = Dataset::load(
        &shared("strategyqa-ko-facts"),
        "strategyqa-ko-facts",
        "test",
    )
    .unwrap();
    assert_eq!((dataset.corpus.len(), dataset.queries.len()), (4170, 624));
    dataset
}

#[derive(Deserialize)]
struct KorQuad {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    title: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    question: String,
}

/// KorQuAD as retrieval: questions look for their paragraph, under the title of its article (where
/// the file writes underscores for spaces).
fn squad_kor() -> Dataset {
    let file = std::fs::read(shared("korquad/KorQuAD_v1.0_dev.json")).unwrap();
    let articles = serde_json::from_slice::<KorQuad>(&file).unwrap().data;
    let mut dataset = Dataset {
        name: "SQuADKorV1".to_owned(),
        split: "dev".to_owned(),
        corpus: Vec::new(),
        queries: Vec::new(),
        qrels: Qrels::new(),
        unjudged_queries: 0,
        unknown_documents: 0,
    };
    let mut known: HashMap<String, String> = HashMap::new();
    for article in articles {
        let title = article.title.replace('_', " ");
        for Paragraph { context, qas } in article.paragraphs {
            let next = format!("p{:05}", known.len());
            let id = known.entry(context.clone()).or_insert_with(|| {
                let (title, text) = (title.clone(), context);
                dataset.corpus.push(Document {
                    id: next.clone(),
                    title,
                    text,
                });
                next
            });
            for Question {
                id: query,
                question,
            } in qas
            {
                dataset
                    .qrels
                    .insert(query.clone(), [(id.clone(), 1)].into());
                dataset.queries.push(Query {
                    id: query,
                    text: question,
                });
            }
        }
    }
    assert_eq!((dataset.corpus.len(), dataset.queries.len()), (961, 5774));
    dataset
}

#[test]
fn strategyqa_whitespace() {
    assert_ndcg(&strategyqa(), Analyzer::Whitespace, 0.522);
}

#[test]
fn strategyqa_character_bigrams() {
    assert_ndcg(&strategyqa(), Analyzer::CharacterBigram, 0.792);
}

#[test]
fn strategyqa_model_subwords() {
    assert_ndcg(&strategyqa(), model_subwords(), 0.808);
}

#[test]
fn squad_kor_whitespace() {
    assert_ndcg(&squad_kor(), Analyzer::Whitespace, 0.833);
}

#[test]
fn squad_kor_character_bigrams() {
    assert_ndcg(&squad_kor(), Analyzer::CharacterBigram, 0.959);
}

#[test]
fn squad_kor_model_subwords() {
    assert_ndcg(&squad_kor(), model_subwords(), 0.953);
}
