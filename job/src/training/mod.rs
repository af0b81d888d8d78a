//! Training: from triplets and a masked language model to a SPLADE encoder.

mod candidates;
mod course;
mod error;
mod evaluation;
mod exchange;
mod guard;
mod inputs;
mod interrupt;
mod keeper;
mod launcher;
mod loss;
mod plan;
mod prepare;
mod report;
mod result;
mod state;
mod step;
mod throughput;
mod trainer;

pub use course::{Course, Orders, Window};
pub use error::TrainingError;
pub use evaluation::{Best, EvaluationError, Standing};
pub use guard::{Collapse, Guard, Place};
pub use interrupt::{Answering, Interrupt};
pub use loss::MEASURES;
pub use plan::{
    DataPlan, DistillationPlan, EvaluationPlan, FlopsPlan, FlopsScope, InitialWeights, Input,
    Length, LossPlan, ModelPlan, OptimizerPlan, Recipe, SpecialTokenPolicy, Surroundings,
    TensorBoard, TrainingPlan, Warmup,
};
pub use result::{Finished, load_finished, selected};
pub use state::TrainingState;
pub use throughput::{measured_peak, training_flops};
pub use trainer::{Outcome, train};
