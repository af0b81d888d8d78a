use super::*;
use crate::exit::End;
use crate::gang::Shape;
use crate::report::{Phase, RankError};
use proptest::prelude::*;
use signal_hook::consts::{SIGKILL, SIGTERM};

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        stall: 100 * SECOND,
        stop: 30 * SECOND,
        grace: 2 * SECOND,
        finish: 60 * SECOND,
        silence: 30 * SECOND,
    }
}

fn launcher(nodes: u32, node_rank: u32) -> (Supervisor, Vec<Action>) {
    let gang = Gang {
        shape: Shape {
            nodes,
            ranks_per_node: 2,
        },
        node_rank,
        master_addr: "127.0.0.1".into(),
        master_port: 1,
    };
    Supervisor::new(gang, limits())
}

fn end(local: u32, end: End) -> RankEnd {
    RankEnd {
        local,
        end,
        out_of_memory: false,
        last_line: String::new(),
    }
}

fn ended(local: u32, how: End) -> Observation {
    Observation::Ended(vec![end(local, how)])
}

fn said(node: u32, message: Message) -> Observation {
    Observation::Peer(PeerEvent::Said { node, message })
}

fn lost(node: u32) -> Observation {
    Observation::Peer(PeerEvent::Lost {
        node,
        reason: "gone".into(),
    })
}

fn report(step: u64, error: Option<ExitClass>) -> RankReport {
    RankReport {
        phase: Phase::Training,
        step,
        error: error.map(|class| RankError {
            class,
            message: "said so".into(),
        }),
        updated: step,
        ..RankReport::default()
    }
}

fn code(supervisor: &Supervisor) -> u8 {
    assert!(supervisor.is_over());
    supervisor
        .failure()
        .map_or(0, |failure| failure.class.code())
}

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

#[test]
fn node_0_starts_all_when_all_are_here() {
    let (mut lead, first) = launcher(3, 0);
    assert!(first.is_empty());
    assert!(
        lead.observe(SECOND, Observation::Peer(PeerEvent::Joined(2)))
            .is_empty()
    );
    assert_eq!(
        lead.observe(SECOND, Observation::Peer(PeerEvent::Joined(1))),
        [Action::Start, Action::Tell(Message::Start)]
    );
    let (mut member, first) = launcher(3, 1);
    assert!(first.is_empty());
    assert_eq!(
        member.observe(SECOND, said(0, Message::Start)),
        [Action::Start]
    );
}

#[test]
fn nodes_that_do_not_come_are_named() {
    let (mut lead, _) = launcher(3, 0);
    lead.observe(SECOND, Observation::Peer(PeerEvent::Joined(1)));
    let actions = lead.observe(100 * SECOND, Observation::Tick);
    assert!(matches!(
        actions[..],
        [Action::Tell(Message::Failed { .. }), ..]
    ));
    lead.observe(100 * SECOND, said(1, Message::Ended));
    assert_eq!(code(&lead), 75);
    assert!(lead.failure().unwrap().message.contains("node 2 did not"));
}

#[test]
fn asked_to_leave_before_the_start_it_leaves() {
    for node in [0, 1] {
        let (mut waiting, _) = launcher(2, node);
        waiting.observe(SECOND, Observation::Signal);
        assert_eq!(code(&waiting), 75);
    }
}

fn running_lead() -> Supervisor {
    let (mut lead, _) = launcher(3, 0);
    for node in [1, 2] {
        lead.observe(SECOND, Observation::Peer(PeerEvent::Joined(node)));
    }
    lead
}

fn running_member() -> Supervisor {
    let (mut member, _) = launcher(3, 1);
    member.observe(SECOND, Observation::Peer(PeerEvent::Joined(0)));
    member.observe(SECOND, said(0, Message::Start));
    member
}

#[test]
fn a_lost_node_ends_all_and_is_named() {
    for (mut launcher, gone) in [(running_lead(), 2), (running_member(), 0)] {
        let actions = launcher.observe(2 * SECOND, lost(gone));
        assert!(actions.contains(&Action::Terminate));
        let failure = launcher.failure().unwrap();
        assert_eq!(
            (failure.cause, failure.class),
            (Cause::NodeLost, ExitClass::Temporary)
        );
        assert!(failure.message.contains(&format!("node {gone} is lost")));
    }
}

#[test]
fn a_node_that_took_leave_is_not_lost() {
    let mut lead = running_lead();
    for local in 0..2 {
        lead.observe(2 * SECOND, ended(local, End::Code(0)));
    }
    assert!(!lead.is_over());
    for node in [1, 2] {
        lead.observe(3 * SECOND, said(node, Message::Ended));
        assert!(lead.observe(3 * SECOND, lost(node)).is_empty());
    }
    assert_eq!(code(&lead), 0);
}

#[test]
fn every_node_leaves_with_the_verdict_of_node_0() {
    let mut member = running_member();
    member.observe(2 * SECOND, ended(0, End::Code(70)));
    member.observe(2 * SECOND, ended(1, End::Code(70)));
    assert!(!member.is_over());
    let root = Failure::new(ExitClass::Data, "rank 5 on node 2: bad line");
    let verdict = Message::Verdict {
        failure: Some(root.clone()),
    };
    member.observe(3 * SECOND, said(0, verdict));
    assert_eq!(code(&member), 65);
    assert_eq!(member.failure(), Some(root));
}

#[test]
fn a_failure_elsewhere_reaches_the_third_node() {
    let mut lead = running_lead();
    let failure = Failure::new(ExitClass::Data, "rank 5 on node 2: bad line");
    let actions = lead.observe(
        2 * SECOND,
        said(
            2,
            Message::Failed {
                failure: failure.clone(),
            },
        ),
    );
    assert!(actions.contains(&Action::Tell(Message::Failed { failure })));
    assert!(actions.contains(&Action::Terminate));
}

#[test]
fn a_node_asked_to_leave_takes_all_with_it_and_its_own_signal_is_no_second_one() {
    let mut lead = running_lead();
    let actions = lead.observe(2 * SECOND, said(1, Message::Stop));
    assert_eq!(
        actions,
        [Action::Terminate, Action::Tell(Message::Stop)],
        "the third node hears of it too"
    );
    assert!(lead.observe(2 * SECOND, Observation::Signal).is_empty());
    assert_eq!(
        lead.observe(2 * SECOND, Observation::Signal),
        [Action::Kill]
    );
}

#[test]
fn members_have_no_say_in_what_is_node_0s() {
    let mut lead = running_lead();
    let failure = Some(Failure::new(ExitClass::Data, "no"));
    for message in [
        Message::Verdict { failure },
        Message::Start,
        Message::Refused {
            reason: "no".into(),
        },
    ] {
        assert!(lead.observe(2 * SECOND, said(1, message)).is_empty());
    }
    assert_eq!(lead.failure(), None);
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Code(0)),
        (1..256).prop_map(End::Code),
        (1..32).prop_map(End::Signal),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    let failure = || Failure::new(ExitClass::Software, "elsewhere");
    prop_oneof![
        Just(Message::Start),
        Just(Message::Stop),
        Just(Message::Ended),
        Just(Message::Beat),
        Just(Message::Failed { failure: failure() }),
        Just(Message::Verdict {
            failure: Some(failure())
        }),
        Just(Message::Verdict { failure: None }),
    ]
}

fn any_observation() -> impl Strategy<Value = Observation> {
    prop_oneof![
        Just(()).prop_map(|()| Observation::Signal),
        Just(()).prop_map(|()| Observation::Tick),
        (0..2_u32, any_end()).prop_map(|(local, how)| ended(local, how)),
        (0..2_u32, 0..9_u64).prop_map(|(local, step)| Observation::Reported {
            local,
            report: report(step, None)
        }),
        (0..3_u32, any_message()).prop_map(|(node, message)| said(node, message)),
        (0..3_u32).prop_map(lost),
        (1..3_u32).prop_map(|node| Observation::Peer(PeerEvent::Joined(node))),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: the launcher ends, with a code of the contract, and no rank is left that
    /// was not killed.
    #[test]
    fn it_always_ends(
        nodes in prop::sample::select(vec![1, 3]),
        place in 0..3_u32,
        events in prop::collection::vec((any_observation(), 0..40_u64), 0..30),
    ) {
        let (mut launcher, first) = launcher(nodes, place % nodes);
        let mut running = [first.contains(&Action::Start); 2];
        let mut kills = 0;
        let mut now = Clock::ZERO;
        let quiet = (0..400).map(|_| (Observation::Tick, 1));
        for (observation, seconds) in events.into_iter().chain(quiet) {
            if launcher.is_over() {
                break;
            }
            now += seconds as u32 * SECOND;
            // Only a rank that runs can end or report.
            let observation = match observation {
                Observation::Ended(ends) if !running[ends[0].local as usize] => Observation::Tick,
                Observation::Reported { local, .. } if !running[local as usize] => Observation::Tick,
                other => other,
            };
            if let Observation::Ended(ends) = &observation {
                running[ends[0].local as usize] = false;
            }
            for action in launcher.observe(now, observation) {
                match action {
                    Action::Start => running = [true; 2],
                    Action::Kill => kills += 1,
                    Action::Terminate | Action::Tell(_) => {}
                }
            }
        }
        prop_assert!(launcher.is_over(), "{launcher:?}");
        prop_assert!(running == [false; 2] || kills == 1, "{launcher:?}");
    }
}
