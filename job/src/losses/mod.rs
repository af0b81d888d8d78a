//! The training loss: InfoNCE, FLOPS and distillation over sparse representations.
//!
//! Everything here is a pure function of tensors; scores are computed in the type of the representations,
//! which is `f32` in training whatever the precision of the model.

mod candidates;
mod distillation;
mod flops;
mod infonce;
mod schedule;

pub use candidates::{CandidateRules, InBatch, candidate_mask};
pub use distillation::{OwnCandidates, kl_divergence, margin_mse};
pub use flops::{flops, global_flops};
pub use infonce::infonce;
pub use schedule::{FlopsSchedule, Shape};
