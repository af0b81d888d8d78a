//! The measures of trec_eval, per query and on average.
//!
//! Equal to `pytrec-eval-terrier`: scores are f32, ties go by document id descending, the gain of
//! nDCG is the grade itself and its ideal ranking comes from all judgments, grades of zero and below
//! are not relevant. MRR@10 is `recip_rank` of the list cut to 10 (trec_eval `-M 10`). Averages go
//! over all judged queries (trec_eval `-c`): one that the run lacks counts as zero.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::qrels::Qrels;
use crate::ranking::{Ranking, Run};

/// Names one measure. Serialized like the fields of [`Metrics`], displayed as `success@1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// 1 when a relevant document is first. The "R@1" of many leaderboards.
    #[serde(rename = "success_at_1")]
    SuccessAt1,
    /// 1 when a relevant document is among the first 5.
    #[serde(rename = "success_at_5")]
    SuccessAt5,
    /// 1 when a relevant document is among the first 10.
    #[serde(rename = "success_at_10")]
    SuccessAt10,
    /// Relevant documents among the first 10, divided by all relevant ones.
    #[serde(rename = "recall_at_10")]
    RecallAt10,
    /// Relevant documents among the first 100, divided by all relevant ones.
    #[serde(rename = "recall_at_100")]
    RecallAt100,
    /// 1 / rank of the first relevant document if it is among the first 10, else 0.
    #[serde(rename = "mrr_at_10")]
    MrrAt10,
    /// Discounted gain of the first 10, Σ grade / log2(rank + 1), divided by the best possible.
    #[serde(rename = "ndcg_at_10")]
    NdcgAt10,
}

impl Metric {
    /// All measures, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::SuccessAt1,
        Self::SuccessAt5,
        Self::SuccessAt10,
        Self::RecallAt10,
        Self::RecallAt100,
        Self::MrrAt10,
        Self::NdcgAt10,
    ];

    /// The name in reports and manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SuccessAt1 => "success@1",
            Self::SuccessAt5 => "success@5",
            Self::SuccessAt10 => "success@10",
            Self::RecallAt10 => "recall@10",
            Self::RecallAt100 => "recall@100",
            Self::MrrAt10 => "mrr@10",
            Self::NdcgAt10 => "ndcg@10",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// One value per [`Metric`], each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// [`Metric::SuccessAt1`]
    pub success_at_1: f64,
    /// [`Metric::SuccessAt5`]
    pub success_at_5: f64,
    /// [`Metric::SuccessAt10`]
    pub success_at_10: f64,
    /// [`Metric::RecallAt10`]
    pub recall_at_10: f64,
    /// [`Metric::RecallAt100`]
    pub recall_at_100: f64,
    /// [`Metric::MrrAt10`]
    pub mrr_at_10: f64,
    /// [`Metric::NdcgAt10`]
    pub ndcg_at_10: f64,
}

impl Metrics {
    /// The value of one measure.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> f64 {
        match metric {
            Metric::SuccessAt1 => self.success_at_1,
            Metric::SuccessAt5 => self.success_at_5,
            Metric::SuccessAt10 => self.success_at_10,
            Metric::RecallAt10 => self.recall_at_10,
            Metric::RecallAt100 => self.recall_at_100,
            Metric::MrrAt10 => self.mrr_at_10,
            Metric::NdcgAt10 => self.ndcg_at_10,
        }
    }

    fn from_fn(value: impl Fn(Metric) -> f64) -> Self {
        Self {
            success_at_1: value(Metric::SuccessAt1),
            success_at_5: value(Metric::SuccessAt5),
            success_at_10: value(Metric::SuccessAt10),
            recall_at_10: value(Metric::RecallAt10),
            recall_at_100: value(Metric::RecallAt100),
            mrr_at_10: value(Metric::MrrAt10),
            ndcg_at_10: value(Metric::NdcgAt10),
        }
    }
}

/// A run, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Query id → its measures, for every judged query.
    pub per_query: BTreeMap<String, Metrics>,
    /// The mean over all judged queries.
    pub mean: Metrics,
    /// Judged queries that the run lacks; they count as zero.
    pub missing_queries: Vec<String>,
}

/// There is nothing to average over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no judgments to evaluate against; check the data set's qrels")]
pub struct NoJudgments;

/// Scores a run. Queries of the run without judgments are left out, as in trec_eval.
///
/// # Errors
/// When no query is judged.
pub fn evaluate(qrels: &Qrels, run: &Run) -> Result<Evaluation, NoJudgments> {
    if qrels.is_empty() {
        return Err(NoJudgments);
    }
    let nothing = Ranking::default();
    let per_query: BTreeMap<String, Metrics> = qrels
        .iter()
        .map(|(query, grades)| {
            let ranking = run.get(query).unwrap_or(&nothing);
            (query.clone(), evaluate_query(grades, ranking))
        })
        .collect();
    let mean = Metrics::from_fn(|metric| {
        let sum: f64 = per_query.values().map(|metrics| metrics.get(metric)).sum();
        sum / per_query.len() as f64
    });
    let missing_queries = qrels
        .keys()
        .filter(|query| {
            run.get(*query)
                .is_none_or(|ranking| ranking.hits().is_empty())
        })
        .cloned()
        .collect();
    Ok(Evaluation {
        per_query,
        mean,
        missing_queries,
    })
}

fn evaluate_query(judgments: &BTreeMap<String, i32>, ranking: &Ranking) -> Metrics {
    let gains: Vec<f64> = ranking
        .hits()
        .iter()
        .map(|hit| {
            judgments
                .get(&*hit.document)
                .map_or(0.0, |grade| gain(*grade))
        })
        .collect();
    let mut ideal: Vec<f64> = judgments
        .values()
        .map(|grade| gain(*grade))
        .filter(|gain| *gain > 0.0)
        .collect();
    ideal.sort_unstable_by(|left, right| right.total_cmp(left));
    let relevant_within =
        |k: usize| gains.iter().take(k).filter(|gain| **gain > 0.0).count() as f64;
    let success = |k| relevant_within(k).min(1.0);
    let first_relevant = gains.iter().take(10).position(|gain| *gain > 0.0);
    Metrics {
        success_at_1: success(1),
        success_at_5: success(5),
        success_at_10: success(10),
        recall_at_10: ratio(relevant_within(10), ideal.len() as f64),
        recall_at_100: ratio(relevant_within(100), ideal.len() as f64),
        mrr_at_10: first_relevant.map_or(0.0, |position| 1.0 / (position + 1) as f64),
        ndcg_at_10: ratio(discounted(&gains, 10), discounted(&ideal, 10)),
    }
}

fn gain(grade: i32) -> f64 {
    f64::from(grade.max(0))
}

fn discounted(gains: &[f64], k: usize) -> f64 {
    (2u32..)
        .zip(gains.iter().take(k))
        .map(|(next, gain)| gain / f64::from(next).log2())
        .sum()
}

/// A query without relevant documents scores zero, as in trec_eval.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::Hit;

    fn judge(grades: &[(&str, i32)], ranked: &[&str]) -> Metrics {
        let grades = grades
            .iter()
            .map(|(id, grade)| ((*id).to_owned(), *grade))
            .collect();
        let hits = ranked.iter().zip((0u8..=255).rev());
        let hits = hits.map(|(id, score)| Hit {
            document: (*id).into(),
            score: score.into(),
        });
        evaluate_query(&grades, &Ranking::from_hits(hits.collect()).unwrap())
    }

    #[test]
    fn success_is_not_recall() {
        let metrics = judge(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)], &["x", "a"]);
        assert_eq!((metrics.success_at_1, metrics.success_at_5), (0.0, 1.0));
        assert_eq!((metrics.recall_at_10, metrics.mrr_at_10), (0.25, 0.5));
    }

    #[test]
    fn gain_is_linear_and_the_ideal_knows_unretrieved_documents() {
        let metrics = judge(&[("a", 1), ("b", 3), ("c", 2), ("d", -5)], &["d", "a", "b"]);
        let ideal = 3.0 + 2.0 / 3f64.log2() + 1.0 / 2.0;
        let expected = (1.0 / 3f64.log2() + 3.0 / 2.0) / ideal;
        assert!((metrics.ndcg_at_10 - expected).abs() < 1e-12);
    }

    #[test]
    fn the_eleventh_hit_counts_for_recall_at_100_only() {
        let ranked = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a"];
        let metrics = judge(&[("a", 1)], &ranked);
        assert_eq!((metrics.recall_at_100, metrics.recall_at_10), (1.0, 0.0));
        assert_eq!(
            (metrics.mrr_at_10, metrics.ndcg_at_10, metrics.success_at_10),
            (0.0, 0.0, 0.0)
        );
    }

    #[test]
    fn without_relevant_documents_all_is_zero() {
        let metrics = judge(&[("a", 0), ("b", -1)], &["a", "b"]);
        assert_eq!(metrics, Metrics::from_fn(|_| 0.0));
    }

    #[test]
    fn no_judgments_no_average() {
        assert_eq!(evaluate(&Qrels::new(), &Run::new()), Err(NoJudgments));
    }

    #[test]
    fn names_agree_with_serialized_fields() {
        let all = Metrics::from_fn(|metric| metric.name().len() as f64);
        let fields = serde_json::to_value(all).unwrap();
        for metric in Metric::ALL {
            let key = serde_json::to_value(metric).unwrap();
            let key = key.as_str().unwrap();
            assert_eq!(fields[key], all.get(metric), "{key}");
            assert_eq!(key.replace("_at_", "@"), metric.name());
        }
    }
}
