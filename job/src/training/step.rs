//! One micro-batch: forward, loss parts, backward. Nothing here waits for the device.

use super::plan::LossPlan;
use crate::losses::{
    Batch, OwnCandidates, candidate_mask, flops, infonce, kl_divergence, margin_mse,
};
use crate::model::{ModelError, Splade};
use splade_data::PackedBatch;
use tch::{Kind, Tensor};

/// Names of what a micro-batch measures, in the order of [`Measured::values`].
pub const MEASURES: [&str; 9] = [
    "loss",
    "infonce",
    "flops_query",
    "flops_document",
    "flops_negative",
    "margin_mse",
    "kl",
    "active_dimensions_query",
    "active_dimensions_document",
];

/// Place of the queries' mean active dimensions in [`MEASURES`].
pub(super) const ACTIVE_DIMENSIONS_QUERY: usize = 7;
/// Place of the documents' mean active dimensions in [`MEASURES`].
pub(super) const ACTIVE_DIMENSIONS_DOCUMENT: usize = 8;

/// What one micro-batch measured, still on the device.
#[derive(Debug)]
pub struct Measured {
    /// One value for each of [`MEASURES`], `[9]`, `f32`. Regularisers without their weights.
    pub values: Tensor,
    /// Triplets of the batch.
    pub triplets: usize,
    /// Real tokens of the batch.
    pub tokens: usize,
}

/// Weights of the regulariser at one optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct FlopsWeights {
    /// On queries.
    pub query: f64,
    /// On documents.
    pub document: f64,
    /// On hard negatives by themselves.
    pub negative: Option<f64>,
}

impl FlopsWeights {
    /// The weights at optimizer step `step`.
    pub fn at(plan: &LossPlan, step: u64) -> Self {
        let ratio = plan.flops.schedule.ratio(step);
        Self {
            query: plan.flops.query * ratio,
            document: plan.flops.document * ratio,
            negative: plan.flops.negative.map(|target| target * ratio),
        }
    }
}

/// The loss of one packed batch and its parts.
///
/// # Errors
/// A row that does not fit the model, or libtorch out of memory.
pub fn forward(
    model: &Splade,
    batch: &PackedBatch,
    plan: &LossPlan,
    weights: FlopsWeights,
) -> Result<(Tensor, Measured), ModelError> {
    let rows = model.pack(&batch.ids, &batch.lengths)?;
    let all = model.forward(&rows)?;
    let queries = batch.negatives_per_query.len() as i64;
    let documents = rows.rows() as i64 - queries;
    let query = all.narrow(0, 0, queries);
    let document = all.narrow(0, queries, documents);
    let positive = document.narrow(0, 0, queries);
    let negative = document.narrow(0, queries, documents - queries);
    let scores = query.f_matmul(&document.tr())?;

    let zero = || Tensor::zeros([], (Kind::Float, model.device()));
    let contrastive = infonce(&scores, &candidates(batch, plan, model), plan.temperature);
    let flops_query = flops(&query);
    let flops_document = flops(if plan.flops.documents_with_negatives {
        &document
    } else {
        &positive
    });
    let flops_negative = if documents > queries {
        flops(&negative)
    } else {
        zero()
    };
    let mut loss = &contrastive * plan.info_nce
        + &flops_query * weights.query
        + &flops_document * weights.document;
    if let Some(weight) = weights.negative {
        loss += &flops_negative * weight;
    }
    let (mut mse, mut kl) = (zero(), zero());
    if let (Some(distillation), Some(teacher)) = (&plan.distillation, &batch.teacher_scores) {
        let own = OwnCandidates::new(
            &batch.negatives_per_query,
            &teacher.positives,
            &teacher.negatives,
            model.device(),
        );
        if let Some(weight) = distillation.margin_mse {
            mse = margin_mse(&scores, &own);
            loss += &mse * weight;
        }
        if let Some(weight) = distillation.kl {
            kl = kl_divergence(&scores, &own, distillation.temperature);
            loss += &kl * weight;
        }
    }
    let active = |rows: &Tensor| rows.detach().gt(0.0).sum(Kind::Float) / rows.size()[0] as f64;
    let (active_query, active_document) = (active(&query), active(&document));
    let values = [
        &loss,
        &contrastive,
        &flops_query,
        &flops_document,
        &flops_negative,
        &mse,
        &kl,
        &active_query,
        &active_document,
    ]
    .map(Tensor::detach);
    let values = Tensor::f_stack(&values, 0)?;
    Ok((
        loss,
        Measured {
            values,
            triplets: queries as usize,
            tokens: rows.tokens(),
        },
    ))
}

fn candidates(batch: &PackedBatch, plan: &LossPlan, model: &Splade) -> Tensor {
    let queries = batch.negatives_per_query.len();
    let (query_texts, documents) = batch.text_ids.split_at(queries);
    let (positives, negatives) = documents.split_at(queries);
    let teacher = batch
        .teacher_scores
        .as_ref()
        .map(|scores| (&scores.positives[..], &scores.negatives[..]));
    let mask = candidate_mask(
        &Batch {
            queries: query_texts,
            positives,
            negatives,
            negatives_per_query: &batch.negatives_per_query,
            teacher,
        },
        &plan.candidates,
    );
    Tensor::from_slice(&mask)
        .view([queries as i64, -1])
        .to(model.device())
}
