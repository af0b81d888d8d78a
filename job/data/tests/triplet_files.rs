//! Files of triplets: found, decompressed, and blamed by file and line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::PathBuf;

use common::{message, write_file};
use splade_data::{DataError, Triplet, Triplets, expand};

const GOOD: &str = r#"{"query": "물음", "positive": "답"}"#;

fn read(content: &[u8], name: &str) -> Result<Vec<Triplet>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let file = write_file(folder.path(), name, content);
    Triplets::read(&[file]).collect()
}

#[test]
fn says_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_file(
        folder.path(),
        "a.jsonl.gz",
        format!("{GOOD}\n{GOOD}").as_bytes(),
    );
    let second = write_file(
        folder.path(),
        "b.jsonl",
        format!("{GOOD}\r\n{GOOD}\r\n{{\"query\": \"q\"}}").as_bytes(),
    );
    let mut triplets = Triplets::read(&[first, second.clone()]);
    let error = triplets.by_ref().find_map(Result::err).unwrap();
    assert_eq!(
        error.to_string(),
        format!("{}:3: field `positive` is missing", second.display())
    );
    assert!(triplets.next().is_none(), "goes on after an error");
}

#[test]
fn refuses_a_line_beyond_the_limit() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let line = |bytes: usize| {
        let text = "x".repeat(bytes - r#"{"query":"","positive":"p"}"#.len());
        format!(r#"{{"query":"{text}","positive":"p"}}"#)
    };
    assert_eq!(
        read(format!("{}\r\n{GOOD}", line(LIMIT)).as_bytes(), "t.jsonl")
            .unwrap()
            .len(),
        2
    );
    let text = message(read(
        format!("{GOOD}\n{}\n{GOOD}", line(LIMIT + 1)).as_bytes(),
        "t.jsonl.zst",
    ));
    assert!(
        text.contains("t.jsonl.zst:2: the line is longer than 16777216 bytes"),
        "{text}"
    );
}

#[test]
fn refuses_what_is_not_utf8() {
    let text = message(read(
        &[GOOD.as_bytes(), b"\n{\"query\": \"\xff\"}"].concat(),
        "t.jsonl",
    ));
    assert!(
        text.contains("t.jsonl:2: the line is not UTF-8 after 11 bytes"),
        "{text}"
    );
}

#[test]
fn refuses_a_compressed_file_that_is_cut_off() {
    let content: String = (0..2000)
        .map(|number| {
            format!(
                r#"{{"query": "{number}", "positive": "{}"}}"#,
                number * 7919
            ) + "\n"
        })
        .collect();
    for name in ["t.jsonl.gz", "t.jsonl.zst"] {
        let folder = tempfile::tempdir().unwrap();
        let path = write_file(folder.path(), name, content.as_bytes());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let text =
            message(Triplets::read(std::slice::from_ref(&path)).collect::<Result<Vec<_>, _>>());
        assert!(
            text.contains(name) && text.contains("is the file complete"),
            "{text}"
        );
    }
}

#[test]
fn reads_all_members_of_a_compressed_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.jsonl.gz", "t.jsonl.zst"] {
        let path = write_file(folder.path(), name, format!("{GOOD}\n").as_bytes());
        let once = std::fs::read(&path).unwrap();
        std::fs::write(&path, [once.clone(), once].concat()).unwrap();
        assert_eq!(
            Triplets::read(&[path])
                .collect::<Result<Vec<_>, _>>()
                .unwrap()
                .len(),
            2,
            "{name}"
        );
    }
}

#[test]
fn refuses_an_empty_data_set_and_a_missing_file() {
    let text = message(read(b"", "t.jsonl"));
    assert!(
        text.contains("no triplet in") && text.contains("t.jsonl"),
        "{text}"
    );
    let text =
        message(Triplets::read(&[PathBuf::from("/nowhere.jsonl")]).collect::<Result<Vec<_>, _>>());
    assert!(text.contains("cannot open /nowhere.jsonl"), "{text}");
}

#[test]
fn expands_globs_sorted_and_without_repeats() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.jsonl", "a.jsonl", "c.jsonl.zst"] {
        write_file(folder.path(), name, GOOD.as_bytes());
    }
    std::fs::create_dir(folder.path().join("d.jsonl")).unwrap();
    let pattern = |pattern: &str| folder.path().join(pattern).display().to_string();
    let names = |files: Vec<PathBuf>| -> Vec<String> {
        files
            .iter()
            .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(expand(&[pattern("*.jsonl")]).unwrap()),
        ["a.jsonl", "b.jsonl"]
    );
    let files = expand(&[pattern("b*"), pattern("*.jsonl*"), pattern("a.jsonl")]).unwrap();
    assert_eq!(names(files), ["a.jsonl", "b.jsonl", "c.jsonl.zst"]);
    let text = message(expand(&[pattern("*.jsonl"), pattern("x*")]));
    assert!(
        text.contains(&format!("`{}` matches no file", pattern("x*"))),
        "{text}"
    );
    assert!(message(expand(&["a[".to_owned()])).contains("no glob pattern"));
    assert!(message(expand::<String>(&[])).contains("give at least one"));
}
