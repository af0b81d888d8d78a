//! What a BEIR folder may look like, and what is said about a broken one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write;
use std::path::Path;

use splade_retrieval::Dataset;
use splade_retrieval::source::MAX_LINE_BYTES;
use tempfile::TempDir;

const CORPUS: &str = "{\"_id\": \"d1\", \"title\": \"t\", \"text\": \"x\"}\n";
const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"x\"}\n";
const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t1\n";

fn folder(corpus: &[u8], queries: &str, qrels: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("corpus.jsonl"), corpus).unwrap();
    fs::write(folder.path().join("queries.jsonl"), queries).unwrap();
    fs::create_dir(folder.path().join("qrels")).unwrap();
    fs::write(folder.path().join("qrels/test.tsv"), qrels).unwrap();
    folder
}

fn load(folder: &TempDir) -> Result<Dataset, String> {
    Dataset::load(folder.path(), "name", "test").map_err(|error| error.to_string())
}

/// The message must name the file and line and say every expected thing.
fn assert_refused(folder: &TempDir, expected: &[&str]) {
    let message = load(folder).unwrap_err();
    for part in expected {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn line_ends_of_windows_and_a_missing_last_one_are_fine() {
    let crlf = |text: &str| text.trim_end().replace('\n', "\r\n");
    let folder = folder(crlf(CORPUS).as_bytes(), &crlf(QUERIES), &crlf(QRELS));
    let dataset = load(&folder).unwrap();
    assert_eq!(dataset.qrels["q1"]["d1"], 1);
    assert_eq!(
        (dataset.name.as_str(), dataset.split.as_str()),
        ("name", "test")
    );
}

fn gzip(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    fs::write(format!("{}.gz", path.display()), encoder.finish().unwrap()).unwrap();
    fs::remove_file(path).unwrap();
}

fn zstd(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(
        format!("{}.zst", path.display()),
        zstd::encode_all(&bytes[..], 1).unwrap(),
    )
    .unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn compressed_files_load_like_plain_ones() {
    let folder = folder(CORPUS.as_bytes(), QUERIES, QRELS);
    let plain = load(&folder).unwrap();
    gzip(&folder.path().join("corpus.jsonl"));
    zstd(&folder.path().join("queries.jsonl"));
    gzip(&folder.path().join("qrels/test.tsv"));
    let compressed = load(&folder).unwrap();
    assert_eq!(compressed.corpus, plain.corpus);
    assert_eq!(compressed.queries, plain.queries);
    assert_eq!(compressed.qrels, plain.qrels);
}

#[test]
fn a_truncated_compressed_file_is_not_the_end_of_the_corpus() {
    let folder = folder(CORPUS.as_bytes(), QUERIES, QRELS);
    let path = folder.path().join("corpus.jsonl");
    gzip(&path);
    let compressed = folder.path().join("corpus.jsonl.gz");
    let bytes = fs::read(&compressed).unwrap();
    fs::write(&compressed, &bytes[..bytes.len() - 9]).unwrap();
    assert_refused(&folder, &["corpus.jsonl.gz", "is the file complete?"]);
}

#[test]
fn a_file_must_be_there_once() {
    let complete = folder(CORPUS.as_bytes(), QUERIES, QRELS);
    fs::write(complete.path().join("corpus.jsonl.gz"), "").unwrap();
    assert_refused(
        &complete,
        &["corpus.jsonl and", "corpus.jsonl.gz both exist"],
    );
    fs::remove_file(complete.path().join("corpus.jsonl.gz")).unwrap();
    fs::remove_file(complete.path().join("queries.jsonl")).unwrap();
    assert_refused(&complete, &["queries.jsonl is missing"]);
    fs::remove_dir_all(complete.path().join("qrels")).unwrap();
    assert_refused(&complete, &["cannot list the splits", "qrels"]);
}

#[test]
fn an_unknown_split_names_the_known_ones_and_never_leaves_the_folder() {
    let folder = folder(CORPUS.as_bytes(), QUERIES, QRELS);
    fs::write(folder.path().join("qrels/dev.tsv.gz"), "").unwrap();
    fs::write(folder.path().join("qrels/README"), "").unwrap();
    for split in ["train", "", "../qrels/test"] {
        let error = Dataset::load(folder.path(), "name", split)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("there is: dev, test"), "{error}");
        assert!(error.contains(&format!("no split {split:?}")), "{error}");
    }
}

#[test]
fn broken_documents_are_named_by_file_line_and_field() {
    let cases: [(&str, &str); 9] = [
        ("{\"_id\": \"d2\", ", "not a JSON object"),
        ("", "not a JSON object"),
        (
            "{\"_id\": \"d2\", \"text\": \"x\", \"text\": \"y\"}",
            "duplicate field `text`",
        ),
        ("{\"text\": \"x\"}", "field `_id` is missing"),
        ("{\"_id\": \"\", \"text\": \"x\"}", "field `_id` is empty"),
        (
            "{\"_id\": 7, \"text\": \"x\"}",
            "field `_id` is not a string",
        ),
        (
            "{\"_id\": \"d2\", \"title\": \"t\"}",
            "field `text` is missing",
        ),
        (
            "{\"_id\": \"d2\", \"title\": \"\", \"text\": \"\"}",
            "field `text` is empty",
        ),
        (
            "{\"_id\": \"d1\", \"text\": \"x\"}",
            "_id \"d1\" is there twice",
        ),
    ];
    for (line, problem) in cases {
        let folder = folder(format!("{CORPUS}{line}\n").as_bytes(), QUERIES, QRELS);
        assert_refused(&folder, &["corpus.jsonl line 2", problem]);
    }
}

#[test]
fn broken_queries_are_named_by_file_line_and_field() {
    let cases: [(&str, &str); 3] = [
        ("{\"_id\": \"q2\"}", "field `text` is missing"),
        ("{\"_id\": \"q2\", \"text\": \"\"}", "field `text` is empty"),
        (
            "{\"_id\": \"q1\", \"text\": \"x\"}",
            "_id \"q1\" is there twice",
        ),
    ];
    for (line, problem) in cases {
        let folder = folder(CORPUS.as_bytes(), &format!("{QUERIES}{line}\n"), QRELS);
        assert_refused(&folder, &["queries.jsonl line 2", problem]);
    }
}

#[test]
fn broken_judgments_are_named_by_file_and_line() {
    let cases: [(&str, &str); 7] = [
        ("q9\td1\t1", "query \"q9\" is not in the queries file"),
        ("q1\td2", "found 2"),
        ("q1 0 d2 1", "found 1"),
        ("q1\t\t1", "field `corpus-id` is empty"),
        ("q1\td2\t1.0", "score \"1.0\""),
        ("q1\td2\t99999999999", "score \"99999999999\""),
        (
            "q1\td1\t0",
            "query \"q1\" and document \"d1\" is there twice",
        ),
    ];
    for (line, problem) in cases {
        let folder = folder(CORPUS.as_bytes(), QUERIES, &format!("{QRELS}{line}\n"));
        assert_refused(&folder, &["test.tsv line 3", problem]);
    }
    let headless = folder(CORPUS.as_bytes(), QUERIES, "q1\td1\t1\n");
    assert_refused(&headless, &["test.tsv line 1", "put the header"]);
}

#[test]
fn files_without_records_are_refused() {
    assert_refused(
        &folder(b"", QUERIES, QRELS),
        &["corpus.jsonl has no records"],
    );
    let header = "query-id\tcorpus-id\tscore\n";
    assert_refused(
        &folder(CORPUS.as_bytes(), QUERIES, header),
        &["test.tsv has no records"],
    );
}

#[test]
fn lines_are_bounded_text() {
    let latin1 = [
        CORPUS.as_bytes(),
        b"{\"_id\": \"d2\", \"text\": \"\xe9\"}\n",
    ]
    .concat();
    assert_refused(
        &folder(&latin1, QUERIES, QRELS),
        &["corpus.jsonl line 2 is not UTF-8"],
    );

    let frame = "{\"_id\": \"d1\", \"text\": \"\"}".len();
    let document = |length: usize| {
        format!(
            "{{\"_id\": \"d1\", \"text\": \"{}\"}}\r\n",
            "x".repeat(length - frame)
        )
    };
    let longest = folder(document(MAX_LINE_BYTES).as_bytes(), QUERIES, QRELS);
    assert_eq!(load(&longest).unwrap().corpus.len(), 1);
    let longer = folder(document(MAX_LINE_BYTES + 1).as_bytes(), QUERIES, QRELS);
    assert_refused(
        &longer,
        &["corpus.jsonl line 1 is longer than 16777216 bytes"],
    );
}
