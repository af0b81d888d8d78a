//! Averaged gradients over real processes against one process with the whole batch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{PATIENCE, RankRole, Role, all_said, ranks, say};
use splade_native::{ProcessGroup, Reducer};
use tch::{Device, Kind, Tensor};

const NAMES: [&str; 4] = ["embedding", "hidden", "norm", "head"];
/// Wide enough that the parameters fill several buckets.
const WIDTH: i64 = 600;
const BATCH: i64 = 8;

struct Model([Tensor; 4]);

impl Model {
    /// Values differ with the seed; shapes and order do not.
    fn new(seed: i64) -> Self {
        tch::manual_seed(seed);
        let options = (Kind::Float, Device::Cpu);
        let shapes: [&[i64]; 4] = [&[16, WIDTH], &[WIDTH, WIDTH], &[WIDTH], &[WIDTH, 3]];
        Self(shapes.map(|shape| (Tensor::randn(shape, options) * 0.05).set_requires_grad(true)))
    }

    fn represent(&self, inputs: &Tensor) -> Tensor {
        let [embedding, hidden, norm, head] = &self.0;
        let states = inputs.matmul(embedding).tanh().matmul(hidden) * norm;
        states.tanh().matmul(head)
    }

    /// A mean over the rows, so that the whole batch's loss is the mean of equal parts' losses.
    fn loss(&self, inputs: &Tensor) -> Tensor {
        self.represent(inputs).square().mean(Kind::Float)
    }

    /// Each row must find its own among `all` rows, of which its rank's begin at `first`.
    fn contrastive_loss(rows: &Tensor, all: &Tensor, first: i64) -> Tensor {
        let labels = Tensor::arange(rows.size()[0], (Kind::Int64, Device::Cpu)) + first;
        rows.matmul(&all.tr()).cross_entropy_for_logits(&labels)
    }

    fn reducer(&self, group: &ProcessGroup) -> Reducer {
        Reducer::new(group, &self.0, &NAMES.map(str::to_owned)).unwrap()
    }

    /// One step of gradient descent, after which the gradients are zero.
    fn step(&mut self) {
        tch::no_grad(|| {
            for parameter in &mut self.0 {
                let mut gradient = parameter.grad();
                let _ = parameter.g_sub_(&(&gradient * 0.1));
                let _ = gradient.zero_();
            }
        });
    }

    fn gradients(&self) -> Vec<Tensor> {
        self.0
            .iter()
            .map(|parameter| parameter.grad().copy())
            .collect()
    }
}

fn batch(step: i64) -> Tensor {
    tch::manual_seed(100 + step);
    Tensor::randn([BATCH, 16], (Kind::Float, Device::Cpu))
}

fn part(step: i64, role: &RankRole) -> Tensor {
    let rows = BATCH / role.world_size as i64;
    batch(step).narrow(0, role.rank as i64 * rows, rows)
}

/// All bits of the tensors, in few letters.
fn fingerprint(tensors: &[Tensor]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for value in tensors
        .iter()
        .flat_map(|tensor| Vec::<f32>::try_from(tensor.view([-1])).unwrap())
    {
        hash = (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

fn assert_close(got: &[Tensor], expected: &[Tensor]) {
    for ((got, expected), name) in got.iter().zip(expected).zip(NAMES) {
        let error = (got - expected).norm().double_value(&[]) / expected.norm().double_value(&[]);
        assert!(error <= 1e-6, "the gradient of {name} is off by {error}");
    }
}

/// Every rank starts from other values; after the first broadcast all take the same steps as one process.
fn averages_as_one_process(test: &str, world_size: usize) {
    match ranks(test, 0..world_size, world_size) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let mut model = Model::new(7 + role.rank as i64);
            let mut alone = Model::new(7);
            let mut reducer = model.reducer(&group);
            for step in 0..4 {
                reducer.backward(&model.loss(&part(step, &role))).unwrap();
                alone.loss(&batch(step)).backward();
                assert_close(&model.gradients(), &alone.gradients());
                say(fingerprint(&model.gradients()));
                model.step();
                alone.step();
                say(fingerprint(&model.0));
            }
        }
        Role::Test(processes) => {
            let said = all_said(processes);
            assert_eq!(said[0].len(), 8);
            assert!(said.iter().all(|lines| *lines == said[0]), "{said:?}");
            assert_ne!(said[0][0], said[0][2]);
        }
    }
}

#[test]
fn two_ranks_average_as_one_process() {
    averages_as_one_process("two_ranks_average_as_one_process", 2);
}

#[test]
fn four_ranks_average_as_one_process() {
    averages_as_one_process("four_ranks_average_as_one_process", 4);
}

/// In-batch negatives from all ranks: one backward with the collectives of the gather and of the reducer in it.
fn gathered_negatives_average_as_one_process(test: &str, world_size: usize) {
    match ranks(test, 0..world_size, world_size) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let (mut model, mut alone) = (Model::new(9), Model::new(9));
            let mut reducer = model.reducer(&group);
            for step in 0..3 {
                let rows = model.represent(&part(step, &role));
                let all = group.gather_rows("representations", &rows).unwrap();
                let first = role.rank as i64 * rows.size()[0];
                reducer
                    .backward(&Model::contrastive_loss(&rows, &all, first))
                    .unwrap();
                let everything = alone.represent(&batch(step));
                Model::contrastive_loss(&everything, &everything, 0).backward();
                assert_close(&model.gradients(), &alone.gradients());
                say(fingerprint(&model.gradients()));
                model.step();
                alone.step();
            }
        }
        Role::Test(processes) => {
            let said = all_said(processes);
            assert_eq!(said[0].len(), 3);
            assert!(said.iter().all(|lines| *lines == said[0]), "{said:?}");
        }
    }
}

#[test]
fn negatives_of_two_ranks_average_as_one_process() {
    gathered_negatives_average_as_one_process("negatives_of_two_ranks_average_as_one_process", 2);
}

#[test]
fn negatives_of_four_ranks_average_as_one_process() {
    gathered_negatives_average_as_one_process("negatives_of_four_ranks_average_as_one_process", 4);
}

#[test]
fn a_window_of_micro_steps_averages_the_sums_once() {
    match ranks("a_window_of_micro_steps_averages_the_sums_once", 0..2, 2) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let (mut model, mut alone, mut local) = (Model::new(3), Model::new(3), Model::new(3));
            let mut reducer = model.reducer(&group);
            for window in 0..3 {
                for micro_step in [3 * window, 3 * window + 1] {
                    model.loss(&part(micro_step, &role)).backward();
                    local.loss(&part(micro_step, &role)).backward();
                    alone.loss(&batch(micro_step)).backward();
                    // Inside the window nothing leaves the rank.
                    assert_eq!(
                        fingerprint(&model.gradients()),
                        fingerprint(&local.gradients())
                    );
                }
                let last = 3 * window + 2;
                reducer.backward(&model.loss(&part(last, &role))).unwrap();
                alone.loss(&batch(last)).backward();
                assert_close(&model.gradients(), &alone.gradients());
                say(fingerprint(&model.gradients()));
                model.step();
                alone.step();
                local = Model(
                    model
                        .0
                        .each_ref()
                        .map(|p| p.detach().copy().set_requires_grad(true)),
                );
            }
        }
        Role::Test(processes) => {
            let said = all_said(processes);
            assert_eq!(said[0].len(), 3);
            assert_eq!(said[0], said[1]);
        }
    }
}

#[test]
fn ranks_with_other_parameters_are_refused_by_name() {
    match ranks("ranks_with_other_parameters_are_refused_by_name", 0..3, 3) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let columns = if role.rank == 2 { 4 } else { 3 };
            let options = (Kind::Float, Device::Cpu);
            let parameters = [
                Tensor::zeros([2], options).set_requires_grad(true),
                Tensor::zeros([5, columns], options).set_requires_grad(true),
            ];
            let names = ["bias", "weight"].map(str::to_owned);
            let refused = Reducer::new(&group, &parameters, &names).unwrap_err();
            say(refused);
            // The group still works: a second reducer that fits is fine.
            Reducer::new(&group, &parameters[..1], &names[..1]).unwrap();
        }
        Role::Test(processes) => {
            for (rank, said) in all_said(processes).into_iter().enumerate() {
                assert_eq!(
                    said[0],
                    format!(
                        "rank {rank} of 3: the parameters of rank 2 are not those of rank 0: \
                         weight Float [5, 4] instead of weight Float [5, 3]"
                    )
                );
            }
        }
    }
}

#[test]
fn a_parameter_that_the_loss_does_not_reach_is_named() {
    match ranks("a_parameter_that_the_loss_does_not_reach_is_named", 0..2, 2) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let model = Model::new(1);
            let mut reducer = model.reducer(&group);
            reducer.backward(&model.loss(&part(0, &role))).unwrap();
            // The gradient of an earlier step does not hide that this one has none.
            let [embedding, hidden, ..] = &model.0;
            let loss = batch(1).matmul(embedding).matmul(hidden).mean(Kind::Float);
            say(reducer.backward(&loss).unwrap_err());
        }
        Role::Test(processes) => {
            for (rank, said) in all_said(processes).into_iter().enumerate() {
                let start = format!(
                    "rank {rank} of 2: all_reduce of gradients: the loss does not depend on norm, head; "
                );
                assert!(said[0].starts_with(&start), "{said:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_reduced_is_refused() {
    match ranks("what_cannot_be_reduced_is_refused", 0..1, 1) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let frozen = [Tensor::zeros([2], (Kind::Float, Device::Cpu))];
            let name = ["frozen".to_owned()];
            let error = Reducer::new(&group, &frozen, &name).unwrap_err();
            assert!(error.to_string().contains("requires a gradient"), "{error}");
            assert!(Reducer::new(&group, &[], &[]).is_err());
            assert!(Reducer::new(&group, &frozen, &[]).is_err());
        }
        Role::Test(processes) => drop(all_said(processes)),
    }
}

#[test]
fn a_rank_killed_during_backward_is_an_error_on_the_others() {
    match ranks(
        "a_rank_killed_during_backward_is_an_error_on_the_others",
        0..2,
        2,
    ) {
        Role::Rank(role) => {
            let group = role.join(PATIENCE).unwrap();
            let mut model = Model::new(1);
            let mut reducer = model.reducer(&group);
            for step in 0.. {
                if let Err(error) = reducer.backward(&model.loss(&part(step, &role))) {
                    say(error);
                    return;
                }
                model.step();
                if step == 3 {
                    say("training");
                }
            }
        }
        Role::Test(mut processes) => {
            for process in &mut processes {
                assert_eq!(process.hear(), "training");
            }
            processes[0].kill();
            let error = processes[1].hear();
            let expected = "rank 1 of 2: backward with all_reduce of gradients failed: ";
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
