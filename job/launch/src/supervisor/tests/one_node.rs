use super::*;

#[test]
fn one_node_starts_at_once_and_succeeds_when_all_ranks_do() {
    let (mut one, first) = launcher(1, 0);
    assert_eq!(first, [Action::Start]);
    assert!(one.observe(SECOND, ended(1, End::Code(0))).is_empty());
    assert!(!one.is_over());
    one.observe(2 * SECOND, ended(0, End::Code(0)));
    assert_eq!(code(&one), 0);
}

#[test]
fn a_failed_rank_ends_the_others_within_the_grace() {
    let (mut one, _) = launcher(1, 0);
    let actions = one.observe(SECOND, ended(1, End::Code(65)));
    assert!(actions.contains(&Action::Terminate) && !actions.contains(&Action::Kill));
    assert!(one.observe(2 * SECOND, Observation::Tick).is_empty());
    assert_eq!(one.observe(3 * SECOND, Observation::Tick), [Action::Kill]);
    one.observe(4 * SECOND, ended(0, End::Signal(SIGKILL)));
    assert_eq!(code(&one), 65);
    assert_eq!(one.failure().unwrap().rank, Some(1));
}

#[test]
fn in_the_same_instant_the_one_that_was_killed_is_named() {
    let (mut one, _) = launcher(1, 0);
    one.observe(
        SECOND,
        Observation::Reported {
            local: 0,
            report: report(5, Some(ExitClass::Software)),
        },
    );
    one.observe(SECOND, ended(0, End::Code(70)));
    one.observe(
        SECOND + Duration::from_millis(50),
        ended(1, End::Signal(SIGKILL)),
    );
    assert_eq!(one.failure().unwrap().rank, Some(1));
    assert_eq!(code(&one), 75);
}

#[test]
fn in_the_same_look_the_one_with_an_error_is_named() {
    let (mut one, _) = launcher(1, 0);
    let speaks = report(5, Some(ExitClass::Software));
    one.observe(
        SECOND,
        Observation::Reported {
            local: 1,
            report: speaks,
        },
    );
    let both = vec![end(0, End::Code(70)), end(1, End::Code(70))];
    one.observe(SECOND, Observation::Ended(both));
    let failure = one.failure().unwrap();
    assert_eq!(failure.rank, Some(1));
    assert!(failure.message.contains("said so"), "{failure}");
}

#[test]
fn what_happens_because_of_the_end_is_not_its_cause() {
    let (mut one, _) = launcher(1, 0);
    one.observe(SECOND, ended(1, End::Code(70)));
    // Told to leave, it leaves as it should; later, it fails on what the first one left.
    let mut early = launcher(1, 0).0;
    early.observe(SECOND, ended(1, End::Code(70)));
    early.observe(SECOND, ended(0, End::Code(75)));
    assert_eq!((code(&early), early.failure().unwrap().rank), (70, Some(1)));
    one.observe(2 * SECOND, ended(0, End::Code(65)));
    assert_eq!((code(&one), one.failure().unwrap().rank), (70, Some(1)));
}

#[test]
fn asked_to_leave_ranks_have_their_time() {
    let (mut one, _) = launcher(1, 0);
    let actions = one.observe(SECOND, Observation::Signal);
    assert!(actions.contains(&Action::Terminate));
    assert!(one.observe(30 * SECOND, Observation::Tick).is_empty());
    one.observe(30 * SECOND, ended(0, End::Code(75)));
    one.observe(30 * SECOND, ended(1, End::Signal(SIGTERM)));
    assert_eq!(code(&one), 75);
    assert_eq!(one.failure().unwrap().cause, Cause::Interrupted);
}

#[test]
fn ranks_that_finish_anyway_have_succeeded() {
    let (mut one, _) = launcher(1, 0);
    one.observe(SECOND, Observation::Signal);
    one.observe(
        SECOND,
        Observation::Ended(vec![end(0, End::Code(0)), end(1, End::Code(0))]),
    );
    assert_eq!(code(&one), 0);
}

#[test]
fn past_its_time_or_at_a_second_signal_they_are_killed() {
    for (at, observation) in [
        (31 * SECOND, Observation::Tick),
        (2 * SECOND, Observation::Signal),
    ] {
        let (mut one, _) = launcher(1, 0);
        one.observe(SECOND, Observation::Signal);
        assert_eq!(one.observe(at, observation), [Action::Kill]);
        for local in 0..2 {
            one.observe(at, ended(local, End::Signal(SIGKILL)));
        }
        assert_eq!(code(&one), 75);
        let message = one.failure().unwrap().message;
        assert!(message.contains("ranks 0-1"), "{message}");
    }
}

#[test]
fn a_save_that_fails_is_a_failure() {
    let (mut one, _) = launcher(1, 0);
    one.observe(SECOND, Observation::Signal);
    one.observe(2 * SECOND, ended(0, End::Code(70)));
    assert_eq!(one.observe(4 * SECOND, Observation::Tick), [Action::Kill]);
    one.observe(4 * SECOND, ended(1, End::Signal(SIGKILL)));
    assert_eq!(code(&one), 70);
}

#[test]
fn any_report_is_life_and_without_one_it_is_a_stall() {
    let (mut one, _) = launcher(1, 0);
    for seconds in [90, 180] {
        let observation = Observation::Reported {
            local: 1,
            report: report(seconds.into(), None),
        };
        assert!(one.observe(seconds * SECOND, observation).is_empty());
    }
    assert!(one.observe(279 * SECOND, Observation::Tick).is_empty());
    let actions = one.observe(280 * SECOND, Observation::Tick);
    assert!(actions.contains(&Action::Terminate));
    let failure = one.failure().unwrap();
    assert_eq!(
        (failure.cause, failure.class),
        (Cause::Stall, ExitClass::Temporary)
    );
    assert!(
        failure
            .message
            .contains("rank 0 without any report; rank 1 in phase Training at step 180"),
        "{failure}"
    );
}

#[test]
fn when_rank_0_is_done_the_others_must_end_soon() {
    let (mut one, _) = launcher(1, 0);
    one.observe(SECOND, ended(0, End::Code(0)));
    for seconds in [30, 60] {
        let observation = Observation::Reported {
            local: 1,
            report: report(seconds.into(), None),
        };
        one.observe(seconds * SECOND, observation);
    }
    one.observe(61 * SECOND, Observation::Tick);
    let failure = one.failure().unwrap();
    assert_eq!(failure.cause, Cause::Stall);
    assert!(failure.message.contains("rank 1 in phase"), "{failure}");
}

#[test]
fn a_process_that_cannot_die_does_not_keep_the_launcher() {
    let (mut one, _) = launcher(1, 0);
    one.observe(SECOND, ended(0, End::Code(70)));
    one.observe(3 * SECOND, Observation::Tick);
    assert!(!one.is_over());
    one.observe(8 * SECOND, Observation::Tick);
    assert_eq!(code(&one), 70);
    assert!(
        one.failure()
            .unwrap()
            .message
            .contains("rank 1 did not die")
    );
}
