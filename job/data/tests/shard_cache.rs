//! The cache of shards: made anew when it must be, and only then; whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::place::{Place, assert_holds, line, triplet};
use common::{message, tokenizer, tokenizer_json, write_file, write_tokenizer};
use splade_data::{DataError, ShardError, ShardSpec, Shards, TeacherScores, Tokenizer, Triplet};

#[test]
fn are_made_anew_when_anything_changes() {
    let mut place = Place::small();
    let mut seen = vec![place.open().unwrap().fingerprint().to_owned()];
    let mut is_new = |place: &Place, tokenizer: &Tokenizer| {
        let (shards, built) = place.open_with(tokenizer).unwrap();
        assert_ne!(built, 0);
        assert!(!seen.iter().any(|other| other == shards.fingerprint()));
        seen.push(shards.fingerprint().to_owned());
    };
    place.spec.query_max_length += 1;
    is_new(&place, &tokenizer());
    place.spec.document_max_length += 1;
    is_new(&place, &tokenizer());
    place.spec.hard_negatives = 1;
    is_new(&place, &tokenizer());
    is_new(&place, &tokenizer().omitting_special_tokens());
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tokenizer.json"),
        format!("{:#}", tokenizer_json()),
    )
    .unwrap();
    is_new(&place, &Tokenizer::from_folder(folder.path()).unwrap());
    place.spec.files.push(place.spec.files[0].clone());
    is_new(&place, &tokenizer());
    let content = fs::read_to_string(&place.spec.files[0]).unwrap();
    fs::write(&place.spec.files[0], content.replace("모델", "학습")).unwrap();
    is_new(&place, &tokenizer());
}

#[test]
fn stay_the_same_when_only_names_change() {
    let mut place = Place::small();
    assert_eq!(place.built(), 2);
    let moved = place.folder.path().join("moved.jsonl");
    fs::rename(&place.spec.files[0], &moved).unwrap();
    place.spec.files = vec![moved];
    assert_eq!(place.built(), 0);
}

#[test]
fn are_made_anew_when_damaged() {
    let scored = Triplet {
        teacher_scores: Some(TeacherScores {
            positive: 2.0,
            negatives: vec![1.0],
        }),
        ..triplet("검색", "문서", &["모델"])
    };
    let place = Place::new(
        &[scored, triplet("한국어", "a b", &[])]
            .map(|t| line(&t))
            .concat(),
    );
    let shards = place.open().unwrap();
    let folder = place.cache().join(shards.fingerprint());
    let names: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names.len(), 5);
    let cases: [fn(&Path, Vec<u8>); 4] = [
        |path, content| fs::write(path, &content[..content.len() / 2]).unwrap(),
        |path, content| fs::write(path, [&content[..], &[0; 16]].concat()).unwrap(),
        |path, mut content| {
            let last = content.len() - 1;
            content[last] ^= 64;
            fs::write(path, content).unwrap();
        },
        |_, _| {},
    ];
    let whole: Vec<Vec<u8>> = names.iter().map(|name| fs::read(name).unwrap()).collect();
    for (name, content) in names.iter().zip(&whole) {
        for damage in cases {
            // Another file, as after a crash: the mapped one stays as it is.
            fs::remove_file(name).unwrap();
            damage(name, content.clone());
            assert_eq!(place.built(), 2, "{}", name.display());
            assert!(
                names
                    .iter()
                    .zip(&whole)
                    .all(|(name, content)| fs::read(name).unwrap() == *content)
            );
        }
    }
    assert_eq!(place.built(), 0);
    assert_eq!(
        shards.example(1).unwrap(),
        place.open().unwrap().example(1).unwrap()
    );
}

#[test]
fn replace_what_a_killed_process_left() {
    let place = Place::small();
    let fingerprint = place.open().unwrap().fingerprint().to_owned();
    fs::remove_dir_all(place.cache().join(&fingerprint)).unwrap();
    let remains = place.cache().join(format!(".{fingerprint}-killed"));
    let of_others = place.cache().join(".0123-living");
    for folder in [&remains, &of_others] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("tokens.bin"), "torn").unwrap();
    }
    assert_eq!(place.built(), 2);
    assert!(!remains.exists() && of_others.exists());
}

#[test]
fn are_made_by_one_of_many() {
    let triplets: Vec<Triplet> = (0..3000)
        .map(|number: usize| triplet("a", &"b ".repeat(1 + number % 9), &["b"]))
        .collect();
    let place = Place::new(&triplets.iter().map(line).collect::<String>());
    let tokenizer = tokenizer();
    let made: Vec<(Shards, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| place.open_with(&tokenizer).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(made.iter().filter(|(_, built)| *built > 0).count(), 1);
    for (shards, _) in &made {
        assert_holds(shards, &triplets, &place.spec, &tokenizer);
    }
    assert_eq!(place.cached(), [made[0].0.fingerprint()]);
}

#[test]
fn leave_nothing_behind_when_a_line_is_bad() {
    let good = line(&triplet("a", "b", &["b"]));
    let content = good.repeat(5000) + "{\"query\": \"a\"}\n" + &good + "\u{7f}\n";
    let place = Place::new(&content);
    let text = message(place.open());
    assert!(
        text.ends_with("train.jsonl:5001: field `positive` is missing"),
        "{text}"
    );
    assert_eq!(place.cached(), [""; 0]);
    assert!(message(Place::new("").open()).contains("no triplet"));
}

#[test]
fn name_the_cache_folder_that_cannot_be_written() {
    let place = Place::small();
    let file = write_file(place.folder.path(), "file", b"");
    let text = message(Shards::open_or_build(
        &place.spec,
        &tokenizer(),
        &file.join("cache"),
        &mut |_| {},
    ));
    assert!(
        text.contains("file/cache") && text.contains("shard cache"),
        "{text}"
    );
}

/// Names the folder in which the test below, run again in a process that may write only small files, does its part.
const CRAMPED: &str = "SPLADE_DATA_CRAMPED";

#[test]
fn leave_nothing_behind_when_the_disk_is_full() {
    if let Some(folder) = std::env::var_os(CRAMPED) {
        return build_where_files_stay_small(Path::new(&folder));
    }
    let triplets: Vec<Triplet> = (0..20_000)
        .map(|_| triplet("a a a", &"b ".repeat(8), &["b b b"]))
        .collect();
    let place = Place::new(&triplets.iter().map(line).collect::<String>());
    write_tokenizer(&place.folder.path().join("tokenizer"));
    // A limit on the size of files fails the same write that a full disk does, and needs no disk to fill.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" --exact leave_nothing_behind_when_the_disk_is_full"])
        .arg(std::env::current_exe().unwrap())
        .env(CRAMPED, place.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(place.cached(), [""; 0]);
    assert_eq!(place.built(), 20_000);
}

fn build_where_files_stay_small(folder: &Path) {
    let tokenizer = Tokenizer::from_folder(&folder.join("tokenizer")).unwrap();
    let spec = ShardSpec {
        files: vec![folder.join("train.jsonl")],
        query_max_length: 6,
        document_max_length: 9,
        hard_negatives: 2,
    };
    let cache = folder.join("deep").join("cache");
    let error = Shards::open_or_build(&spec, &tokenizer, &cache, &mut |_| {}).unwrap_err();
    let DataError::Shard(ShardError::Cache {
        action: "write",
        path,
        ..
    }) = &error
    else {
        panic!("{error}")
    };
    assert!(
        path.starts_with(&cache) && error.to_string().contains("free space"),
        "{error}"
    );
}
