//! Several nodes, as several launchers on this machine.

use crate::harness::{ACTOR, Launcher, Place, free_ports, send, wait_for, wait_for_end};
use splade_launch::Outcome;

/// Starts the launchers of a gang with two ranks a node.
fn launch(place: &Place, nodes: u32, flags: &str, actions: &[&str]) -> Vec<Launcher> {
    let port = free_ports();
    let mut program = vec![ACTOR, "rank"];
    program.extend(actions);
    // The last one first: they come in any order.
    let mut launchers: Vec<Launcher> = (0..nodes)
        .rev()
        .map(|node| {
            let flags = format!(
                "--nodes {nodes} --node-rank {node} --ranks-per-node 2 --master-addr 127.0.0.1 \
                 --master-port {port} {flags}"
            );
            place.launch(&format!("node-{node}"), &flags, &program)
        })
        .collect();
    launchers.reverse();
    launchers
}

#[test]
fn three_nodes_are_one_gang() {
    let place = Place::new();
    let ready = place.ready();
    let mut launchers = launch(&place, 3, "", &[&ready, "print=here", "2:sleep=500"]);
    place.pids(6);
    for (node, launcher) in launchers.iter_mut().enumerate() {
        assert_eq!(launcher.code(), 0, "{}", launcher.stderr());
        for rank in [2 * node, 2 * node + 1] {
            assert!(launcher.stdout().contains(&format!("[rank {rank}] here")));
        }
    }
}

#[test]
fn a_node_that_is_killed_ends_all_and_is_named() {
    for killed in [0, 2] {
        let place = Place::new();
        let ready = place.ready();
        let mut launchers = launch(&place, 3, "", &["listen", "step=5", &ready, "hang"]);
        let pids = place.pids(6);
        send("KILL", launchers[killed].pid());
        for (node, launcher) in launchers.iter_mut().enumerate() {
            if node == killed {
                launcher.wait();
                continue;
            }
            assert_eq!(launcher.code(), 75, "{}", launcher.stderr());
            let message = launcher.message();
            assert_eq!(message.outcome, Outcome::NodeLost);
            let error = message.error.unwrap().message;
            assert!(error.contains(&format!("node {killed} is lost")), "{error}");
        }
        pids.into_iter().for_each(wait_for_end);
    }
}

#[test]
fn a_node_that_falls_silent_ends_all_and_is_named() {
    let place = Place::new();
    let ready = place.ready();
    let mut launchers = launch(&place, 3, "--silence 5000", &["listen", &ready, "hang"]);
    let pids = place.pids(6);
    send("STOP", launchers[1].pid());
    for node in [0, 2] {
        assert_eq!(launchers[node].code(), 75, "{}", launchers[node].stderr());
        let error = launchers[node].message().error.unwrap().message;
        assert!(
            error.contains("node 1 is lost: nothing was heard"),
            "{error}"
        );
    }
    send("KILL", launchers[1].pid());
    pids.into_iter().for_each(wait_for_end);
}

#[test]
fn a_rank_that_fails_ends_all_nodes_with_its_exit_code() {
    let place = Place::new();
    let ready = place.ready();
    let mut launchers = launch(
        &place,
        3,
        "",
        &[
            "listen",
            "step=5",
            &ready,
            &place.gate(),
            "5:print=bad line",
            "5:exit=65",
            "hang",
        ],
    );
    let pids = place.pids(6);
    place.go();
    for launcher in &mut launchers {
        assert_eq!(launcher.code(), 65, "{}", launcher.stderr());
        let error = launcher.message().error.unwrap();
        assert_eq!(error.rank, Some(5));
        assert!(
            error
                .message
                .contains("rank 5 on node 2 left with exit code 65"),
            "{}",
            error.message
        );
    }
    pids.into_iter().for_each(wait_for_end);
}

#[test]
fn a_killed_rank_is_named_on_all_nodes_although_its_peers_fail_too() {
    let place = Place::new();
    let ready = place.ready();
    // As when a collective breaks: the others fail, with an error each, on the node of the one that was killed and
    // on another.
    let mut launchers = launch(
        &place,
        2,
        "",
        &[
            &ready,
            "2:hang",
            &place.gate(),
            "error=connection closed",
            "exit=70",
        ],
    );
    let pids = place.pids(4);
    send("KILL", pids[2]);
    place.go();
    for launcher in &mut launchers {
        assert_eq!(launcher.code(), 75, "{}", launcher.stderr());
        assert_eq!(launcher.message().error.unwrap().rank, Some(2));
    }
}

#[test]
fn one_node_asked_to_leave_has_all_save_and_leave() {
    for asked in [0, 1] {
        let place = Place::new();
        let ready = place.ready();
        let mut launchers = launch(&place, 3, "", &["listen", "step=1", &ready, "train"]);
        place.pids(6);
        send("TERM", launchers[asked].pid());
        for launcher in &mut launchers {
            assert_eq!(launcher.code(), 75, "{}", launcher.stderr());
            assert_eq!(launcher.message().outcome, Outcome::Interrupted);
            assert_eq!(launcher.stdout().matches("saved").count(), 2);
        }
    }
}

#[test]
fn nodes_that_do_not_come_are_named_and_no_rank_starts() {
    let place = Place::new();
    let port = free_ports();
    let flags = |node: u32| {
        format!(
            "--nodes 3 --node-rank {node} --master-addr 127.0.0.1 --master-port {port} --stall 4000"
        )
    };
    let mut launchers = [
        place.launch("lead", &flags(0), &["echo", "started"]),
        place.launch("member", &flags(2), &["echo", "started"]),
    ];
    for launcher in &mut launchers {
        assert_eq!(launcher.code(), 75);
        assert_eq!(launcher.stdout(), "");
    }
    assert!(launchers[0].stderr().contains("node 1 did not come"));
}

#[test]
fn a_node_of_another_gang_is_refused_and_told_why() {
    let place = Place::new();
    let port = free_ports();
    let flags = |node: u32, ranks: u32| {
        format!(
            "--nodes 2 --node-rank {node} --ranks-per-node {ranks} --master-addr 127.0.0.1 --master-port {port}"
        )
    };
    let mut lead = place.launch("lead", &flags(0, 1), &["echo", "started"]);
    let mut other = place.launch("other", &flags(1, 4), &["echo", "started"]);
    assert_eq!(other.code(), 78);
    assert!(
        other.stderr().contains("same manifest and flags"),
        "{}",
        other.stderr()
    );
    // The right one still finds its place.
    let mut right = place.launch("right", &flags(1, 1), &["echo", "started"]);
    assert_eq!((right.code(), lead.code()), (0, 0));
}

#[test]
fn strangers_at_the_port_do_no_harm() {
    use std::io::Write;
    let place = Place::new();
    let port = free_ports();
    let flags = |node: u32| {
        format!("--nodes 2 --node-rank {node} --master-addr 127.0.0.1 --master-port {port}")
    };
    let mut lead = place.launch("lead", &flags(0), &["echo", "started"]);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 100_000],
        b"{\"type\":\"Stop\"}\n",
        b"",
    ] {
        let mut stream = wait_for("the port to open", || {
            std::net::TcpStream::connect(("127.0.0.1", port + 1)).ok()
        });
        // It may be cut off before it has said all.
        let _ = stream.write_all(bytes);
    }
    let mut member = place.launch("member", &flags(1), &["echo", "started"]);
    assert_eq!((member.code(), lead.code()), (0, 0), "{}", lead.stderr());
}
