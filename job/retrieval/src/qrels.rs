//! Relevance judgments.

use std::collections::BTreeMap;

/// Query id → document id → grade. A document is relevant when its grade is above zero; zero and
/// negative grades are judged not relevant; a document that is absent is not judged.
pub type Qrels = BTreeMap<String, BTreeMap<String, i32>>;
