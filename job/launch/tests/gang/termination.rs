use crate::harness::Place;
use splade_launch::{MAX_TERMINATION_BYTES, Outcome};

#[test]
fn a_success_tells_how_far_it_came() {
    let place = Place::new();
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 2",
        &[
            "step=1000",
            "0:checkpoint=s3://bucket/v33/step-00001000",
            "0:digest=sha256:abc",
        ],
    );
    assert_eq!(launcher.code(), 0);
    assert_eq!(
        launcher.log(),
        "{\"outcome\":\"Succeeded\",\"exitCode\":0,\"step\":1000,\"totalSteps\":1000,\
         \"checkpoint\":\"s3://bucket/v33/step-00001000\",\"modelDigest\":\"sha256:abc\"}"
    );
}

#[test]
fn a_huge_error_is_cut_and_the_rest_is_whole() {
    let place = Place::new();
    let checkpoint = format!("checkpoint=s3://bucket/{}", "가".repeat(300));
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 2",
        &[
            "step=3",
            &checkpoint,
            "1:error=long 메모리가 \"부족\"합니다",
            "1:exit=70",
            "hang",
        ],
    );
    assert_eq!(launcher.code(), 70);
    let log = launcher.log();
    assert!(log.len() <= MAX_TERMINATION_BYTES && log.len() > MAX_TERMINATION_BYTES - 16);
    let message = launcher.message();
    assert_eq!((message.outcome, message.step), (Outcome::Failed, Some(3)));
    assert_eq!(
        message.checkpoint.as_deref(),
        checkpoint.strip_prefix("checkpoint=")
    );
    let error = message.error.unwrap();
    assert_eq!(error.rank, Some(1));
    assert!(error.message.contains("메모리가 \"부족\"합니다") && error.message.ends_with("[cut]"));
}

#[test]
fn a_failure_before_the_first_rank_is_written_too() {
    let place = Place::new();
    let mut launcher = place.launch("launcher", "--nodes 2", &["true"]);
    assert_eq!(launcher.code(), 78);
    let message = launcher.message();
    assert_eq!((message.outcome, message.exit_code), (Outcome::Failed, 78));
    assert!(message.error.unwrap().message.contains("--node-rank"));
}

#[test]
fn what_stood_in_the_file_before_is_gone() {
    let place = Place::new();
    std::fs::write(place.path("launcher.log"), "x".repeat(5000)).unwrap();
    let mut launcher = place.launch("launcher", "", &["true"]);
    assert_eq!(launcher.code(), 0);
    assert_eq!(launcher.message().outcome, Outcome::Succeeded);
}
