//! A trained model as a Hugging Face folder that `transformers` and sentence-transformers load unchanged.

mod card;
mod files;

pub use card::ModelCard;
pub use files::{ExportError, ExportPlan, PROVENANCE, check_place, export};
