//! Linear, norm and embedding over packed tokens.

use super::weights::WeightSource;
use super::{ModelError, Precision};
use tch::{Kind, Tensor};

/// `y = x W^T + b` in the precision of the run.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Loads `<name>.weight` `[outputs, inputs]` and, if `has_bias`, `<name>.bias`.
    pub(super) fn load(
        source: &mut WeightSource,
        name: &str,
        inputs: i64,
        outputs: i64,
        has_bias: bool,
    ) -> Result<Self, ModelError> {
        let weight = source.matrix(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = if has_bias {
            Some(source.zeros(&format!("{name}.bias"), &[outputs])?)
        } else {
            None
        };
        Ok(Self { weight, bias })
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`, in the compute type.
    pub(super) fn forward(&self, input: &Tensor, precision: Precision) -> Tensor {
        let kind = precision.kind();
        let bias = self.bias.as_ref().map(|bias| bias.to_kind(kind));
        input
            .to_kind(kind)
            .linear(&self.weight.to_kind(kind), bias.as_ref())
    }
}

/// Layer normalisation, always in `f32`.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Option<Tensor>,
    epsilon: f64,
}

impl LayerNorm {
    /// Loads `<name>.weight` and, if `has_bias`, `<name>.bias`.
    pub(super) fn load(
        source: &mut WeightSource,
        name: &str,
        width: i64,
        epsilon: f64,
        has_bias: bool,
    ) -> Result<Self, ModelError> {
        let weight = source.ones(&format!("{name}.weight"), &[width])?;
        let bias = if has_bias {
            Some(source.zeros(&format!("{name}.bias"), &[width])?)
        } else {
            None
        };
        Ok(Self {
            weight,
            bias,
            epsilon,
        })
    }

    /// `[tokens, width]` to the same, `f32`.
    pub(super) fn forward(&self, input: &Tensor) -> Tensor {
        let width = self.weight.size1().unwrap_or_default();
        input.to_kind(Kind::Float).layer_norm(
            [width],
            Some(&self.weight),
            self.bias.as_ref(),
            self.epsilon,
            false,
        )
    }

    /// The scale, for rescaling the head.
    pub(super) fn scale(&self) -> &Tensor {
        &self.weight
    }

    /// The shift, where there is one.
    pub(super) fn shift(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}
