//! How a failure ends the process: its exit code and its message.

pub use splade_launch::ExitClass as Class;

use crate::benchmark::BenchmarkError;
use crate::checkpoint::CheckpointError;
use crate::distributed::GangError;
use crate::encoder::EncodeError;
use crate::export::ExportError;
use crate::model::ModelError;
use crate::pipeline::{Lack, MirrorError, NeedError, PipelineError};
use crate::training::{EvaluationError, TrainingError};
use splade_data::{DataError, ShardError, SourceError, TokenizerError};
use splade_retrieval::beir::BeirError;
use splade_retrieval::source::SourceError as LineError;
use splade_storage::StorageError;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// What went wrong, for a person, and for the process that started this one.
#[derive(Debug)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// It was asked for from outside: nothing went wrong.
    pub interrupted: bool,
    /// The launcher knows of it.
    pub(super) is_told: bool,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure of a class.
    pub fn new(class: Class, message: impl fmt::Display) -> Self {
        Self {
            class,
            interrupted: false,
            is_told: false,
            message: message.to_string(),
        }
    }

    /// Bad arguments.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Class::Usage, message)
    }

    /// Bad data.
    pub fn data(message: impl fmt::Display) -> Self {
        Self::new(Class::Data, message)
    }

    /// A fault of the program.
    pub fn software(message: impl fmt::Display) -> Self {
        Self::new(Class::Software, message)
    }

    /// The same, of which the launcher knows.
    pub(super) fn told(self) -> Self {
        Self {
            is_told: true,
            ..self
        }
    }

    /// Asked from outside to leave, where there was nothing to save.
    pub fn stopped() -> Self {
        Self {
            interrupted: true,
            ..Self::new(
                Class::Temporary,
                "stopped; what is done is kept, and the same command continues",
            )
        }
    }

    /// What lies in object storage cannot be had.
    pub fn fetch(error: MirrorError) -> Self {
        Self::new(class_of_storage(&error.source), error)
    }

    /// Bad configuration.
    pub fn configuration(message: impl fmt::Display) -> Self {
        Self::new(Class::Configuration, message)
    }

    /// What the file system says about a path.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::new(
            class_of_io(&source),
            format!("{}: {source}", path.display()),
        )
    }
}

/// A missing file is an input that is not there, and a file that may not be opened wants another set-up; the rest is
/// storage that may work again.
fn class_of_io(error: &std::io::Error) -> Class {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Class::NoInput,
        ErrorKind::PermissionDenied | ErrorKind::InvalidFilename => Class::Configuration,
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Class::Data,
        _ => Class::Temporary,
    }
}

/// A place to write to that is not there and cannot be made wants another set-up.
fn class_of_output(error: &std::io::Error) -> Class {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::ReadOnlyFilesystem => Class::Configuration,
        _ => class_of_io(error),
    }
}

fn class_of_need(error: &NeedError) -> Class {
    match error.lack.as_ref() {
        Lack::Input(_) => Class::NoInput,
        Lack::Dataset(error) => class_of_dataset(error),
        Lack::Output { source, .. } | Lack::Export(ExportError::NoPlace { source, .. }) => {
            class_of_output(source)
        }
        Lack::Export(error) => class_of_export(error),
    }
}

fn class_of_export(error: &ExportError) -> Class {
    match error {
        // The place was there before the training began: what is wrong with it now may pass.
        ExportError::Io { source, .. } | ExportError::NoPlace { source, .. } => class_of_io(source),
        ExportError::Json { .. } => Class::Data,
        ExportError::Occupied { .. } => Class::Configuration,
        ExportError::Model(error) => class_of_model(error),
        ExportError::Manifest(error) => class_of_checkpoint(error),
    }
}

fn class_of_model(error: &ModelError) -> Class {
    match error {
        ModelError::Io { source, .. } => class_of_io(source),
        ModelError::Config { .. }
        | ModelError::Weights { .. }
        | ModelError::Vocabulary { .. }
        | ModelError::TooLong { .. }
        | ModelError::EmptyRow { .. } => Class::Data,
        ModelError::Torch(_) | ModelError::Native(_) => Class::Software,
    }
}

fn class_of_data(error: &DataError) -> Class {
    match error {
        DataError::Tokenizer(
            TokenizerError::Read { source, .. } | TokenizerError::Write { source, .. },
        )
        | DataError::Source(SourceError::Open { source, .. })
        | DataError::Shard(ShardError::Cache { source, .. }) => class_of_io(source),
        DataError::Source(SourceError::NoMatch { .. }) => Class::NoInput,
        DataError::Source(SourceError::Pattern { .. }) => Class::Configuration,
        DataError::Source(_) | DataError::Tokenizer(_) | DataError::Batch(_) => Class::Data,
        DataError::Shard(ShardError::Damaged { .. } | ShardError::SourceChanged { .. }) => {
            Class::Temporary
        }
        DataError::Shard(_) | DataError::Sampler(_) => Class::Software,
    }
}

fn class_of_checkpoint(error: &CheckpointError) -> Class {
    match error {
        CheckpointError::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => Class::Temporary,
            _ => class_of_io(source),
        },
        CheckpointError::Storage(error) => class_of_storage(error),
        CheckpointError::Content { .. } => Class::Data,
        CheckpointError::Model(error) => class_of_model(error),
        CheckpointError::Away { .. } | CheckpointError::Contended { .. } => Class::Temporary,
        CheckpointError::Lost(_) => Class::Software,
    }
}

/// Storage that may work again by itself is no reason to give up; what somebody must correct is.
fn class_of_storage(error: &StorageError) -> Class {
    match error {
        StorageError::Io { source, .. } => class_of_io(source),
        StorageError::Unavailable { .. } => Class::Temporary,
        StorageError::NotFound { .. } | StorageError::NoMatch { .. } => Class::NoInput,
        StorageError::Damaged { .. }
        | StorageError::TooLarge { .. }
        | StorageError::TooMany { .. } => Class::Data,
        StorageError::Location { .. }
        | StorageError::Key { .. }
        | StorageError::Settings(_)
        | StorageError::NoBucket { .. }
        | StorageError::Denied { .. }
        | StorageError::NoCredentials { .. }
        | StorageError::Refused { .. }
        | StorageError::Pattern { .. } => Class::Configuration,
    }
}

/// A rank that does not answer has mostly died, and says why itself.
fn class_of_gang(error: &GangError) -> Class {
    match error {
        GangError::Native(_) | GangError::Torch(_) => Class::Software,
        GangError::Foreign(_) => Class::Configuration,
    }
}

fn class_of_encode(error: &EncodeError) -> Class {
    match error {
        EncodeError::Model(error) => class_of_model(error),
        EncodeError::Tokenizer(error) => class_of_data(error),
        EncodeError::Torch(_) => Class::Software,
        EncodeError::Damaged { .. } => Class::Data,
    }
}

fn class_of_dataset(error: &BeirError) -> Class {
    match error {
        BeirError::MissingFile(_)
        | BeirError::UnknownSplit { .. }
        | BeirError::Source(LineError::Open { .. }) => Class::NoInput,
        BeirError::Splits { source, .. } => class_of_io(source),
        _ => Class::Data,
    }
}

fn class_of_evaluation(error: &EvaluationError) -> Class {
    match error {
        EvaluationError::Dataset(error) => class_of_dataset(error),
        EvaluationError::Encode(error) => class_of_encode(error),
        EvaluationError::Index(_) => Class::Software,
        EvaluationError::Ranking(_) | EvaluationError::NoJudgments(_) => Class::Data,
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::new(class_of_model(&error), error)
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::new(class_of_data(&error), error)
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::new(class_of_encode(&error), error)
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        Self::new(class_of_checkpoint(&error), error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        Self::new(class_of_export(&error), error)
    }
}

impl From<TrainingError> for Failure {
    fn from(error: TrainingError) -> Self {
        let class = match &error {
            TrainingError::Data(error) => class_of_data(error),
            TrainingError::Model(error) => class_of_model(error),
            TrainingError::Checkpoint(error) => class_of_checkpoint(error),
            TrainingError::Native(_)
            | TrainingError::Torch(_)
            | TrainingError::Collapse(_)
            | TrainingError::Diverged { .. } => Class::Software,
            TrainingError::Gang(error) => class_of_gang(error),
            TrainingError::Evaluation(error) => class_of_evaluation(error),
            TrainingError::Log { source, .. } => class_of_io(source),
            TrainingError::OtherRun { .. }
            | TrainingError::OtherRanks { .. }
            | TrainingError::TooLong { .. }
            | TrainingError::NothingSaved => Class::Configuration,
            TrainingError::NoTeacherScores { .. } => Class::Data,
            // What another start has removed, or storage has lost for now, the next start does without.
            TrainingError::SavedGone { .. } => Class::Temporary,
            TrainingError::PhaseNotOver { .. } | TrainingError::BestGone { .. } => Class::NoInput,
        };
        Self::new(class, error)
    }
}

impl From<BenchmarkError> for Failure {
    fn from(error: BenchmarkError) -> Self {
        let class = match &error {
            BenchmarkError::Encode(error) => class_of_encode(error),
            BenchmarkError::Tokenizer(error) => class_of_data(error),
            BenchmarkError::Dataset(error) => class_of_dataset(error),
            BenchmarkError::NoJudgments(_) | BenchmarkError::Ranking(_) => Class::Data,
            BenchmarkError::Bm25(_) | BenchmarkError::Index(_) => Class::Software,
        };
        Self::new(class, error)
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let message = error.to_string();
        let interrupted = matches!(
            error,
            PipelineError::Interrupted { .. } | PipelineError::Stopped { .. }
        );
        let class = match error {
            PipelineError::Training { source, .. } => Self::from(source).class,
            PipelineError::Benchmark { source, .. } => Self::from(source).class,
            PipelineError::Storage { source, .. } => class_of_storage(&source.source),
            PipelineError::Ranks { failure, .. } => failure.class,
            PipelineError::Need(error) => class_of_need(&error),
            PipelineError::Export(source) => Self::from(source).class,
            PipelineError::Checkpoint(source) => Self::from(source).class,
            PipelineError::Traces(_) => Class::Configuration,
            PipelineError::Interrupted { .. }
            | PipelineError::Stopped { .. }
            | PipelineError::NoGpu { .. } => Class::Temporary,
            PipelineError::NotTrained { .. } => Class::NoInput,
            PipelineError::Io { source, .. } => class_of_io(&source),
            PipelineError::Json { .. } => Class::Software,
        };
        Self {
            interrupted,
            ..Self::new(class, message)
        }
    }
}
