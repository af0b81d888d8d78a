//! From triplets of text to packed batches of tokens.
//!
//! [`expand`] finds the JSONL files, [`Triplets`] reads them, a [`Tokenizer`] turns them into the memory-mapped
//! [`Shards`] of a cache folder, a [`DistributedSampler`] orders an epoch, and a [`PackedBatch`] is what one step
//! takes. Nothing here knows of torch.

mod batch;
mod error;
mod fingerprint;
mod lines;
mod sampler;
mod shards;
mod tokenizer;
mod triplets;

pub use batch::{BatchTexts, PackedBatch, PackedScores};
pub use error::{
    BatchError, DataError, SamplerError, ShardError, SourceError, TokenizerError, TripletFault,
};
pub use sampler::{DistributedSampler, EpochOrder};
pub use shards::{Example, ShardSpec, Shards, Text};
pub use tokenizer::{Tokenizer, train};
pub use triplets::{TeacherScores, Triplet, Triplets, expand};
