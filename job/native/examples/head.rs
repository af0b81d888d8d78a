//! What the SPLADE pool costs at the size of the headline model: `cargo run --release --example head`.
//!
//! 8 rows of 128 tokens, width 768, 50,000 terms, about 100 of them active in a row. Backward touches the active pairs
//! alone, so forward and backward should take little more than forward.

use splade_native::{NativeError, PoolEngine, SpladePool};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

const ROWS: i64 = 8;
const TOKENS: i64 = 128;
const WIDTH: i64 = 768;
const TERMS: i64 = 50_000;
/// Of logits that are normally distributed, 100 in 50,000 maxima over 128 tokens lie above this.
const THRESHOLD: f64 = 4.16;
const ROUNDS: usize = 7;

fn main() -> Result<(), NativeError> {
    tch::manual_seed(1);
    let options = (Kind::Float, Device::Cpu);
    let hidden = Tensor::randn([ROWS * TOKENS, WIDTH], options).set_requires_grad(true);
    let weight = (Tensor::randn([TERMS, WIDTH], options) / (WIDTH as f64).sqrt()).detach();
    let weight = weight.set_requires_grad(true);
    let bias = Tensor::full([TERMS], -THRESHOLD, options).set_requires_grad(true);
    let starts: Vec<i64> = (0..=ROWS).map(|row| row * TOKENS).collect();
    let offsets = Tensor::from_slice(&starts);
    let pool = SpladePool {
        hidden: &hidden,
        weight: &weight,
        bias: &bias,
        offsets: &offsets,
        masked_positions: None,
        masked_terms: None,
    };

    let (mut forward, mut both) = (Duration::MAX, Duration::MAX);
    let mut active = 0.0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let pooled = pool.forward(PoolEngine::Automatic)?;
        forward = forward.min(start.elapsed());
        pooled.sum(Kind::Float).backward();
        both = both.min(start.elapsed());
        active = pooled.gt(0.0).sum(Kind::Float).double_value(&[]) / ROWS as f64;
    }
    let threads = tch::get_num_threads();
    println!("{ROWS} x {TOKENS} x {WIDTH} x {TERMS}, {active:.0} active terms a row");
    println!("{threads} threads, best of {ROUNDS}");
    println!("forward             {:8.1} ms", milliseconds(forward));
    println!("forward + backward  {:8.1} ms", milliseconds(both));
    println!(
        "ratio               {:8.2}",
        both.as_secs_f64() / forward.as_secs_f64()
    );
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
