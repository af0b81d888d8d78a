//! Each fast path on a GPU against the same arithmetic on the CPU. Compiled with the feature `cuda`; fails where there is
//! no GPU.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "the other tests use what this one does not")]
mod common;

use common::{PATIENCE, Role, all_said, ranks};
use splade_native::{
    AdamW, AdamWState, Backend, PoolEngine, ProcessGroup, Reducer, SpladePool, cuda_devices,
    flash_attention_varlen, memory_stats, nccl_version, scale_all, set_device, snapshot_to_host,
    synchronize, total_norm,
};
use tch::{Device, Kind, Tensor};

const GPU: Device = Device::Cuda(0);

fn difference(left: &Tensor, right: &Tensor) -> f64 {
    let on_cpu = |tensor: &Tensor| tensor.to_device(Device::Cpu).to_kind(Kind::Double);
    (on_cpu(left) - on_cpu(right)).abs().max().double_value(&[])
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// Softmax attention of each row by itself, in f32 on the CPU.
fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    offsets: &[i64],
    window: Option<i64>,
) -> Tensor {
    let rows: Vec<Tensor> = offsets
        .windows(2)
        .map(|row| {
            let part = |tensor: &Tensor| tensor.narrow(0, row[0], row[1] - row[0]).transpose(0, 1);
            let width = query.size()[2] as f64;
            let mut scores = part(query).matmul(&part(key).transpose(1, 2)) / width.sqrt();
            if let Some(window) = window {
                let place = Tensor::arange(row[1] - row[0], (Kind::Int64, Device::Cpu));
                let far = (place.unsqueeze(0) - place.unsqueeze(1)).abs().gt(window);
                scores = scores.masked_fill(&far, f64::NEG_INFINITY);
            }
            scores
                .softmax(-1, Kind::Float)
                .matmul(&part(value))
                .transpose(0, 1)
        })
        .collect();
    Tensor::cat(&rows, 0)
}

#[test]
fn flash_attention_equals_softmax_attention() {
    tch::manual_seed(1);
    let offsets = [0, 100, 101, 300];
    let on_gpu = Tensor::from_slice(&offsets.map(|offset| offset as i32)).to_device(GPU);
    for window in [None, Some(16)] {
        // Both sides start from the same rounded numbers.
        let rounded = [0; 3].map(|_| random(&[300, 12, 64]).to_kind(Kind::BFloat16));
        let exact = rounded
            .each_ref()
            .map(|t| t.to_kind(Kind::Float).set_requires_grad(true));
        let fast = rounded
            .each_ref()
            .map(|t| t.to_device(GPU).set_requires_grad(true));
        let upstream = random(&[300, 12, 64]);
        let expected = attention(&exact[0], &exact[1], &exact[2], &offsets, window);
        let got =
            flash_attention_varlen(&fast[0], &fast[1], &fast[2], &on_gpu, 199, window).unwrap();
        assert!(difference(&got, &expected) < 0.02, "{window:?}");
        (expected * &upstream).sum(Kind::Float).backward();
        (got * upstream.to_device(GPU)).sum(Kind::Float).backward();
        for (fast, exact) in fast.iter().zip(&exact) {
            let scale = exact.grad().abs().max().double_value(&[]);
            assert!(
                difference(&fast.grad(), &exact.grad()) < 0.02 * scale,
                "{window:?}"
            );
        }
    }
}

#[test]
fn adamw_and_clipping_equal_the_cpu() {
    tch::manual_seed(2);
    let values = [random(&[70, 30]), random(&[9])];
    let gradients = [random(&[70, 30]), random(&[9])];
    let updated = [Device::Cpu, GPU].map(|device| {
        let parameters = values.each_ref().map(|t| t.to_device(device).copy());
        let mut gradients = gradients.each_ref().map(|t| t.to_device(device).copy());
        let zeros = || {
            parameters
                .iter()
                .map(Tensor::zeros_like)
                .collect::<Vec<_>>()
        };
        let mut state = AdamWState {
            first_moments: zeros(),
            second_moments: zeros(),
            steps: parameters
                .iter()
                .map(|_| Tensor::zeros([], (Kind::Float, device)))
                .collect(),
        };
        let adamw = AdamW {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            weight_decay: 0.01,
            epsilon: 1e-8,
        };
        for _ in 0..3 {
            let norm = total_norm(&gradients).unwrap();
            scale_all(&mut gradients, &norm.reciprocal()).unwrap();
            adamw.step(&parameters, &gradients, &mut state).unwrap();
        }
        parameters
    });
    for (cpu, gpu) in updated[0].iter().zip(&updated[1]) {
        assert!(difference(cpu, gpu) < 1e-5);
    }
}

#[test]
fn the_pool_equals_the_cpu_kernel() {
    tch::manual_seed(3);
    let (hidden, weight, bias) = (random(&[90, 32]), random(&[500, 32]), random(&[500]) - 2.0);
    let offsets = Tensor::from_slice(&[0i64, 7, 60, 90]);
    let run = |device: Device| {
        let leaves =
            [&hidden, &weight, &bias].map(|t| t.to_device(device).copy().set_requires_grad(true));
        let pooled = SpladePool {
            hidden: &leaves[0],
            weight: &leaves[1],
            bias: &leaves[2],
            offsets: &offsets,
            masked_positions: None,
            masked_terms: None,
        }
        .forward(PoolEngine::Automatic)
        .unwrap();
        pooled.square().sum(Kind::Float).backward();
        (pooled, leaves.map(|leaf| leaf.grad()))
    };
    let (cpu, gpu) = (run(Device::Cpu), run(GPU));
    assert!(difference(&cpu.0, &gpu.0) < 1e-3);
    for (cpu, gpu) in cpu.1.iter().zip(&gpu.1) {
        assert!(difference(cpu, gpu) < 1e-3 * cpu.abs().max().double_value(&[]));
    }
}

#[test]
fn a_gpu_says_what_it_is_and_holds() {
    let devices = cuda_devices().unwrap();
    assert!(
        !devices.is_empty() && devices[0].memory > 1 << 30,
        "{devices:?}"
    );
    assert!(nccl_version().unwrap().unwrap().starts_with("2."));
    set_device(0).unwrap();
    let tensor = Tensor::ones([1 << 20], (Kind::Float, GPU));
    synchronize(GPU).unwrap();
    let stats = memory_stats(GPU).unwrap().unwrap();
    assert!(
        stats.allocated >= 4 << 20 && stats.peak_reserved >= stats.peak_allocated,
        "{stats:?}"
    );
    drop(tensor);
}

#[test]
fn snapshots_wait_for_the_gpu() {
    let mut tensor = Tensor::zeros([1 << 22], (Kind::Float, GPU));
    for _ in 0..100 {
        let _ = tensor.g_add_scalar_(1.0);
    }
    let copies =
        snapshot_to_host(&[tensor.shallow_clone(), Tensor::ones([2], (Kind::Half, GPU))]).unwrap();
    let _ = tensor.zero_();
    assert_eq!(
        copies[0],
        Tensor::full([1 << 22], 100.0, (Kind::Float, Device::Cpu))
    );
    assert_eq!(copies[1], Tensor::ones([2], (Kind::Half, Device::Cpu)));
}

/// Over as many GPUs as there are.
#[test]
fn nccl_averages_and_gathers() {
    let world_size = cuda_devices().unwrap().len();
    assert!(world_size > 0, "there is no GPU");
    match ranks("nccl_averages_and_gathers", 0..world_size, world_size) {
        Role::Test(processes) => drop(all_said(processes)),
        Role::Rank(role) => {
            let device = Device::Cuda(role.rank);
            let backend = Backend::Nccl { device: role.rank };
            let group = ProcessGroup::join(&role.rendezvous(PATIENCE), backend).unwrap();
            let ranks = world_size as f64;
            let mean = (ranks - 1.0) / 2.0;

            let mut sum = Tensor::full([3], role.rank as f64, (Kind::Float, device));
            group.all_reduce_sum("numbers", &mut sum).unwrap();
            assert_eq!(sum.double_value(&[0]), mean * ranks);

            let weight = Tensor::ones([4, 4], (Kind::Float, device)).set_requires_grad(true);
            let parameters = [weight.shallow_clone()];
            let mut reducer = Reducer::new(&group, &parameters, &["weight".to_owned()]).unwrap();
            for _ in 0..3 {
                let rows = (&weight * role.rank as f64).slice(0, 0, 2, 1);
                let all = group.gather_rows("rows", &rows).unwrap();
                assert_eq!(all.size(), [2 * world_size as i64, 4]);
                reducer.backward(&all.sum(Kind::Float)).unwrap();
            }
            // Each of the ranks' losses sums all rows: a row's gradient is `ranks` times its rank, then the mean.
            let gradient = weight.grad();
            assert_eq!(gradient.double_value(&[0, 0]), 3.0 * ranks * mean);
            assert_eq!(gradient.double_value(&[3, 3]), 0.0);
            group.barrier("the end").unwrap();
        }
    }
}
