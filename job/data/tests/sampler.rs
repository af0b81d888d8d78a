//! The sampler against PyTorch's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{message, python};
use serde_json::json;
use sha2::{Digest, Sha256};
use splade_data::DistributedSampler;

fn digest(order: &[u32]) -> String {
    let text: Vec<String> = order.iter().map(u32::to_string).collect();
    Sha256::digest(text.join(","))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn equals_the_sampler_of_pytorch() {
    let lengths = [1, 2, 7, 1000, 100_003];
    let ranks = [1, 2, 3, 8];
    let seeds: [u64; 4] = [0, 42, 0xffff_ffff, 123_456_789_012];
    let epochs = [0, 1, 7];
    let reference = python(
        "import hashlib, json, sys
from torch.utils.data import DistributedSampler
given = json.load(sys.stdin)
orders = {}
for n in given['lengths']:
    for ranks in given['ranks']:
        for seed in given['seeds']:
            for epoch in given['epochs']:
                for rank in range(ranks):
                    sampler = DistributedSampler(range(n), ranks, rank, shuffle=True, seed=seed)
                    sampler.set_epoch(epoch)
                    order = ','.join(map(str, sampler))
                    orders[f'{n} {ranks} {seed} {epoch} {rank}'] = hashlib.sha256(order.encode()).hexdigest()
print(json.dumps(orders))",
        &json!({"lengths": lengths, "ranks": ranks, "seeds": seeds, "epochs": epochs}),
    );
    let mut compared = 0;
    for n in lengths {
        for ranks in ranks {
            for seed in seeds {
                for (epoch, rank) in epochs
                    .iter()
                    .flat_map(|&epoch| (0..ranks).map(move |rank| (epoch, rank)))
                {
                    let sampler = DistributedSampler::new(n, ranks, seed).unwrap();
                    let order = sampler.epoch(epoch).slice(rank, 0..sampler.share());
                    let name = format!("{n} {ranks} {seed} {epoch} {rank}");
                    assert_eq!(json!(digest(&order)), reference[&name], "{name}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(
        Some(compared),
        reference.as_object().map(serde_json::Map::len)
    );
}

#[test]
fn hands_every_example_to_some_rank() {
    let sampler = DistributedSampler::new(100, 3, 5).unwrap();
    let order = sampler.epoch(0);
    let mut seen: Vec<u32> = (0..3)
        .flat_map(|rank| order.slice(rank, 0..order.share()))
        .collect();
    assert_eq!(seen.len(), 3 * sampler.share());
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..100).collect::<Vec<u32>>());
}

#[test]
fn has_no_epoch_without_examples() {
    let sampler = DistributedSampler::new(0, 2, 5).unwrap();
    assert_eq!(sampler.epoch(0).slice(1, 0..5), [0u32; 0]);
}

#[test]
fn a_slice_is_part_of_the_share_and_ends_with_it() {
    let sampler = DistributedSampler::new(10, 3, 7).unwrap();
    let order = sampler.epoch(2);
    for rank in 0..3 {
        let whole = order.slice(rank, 0..4);
        assert_eq!(whole.len(), order.share());
        assert_eq!(order.slice(rank, 1..3), whole[1..3]);
        assert_eq!(order.slice(rank, 3..9), whole[3..]);
        assert_eq!(order.slice(rank, 5..9), [0u32; 0]);
    }
}

#[test]
fn refuses_what_it_cannot_number() {
    assert!(message(DistributedSampler::new(7, 0, 0)).contains("no ranks"));
    assert!(message(DistributedSampler::new(1 << 32, 1, 0)).contains("4294967296"));
}
