use crate::harness::{Place, send, wait_for, wait_for_end};
use splade_launch::Outcome;

#[test]
fn sigterm_and_sigint_have_the_ranks_save_and_leave() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let ready = place.ready();
        let mut launcher =
            place.launch_ranks("--ranks-per-node 3", &["listen", "step=1", &ready, "train"]);
        place.pids(3);
        send(signal, launcher.pid());
        assert_eq!(launcher.code(), 75, "{}", launcher.stderr());
        assert_eq!(launcher.stdout().matches("saved").count(), 3);
        let message = launcher.message();
        assert_eq!(
            (message.outcome, message.exit_code),
            (Outcome::Interrupted, 75)
        );
        let checkpoint = message.checkpoint.unwrap();
        assert!(checkpoint.starts_with("file:///runs/step-"));
        assert!(message.error.unwrap().message.contains(&checkpoint));
    }
}

#[test]
fn ranks_that_do_not_leave_in_time_are_killed() {
    let place = Place::new();
    let ready = place.ready();
    let mut launcher = place.launch_ranks(
        "--ranks-per-node 2 --termination 1000",
        &["listen", "checkpoint=file:///runs/step-4", &ready, "hang"],
    );
    let pids = place.pids(2);
    send("TERM", launcher.pid());
    assert_eq!(launcher.code(), 75);
    pids.into_iter().for_each(wait_for_end);
    let error = launcher.message().error.unwrap().message;
    assert!(
        error.contains("ranks 0-1 did not leave") && error.contains("file:///runs/step-4"),
        "{error}"
    );
}

#[test]
fn a_second_signal_kills_at_once() {
    let place = Place::new();
    let ready = place.ready();
    let mut launcher = place.launch_ranks("--ranks-per-node 2", &["listen", &ready, "hang"]);
    let pids = place.pids(2);
    send("TERM", launcher.pid());
    // Two signals at once are one for the kernel: the second is sent when the first has had its effect.
    wait_for("the first signal to arrive", || {
        launcher.stdout().contains("asked to leave").then_some(())
    });
    send("TERM", launcher.pid());
    assert_eq!(launcher.code(), 75);
    pids.into_iter().for_each(wait_for_end);
    assert!(launcher.stderr().contains("a second signal killed"));
}

#[test]
fn a_rank_that_does_not_hear_yet_just_goes() {
    let place = Place::new();
    let ready = place.ready();
    let mut launcher = place.launch_ranks("--ranks-per-node 2", &[&ready, "hang"]);
    place.pids(2);
    send("TERM", launcher.pid());
    assert_eq!(launcher.code(), 75);
    assert_eq!(launcher.message().outcome, Outcome::Interrupted);
}
