//! What a benchmark found: one row per method, as JSON and as a table for people.

use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use crate::metrics::{Metric, Metrics};

/// Mean active dimensions of a sparse method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ActiveDimensions {
    /// Of the queries.
    pub query: f64,
    /// Of the documents.
    pub document: f64,
}

/// One row: a method on one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodResult {
    /// For example `bm25` or `sparse`.
    pub method: String,
    /// The analyzer, for methods that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<String>,
    /// Means over all judged queries.
    pub metrics: Metrics,
    /// Judged queries for which the method returned nothing; they count as zero.
    pub missing_queries: usize,
    /// For sparse methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_dimensions: Option<ActiveDimensions>,
    /// Expected multiplications per scored document, see [`crate::sparse_vector::flops`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops: Option<f64>,
}

/// All methods on one data set, and the sizes without which their figures mean nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkReport {
    /// Name of the data set.
    pub dataset: String,
    /// Its split.
    pub split: String,
    /// Documents searched.
    pub documents: usize,
    /// Queries averaged over.
    pub queries: usize,
    /// (query, document) judgments.
    pub judgments: usize,
    /// Judgments that name a document outside the corpus.
    pub unknown_documents: usize,
    /// The metric that comparisons go by.
    pub primary_metric: Metric,
    /// One row per method.
    pub results: Vec<MethodResult>,
}

impl BenchmarkReport {
    /// A caption with the sizes and a table of methods × metrics; success@k in percent.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        let metrics = Metric::ALL.map(|metric| metric.name());
        table.set_header(["method", "analyzer"].into_iter().chain(metrics));
        for result in &self.results {
            let names = [
                result.method.clone(),
                result.analyzer.clone().unwrap_or_default(),
            ];
            let figures = Metric::ALL.map(|metric| figure(metric, &result.metrics));
            table.add_row(names.into_iter().chain(figures));
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{}\n\n{table}\n", self.caption())
    }

    fn caption(&self) -> String {
        let mut caption = format!(
            "{} ({}): {} documents, {} queries, {} judgments; primary metric {}",
            self.dataset,
            self.split,
            grouped(self.documents),
            grouped(self.queries),
            grouped(self.judgments),
            self.primary_metric,
        );
        if self.unknown_documents > 0 {
            let unknown = grouped(self.unknown_documents);
            caption.push_str(&format!(
                "; {unknown} judgments name documents outside the corpus"
            ));
        }
        caption
    }
}

fn figure(metric: Metric, metrics: &Metrics) -> String {
    let value = metrics.get(metric);
    match metric {
        Metric::SuccessAt1 | Metric::SuccessAt5 | Metric::SuccessAt10 => {
            format!("{:.1}%", value * 100.0)
        }
        Metric::RecallAt10 | Metric::RecallAt100 | Metric::MrrAt10 | Metric::NdcgAt10 => {
            format!("{value:.4}")
        }
    }
}

/// 4170 → "4,170".
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> BenchmarkReport {
        let metrics = Metrics {
            success_at_1: 0.5374,
            success_at_5: 0.75,
            success_at_10: 1.0,
            recall_at_10: 0.25,
            recall_at_100: 0.5,
            mrr_at_10: 0.12345,
            ndcg_at_10: 0.0,
        };
        let bm25 = MethodResult {
            method: "bm25".into(),
            analyzer: Some("character-bigram".into()),
            metrics,
            missing_queries: 0,
            active_dimensions: None,
            flops: None,
        };
        let sparse = MethodResult {
            method: "sparse".into(),
            analyzer: None,
            active_dimensions: Some(ActiveDimensions {
                query: 12.5,
                document: 55.0,
            }),
            ..bm25.clone()
        };
        BenchmarkReport {
            dataset: "facts".into(),
            split: "test".into(),
            documents: 1_234_170,
            queries: 624,
            judgments: 1000,
            unknown_documents: 0,
            primary_metric: Metric::SuccessAt1,
            results: vec![bm25, sparse],
        }
    }

    #[test]
    fn the_table_shows_sizes_methods_and_percent() {
        let table = report().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "facts (test): 1,234,170 documents, 624 queries, 1,000 judgments; primary metric success@1"
        );
        let cells = |line: &str| -> Vec<String> {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        };
        assert_eq!(cells(lines[2])[..3], ["method", "analyzer", "success@1"]);
        let figures = [
            "53.7%", "75.0%", "100.0%", "0.2500", "0.5000", "0.1235", "0.0000",
        ];
        let row = cells(lines[4]);
        assert_eq!(row[..2], ["bm25", "character-bigram"]);
        assert_eq!(row[2..], figures);
        assert_eq!(cells(lines[5])[..2], ["sparse", ""]);
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn unknown_documents_are_said_aloud() {
        let report = BenchmarkReport {
            unknown_documents: 3,
            ..report()
        };
        let expected = "; 3 judgments name documents outside the corpus";
        assert!(report.table().lines().next().unwrap().ends_with(expected));
    }

    #[test]
    fn json_keeps_everything_and_leaves_out_what_does_not_apply() {
        let report = report();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["primary_metric"], "success_at_1");
        assert_eq!(json["results"][0]["metrics"]["success_at_1"], 0.5374);
        assert!(json["results"][0].get("active_dimensions").is_none());
        assert_eq!(json["results"][1]["active_dimensions"]["document"], 55.0);
        assert_eq!(
            serde_json::from_value::<BenchmarkReport>(json).unwrap(),
            report
        );
    }
}
