//! The fused step and the norm against their formulas, in f64.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use splade_native::{AdamW, AdamWState, scale_all, total_norm};
use tch::{Device, Kind, Tensor};

fn vector(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).view([-1])).unwrap()
}

#[test]
fn adamw_follows_the_paper() {
    tch::manual_seed(3);
    let options = (Kind::Float, Device::Cpu);
    let parameters = vec![Tensor::randn([4, 3], options), Tensor::randn([5], options)];
    let mut expected: Vec<Vec<f64>> = parameters.iter().map(vector).collect();
    let mut moments = expected
        .iter()
        .map(|p| vec![(0.0, 0.0); p.len()])
        .collect::<Vec<_>>();
    let zeros = || {
        parameters
            .iter()
            .map(|p| p.zeros_like())
            .collect::<Vec<_>>()
    };
    let steps = parameters
        .iter()
        .map(|_| Tensor::zeros([], options))
        .collect();
    let mut state = AdamWState {
        first_moments: zeros(),
        second_moments: zeros(),
        steps,
    };
    let adamw = AdamW {
        learning_rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        weight_decay: 0.01,
        epsilon: 1e-8,
    };
    for step in 1..=5 {
        let gradients: Vec<Tensor> = parameters.iter().map(|p| p.randn_like()).collect();
        adamw.step(&parameters, &gradients, &mut state).unwrap();
        for (index, gradient) in gradients.iter().enumerate() {
            for (at, g) in vector(gradient).into_iter().enumerate() {
                let (m, v) = &mut moments[index][at];
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                let m_hat = *m / (1.0 - 0.9f64.powi(step));
                let v_hat = *v / (1.0 - 0.999f64.powi(step));
                let p = &mut expected[index][at];
                *p = *p * (1.0 - 0.1 * 0.01) - 0.1 * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
    }
    for (parameter, expected) in parameters.iter().zip(expected) {
        for (got, want) in vector(parameter).into_iter().zip(expected) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }
}

#[test]
fn norm_and_scale_cover_every_tensor() {
    let mut tensors = vec![
        Tensor::from_slice(&[3f32, 0.0]),
        Tensor::from_slice(&[4f32]),
    ];
    assert_eq!(total_norm(&tensors).unwrap().double_value(&[]), 5.0);
    scale_all(&mut tensors, &Tensor::from(0.5f32)).unwrap();
    assert_eq!(vector(&tensors[0]), [1.5, 0.0]);
    assert_eq!(vector(&tensors[1]), [2.0]);
}

#[test]
fn moments_of_another_shape_are_refused() {
    let options = (Kind::Float, Device::Cpu);
    let parameters = [Tensor::ones([64, 64], options)];
    let gradients = [Tensor::ones([64, 64], options)];
    let step = |first: Tensor, steps: Vec<Tensor>| {
        let mut state = AdamWState {
            first_moments: vec![first],
            second_moments: vec![Tensor::zeros([64, 64], options)],
            steps,
        };
        AdamW {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            weight_decay: 0.0,
            epsilon: 1e-8,
        }
        .step(&parameters, &gradients, &mut state)
    };
    let count = || vec![Tensor::zeros([], options)];
    let error = step(Tensor::zeros([8], options), count()).unwrap_err();
    assert!(error.to_string().contains("first moments"), "{error}");
    let half = Tensor::zeros([64, 64], (Kind::Half, Device::Cpu));
    assert!(step(half, count()).is_err());
    assert!(step(Tensor::zeros([64, 64], options), vec![]).is_err());
    assert_eq!(
        parameters[0].sum(Kind::Float).double_value(&[]),
        64.0 * 64.0
    );
}
