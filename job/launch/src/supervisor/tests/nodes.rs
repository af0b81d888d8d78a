use super::*;

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

#[test]
fn only_node_0_says_that_there_is_no_checkpoint() {
    for (mut node, says) in [(running_lead(), true), (running_member(), false)] {
        node.observe(
            SECOND,
            Observation::Reported {
                local: 0,
                report: report(3, None),
            },
        );
        node.observe(SECOND, Observation::Signal);
        for local in 0..2 {
            node.observe(SECOND, ended(local, End::Code(75)));
        }
        let message = node.failure().unwrap().message;
        assert!(message.contains("after step 3"), "{message}");
        assert_eq!(message.contains("no checkpoint"), says, "{message}");
    }
}
