//! What is minimised.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::schema::{above_zero, cel, up_to_one};

/// The loss: infoNce * InfoNCE + distillation + FLOPS regularisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "double(self.infoNce) > 0.0 || has(self.distillation)",
    "with infoNce \"0\" nothing is learned: set distillation",
)])))]
pub struct LossSpec {
    /// Weight of the contrastive loss (InfoNCE, softmax cross-entropy over the candidates). "0"
    /// leaves it out, for pure distillation.
    pub info_nce: Decimal,
    /// Scores are divided by this before the softmax of InfoNCE. Greater than 0.
    #[schemars(extend("x-kubernetes-validations" = above_zero()))]
    pub temperature: Decimal,
    /// Regularisation that keeps the vectors sparse.
    pub flops: FlopsSpec,
    /// Which documents a query is compared with.
    pub negatives: NegativesSpec,
    /// Learning from teacher scores in the data; none without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationSpec>,
}

impl Default for LossSpec {
    fn default() -> Self {
        Self {
            info_nce: Decimal::constant("1.0"),
            temperature: Decimal::constant("1.0"),
            flops: FlopsSpec::default(),
            negatives: NegativesSpec::default(),
            distillation: None,
        }
    }
}

/// FLOPS regularisation: the sum over the vocabulary of the squared mean weight
/// (Paria et al. 2020, arXiv:2004.05665).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "!(self.documents == 'All' && has(self.negative))",
    "with documents All the hard negatives are in the document term already: leave out negative",
)])))]
pub struct FlopsSpec {
    /// Weight of the term of the queries. "0" leaves it out.
    pub query: Decimal,
    /// Weight of the term of the documents. "0" leaves it out.
    pub document: Decimal,
    /// Weight of a term of its own for hard negatives; without it they are not regularised
    /// (unless `documents` is All).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative: Option<Decimal>,
    /// Which documents the document term averages over.
    pub documents: FlopsDocuments,
    /// Over what the mean is taken. The same weight regularises less over a larger batch.
    pub scope: FlopsScope,
    /// How the weights grow at the start.
    pub schedule: FlopsSchedule,
}

impl Default for FlopsSpec {
    fn default() -> Self {
        Self {
            query: Decimal::constant("0.01"),
            document: Decimal::constant("0.003"),
            negative: None,
            documents: FlopsDocuments::default(),
            scope: FlopsScope::default(),
            schedule: FlopsSchedule::default(),
        }
    }
}

/// Which documents the document term of FLOPS averages over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FlopsDocuments {
    /// The positives.
    #[default]
    Positives,
    /// Positives and hard negatives together, as sentence-transformers does.
    All,
}

/// Over what FLOPS takes its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FlopsScope {
    /// The batch of each rank by itself.
    #[default]
    Rank,
    /// The batches of all ranks together: independent of the number of devices.
    Global,
}

/// How the FLOPS weights grow from initialRatio to their full value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FlopsSchedule {
    /// Shape of the growth over t = step / warmupSteps, from r = initialRatio.
    #[serde(rename = "type")]
    pub kind: FlopsScheduleType,
    /// Optimizer steps until the full weight. 0 is the full weight from the start.
    pub warmup_steps: u32,
    /// Share of the full weight at step 0. From 0 to 1.
    #[schemars(extend("x-kubernetes-validations" = up_to_one()))]
    pub initial_ratio: Decimal,
}

impl Default for FlopsSchedule {
    fn default() -> Self {
        Self {
            kind: FlopsScheduleType::default(),
            warmup_steps: 20_000,
            initial_ratio: Decimal::constant("0.1"),
        }
    }
}

/// Shape of the growth of the FLOPS weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FlopsScheduleType {
    /// r + (1 - r) * t^2.
    #[default]
    Quadratic,
    /// r + (1 - r) * t.
    Linear,
    /// The full weight from the start; warmupSteps and initialRatio do not count.
    Constant,
}

/// Which documents a query is compared with, besides its positive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NegativesSpec {
    /// Which documents of the batch are negatives of a query.
    pub in_batch: InBatchNegatives,
    /// Take the documents of all ranks as candidates, not only those of the query's own rank.
    pub cross_rank: bool,
    /// Do not count a document as negative when its text equals the query's positive.
    pub mask_duplicates: bool,
    /// Do not count a hard negative whose teacher score exceeds that of the positive by more than
    /// this (in units of the teacher score): it is probably relevant. Needs teacher scores in the
    /// data. Without it nothing is masked by score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_margin: Option<Decimal>,
}

impl Default for NegativesSpec {
    fn default() -> Self {
        Self {
            in_batch: InBatchNegatives::default(),
            cross_rank: false,
            mask_duplicates: true,
            teacher_margin: None,
        }
    }
}

/// Which documents of the batch are negatives of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InBatchNegatives {
    /// The other queries' positives, and the query's own hard negatives.
    #[default]
    OwnHard,
    /// The other queries' positives, and the hard negatives of all queries.
    AllColumns,
}

/// Learning from the scores of a teacher. At least one of marginMse and kl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "has(self.marginMse) || has(self.kl)",
    "at least one of marginMse, kl must be set",
)])))]
pub struct DistillationSpec {
    /// Weight of MarginMSE: squared difference between the student's and the teacher's margin of
    /// positive over hard negative. Left out without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_mse: Option<Decimal>,
    /// Weight of the Kullback-Leibler divergence of the student's distribution over positive and
    /// hard negatives from the teacher's. Left out without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<Decimal>,
    /// Scores of teacher and student are divided by this before the softmax of kl. Greater than 0.
    #[serde(default = "distillation_temperature")]
    #[schemars(extend("x-kubernetes-validations" = above_zero()))]
    pub temperature: Decimal,
}

fn distillation_temperature() -> Decimal {
    Decimal::constant("1.0")
}
