//! The BERT encoder (Devlin et al., arXiv 1810.04805) over packed tokens; RoBERTa and XLM-R share its layers.

use super::attention::{Attention, Reach};
use super::layers::{LayerNorm, Linear};
use super::weights::WeightSource;
use super::{BertConfig, BertFamily, ModelError, PackedRows, Precision};
use tch::Tensor;

/// Three summed embeddings and post-norm layers.
#[derive(Debug)]
pub(super) struct Bert {
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    embeddings_norm: LayerNorm,
    layers: Vec<Layer>,
    first_position: i64,
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    config: BertConfig,
}

impl Bert {
    pub(super) fn load(source: &mut WeightSource, config: &BertConfig) -> Result<Self, ModelError> {
        let prefix = match config.family {
            BertFamily::Bert => "bert",
            BertFamily::Roberta => "roberta",
        };
        let width = config.hidden_size;
        let name = |part: &str| format!("{prefix}.embeddings.{part}");
        Ok(Self {
            words: source.matrix(&name("word_embeddings.weight"), &[config.vocab_size, width])?,
            positions: source.matrix(
                &name("position_embeddings.weight"),
                &[config.max_position_embeddings, width],
            )?,
            segments: source.matrix(
                &name("token_type_embeddings.weight"),
                &[config.type_vocab_size, width],
            )?,
            embeddings_norm: LayerNorm::load(
                source,
                &name("LayerNorm"),
                width,
                config.layer_norm_eps,
                true,
            )?,
            layers: (0..config.num_hidden_layers)
                .map(|index| {
                    Layer::load(source, config, &format!("{prefix}.encoder.layer.{index}"))
                })
                .collect::<Result<_, _>>()?,
            first_position: config.first_position(),
        })
    }

    pub(super) fn embeddings(&self) -> &Tensor {
        &self.words
    }

    /// Hidden states `[tokens, width]`, `f32`.
    pub(super) fn forward(
        &self,
        batch: &PackedRows,
        precision: Precision,
    ) -> Result<Tensor, ModelError> {
        let attention = batch.plan.attention(Reach::Global, precision.kind());
        let look_up =
            |table: &Tensor, ids: &Tensor| Tensor::f_embedding(table, ids, -1, false, false);
        let summed = look_up(&self.words, &batch.ids)?
            + look_up(&self.positions, &(&batch.positions + self.first_position))?
            // One text a row: every token is of the first segment.
            + self.segments.get(0);
        let mut hidden = self.embeddings_norm.forward(&summed);
        for layer in &self.layers {
            hidden = layer.forward(&hidden, batch, &attention, precision)?;
        }
        Ok(hidden)
    }
}

impl Layer {
    fn load(
        source: &mut WeightSource,
        config: &BertConfig,
        prefix: &str,
    ) -> Result<Self, ModelError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let mut linear = |part: &str, inputs, outputs| {
            Linear::load(source, &format!("{prefix}.{part}"), inputs, outputs, true)
        };
        let query = linear("attention.self.query", width, width)?;
        let key = linear("attention.self.key", width, width)?;
        let value = linear("attention.self.value", width, width)?;
        let attention_output = linear("attention.output.dense", width, width)?;
        let intermediate = linear("intermediate.dense", width, inner)?;
        let output = linear("output.dense", inner, width)?;
        let mut norm = |part: &str| {
            LayerNorm::load(
                source,
                &format!("{prefix}.{part}"),
                width,
                config.layer_norm_eps,
                true,
            )
        };
        Ok(Self {
            query,
            key,
            value,
            attention_output,
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate,
            output,
            output_norm: norm("output.LayerNorm")?,
            config: config.clone(),
        })
    }

    fn forward(
        &self,
        hidden: &Tensor,
        batch: &PackedRows,
        attention: &Attention,
        precision: Precision,
    ) -> Result<Tensor, ModelError> {
        let heads = self.config.num_attention_heads;
        let split = |linear: &Linear| {
            linear
                .forward(hidden, precision)
                .f_view([-1, heads, self.config.hidden_size / heads])
        };
        let attended = batch.plan.attend(
            &split(&self.query)?,
            &split(&self.key)?,
            &split(&self.value)?,
            attention,
        )?;
        let hidden = self
            .attention_norm
            .forward(&(hidden + self.attention_output.forward(&attended, precision)));
        let activated = self
            .config
            .hidden_act
            .apply(&self.intermediate.forward(&hidden, precision));
        Ok(self
            .output_norm
            .forward(&(&hidden + self.output.forward(&activated, precision))))
    }
}
