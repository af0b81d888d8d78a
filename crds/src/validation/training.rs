//! Rules of trainings.

use super::{Faults, FieldError, benchmark, pod};
use crate::StorageUri;
use crate::field_path::FieldPath;
use crate::training::{
    FlopsDocuments, InitFrom, LossSpec, OptimizerSpec, SpladeTraining, SpladeTrainingSpec,
};

/// Room for the suffixes of job, pod and benchmark names within 63 characters.
const LONGEST_NAME: usize = 36;

/// All faults of a training that its schema cannot show.
pub fn validate_training(training: &SpladeTraining) -> Vec<FieldError> {
    let mut faults = Faults::default();
    faults.object_name(training.metadata.name.as_deref(), LONGEST_NAME);
    validate_start(training, &mut faults);
    validate_data(&training.spec, &mut faults);
    validate_loss(&training.spec.loss, &mut faults);
    validate_hard_negatives(&training.spec, &mut faults);
    validate_optimizer(&training.spec.optimizer, &mut faults);
    validate_storage(&training.spec, &mut faults);
    validate_gang(&training.spec, &mut faults);
    validate_benchmarks(&training.spec, &mut faults);
    faults.0
}

fn validate_start(training: &SpladeTraining, faults: &mut Faults) {
    let head_rescale = FieldPath::of("spec.model.headRescale");
    if let Some(divisor) = &training.spec.model.head_rescale {
        faults.above_zero(head_rescale.clone(), divisor);
        if training.spec.init_from.is_some() {
            let message = "applies to the head of model.base and cannot be combined with initFrom";
            faults.add_related(head_rescale, message, &["spec.initFrom"]);
        }
    }
    if let Some(InitFrom::TrainingRef(reference)) = &training.spec.init_from
        && training.metadata.name.as_ref() == Some(&reference.name)
    {
        let path = FieldPath::of("spec.initFrom.trainingRef.name");
        faults.add_related(
            path,
            "a training cannot start from itself",
            &["metadata.name"],
        );
    }
}

fn validate_data(spec: &SpladeTrainingSpec, faults: &mut Faults) {
    if spec.data.cache.as_ref().is_some_and(|cache| cache.is_s3()) {
        let message = "must be a local folder: token shards are memory-mapped";
        faults.add(FieldPath::of("spec.data.cache"), message);
    }
}

fn validate_loss(loss: &LossSpec, faults: &mut Faults) {
    let at = FieldPath::of("spec.loss");
    faults.above_zero(at.key("temperature"), &loss.temperature);
    let schedule = at.key("flops").key("schedule");
    faults.up_to_one(
        schedule.key("initialRatio"),
        &loss.flops.schedule.initial_ratio,
    );
    if loss.flops.documents == FlopsDocuments::All && loss.flops.negative.is_some() {
        faults.add_related(
            at.key("flops").key("negative"),
            "with documents All the hard negatives are in the document term already: leave it out",
            &["spec.loss.flops.documents"],
        );
    }
    match &loss.distillation {
        Some(distillation) => {
            let at = at.key("distillation");
            faults.above_zero(at.key("temperature"), &distillation.temperature);
            if distillation.margin_mse.is_none() && distillation.kl.is_none() {
                faults.add(at, "at least one of marginMse, kl must be set");
            }
        }
        None if loss.info_nce.is_zero() => faults.add_related(
            at.key("infoNce"),
            "with \"0\" nothing is learned: set distillation",
            &["spec.loss.distillation"],
        ),
        None => {}
    }
}

fn validate_hard_negatives(spec: &SpladeTrainingSpec, faults: &mut Faults) {
    if spec.data.hard_negatives > 0 {
        return;
    }
    let message = "needs hard negatives: data.hardNegatives must be at least 1";
    let related = &["spec.data.hardNegatives"];
    if spec.loss.distillation.is_some() {
        faults.add_related(FieldPath::of("spec.loss.distillation"), message, related);
    }
    if spec.loss.flops.negative.is_some() {
        faults.add_related(FieldPath::of("spec.loss.flops.negative"), message, related);
    }
}

fn validate_optimizer(optimizer: &OptimizerSpec, faults: &mut Faults) {
    let at = FieldPath::of("spec.optimizer");
    for conflict in [optimizer.length().err(), optimizer.warmup().err()]
        .into_iter()
        .flatten()
    {
        faults.add(at.clone(), conflict.to_string());
    }
    faults.above_zero(at.key("learningRate"), &optimizer.learning_rate);
    faults.above_zero(at.key("epsilon"), &optimizer.epsilon);
    faults.below_one(at.key("beta1"), &optimizer.beta1);
    faults.below_one(at.key("beta2"), &optimizer.beta2);
    if let Some(ratio) = &optimizer.warmup_ratio {
        faults.up_to_one(at.key("warmupRatio"), ratio);
    }
    if let (Some(warmup), Some(all)) = (optimizer.warmup_steps, optimizer.max_steps)
        && warmup > all
    {
        faults.add_related(
            at.key("warmupSteps"),
            format!("must not exceed maxSteps ({all}), found {warmup}"),
            &["spec.optimizer.maxSteps"],
        );
    }
}

fn validate_storage(spec: &SpladeTrainingSpec, faults: &mut Faults) {
    let checkpoint = &spec.checkpoint;
    if checkpoint.every_steps.is_none() && checkpoint.every_minutes.is_none() {
        let message = "at least one of everySteps, everyMinutes must be set";
        faults.add(FieldPath::of("spec.checkpoint"), message);
    }
    if spec
        .export
        .as_ref()
        .is_some_and(|export| export.uri == checkpoint.uri)
    {
        faults.add_related(
            FieldPath::of("spec.export.uri"),
            "must be another folder than checkpoint.uri, whose content is cleaned up",
            &["spec.checkpoint.uri"],
        );
    } else if let Some(export) = &spec.export {
        validate_export(spec, &export.uri, faults);
    }
}

/// What lies at `export.uri` is replaced: nothing else may lie there or below.
fn validate_export(spec: &SpladeTrainingSpec, export: &StorageUri, faults: &mut Faults) {
    let one = |field: &'static str, uri: Option<&StorageUri>| uri.cloned().map(|uri| (field, uri));
    let weights = match &spec.init_from {
        Some(InitFrom::Uri(uri)) => Some(uri),
        _ => None,
    };
    let named = [
        one("spec.model.base", Some(&spec.model.base)),
        one("spec.checkpoint.uri", Some(&spec.checkpoint.uri)),
        one("spec.data.cache", spec.data.cache.as_ref()),
        one(
            "spec.telemetry.tensorboard",
            spec.telemetry.tensorboard.as_ref(),
        ),
        one("spec.initFrom.uri", weights),
    ];
    let data = [
        ("spec.data.train", &spec.data.train),
        ("spec.data.validation", &spec.data.validation),
    ];
    let files = data
        .into_iter()
        .flat_map(|(field, uris)| uris.iter().map(move |uri| (field, uri.clone())));
    let datasets = spec
        .benchmarks
        .iter()
        .map(|entry| ("spec.benchmarks", entry.plan.dataset.uri.clone()));
    for (field, uri) in named.into_iter().flatten().chain(files).chain(datasets) {
        if export.contains(&uri) {
            faults.add_related(
                FieldPath::of("spec.export.uri"),
                format!(
                    "the folder is replaced by the exported model, and {field} lies in it ({uri})"
                ),
                &[field],
            );
        }
    }
}

fn validate_gang(spec: &SpladeTrainingSpec, faults: &mut Faults) {
    let scheduler = &spec.gang.scheduler;
    if scheduler.kind.has_queues() != scheduler.queue_name.is_some() {
        let message = "queueName must be set for type Kueue, Volcano and Kai, and only for these";
        faults.add(FieldPath::of("spec.gang.scheduler"), message);
    }
    pod::validate(&spec.gang.pod, &FieldPath::of("spec.gang"), faults);
    let backoff = &spec.run_policy.backoff;
    if backoff.initial_seconds > backoff.max_seconds {
        let message = "initialSeconds must not exceed maxSeconds";
        faults.add(FieldPath::of("spec.runPolicy.backoff"), message);
    }
}

fn validate_benchmarks(spec: &SpladeTrainingSpec, faults: &mut Faults) {
    let at = FieldPath::of("spec.benchmarks");
    if spec.export.is_none() && !spec.benchmarks.is_empty() {
        let message = "benchmarks need an exported model: set export";
        faults.add_related(at.clone(), message, &["spec.export"]);
    }
    for (index, entry) in spec.benchmarks.iter().enumerate() {
        benchmark::validate_plan(&entry.plan, &at.index(index), faults);
    }
}
