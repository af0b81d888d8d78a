use super::*;
use proptest::prelude::*;

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
