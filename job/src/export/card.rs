//! The model card: what the model is, how it was made, and what it scored.

use splade_retrieval::BenchmarkReport;
use std::fmt::Write;

/// All that a model card says. Everything in it was computed or read; nothing is claimed beyond.
#[derive(Clone, Debug)]
pub struct ModelCard {
    /// Name of the model.
    pub name: String,
    /// The base model.
    pub base: String,
    /// The recipe, as JSON.
    pub recipe: serde_json::Value,
    /// Triplets trained on.
    pub triplets: usize,
    /// Optimizer steps.
    pub steps: u64,
    /// Digest of tokenizer, lengths and triplets.
    pub data_fingerprint: String,
    /// Length at which texts are cut, in tokens.
    pub max_length: usize,
    /// Benchmarks of this model, once they have run.
    pub scores: Vec<BenchmarkReport>,
}

impl ModelCard {
    /// The card as Markdown with Hugging Face's front matter.
    pub fn markdown(&self) -> String {
        let recipe = serde_json::to_string_pretty(&self.recipe).unwrap_or_default();
        let mut text = format!(
            "---\nlanguage: ko\nlibrary_name: sentence-transformers\npipeline_tag: feature-extraction\n\
             tags: [sparse-encoder, splade, sparse, retrieval]\n---\n\n\
             # {name}\n\n\
             A SPLADE-max sparse encoder, trained by splade-operator {version} from `{base}`.\n\n\
             ```python\n\
             from sentence_transformers import SparseEncoder\n\n\
             model = SparseEncoder(\"{name}\")\n\
             vectors = model.encode([\"당뇨병 치료 방법\"])\n\
             print(model.decode(vectors[0], top_k=10))\n\
             ```\n\n\
             A vector has one weight for each of the vocabulary's tokens: `log(1 + relu(max over positions of the\n\
             masked language model's logit))`. Queries and documents are scored by the dot product; texts are cut\n\
             after {length} tokens.\n\n\
             ## Training\n\n\
             | | |\n|---|---|\n| triplets | {triplets} |\n| optimizer steps | {steps} |\n| data fingerprint | `{fingerprint}` |\n\n\
             ```json\n{recipe}\n```\n",
            name = self.name,
            version = env!("CARGO_PKG_VERSION"),
            base = self.base,
            length = self.max_length,
            triplets = self.triplets,
            steps = self.steps,
            fingerprint = self.data_fingerprint,
        );
        if !self.scores.is_empty() {
            text.push_str("\n## Scores\n\nMetrics are trec_eval's; `success@k` is the share of queries with a hit in the first k.\n");
            for report in &self.scores {
                // Writing to a string cannot fail.
                let _ = write!(text, "\n{}", report.table());
            }
        }
        text
    }
}
