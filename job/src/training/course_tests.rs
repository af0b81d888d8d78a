use super::*;
use crate::model::Precision;
use crate::optimizer::{AdamWSettings, Decay};

fn plan(length: Length, batch_size: usize, accumulation: usize) -> OptimizerPlan {
    OptimizerPlan {
        length,
        learning_rate: 1.0,
        decay: Decay::Cosine,
        warmup: Warmup::Ratio(0.1),
        adamw: AdamWSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        },
        gradient_clip: None,
        batch_size,
        accumulation,
        precision: Precision::Float,
        seed: 0,
    }
}

#[test]
fn every_triplet_of_an_epoch_is_taken_once_short_tails_included() {
    for (triplets, ranks, batch_size, accumulation) in [
        (9, 1, 4, 3),
        (9, 1, 4, 2),
        (8, 1, 4, 2),
        (1, 1, 4, 3),
        (17, 1, 1, 5),
        (18, 2, 4, 2),
        (12, 4, 2, 1),
    ] {
        let sampler = DistributedSampler::new(triplets, ranks, 0).unwrap();
        let plan = plan(Length::Epochs(2), batch_size, accumulation);
        let course = Course::new(sampler.share(), &plan);
        let order = sampler.epoch(1);
        let mut taken = Vec::new();
        for step in 0..course.steps_per_epoch() {
            let (epoch, window) = course.place(course.steps_per_epoch() + step);
            assert_eq!((epoch, window), (1, step));
            let window = course.window(epoch, window, &order);
            assert_eq!(window.first_batch, step as usize * accumulation);
            assert!((1..=accumulation).contains(&window.batches.len()));
            for batch in &window.batches {
                assert_eq!(batch.len(), ranks);
                assert!((1..=batch_size).contains(&batch[0].len()));
                assert!(batch.iter().all(|rank| rank.len() == batch[0].len()));
                taken.extend(batch.concat());
            }
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..triplets as u32).collect::<Vec<_>>());
        assert_eq!(course.total_steps, 2 * course.steps_per_epoch());
    }
}

#[test]
fn two_ranks_take_together_what_one_takes_alone() {
    let alone = DistributedSampler::new(24, 1, 3).unwrap();
    let pair = DistributedSampler::new(24, 2, 3).unwrap();
    let whole = Course::new(alone.share(), &plan(Length::Epochs(1), 8, 1));
    let half = Course::new(pair.share(), &plan(Length::Epochs(1), 4, 1));
    for step in 0..3 {
        let sorted = |window: Window| {
            let mut all = window.batches.concat().concat();
            all.sort_unstable();
            all
        };
        assert_eq!(
            sorted(whole.window(0, step, &alone.epoch(0))),
            sorted(half.window(0, step, &pair.epoch(0)))
        );
    }
}

#[test]
fn the_headline_recipe_counts_its_short_windows() {
    // 4.84 M triplets on 8 ranks: 605,000 each, 25 epochs, 64 x 4 a step, the last short window counted.
    let course = Course::new(605_000, &plan(Length::Epochs(25), 64, 4));
    assert_eq!(course.steps_per_epoch(), 2364);
    assert_eq!(course.total_steps, 59_100);
    let rate = course.learning_rate(&plan(Length::Epochs(25), 64, 4));
    assert_eq!(rate.warmup_steps, 5910);
}
