use crate::harness::{ACTOR, Place, wait_for};
use std::collections::HashMap;
use std::fs;
use std::process::Command;

#[test]
fn lines_of_four_ranks_come_whole_in_order_and_with_their_rank() {
    let place = Place::new();
    let mut launcher = place.launch_ranks("--ranks-per-node 4", &["lines=2000"]);
    assert_eq!(launcher.code(), 0);
    let mut next: HashMap<String, u32> = HashMap::new();
    for line in launcher.stdout().lines() {
        let (rank, rest) = line
            .strip_prefix("[rank ")
            .and_then(|rest| rest.split_once("] line "))
            .unwrap_or_else(|| panic!("no whole line: {line}"));
        let expected = next.entry(rank.to_owned()).or_default();
        let filler = "가".repeat(*expected as usize % 300);
        assert_eq!(rest, format!("{expected} of {rank} {filler}."));
        *expected += 1;
    }
    assert_eq!(next.len(), 4);
    assert!(next.values().all(|count| *count == 2000), "{next:?}");
}

#[test]
fn lines_of_json_stay_json_and_name_their_rank() {
    let place = Place::new();
    let mut launcher = place.launch_ranks("--ranks-per-node 4", &["lines=500"]);
    assert_eq!(launcher.code(), 0);
    let stderr = launcher.stderr();
    assert_eq!(stderr.lines().count(), 2000);
    for line in stderr.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["rank"], object["of"], "{line}");
    }
}

#[test]
fn a_line_beyond_the_bound_is_split_and_marked() {
    let place = Place::new();
    let script = "head -c 150000 /dev/zero | tr '\\0' x; echo; echo after";
    let mut launcher = place.launch("launcher", "--ranks-per-node 2", &["sh", "-c", script]);
    assert_eq!(launcher.code(), 0);
    let of_one: Vec<String> = launcher
        .stdout()
        .lines()
        .filter_map(|line| line.strip_prefix("[rank 1] "))
        .map(|line| line.replace("xxxxxxxxxx", ""))
        .collect();
    let ends = ["[continues]", "[continues]", "x", "after"];
    assert_eq!(of_one.len(), ends.len(), "{of_one:?}");
    for (line, end) in of_one.iter().zip(ends) {
        assert!(line.len() < 50 && line.ends_with(end), "{line}");
    }
    assert!(of_one[1].starts_with("[continued] ") && of_one[2].starts_with("[continued] "));
}

#[test]
fn one_rank_alone_prints_as_it_is() {
    let place = Place::new();
    let script = "printf 'a\\rb\\n{\"x\":1}\\n\\377no end'; printf oops >&2";
    let mut launcher = place.launch("launcher", "", &["sh", "-c", script]);
    assert_eq!(launcher.code(), 0);
    let bytes = fs::read(place.path("launcher.out")).unwrap();
    assert_eq!(bytes, b"a\rb\n{\"x\":1}\n\xffno end");
    assert_eq!(launcher.stderr(), "oops");
}

#[test]
fn the_last_words_of_a_rank_that_dies_are_not_lost() {
    let place = Place::new();
    let script = "if [ $RANK = 1 ]; then printf 'last words' ; kill -9 $$; fi; exec sleep 1000";
    let mut launcher = place.launch("launcher", "--ranks-per-node 2", &["sh", "-c", script]);
    assert_eq!(launcher.code(), 75);
    assert!(launcher.stdout().contains("[rank 1] last words\n"));
    assert!(launcher.stderr().contains("its last output: last words"));
}

#[test]
fn ranks_go_on_when_nobody_reads_what_they_print() {
    let place = Place::new();
    let done = place.path("done");
    let script = format!(
        "i=0; while [ $i -lt 3000 ]; do echo line $i; echo line $i >&2; i=$((i+1)); done; echo $? > {}-$RANK",
        done.display()
    );
    let status = Command::new("sh")
        .args(["-c", "\"$@\" 2>&1 >/dev/full | true", "sh", ACTOR, "launch"])
        .args(["--ranks-per-node", "2", "--", "sh", "-c", &script])
        .status()
        .unwrap();
    assert!(status.success());
    for rank in 0..2 {
        wait_for("the rank to finish", || {
            fs::read_to_string(place.path(&format!("done-{rank}"))).ok()
        });
    }
}
