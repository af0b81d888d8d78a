//! Collectives over real processes, and what happens when a rank fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{PATIENCE, RankRole, Role, all_said, ranks, say};
use splade_native::{Backend, ProcessGroup, Rendezvous};
use std::time::Duration;
use tch::{Device, Kind, Tensor};

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).view([-1])).unwrap()
}

/// Runs `rank` in `world_size` processes that must all end well, and gives what each said.
fn run(test: &str, world_size: usize, rank: impl FnOnce(RankRole)) -> Option<Vec<Vec<String>>> {
    match ranks(test, 0..world_size, world_size) {
        Role::Test(processes) => Some(all_said(processes)),
        Role::Rank(role) => {
            rank(role);
            None
        }
    }
}

#[test]
fn collectives_do_what_they_say() {
    run("collectives_do_what_they_say", 3, |role| {
        let group = role.join(PATIENCE).unwrap();
        let rank = role.rank as f32;
        assert_eq!((group.rank(), group.world_size()), (role.rank, 3));

        let mut sum = Tensor::from_slice(&[rank, 1.0]);
        group.all_reduce_sum("a sum", &mut sum).unwrap();
        assert_eq!(floats(&sum), [3.0, 3.0]);

        let mut values = [
            Tensor::from_slice(&[rank; 4]).view([2, 2]),
            Tensor::from_slice(&[rank as i64]),
        ];
        group.broadcast("values", &mut values, 2).unwrap();
        assert_eq!(floats(&values[0]), [2.0; 4]);
        assert_eq!(floats(&values[1]), [2.0]);

        let rows = Tensor::from_slice(&[rank, -rank]).view([1, 2]);
        let all = group.all_gather("rows", &rows).unwrap();
        assert_eq!(all.size(), [3, 2]);
        assert_eq!(floats(&all), [0.0, 0.0, 1.0, -1.0, 2.0, -2.0]);

        group.barrier("the end").unwrap();
    });
}

#[test]
fn a_group_of_one_needs_no_other() {
    run("a_group_of_one_needs_no_other", 1, |role| {
        let group = role.join(PATIENCE).unwrap();
        let mut sum = Tensor::from(5f32);
        group.all_reduce_sum("a sum", &mut sum).unwrap();
        assert_eq!(floats(&sum), [5.0]);
        assert_eq!(
            group.gather_rows("rows", &sum.view([1, 1])).unwrap().size(),
            [1, 1]
        );
    });
}

/// In-batch negatives from all ranks: the gradients of the queries' and documents' rows, and their mean over the ranks'
/// shared weight, are those of one process with the whole batch.
#[test]
fn gathered_rows_have_the_gradient_of_one_process() {
    let rows = 4;
    let inputs = || {
        tch::manual_seed(5);
        let options = (Kind::Double, Device::Cpu);
        [0; 3].map(|_| Tensor::randn([2 * rows, 6], options))
    };
    let loss = |queries: &Tensor, documents: &Tensor, first: i64| {
        let labels = Tensor::arange(queries.size()[0], (Kind::Int64, Device::Cpu)) + first;
        queries
            .matmul(&documents.tr())
            .cross_entropy_for_logits(&labels)
    };
    let said = run(
        "gathered_rows_have_the_gradient_of_one_process",
        2,
        |role| {
            let group = role.join(PATIENCE).unwrap();
            let first = role.rank as i64 * rows;
            let [queries, documents, _] = inputs().map(|all| all.narrow(0, first, rows).copy());
            let (queries, documents) = (
                queries.set_requires_grad(true),
                documents.set_requires_grad(true),
            );
            let everyone = group.gather_rows("documents", &documents).unwrap();
            loss(&queries, &everyone, first).f_backward().unwrap();
            say(format!(
                "{:?}",
                Vec::<f64>::try_from(queries.grad().view([-1])).unwrap()
            ));
            say(format!(
                "{:?}",
                Vec::<f64>::try_from(documents.grad().view([-1])).unwrap()
            ));
        },
    );
    let Some(said) = said else { return };
    let [queries, documents, _] = inputs().map(|tensor| tensor.set_requires_grad(true));
    // Each rank's loss is a mean over half of the queries.
    (loss(&queries, &documents, 0) * 2.0).backward();
    for (line, reference) in [queries, documents].iter().enumerate() {
        let expected = Vec::<f64>::try_from(reference.grad().view([-1])).unwrap();
        let got: Vec<f64> = said
            .iter()
            .flat_map(|lines| {
                let list = lines[line].trim_matches(['[', ']']);
                list.split(", ")
                    .map(|number| number.parse::<f64>().unwrap())
            })
            .collect();
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() <= 1e-12, "{got} {expected}");
        }
    }
}

#[test]
fn announcements_reach_ranks_that_wait() {
    run("announcements_reach_ranks_that_wait", 2, |role| {
        let group = role.join(PATIENCE).unwrap();
        if role.rank == 1 {
            let error = group
                .wait_for("nothing", Duration::from_millis(200))
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("rank 1 of 2: "), "{error}");
            assert!(
                error.contains("nothing") && error.contains("200ms"),
                "{error}"
            );
            group.announce("shards").unwrap();
        }
        group.wait_for("shards", PATIENCE).unwrap();
        group.barrier("both have seen it").unwrap();
    });
}

#[test]
fn tensors_that_do_not_fit_are_refused_at_once() {
    run("tensors_that_do_not_fit_are_refused_at_once", 1, |role| {
        let group = role.join(PATIENCE).unwrap();
        let mut columns = Tensor::ones([2, 3], (Kind::Float, Device::Cpu)).tr();
        let error = group.all_reduce_sum("columns", &mut columns).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rank 0 of 1: all_reduce of columns failed: the tensor is not contiguous"
        );
        let error = group
            .broadcast("x", &mut [Tensor::from(1f32)], 1)
            .unwrap_err();
        assert!(error.to_string().contains("there is no rank 1"), "{error}");
        assert!(group.all_gather("x", &Tensor::from(1f32)).is_err());
    });
}

#[test]
fn a_killed_rank_is_an_error_on_the_others() {
    let limit = Duration::from_secs(60);
    match ranks("a_killed_rank_is_an_error_on_the_others", 0..3, 3) {
        Role::Rank(role) => {
            let group = role.join(limit).unwrap();
            let mut sum = Tensor::ones([1 << 16], (Kind::Float, Device::Cpu));
            for step in 0.. {
                if let Err(error) = group.all_reduce_sum("step losses", &mut sum) {
                    say(error);
                    return;
                }
                if step == 3 {
                    say("computing");
                }
            }
        }
        Role::Test(mut processes) => {
            for process in &mut processes {
                assert_eq!(process.hear(), "computing");
            }
            processes[1].kill();
            let [first, _, last] = <[_; 3]>::try_from(processes).ok().unwrap();
            for (rank, survivor) in [(0, first), (2, last)] {
                let (status, said) = survivor.end();
                assert!(status.success(), "{said:?}");
                let expected = format!("rank {rank} of 3: all_reduce of step losses failed: ");
                // Not "did not finish within 60 s", which is what waiting for the limit ends in.
                assert!(said[0].starts_with(&expected), "{said:?}");
            }
        }
    }
}

#[test]
fn a_rank_that_does_not_answer_is_an_error_in_time() {
    match ranks("a_rank_that_does_not_answer_is_an_error_in_time", 0..2, 2) {
        Role::Rank(role) => {
            let limit = if role.rank == 0 {
                Duration::from_secs(10)
            } else {
                PATIENCE
            };
            let group = role.join(limit).unwrap();
            if role.rank == 0 {
                say(group.barrier("epoch 3").unwrap_err());
            } else {
                std::thread::sleep(PATIENCE);
            }
        }
        Role::Test(mut processes) => {
            let said = processes[0].hear();
            assert!(
                said.starts_with("rank 0 of 2: barrier epoch 3 did not finish within 10 s: "),
                "{said}"
            );
        }
    }
}

/// A failure inside autograd comes out of the backward call.
#[test]
fn a_rank_lost_during_backward_is_an_error_of_backward() {
    match ranks(
        "a_rank_lost_during_backward_is_an_error_of_backward",
        0..2,
        2,
    ) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let rows = Tensor::ones([2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let all = group.gather_rows("documents", &rows).unwrap();
            say("forward");
            if role.rank == 1 {
                std::thread::sleep(PATIENCE);
            }
            let error = all.sum(Kind::Float).f_backward().unwrap_err().to_string();
            say(error.lines().next().unwrap());
        }
        Role::Test(mut processes) => {
            for process in &mut processes {
                assert_eq!(process.hear(), "forward");
            }
            processes[1].kill();
            let error = processes[0].hear();
            let expected = "rank 0 of 2: reduce_scatter of the gradient of documents failed: ";
            assert!(error.contains(expected), "{error}");
        }
    }
}

#[test]
fn rank_0_names_who_does_not_come() {
    match ranks("rank_0_names_who_does_not_come", 0..1, 3) {
        Role::Rank(role) => say(role.join(Duration::from_secs(1)).unwrap_err()),
        Role::Test(processes) => {
            let said = &all_said(processes)[0][0];
            let start = "rank 0 of 3: 1 of 3 ranks came to 127.0.0.1:";
            assert!(said.starts_with(start), "{said}");
            assert!(said.ends_with(" within 1s: missing: 1, 2"), "{said}");
        }
    }
}

#[test]
fn every_rank_names_who_does_not_come() {
    match ranks("every_rank_names_who_does_not_come", 0..2, 4) {
        Role::Rank(role) => {
            // Rank 0 serves the other longer than that waits.
            let limit = if role.rank == 0 {
                PATIENCE
            } else {
                Duration::from_secs(10)
            };
            say(role.join(limit).unwrap_err());
        }
        Role::Test(mut processes) => {
            let said = processes[1].hear();
            let start = "rank 1 of 4: 2 of 4 ranks came to 127.0.0.1:";
            assert!(said.starts_with(start), "{said}");
            assert!(said.ends_with(" within 10s: missing: 2, 3"), "{said}");
        }
    }
}

#[test]
fn without_rank_0_the_others_say_so() {
    match ranks("without_rank_0_the_others_say_so", 1..2, 2) {
        Role::Rank(role) => say(role.join(Duration::from_secs(1)).unwrap_err()),
        Role::Test(processes) => {
            let said = all_said(processes);
            let expected = "rank 1 of 2: rank 0 does not answer at 127.0.0.1:";
            assert!(said[0][0].starts_with(expected), "{said:?}");
        }
    }
}

#[test]
fn a_number_that_is_taken_is_refused() {
    run("a_number_that_is_taken_is_refused", 2, |role| {
        let group = role.join(PATIENCE).unwrap();
        if role.rank == 1 {
            assert_eq!(
                role.join(PATIENCE).unwrap_err().to_string(),
                "rank 1 of 2: cannot join: another process has joined under this number"
            );
        }
        group.barrier("refused").unwrap();
    });
}

#[test]
fn ranks_must_agree_on_how_many_they_are() {
    run("ranks_must_agree_on_how_many_they_are", 2, |role| {
        let rendezvous = Rendezvous {
            world_size: 2 + role.rank,
            ..role.rendezvous(PATIENCE)
        };
        let error = ProcessGroup::join(&rendezvous, Backend::Gloo)
            .unwrap_err()
            .to_string();
        if role.rank == 0 {
            assert!(error.contains("rank 1 was started as one of 3"), "{error}");
        }
    });
}

#[test]
fn senseless_ranks_are_refused() {
    let rendezvous = Rendezvous {
        host: "127.0.0.1".to_owned(),
        port: 1,
        rank: 2,
        world_size: 2,
        timeout: PATIENCE,
    };
    let error = ProcessGroup::join(&rendezvous, Backend::Gloo).unwrap_err();
    assert!(
        error.to_string().starts_with("rank 2 of 2: cannot join"),
        "{error}"
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn nccl_without_cuda_says_what_to_do() {
    let rendezvous = Rendezvous {
        host: "127.0.0.1".to_owned(),
        port: 1,
        rank: 0,
        world_size: 1,
        timeout: PATIENCE,
    };
    let error = ProcessGroup::join(&rendezvous, Backend::Nccl { device: 0 }).unwrap_err();
    assert!(error.to_string().contains("TORCH=cuda"), "{error}");
}
