//! Run files: what is written reads back to the bit, and what is malformed is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use proptest::prelude::*;
use splade_retrieval::run_file::{ReadRunError, WriteRunError, read_run, write_run};
use splade_retrieval::{Hit, Ranking, Run};
use tempfile::TempDir;

fn ranking(hits: &[(&str, f32)]) -> Ranking {
    let hits = hits.iter().map(|(document, score)| Hit {
        document: (*document).into(),
        score: *score,
    });
    Ranking::from_hits(hits.collect()).unwrap()
}

fn written(run: &Run, tag: &str) -> Result<String, WriteRunError> {
    let mut bytes = Vec::new();
    write_run(&mut bytes, run, tag)?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn read(text: &str) -> Result<Run, ReadRunError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.trec");
    fs::write(&path, text).unwrap();
    read_run(&path)
}

fn assert_refused(text: &str, expected: &str) {
    let message = read(text).unwrap_err().to_string();
    assert!(
        message.contains(expected),
        "{message:?} does not say {expected:?}"
    );
}

#[test]
fn lines_are_ranked_from_one_with_the_shortest_scores() {
    let run = Run::from([(
        "질문".to_owned(),
        ranking(&[("a", 0.1), ("b", 1.0), ("c", 1.0)]),
    )]);
    let expected = "질문 Q0 c 1 1 bm25\n질문 Q0 b 2 1 bm25\n질문 Q0 a 3 0.1 bm25\n";
    assert_eq!(written(&run, "bm25").unwrap(), expected);
}

#[test]
fn scores_decide_the_order_and_ranks_do_not() {
    let run = read("q Q0 a 1 0.5 x\nq Q0 b 2 1e0 x\r\nq\tQ0  c 0 0.999999999 x\n").unwrap();
    assert_eq!(run["q"], ranking(&[("c", 1.0), ("b", 1.0), ("a", 0.5)]));
}

#[test]
fn malformed_lines_are_refused() {
    assert_refused(
        "q Q0 a 1 0.5 x\nq Q0 b 2 1\n",
        "run.trec line 2: expected six columns",
    );
    assert_refused("q Q0 a 1 0.5 x\n\n", "line 2: expected six columns");
    assert_refused("q Q0 a 1 high x\n", "line 1: score \"high\"");
    assert_refused("q Q0 a 1 nan x\n", "line 1: score \"nan\"");
    assert_refused("q Q0 a 1 1e39 x\n", "line 1: score \"1e39\"");
    let twice = "q Q0 a 1 2 x\np Q0 a 1 2 x\nq Q0 a 2 1 x\n";
    assert_refused(twice, "line 3: query \"q\" already has document \"a\"");
}

#[test]
fn what_the_format_cannot_carry_is_not_written() {
    let run = |query: &str, document: &str, score: f32| {
        Run::from([(query.to_owned(), ranking(&[(document, score)]))])
    };
    let name = |result| matches!(result, Err(WriteRunError::Name { .. }));
    assert!(name(written(&run("a query", "d", 1.0), "tag")));
    assert!(name(written(&run("q", "", 1.0), "tag")));
    assert!(name(written(&run("q", "d\u{3000}", 1.0), "tag")));
    assert!(name(written(&run("q", "d", 1.0), "two words")));
    let infinite = written(&run("q", "d", f32::INFINITY), "tag");
    assert!(matches!(infinite, Err(WriteRunError::Infinite { .. })));
}

proptest! {
    #[test]
    fn a_run_reads_back_to_the_bit(
        run in prop::collection::btree_map(
            "[a-z가-힣]{1,6}",
            prop::collection::btree_map("[a-z0-9가-힣/:.-]{1,8}", prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO, 1..20),
            0..6,
        ),
    ) {
        let run: Run = run
            .into_iter()
            .map(|(query, hits)| {
                let hits: Vec<(&str, f32)> =
                    hits.iter().map(|(document, score)| (document.as_str(), *score)).collect();
                (query, ranking(&hits))
            })
            .collect();
        let back = read(&written(&run, "tag").unwrap()).unwrap();
        prop_assert_eq!(&back, &run);
        let bits = |run: &Run| -> Vec<u32> {
            run.values().flat_map(Ranking::hits).map(|hit| hit.score.to_bits()).collect()
        };
        prop_assert_eq!(bits(&back), bits(&run));
    }
}
