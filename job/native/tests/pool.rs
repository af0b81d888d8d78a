//! The pool against the definition, in f64 and with torch's own autograd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use splade_native::{PoolEngine, SpladePool};
use tch::{Device, Kind, Tensor};

const ENGINES: [PoolEngine; 4] = [
    PoolEngine::Automatic,
    PoolEngine::Tensor,
    PoolEngine::TensorSparse,
    PoolEngine::TensorDense,
];

struct Case {
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    offsets: Tensor,
    masked_positions: Tensor,
    masked_terms: Tensor,
}

fn case(lengths: &[i64], terms: i64, width: i64, seed: i64) -> Case {
    tch::manual_seed(seed);
    let float = (Kind::Float, Device::Cpu);
    let tokens: i64 = lengths.iter().sum();
    let mut offsets = vec![0];
    for length in lengths {
        offsets.push(offsets[offsets.len() - 1] + length);
    }
    Case {
        hidden: Tensor::randn([tokens, width], float),
        weight: Tensor::randn([terms, width], float),
        bias: Tensor::randn([terms], float) - 1.0,
        offsets: Tensor::from_slice(&offsets),
        masked_positions: Tensor::rand([tokens], float).lt(0.1),
        masked_terms: Tensor::rand([terms], float).lt(0.05),
    }
}

impl Case {
    /// By the definition: all logits, activation, then the maximum of each row, in f64.
    fn naive(&self, leaves: &[Tensor; 3]) -> Tensor {
        let minus_infinity = f64::NEG_INFINITY;
        let logits = (leaves[0].matmul(&leaves[1].tr()) + &leaves[2])
            .masked_fill(&self.masked_positions.unsqueeze(1), minus_infinity)
            .masked_fill(&self.masked_terms, minus_infinity);
        let offsets = Vec::<i64>::try_from(&self.offsets).unwrap();
        let rows: Vec<Tensor> = offsets
            .windows(2)
            .map(|row| {
                logits
                    .narrow(0, row[0], row[1] - row[0])
                    .relu()
                    .log1p()
                    .max_dim(0, false)
                    .0
            })
            .collect();
        Tensor::stack(&rows, 0)
    }

    fn pooled(&self, leaves: &[Tensor; 3], engine: PoolEngine) -> Tensor {
        SpladePool {
            hidden: &leaves[0],
            weight: &leaves[1],
            bias: &leaves[2],
            offsets: &self.offsets,
            masked_positions: Some(&self.masked_positions),
            masked_terms: Some(&self.masked_terms),
        }
        .forward(engine)
        .unwrap()
    }

    fn leaves(&self, kind: Kind) -> [Tensor; 3] {
        [&self.hidden, &self.weight, &self.bias]
            .map(|tensor| tensor.to_kind(kind).copy().set_requires_grad(true))
    }
}

fn difference(left: &Tensor, right: &Tensor) -> f64 {
    (left.to_kind(Kind::Double) - right.to_kind(Kind::Double))
        .abs()
        .max()
        .double_value(&[])
}

#[test]
fn values_and_gradients_equal_the_definition() {
    for (seed, lengths) in [&[1i64][..], &[5, 1, 300, 17], &[700, 2], &[3; 40]]
        .into_iter()
        .enumerate()
    {
        let case = case(lengths, 1500, 24, seed as i64);
        let exact = case.leaves(Kind::Double);
        let expected = case.naive(&exact);
        let upstream = expected.randn_like();
        (&expected * &upstream).sum(Kind::Double).backward();
        for engine in ENGINES {
            let leaves = case.leaves(Kind::Float);
            let pooled = case.pooled(&leaves, engine);
            assert!(
                difference(&pooled, &expected) < 1e-5,
                "{engine:?} {lengths:?}"
            );
            (&pooled * upstream.to_kind(Kind::Float))
                .sum(Kind::Float)
                .backward();
            for (leaf, reference) in leaves.iter().zip(&exact) {
                let scale = reference.grad().abs().max().double_value(&[]).max(1.0);
                assert!(
                    difference(&leaf.grad(), &reference.grad()) < 1e-5 * scale,
                    "{engine:?} {lengths:?}"
                );
            }
        }
    }
}

#[test]
fn the_first_of_equal_positions_receives_the_gradient() {
    for engine in ENGINES {
        let hidden = Tensor::from_slice(&[1f32, 1.0, 1.0])
            .view([3, 1])
            .set_requires_grad(true);
        let pool = SpladePool {
            hidden: &hidden,
            weight: &Tensor::from_slice(&[2f32]).view([1, 1]),
            bias: &Tensor::from_slice(&[0f32]),
            offsets: &Tensor::from_slice(&[0i64, 3]),
            masked_positions: Some(&Tensor::from_slice(&[true, false, false])),
            masked_terms: None,
        };
        pool.forward(engine).unwrap().sum(Kind::Float).backward();
        let gradient = Vec::<f32>::try_from(hidden.grad().view([3])).unwrap();
        assert_eq!(gradient[0], 0.0, "{engine:?}");
        assert!((gradient[1] - 2.0 / 3.0).abs() < 1e-6, "{engine:?}");
        assert_eq!(gradient[2], 0.0, "{engine:?}");
    }
}

#[test]
fn a_row_whose_positions_are_all_masked_is_empty() {
    for engine in ENGINES {
        let pooled = SpladePool {
            hidden: &Tensor::ones([2, 3], (Kind::Float, Device::Cpu)),
            weight: &Tensor::ones([4, 3], (Kind::Float, Device::Cpu)),
            bias: &Tensor::ones([4], (Kind::Float, Device::Cpu)),
            offsets: &Tensor::from_slice(&[0i64, 1, 2]),
            masked_positions: Some(&Tensor::from_slice(&[true, false])),
            masked_terms: None,
        }
        .forward(engine)
        .unwrap();
        assert_eq!(
            pooled.get(0).gt(0.0).sum(Kind::Int64).int64_value(&[]),
            0,
            "{engine:?}"
        );
        assert_eq!(
            pooled.get(1).gt(0.0).sum(Kind::Int64).int64_value(&[]),
            4,
            "{engine:?}"
        );
    }
}

#[test]
fn nan_never_hides() {
    for engine in ENGINES {
        for position in 0..3 {
            let mut values = [0.5f32; 6];
            values[position * 2] = f32::NAN;
            let pooled = SpladePool {
                hidden: &Tensor::from_slice(&values).view([3, 2]),
                weight: &Tensor::ones([4, 2], (Kind::Float, Device::Cpu)),
                bias: &Tensor::zeros([4], (Kind::Float, Device::Cpu)),
                offsets: &Tensor::from_slice(&[0i64, 3]),
                masked_positions: None,
                masked_terms: None,
            }
            .forward(engine)
            .unwrap();
            assert!(
                pooled.sum(Kind::Float).double_value(&[]).is_nan(),
                "{engine:?} position {position}"
            );
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error_not_a_crash() {
    let pool = |offsets: &[i64], width: i64| {
        SpladePool {
            hidden: &Tensor::ones([2, 3], (Kind::Float, Device::Cpu)),
            weight: &Tensor::ones([4, width], (Kind::Float, Device::Cpu)),
            bias: &Tensor::ones([4], (Kind::Float, Device::Cpu)),
            offsets: &Tensor::from_slice(offsets),
            masked_positions: None,
            masked_terms: None,
        }
        .forward(PoolEngine::Automatic)
        .unwrap_err()
        .to_string()
    };
    assert!(pool(&[0, 2], 5).contains("does not fit weight"));
    assert!(pool(&[0, 1, 1, 2], 3).contains("row 1 is empty"));
    assert!(pool(&[0, 1], 3).contains("offsets must run from 0 to 2"));
}
