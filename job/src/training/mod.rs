//! Training: from triplets and a masked language model to a SPLADE encoder.

mod course;
mod error;
mod guard;
mod inputs;
mod interrupt;
mod launcher;
mod plan;
mod prepare;
mod report;
mod state;
mod step;
mod throughput;
mod trainer;

pub use course::{Course, EpochOrder, Window};
pub use error::TrainingError;
pub use guard::{Collapse, Guard, Place};
pub use interrupt::Interrupt;
pub use plan::{
    DataPlan, DistillationPlan, FlopsPlan, InitialWeights, Length, LossPlan, ModelPlan,
    OptimizerPlan, Recipe, SpecialTokenPolicy, Surroundings, TrainingPlan, Warmup,
};
pub use state::TrainingState;
pub use step::MEASURES;
pub use throughput::{measured_peak, training_flops};
pub use trainer::{Finished, Outcome, load_finished, train};
