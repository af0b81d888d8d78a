//! Each loss against a naive loop in f64, and its gradient against finite differences.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use splade_data::{BatchTexts, PackedScores};
use splade_job::losses::*;
use tch::{Device, Kind, Tensor};

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

fn matrix(tensor: &Tensor) -> Vec<Vec<f64>> {
    (0..tensor.size()[0])
        .map(|row| Vec::<f64>::try_from(tensor.get(row).to_kind(Kind::Double)).unwrap())
        .collect()
}

/// Compares the gradient that autograd gives with central differences.
fn assert_gradient(input: &Tensor, loss: impl Fn(&Tensor) -> Tensor) {
    let leaf = input.copy().set_requires_grad(true);
    loss(&leaf).backward();
    let gradient = Vec::<f64>::try_from(leaf.grad().view([-1])).unwrap();
    let step = 1e-5;
    for (index, got) in gradient.into_iter().enumerate() {
        let shifted = |by: f64| {
            let moved = input.copy();
            let _ = moved
                .view([-1])
                .get(index as i64)
                .f_add_scalar_(by)
                .unwrap();
            loss(&moved).double_value(&[])
        };
        let want = (shifted(step) - shifted(-step)) / (2.0 * step);
        assert!(
            (got - want).abs() < 1e-6 * want.abs().max(1.0),
            "element {index}: {got} against {want}"
        );
    }
}

fn mask_tensor(mask: &[bool], rows: usize) -> Tensor {
    Tensor::from_slice(mask).view([rows as i64, -1])
}

fn rules(in_batch: InBatch) -> CandidateRules {
    CandidateRules {
        in_batch,
        mask_duplicates: true,
        teacher_margin: None,
    }
}

fn batch() -> BatchTexts {
    BatchTexts {
        queries: vec![1, 2, 3, 4],
        positives: vec![11, 12, 13, 14],
        negatives: vec![21, 22, 23, 24, 25, 26],
        negatives_per_query: vec![2, 0, 3, 1],
        teacher_scores: Some(PackedScores {
            positives: vec![3.0, 2.0, 1.0, 0.5],
            negatives: vec![1.0, -1.0, 0.0, 2.5, 0.2, 0.4],
        }),
    }
}

#[test]
fn infonce_equals_the_naive_loop() {
    tch::manual_seed(1);
    let scores = Tensor::randn([4, 10], DOUBLE) * 5.0;
    for in_batch in [InBatch::OwnHard, InBatch::AllColumns] {
        for temperature in [1.0, 0.05] {
            let mask = candidate_mask(&batch(), 0..4, &rules(in_batch));
            let rows = matrix(&scores);
            let mut want = 0.0;
            for (i, row) in rows.iter().enumerate() {
                let sum: f64 = (0..10)
                    .filter(|j| mask[i * 10 + j])
                    .map(|j| ((row[j] - row[i]) / temperature).exp())
                    .sum();
                want += sum.ln() / 4.0;
            }
            let allowed = mask_tensor(&mask, 4);
            assert!(
                (infonce(&scores, &allowed, 0, temperature).double_value(&[]) - want).abs() < 1e-9
            );
            assert_gradient(&scores, |scores| infonce(scores, &allowed, 0, temperature));
        }
    }
}

#[test]
fn flops_equals_the_naive_loop() {
    tch::manual_seed(2);
    let representations = Tensor::randn([5, 7], DOUBLE).relu();
    let rows = matrix(&representations);
    let want: f64 = (0..7)
        .map(|j| (rows.iter().map(|row| row[j]).sum::<f64>() / 5.0).powi(2))
        .sum();
    assert!((flops(&representations).double_value(&[]) - want).abs() < 1e-12);
    assert_gradient(&representations, flops);
}

#[test]
fn the_rows_of_one_rank_are_a_slice_of_the_mask_of_all() {
    let all = batch();
    for in_batch in [InBatch::OwnHard, InBatch::AllColumns] {
        let whole = candidate_mask(&all, 0..4, &rules(in_batch));
        for rows in [0..2, 2..4, 1..3] {
            let part = candidate_mask(&all, rows.clone(), &rules(in_batch));
            assert_eq!(part, whole[rows.start * 10..rows.end * 10]);
        }
    }
}

#[test]
fn infonce_of_two_ranks_averages_to_that_of_one() {
    tch::manual_seed(3);
    let scores = Tensor::randn([4, 10], DOUBLE);
    let allowed = mask_tensor(
        &candidate_mask(&batch(), 0..4, &rules(InBatch::AllColumns)),
        4,
    );
    let of_rank = |first: i64| {
        infonce(
            &scores.narrow(0, first, 2),
            &allowed.narrow(0, first, 2),
            first,
            0.5,
        )
        .double_value(&[])
    };
    let whole = infonce(&scores, &allowed, 0, 0.5).double_value(&[]);
    assert!(((of_rank(0) + of_rank(2)) / 2.0 - whole).abs() < 1e-12);
}

#[test]
fn global_flops_is_that_of_all_rows_and_its_mean_gradient_too() {
    tch::manual_seed(4);
    // Ranks of 1 and 3 rows.
    let all = Tensor::randn([4, 7], DOUBLE).relu();
    let leaf = all.copy().set_requires_grad(true);
    let want = flops(&leaf);
    want.backward();
    let rows = [0..1i64, 1..4];
    let leaves: Vec<Tensor> = rows
        .iter()
        .map(|rows| all.narrow(0, rows.start, rows.end - rows.start).copy())
        .map(|rows| rows.set_requires_grad(true))
        .collect();
    let shares: Vec<Tensor> = leaves
        .iter()
        .map(|rows| rows.sum_dim_intlist([0i64].as_slice(), false, Kind::Double) / 4.0)
        .collect();
    let mean = (&shares[0] + &shares[1]).detach();
    for (share, leaf_rows) in shares.iter().zip(&leaves) {
        let value = global_flops(share, &mean, 2);
        assert!((value.double_value(&[]) - want.double_value(&[])).abs() < 1e-12);
        value.backward();
        assert!(leaf_rows.grad().defined());
    }
    // The gradients of both ranks are averaged later.
    let got = Tensor::cat(&[leaves[0].grad(), leaves[1].grad()], 0) / 2.0;
    assert!((got - leaf.grad()).abs().max().double_value(&[]) < 1e-12);
}

fn own(batch: &BatchTexts) -> OwnCandidates {
    let scores = batch.teacher_scores.as_ref().unwrap();
    OwnCandidates::new(&batch.negatives_per_query, scores, Device::Cpu)
}

/// For each query the columns of its own candidates with the teacher's scores.
fn candidates(batch: &BatchTexts) -> Vec<Vec<(usize, f64)>> {
    let PackedScores {
        positives,
        negatives,
    } = batch.teacher_scores.as_ref().unwrap();
    let mut next = 0;
    batch
        .negatives_per_query
        .iter()
        .enumerate()
        .map(|(row, &count)| {
            let mut own = vec![(row, f64::from(positives[row]))];
            for _ in 0..count {
                own.push((batch.queries.len() + next, f64::from(negatives[next])));
                next += 1;
            }
            own
        })
        .collect()
}

#[test]
fn margin_mse_equals_the_naive_loop() {
    tch::manual_seed(3);
    let scores = Tensor::randn([4, 10], DOUBLE);
    let rows = matrix(&scores);
    let mut terms = Vec::new();
    for (row, own) in candidates(&batch()).iter().enumerate() {
        for (column, teacher) in &own[1..] {
            let student = rows[row][row] - rows[row][*column];
            terms.push((student - (own[0].1 - teacher)).powi(2));
        }
    }
    let want = terms.iter().sum::<f64>() / terms.len() as f64;
    let own = own(&batch());
    assert!((margin_mse(&scores, &own).double_value(&[]) - want).abs() < 1e-9);
    assert_gradient(&scores, |scores| margin_mse(scores, &own));
}

#[test]
fn kl_divergence_equals_the_naive_loop() {
    tch::manual_seed(4);
    let scores = Tensor::randn([4, 10], DOUBLE);
    let rows = matrix(&scores);
    for temperature in [1.0, 2.5] {
        let softmax = |values: &[f64]| {
            let exps: Vec<f64> = values
                .iter()
                .map(|value| (value / temperature).exp())
                .collect();
            let sum: f64 = exps.iter().sum();
            exps.into_iter()
                .map(|value| value / sum)
                .collect::<Vec<f64>>()
        };
        let mut want = 0.0;
        for (row, own) in candidates(&batch()).iter().enumerate() {
            let teacher = softmax(&own.iter().map(|(_, score)| *score).collect::<Vec<_>>());
            let student = softmax(
                &own.iter()
                    .map(|(column, _)| rows[row][*column])
                    .collect::<Vec<_>>(),
            );
            want += teacher
                .iter()
                .zip(&student)
                .map(|(t, s)| t * (t / s).ln())
                .sum::<f64>();
        }
        want *= temperature * temperature / 4.0;
        let own = own(&batch());
        assert!((kl_divergence(&scores, &own, temperature).double_value(&[]) - want).abs() < 1e-9);
        assert_gradient(&scores, |scores| kl_divergence(scores, &own, temperature));
    }
}

#[test]
fn distillation_without_any_hard_negative_is_zero() {
    let own = OwnCandidates::new(
        &[0, 0],
        &PackedScores {
            positives: vec![1.0, 2.0],
            negatives: vec![],
        },
        Device::Cpu,
    );
    let scores = Tensor::randn([2, 2], DOUBLE);
    assert_eq!(margin_mse(&scores, &own).double_value(&[]), 0.0);
    assert_eq!(kl_divergence(&scores, &own, 1.0).double_value(&[]), 0.0);
}

#[test]
fn masks_leave_out_what_is_no_negative() {
    // Query 2 equals query 0; hard negative 0 is positive 1; hard negative 2 repeats hard negative 1.
    let batch = BatchTexts {
        queries: vec![1, 2, 1],
        positives: vec![11, 12, 13],
        negatives: vec![12, 22, 22],
        negatives_per_query: vec![1, 1, 1],
        teacher_scores: None,
    };
    let mask = candidate_mask(&batch, 0..3, &rules(InBatch::AllColumns));
    let rows: Vec<String> = mask
        .chunks(6)
        .map(|row| {
            row.iter()
                .map(|&kept| if kept { '1' } else { '.' })
                .collect()
        })
        .collect();
    assert_eq!(rows, ["11..1.", "111.1.", ".11.1."]);
    let mask = candidate_mask(
        &batch,
        0..3,
        &CandidateRules {
            mask_duplicates: false,
            ..rules(InBatch::OwnHard)
        },
    );
    let rows: Vec<String> = mask
        .chunks(6)
        .map(|row| {
            row.iter()
                .map(|&kept| if kept { '1' } else { '.' })
                .collect()
        })
        .collect();
    assert_eq!(rows, ["1111..", "111.1.", "111..1"]);
}

#[test]
fn a_teacher_unmasks_false_negatives() {
    let rules = CandidateRules {
        teacher_margin: Some(0.5),
        ..rules(InBatch::OwnHard)
    };
    let mask = candidate_mask(&batch(), 0..4, &rules);
    // Row 2 (positive scored 1.0) has own negatives scored 0.0, 2.5 and 0.2: the middle one goes.
    assert_eq!(mask[2 * 10 + 6..2 * 10 + 9], [true, false, true]);
}

proptest! {
    #[test]
    fn every_query_keeps_its_positive_and_no_known_positive(
        queries in prop::collection::vec(0u64..4, 1..12),
        seed in prop::collection::vec(0u64..6, 24),
        own in prop::collection::vec(0usize..2, 12),
    ) {
        let rows = queries.len();
        let positives: Vec<u64> = seed[..rows].to_vec();
        let counts = &own[..rows];
        let negatives: Vec<u64> = seed[12..12 + counts.iter().sum::<usize>()].to_vec();
        let batch = BatchTexts {
            queries: queries.clone(),
            positives: positives.clone(),
            negatives: negatives.clone(),
            negatives_per_query: counts.to_vec(),
            teacher_scores: None,
        };
        let width = rows + negatives.len();
        let mask = candidate_mask(&batch, 0..rows, &rules(InBatch::AllColumns));
        let documents: Vec<u64> = positives.iter().chain(&negatives).copied().collect();
        for row in 0..rows {
            let kept: Vec<u64> = (0..width).filter(|column| *column != row && mask[row * width + column]).map(|column| documents[column]).collect();
            prop_assert!(mask[row * width + row]);
            for other in (0..rows).filter(|&other| queries[other] == queries[row]) {
                prop_assert!(!kept.contains(&positives[other]));
            }
            let mut unique = kept.clone();
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), kept.len());
        }
    }
}

#[test]
fn the_schedule_at_its_ends_and_beyond() {
    let ratio = |shape, step| {
        FlopsSchedule {
            shape,
            warmup_steps: 20_000,
            initial_ratio: 0.1,
        }
        .ratio(step)
    };
    assert_eq!(ratio(Shape::Quadratic, 0), 0.1);
    assert_eq!(ratio(Shape::Quadratic, 10_000), 0.1 + 0.9 * 0.25);
    assert_eq!(ratio(Shape::Linear, 10_000), 0.1 + 0.9 * 0.5);
    for shape in [Shape::Quadratic, Shape::Linear, Shape::Constant] {
        assert_eq!(ratio(shape, 20_000), 1.0);
        assert_eq!(ratio(shape, 1_000_000), 1.0);
    }
    assert_eq!(ratio(Shape::Constant, 0), 1.0);
    assert_eq!(
        FlopsSchedule {
            shape: Shape::Quadratic,
            warmup_steps: 0,
            initial_ratio: 0.1
        }
        .ratio(0),
        1.0
    );
}
