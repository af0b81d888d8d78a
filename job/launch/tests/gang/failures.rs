use crate::harness::{Place, send, wait_for_end};
use splade_launch::Outcome;

#[test]
fn a_rank_killed_in_its_run_ends_all_and_is_named() {
    let place = Place::new();
    let ready = place.ready();
    // The others hang, as in a collective, and do not hear SIGTERM.
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 4",
        &["listen", "step=12", "print=working", &ready, "hang"],
    );
    let pids = place.pids(4);
    send("KILL", pids[2]);
    assert_eq!(launcher.code(), 75);
    pids.into_iter().for_each(wait_for_end);
    let message = launcher.message();
    assert_eq!((message.outcome, message.step), (Outcome::Failed, Some(12)));
    let error = message.error.unwrap();
    assert_eq!(error.rank, Some(2));
    for expected in ["rank 2", "SIGKILL", "step 12 of 1000", "working"] {
        assert!(error.message.contains(expected), "{}", error.message);
    }
    assert!(launcher.stderr().contains("error: rank 2"));
}

#[test]
fn the_exit_code_is_that_of_the_first_failure() {
    for (code, expected) in [(65, 65), (78, 78), (70, 70), (1, 70), (139, 70)] {
        let place = Place::new();
        let ready = place.ready();
        let exit = format!("1:exit={code}");
        let mut launcher =
            place.launch_ranks("--ranks-per-node 3", &["listen", &ready, &exit, "hang"]);
        assert_eq!(launcher.code(), expected);
        let error = launcher.message().error.unwrap();
        assert_eq!(error.rank, Some(1));
        assert!(
            error.message.contains(&format!("exit code {code}")),
            "{}",
            error.message
        );
    }
}

#[test]
fn the_error_that_a_rank_reports_is_the_one_that_is_told() {
    let place = Place::new();
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 2",
        &[
            "step=7",
            "1:error=손실이 숫자가 아닙니다",
            "1:exit=70",
            "hang",
        ],
    );
    assert_eq!(launcher.code(), 70);
    let error = launcher.message().error.unwrap();
    assert!(
        error
            .message
            .contains("at step 7 of 1000: 손실이 숫자가 아닙니다"),
        "{}",
        error.message
    );
}

#[test]
fn a_stall_is_noticed_and_says_where_everyone_is() {
    let place = Place::new();
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 3 --stall 4000",
        &["listen", "step=9", "2:step=8", "2:saving", "hang"],
    );
    assert_eq!(launcher.code(), 75);
    let message = launcher.message();
    assert_eq!(message.outcome, Outcome::Stalled);
    let error = message.error.unwrap();
    assert!(
        error.message.contains(
            "rank 2 in phase Saving at step 8 of 1000; ranks 0-1 in phase Training at step 9 of 1000"
        ),
        "{}",
        error.message
    );
}

#[test]
fn ranks_that_never_report_stall_too() {
    let place = Place::new();
    let mut launcher = place.launch(
        "launcher",
        "--ranks-per-node 2 --stall 1000",
        &["sleep", "1000"],
    );
    assert_eq!(launcher.code(), 75);
    assert!(launcher.stderr().contains("ranks 0-1 without any report"));
}

#[test]
fn steps_keep_a_gang_alive_and_early_finishers_do_not_end_it() {
    let place = Place::new();
    let ready = place.ready();
    // Rank 0 goes on for twice as long as a stall lasts.
    let mut actions = vec!["1:exit=0".to_owned(), ready];
    for step in 0..40 {
        actions.push(format!("step={step}"));
        actions.push("sleep=200".to_owned());
    }
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    let mut launcher = place.launch_ranks("--ranks-per-node 2 --stall 4000", &actions);
    assert_eq!(launcher.code(), 0, "{}", launcher.stderr());
    let message = launcher.message();
    assert_eq!(
        (message.outcome, message.step),
        (Outcome::Succeeded, Some(39))
    );
}

#[test]
fn ranks_that_do_not_end_after_rank_0_are_a_stall() {
    let place = Place::new();
    let (ready, gate) = (place.ready(), format!("0:{}", place.gate()));
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 2 --finish 500",
        &["listen", "step=3", &ready, &gate, "0:exit=0", "hang"],
    );
    place.pids(2);
    place.go();
    assert_eq!(launcher.code(), 75);
    let error = launcher.message().error.unwrap().message;
    assert!(
        error.contains("rank 0 was done") && error.contains("rank 1 in phase Training"),
        "{error}"
    );
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let place = Place::new();
    let mut launcher = place.launch("launcher", "--ranks-per-node 2", &["/no/such/program"]);
    assert_eq!(launcher.code(), 78);
    assert!(launcher.stderr().contains("cannot start rank 0"));
}
