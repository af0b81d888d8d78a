//! The ModernBERT encoder (Warner et al., arXiv 2412.13663) over packed tokens.

use super::attention::{Attention, Reach};
use super::layers::{LayerNorm, Linear};
use super::weights::WeightSource;
use super::{ModelError, ModernBertConfig, PackedRows, Precision};
use tch::{Device, Kind, Tensor};

/// Token embedding, pre-norm layers with rotary attention and gated feed-forward, final norm.
#[derive(Debug)]
pub(super) struct ModernBert {
    embeddings: Tensor,
    embeddings_norm: LayerNorm,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    global_rope: Rope,
    local_rope: Rope,
    window: i64,
}

#[derive(Debug)]
struct Layer {
    is_global: bool,
    /// The first layer reads the embedding's norm and has none of its own.
    attention_norm: Option<LayerNorm>,
    query_key_value: Linear,
    attention_output: Linear,
    mlp_norm: LayerNorm,
    mlp_input: Linear,
    mlp_output: Linear,
    config: ModernBertConfig,
}

/// Cosines and sines of a rotary embedding (Su et al., arXiv 2104.09864), `[positions, head width / 2]`, `f32`.
#[derive(Debug)]
struct Rope {
    cosine: Tensor,
    sine: Tensor,
}

/// The rotation of each token of one batch, `[tokens, 1, 1, head width / 2]`.
struct Rotation {
    cosine: Tensor,
    sine: Tensor,
}

impl ModernBert {
    pub(super) fn load(
        source: &mut WeightSource,
        config: &ModernBertConfig,
        device: Device,
    ) -> Result<Self, ModelError> {
        let width = config.hidden_size;
        let norm = |source: &mut WeightSource, name: &str| {
            LayerNorm::load(source, name, width, config.norm_eps, config.norm_bias)
        };
        let embeddings = source.matrix(
            "model.embeddings.tok_embeddings.weight",
            &[config.vocab_size, width],
        )?;
        let embeddings_norm = norm(source, "model.embeddings.norm")?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::load(source, config, index))
            .collect::<Result<_, _>>()?;
        let final_norm = norm(source, "model.final_norm")?;
        let (global_theta, local_theta) = config.rope_theta();
        let head_width = width / config.num_attention_heads;
        let rope = |theta| Rope::new(theta, head_width, config.max_position_embeddings, device);
        Ok(Self {
            embeddings,
            embeddings_norm,
            layers,
            final_norm,
            global_rope: rope(global_theta),
            local_rope: rope(local_theta),
            window: config.local_attention / 2,
        })
    }

    pub(super) fn embeddings(&self) -> &Tensor {
        &self.embeddings
    }

    /// Hidden states `[tokens, width]`, `f32`.
    pub(super) fn forward(
        &self,
        batch: &PackedRows,
        precision: Precision,
    ) -> Result<Tensor, ModelError> {
        let local = Reach::Local(self.window);
        let global_attention = batch.plan.attention(Reach::Global, precision.kind());
        let local_attention = batch.plan.attention(local, precision.kind());
        let global_rotation = self.global_rope.at(&batch.positions);
        let local_rotation = self.local_rope.at(&batch.positions);
        let embedded = Tensor::f_embedding(&self.embeddings, &batch.ids, -1, false, false)?;
        let mut hidden = self.embeddings_norm.forward(&embedded);
        for layer in &self.layers {
            let (rotation, attention) = if layer.is_global {
                (&global_rotation, &global_attention)
            } else {
                (&local_rotation, &local_attention)
            };
            hidden = layer.forward(&hidden, batch, rotation, attention, precision)?;
        }
        Ok(self.final_norm.forward(&hidden))
    }
}

impl Layer {
    fn load(
        source: &mut WeightSource,
        config: &ModernBertConfig,
        index: usize,
    ) -> Result<Self, ModelError> {
        let width = config.hidden_size;
        let name = |part: &str| format!("model.layers.{index}.{part}");
        let norm = |source: &mut WeightSource, part: &str| {
            LayerNorm::load(
                source,
                &name(part),
                width,
                config.norm_eps,
                config.norm_bias,
            )
        };
        Ok(Self {
            is_global: config.is_global(index),
            attention_norm: if index == 0 {
                None
            } else {
                Some(norm(source, "attn_norm")?)
            },
            query_key_value: Linear::load(
                source,
                &name("attn.Wqkv"),
                width,
                3 * width,
                config.attention_bias,
            )?,
            attention_output: Linear::load(
                source,
                &name("attn.Wo"),
                width,
                width,
                config.attention_bias,
            )?,
            mlp_norm: norm(source, "mlp_norm")?,
            mlp_input: Linear::load(
                source,
                &name("mlp.Wi"),
                width,
                2 * config.intermediate_size,
                config.mlp_bias,
            )?,
            mlp_output: Linear::load(
                source,
                &name("mlp.Wo"),
                config.intermediate_size,
                width,
                config.mlp_bias,
            )?,
            config: config.clone(),
        })
    }

    fn forward(
        &self,
        hidden: &Tensor,
        batch: &PackedRows,
        rotation: &Rotation,
        attention: &Attention,
        precision: Precision,
    ) -> Result<Tensor, ModelError> {
        let hidden = hidden + self.attend(hidden, batch, rotation, attention, precision)?;
        let gated = self
            .mlp_input
            .forward(&self.mlp_norm.forward(&hidden), precision);
        let halves = gated.f_chunk(2, -1)?;
        let activated = self.config.hidden_activation.apply(&halves[0]) * &halves[1];
        Ok(&hidden + self.mlp_output.forward(&activated, precision))
    }

    fn attend(
        &self,
        hidden: &Tensor,
        batch: &PackedRows,
        rotation: &Rotation,
        attention: &Attention,
        precision: Precision,
    ) -> Result<Tensor, ModelError> {
        let normed = self
            .attention_norm
            .as_ref()
            .map_or_else(|| hidden.shallow_clone(), |norm| norm.forward(hidden));
        let heads = self.config.num_attention_heads;
        let head_width = self.config.hidden_size / heads;
        let projected = self
            .query_key_value
            .forward(&normed, precision)
            .f_view([-1, 3, heads, head_width])?;
        let rotated = rotation.apply(&projected.narrow(1, 0, 2))?;
        let attended = batch.plan.attend(
            &rotated.select(1, 0),
            &rotated.select(1, 1),
            &projected.select(1, 2),
            attention,
        )?;
        Ok(self.attention_output.forward(&attended, precision))
    }
}

impl Rope {
    fn new(theta: f64, head_width: i64, positions: i64, device: Device) -> Self {
        let float = (Kind::Float, Device::Cpu);
        let exponent = Tensor::arange_start_step(0, head_width, 2, float) / head_width as f64;
        let frequency = Tensor::full([1], theta, float).pow(&exponent).reciprocal();
        let angle = Tensor::arange(positions, float).outer(&frequency);
        Self {
            cosine: angle.cos().to(device),
            sine: angle.sin().to(device),
        }
    }

    fn at(&self, positions: &Tensor) -> Rotation {
        let pick = |table: &Tensor| table.index_select(0, positions).unsqueeze(1).unsqueeze(1);
        Rotation {
            cosine: pick(&self.cosine),
            sine: pick(&self.sine),
        }
    }
}

impl Rotation {
    /// Rotates `[tokens, 2, heads, head width]` (queries and keys), in `f32`; the result has the input's type.
    fn apply(&self, states: &Tensor) -> Result<Tensor, ModelError> {
        let halves = states.f_chunk(2, -1)?;
        let first = &halves[0] * &self.cosine - &halves[1] * &self.sine;
        let second = &halves[1] * &self.cosine + &halves[0] * &self.sine;
        Ok(Tensor::f_cat(&[first, second], -1)?.to_kind(states.kind()))
    }
}
