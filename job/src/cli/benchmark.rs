//! `splade-job benchmark`: a model on a BEIR folder, without a manifest.

use super::failure::Failure;
use super::manifest::run_benchmarks;
use super::phase_message::{conclude, of_benchmark};
use crate::benchmark::{BenchmarkPlan, Bm25Analyzer, Bm25Plan, SparsePlan, run_benchmark};
use clap::{Args, ValueEnum};
use splade_retrieval::{Bm25Parameters, Metric};
use splade_telemetry::Telemetry;
use std::path::PathBuf;
use tch::Device;

/// Search a BEIR folder with a sparse model and with BM25, and judge as trec_eval does.
#[derive(Debug, Args)]
pub struct Benchmark {
    /// Run the benchmarks of a manifest whose trainings are over, instead of one given by options.
    #[arg(short, long, conflicts_with_all = ["model", "data"])]
    file: Option<PathBuf>,
    /// Folder of the model; BM25 takes its subwords from it.
    #[arg(long)]
    model: Option<PathBuf>,
    /// The BEIR folder: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Which judgments.
    #[arg(long, default_value = "test")]
    split: String,
    /// What to run, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Method::Bm25, Method::Sparse])]
    methods: Vec<Method>,
    /// Analyzers of BM25, one row each, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Analyzer::Whitespace, Analyzer::CharacterBigram, Analyzer::Subword])]
    analyzers: Vec<Analyzer>,
    /// BM25's saturation of a term's count.
    #[arg(long, default_value_t = 1.2)]
    k1: f64,
    /// BM25's share of length normalisation.
    #[arg(long, default_value_t = 0.75)]
    b: f64,
    /// Cut queries after this many tokens.
    #[arg(long, default_value_t = 64)]
    query_max_length: usize,
    /// Cut documents after this many tokens.
    #[arg(long, default_value_t = 256)]
    document_max_length: usize,
    /// Keep the strongest terms of a query only.
    #[arg(long)]
    query_top_k: Option<usize>,
    /// Let special tokens be neither terms nor positions (for models that were trained without the mask).
    #[arg(long)]
    mask_special_tokens: bool,
    /// Write the report as JSON here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// With a manifest, where to write how it ended, as JSON [default: /dev/termination-log where there is one].
    #[arg(long, requires = "file")]
    termination_log: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// BM25.
    Bm25,
    /// The sparse model, by exact dot product.
    Sparse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Analyzer {
    /// Lower-cased words.
    Whitespace,
    /// Pairs of neighbouring characters.
    CharacterBigram,
    /// The model's own subwords.
    Subword,
}

impl From<Analyzer> for Bm25Analyzer {
    fn from(analyzer: Analyzer) -> Self {
        match analyzer {
            Analyzer::Whitespace => Self::Whitespace,
            Analyzer::CharacterBigram => Self::CharacterBigram,
            Analyzer::Subword => Self::Subword,
        }
    }
}

impl Benchmark {
    /// Does it, and prints the table.
    ///
    /// # Errors
    /// A broken data set or model.
    pub fn run(&self, telemetry: &Telemetry) -> Result<(), Failure> {
        if let Some(file) = &self.file {
            let log = self.termination_log.as_deref();
            return conclude(log, of_benchmark, |last_words| {
                run_benchmarks(file, log, telemetry, last_words)
            });
        }
        let (Some(model), Some(data)) = (&self.model, &self.data) else {
            return Err(Failure::usage(
                "give --model and --data, or -f FILE for the benchmarks of a manifest",
            ));
        };
        let parameters = Bm25Parameters::new(self.k1, self.b).map_err(Failure::usage)?;
        let name = data.file_name().map_or_else(
            || "dataset".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let plan = BenchmarkPlan {
            dataset: name,
            folder: data.clone(),
            split: self.split.clone(),
            bm25: self.methods.contains(&Method::Bm25).then(|| Bm25Plan {
                analyzers: self.analyzers.iter().copied().map(Into::into).collect(),
                parameters,
            }),
            sparse: self
                .methods
                .contains(&Method::Sparse)
                .then_some(SparsePlan {
                    query_max_length: self.query_max_length,
                    document_max_length: self.document_max_length,
                    query_top_k: self.query_top_k,
                }),
            model: model.clone(),
            mask_special_tokens: self.mask_special_tokens,
            primary_metric: Metric::SuccessAt1,
        };
        let _traces = telemetry
            .send_traces(None)
            .map_err(Failure::configuration)?;
        let report = run_benchmark(&plan, Device::cuda_if_available())?;
        println!("{}", report.table());
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report).map_err(Failure::software)?;
            std::fs::write(path, text + "\n").map_err(|source| Failure::io(path, source))?;
        }
        Ok(())
    }
}
