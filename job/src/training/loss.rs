//! The loss of a micro-batch from its representations, and what it measures on the way.

use super::candidates::{Candidates, GangTexts};
use super::error::TrainingError;
use super::plan::{FlopsPlan, FlopsScope, LossPlan};
use crate::distributed::Gang;
use crate::losses::{OwnCandidates, flops, global_flops, infonce, kl_divergence, margin_mse};
use splade_data::BatchTexts;
use tch::{Kind, Tensor};

/// Names of what a micro-batch measures, in the order of [`LossParts::values`].
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

/// Whether a loss by this plan has such a measure. The values of one that it does not have are 0.
pub(super) fn is_measured(plan: &LossPlan, measure: &str) -> bool {
    let distillation = plan.distillation.as_ref();
    match measure {
        "margin_mse" => distillation.is_some_and(|plan| plan.margin_mse.is_some()),
        "kl" => distillation.is_some_and(|plan| plan.kl.is_some()),
        _ => true,
    }
}

/// Place of InfoNCE in [`MEASURES`].
pub(super) const INFONCE: usize = 1;
/// Place of the queries' mean active dimensions in [`MEASURES`].
pub(super) const ACTIVE_DIMENSIONS_QUERY: usize = 7;
/// Place of the documents' mean active dimensions in [`MEASURES`].
pub(super) const ACTIVE_DIMENSIONS_DOCUMENT: usize = 8;

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
    /// No regulariser, as in validation.
    pub const NONE: Self = Self {
        query: 0.0,
        document: 0.0,
        negative: None,
    };

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

/// A loss and its parts.
#[derive(Debug)]
pub struct LossParts {
    /// What is minimised, a scalar with gradient.
    pub loss: Tensor,
    /// One value for each of [`MEASURES`], `[9]`, `f32`, still on the device. Regularisers without their weights.
    pub values: Tensor,
}

impl LossPlan {
    /// Whether the loss of one rank depends on what the others have in their batches.
    pub(super) fn is_shared(&self) -> bool {
        self.cross_rank || self.flops.scope == FlopsScope::Global
    }
}

/// The loss of `representations` `[2B + N, vocabulary]`: queries, positives and hard negatives of this rank.
///
/// # Errors
/// A rank that does not answer, or libtorch out of memory.
pub fn loss(
    representations: &Tensor,
    texts: GangTexts,
    plan: &LossPlan,
    weights: FlopsWeights,
    gang: &Gang,
) -> Result<LossParts, TrainingError> {
    let own = texts.own();
    let (queries, negatives) = (own.queries.len() as i64, own.negatives.len() as i64);
    let query = representations.narrow(0, 0, queries);
    let document = representations.narrow(0, queries, queries + negatives);
    let positive = document.narrow(0, 0, queries);
    let negative = document.narrow(0, queries, negatives);

    let candidates = Candidates::new(&document, texts, plan, gang)?;
    let scores = query.f_matmul(&candidates.documents.tr())?;
    let contrastive = infonce(
        &scores,
        &candidates.mask(plan, queries),
        candidates.first_positive as i64,
        plan.temperature,
    );
    let regulariser = Regulariser {
        plan: &plan.flops,
        texts,
        gang,
    };
    let flops_query = regulariser.of(&query, |texts| texts.queries.len())?;
    let flops_document = if plan.flops.documents_with_negatives {
        regulariser.of(&document, |texts| {
            texts.positives.len() + texts.negatives.len()
        })?
    } else {
        regulariser.of(&positive, |texts| texts.positives.len())?
    };
    let flops_negative = regulariser.of(&negative, |texts| texts.negatives.len())?;
    let mut loss = &contrastive * plan.info_nce
        + &flops_query * weights.query
        + &flops_document * weights.document;
    if let Some(weight) = weights.negative {
        loss += &flops_negative * weight;
    }
    let Distilled { mse, kl, weighted } = distil(&candidates, &scores, own, plan)?;
    for part in &weighted {
        loss += part;
    }
    let values = [
        &loss,
        &contrastive,
        &flops_query,
        &flops_document,
        &flops_negative,
        &mse,
        &kl,
        &active_dimensions(&query),
        &active_dimensions(&document),
    ]
    .map(Tensor::detach);
    let values = Tensor::f_stack(&values, 0)?;
    Ok(LossParts { loss, values })
}

/// What a teacher adds to the loss.
struct Distilled {
    /// MarginMSE, 0 where the plan has none.
    mse: Tensor,
    /// KL, 0 where the plan has none.
    kl: Tensor,
    /// Those that the plan has, times their weights.
    weighted: Vec<Tensor>,
}

/// Distillation from the teacher's scores of each query's own candidates, where there are plan and scores.
fn distil(
    candidates: &Candidates,
    scores: &Tensor,
    own: &BatchTexts,
    plan: &LossPlan,
) -> Result<Distilled, TrainingError> {
    let zero = || Tensor::zeros([], (Kind::Float, scores.device()));
    let (Some(distillation), Some(teacher)) = (&plan.distillation, &own.teacher_scores) else {
        return Ok(Distilled {
            mse: zero(),
            kl: zero(),
            weighted: Vec::new(),
        });
    };
    let (queries, negatives) = (own.queries.len() as i64, own.negatives.len() as i64);
    let scores = candidates.own_columns(scores, queries, negatives)?;
    let own = OwnCandidates::new(&own.negatives_per_query, teacher, scores.device());
    let mse = distillation.margin_mse.map(|_| margin_mse(&scores, &own));
    let kl = distillation
        .kl
        .map(|_| kl_divergence(&scores, &own, distillation.temperature));
    let weighted = |part: &Option<Tensor>, weight: Option<f64>| Some(part.as_ref()? * weight?);
    let parts = [
        weighted(&mse, distillation.margin_mse),
        weighted(&kl, distillation.kl),
    ];
    Ok(Distilled {
        weighted: parts.into_iter().flatten().collect(),
        mse: mse.unwrap_or_else(zero),
        kl: kl.unwrap_or_else(zero),
    })
}

fn active_dimensions(rows: &Tensor) -> Tensor {
    rows.detach().gt(0.0).sum(Kind::Float) / rows.size()[0] as f64
}

/// FLOPS over what the plan wants averaged.
struct Regulariser<'a> {
    plan: &'a FlopsPlan,
    texts: GangTexts<'a>,
    gang: &'a Gang,
}

impl Regulariser<'_> {
    /// FLOPS of these rows, `count` of which a rank has; 0 where there are none.
    fn of(
        &self,
        rows: &Tensor,
        count: impl Fn(&BatchTexts) -> usize,
    ) -> Result<Tensor, TrainingError> {
        let (own, all) = self.texts.share(count);
        let zero = Tensor::zeros([], (Kind::Float, rows.device()));
        match self.plan.scope {
            FlopsScope::Global if self.gang.size() > 1 && all > 0 => {
                let share =
                    rows.sum_dim_intlist([0i64].as_slice(), false, rows.kind()) / all as f64;
                let mean = self.gang.sum("FLOPS", &share)?;
                Ok(global_flops(&share, &mean, self.gang.size()))
            }
            _ if own == 0 => Ok(zero),
            _ => Ok(flops(rows)),
        }
    }
}
