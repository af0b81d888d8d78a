//! What the machine has, and copies to the host. The part that needs a GPU is tests/cuda.rs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use splade_native::{
    flash_attention_varlen, libtorch_version, memory_stats, snapshot_to_host, synchronize,
};
use tch::{Device, Kind, Tensor};

#[test]
fn the_build_knows_its_libtorch() {
    assert_eq!(libtorch_version(), "2.11.0");
}

#[test]
fn a_cpu_has_no_device_memory_and_is_never_behind() {
    assert_eq!(memory_stats(Device::Cpu).unwrap(), None);
    synchronize(Device::Cpu).unwrap();
}

#[cfg(not(feature = "cuda"))]
#[test]
fn without_cuda_there_are_no_gpus() {
    use splade_native::{cuda_devices, nccl_version, set_device};
    assert_eq!(cuda_devices().unwrap(), []);
    assert_eq!(nccl_version().unwrap(), None);
    for error in [
        set_device(0).unwrap_err(),
        synchronize(Device::Cuda(0)).unwrap_err(),
        memory_stats(Device::Cuda(0)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("no CUDA"), "{error}");
    }
}

#[test]
fn snapshots_do_not_follow_their_tensors() {
    let options = (Kind::Float, Device::Cpu);
    let mut weight = Tensor::ones([3, 2], options).set_requires_grad(true);
    let columns = Tensor::arange(6, (Kind::Int64, Device::Cpu))
        .view([2, 3])
        .tr();
    let copies = snapshot_to_host(&[weight.shallow_clone(), columns.shallow_clone()]).unwrap();
    tch::no_grad(|| {
        let _ = weight.fill_(7.0);
    });
    assert_eq!(copies[0], Tensor::ones([3, 2], options));
    assert!(!copies[0].requires_grad());
    assert_eq!(copies[1], columns);
    assert!(snapshot_to_host(&[]).unwrap().is_empty());
}

#[test]
fn flash_attention_refuses_what_it_cannot_do() {
    let query = Tensor::ones([4, 2, 8], (Kind::BFloat16, Device::Cpu));
    let offsets = Tensor::from_slice(&[0i32, 4]);
    let error = flash_attention_varlen(&query, &query, &query, &offsets, 4, None).unwrap_err();
    assert!(error.to_string().contains("on a GPU"), "{error}");
}
