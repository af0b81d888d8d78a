//! One line every few steps: what the steps since the last line measured, on average.

use super::exchange::StepReport;
use super::loss::{FlopsWeights, MEASURES, is_measured};
use super::plan::LossPlan;
use serde::Serialize;
use splade_telemetry::{
    ActiveDimensions, EventFile, MetricsLog, Progress, ProgressBar, StepReport as StatusLine,
    format_duration, peak_resident_bytes,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a line says. Losses and active dimensions are means over the micro-batches of all ranks since the line before,
/// and speeds are those of all ranks together.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the run.
    pub total_steps: u64,
    /// Epochs done, as a fraction.
    pub epoch: f64,
    /// Loss parts and active dimensions by name.
    #[serde(flatten)]
    pub measures: BTreeMap<&'static str, f64>,
    /// Gradient norm before clipping, of the last step.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// FLOPS weight on queries at the last step.
    pub lambda_query: f64,
    /// FLOPS weight on documents at the last step.
    pub lambda_document: f64,
    /// Real tokens a second.
    pub tokens_per_second: f64,
    /// Triplets a second.
    pub triplets_per_second: f64,
    /// Model FLOPs utilisation on real tokens, against a large matrix product on as many such devices.
    pub mfu: f64,
    /// Peak resident memory of the process of rank 0, MiB.
    pub peak_memory_mib: u64,
    /// Seconds to the end at this pace.
    pub eta_seconds: u64,
}

/// Gathers measures and writes a line every `log_every` steps.
#[derive(Debug)]
pub struct Reporter {
    log: MetricsLog,
    events: Option<EventFile>,
    bar: ProgressBar,
    progress: Progress,
    /// What decides which measures there are.
    loss: LossPlan,
    peak_flops: f64,
    log_every: u64,
    total_steps: u64,
    steps_per_epoch: u64,
    since: Since,
}

/// What has been gathered since the last line.
#[derive(Debug)]
struct Since {
    started: Instant,
    sums: Vec<f64>,
    batches: usize,
    triplets: usize,
    tokens: usize,
    flops: f64,
    steps: u64,
}

impl Since {
    fn now() -> Self {
        Self {
            started: Instant::now(),
            sums: vec![0.0; MEASURES.len()],
            batches: 0,
            triplets: 0,
            tokens: 0,
            flops: 0.0,
            steps: 0,
        }
    }
}

/// Length of the run for the reporter.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Optimizer steps behind us.
    pub done: u64,
    /// Optimizer steps of the run.
    pub total_steps: u64,
    /// Optimizer steps of an epoch.
    pub steps_per_epoch: u64,
}

impl Reporter {
    /// Opens the logs in `folder`. `peak_flops` is what all devices together could do in a second.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(
        folder: &Path,
        tensorboard: Option<&Path>,
        loss: &LossPlan,
        log_every: u64,
        extent: Extent,
        peak_flops: f64,
        progress: &Progress,
    ) -> std::io::Result<Self> {
        Ok(Self {
            log: MetricsLog::open(&folder.join("metrics.jsonl"))?,
            events: tensorboard.map(EventFile::create).transpose()?,
            bar: ProgressBar::new("training", extent.total_steps, extent.done),
            progress: progress.clone(),
            loss: loss.clone(),
            peak_flops,
            log_every,
            total_steps: extent.total_steps,
            steps_per_epoch: extent.steps_per_epoch,
            since: Since::now(),
        })
    }

    /// Takes in the micro-batches of a step, of `triplets` triplets over all ranks.
    pub fn gather(&mut self, report: &StepReport, triplets: usize) {
        for batch in report.ranks.iter().flatten() {
            for (sum, value) in self.since.sums.iter_mut().zip(&batch.values) {
                *sum += value;
            }
            self.since.batches += 1;
            self.since.tokens += batch.tokens;
            self.since.flops += batch.flops;
        }
        self.since.triplets += triplets;
    }

    /// Leaves out time that was not spent training from the speed that the next line tells.
    pub fn leave_out(&mut self, pause: Duration) {
        self.since.started += pause;
    }

    /// Ends optimizer step number `step` (from 1) and writes a line when one is due.
    ///
    /// # Errors
    /// What the file system says.
    pub fn end_step(
        &mut self,
        step: u64,
        learning_rate: f64,
        weights: FlopsWeights,
        gradient_norm: f64,
    ) -> std::io::Result<Option<Line>> {
        self.since.steps += 1;
        self.progress.advance(step);
        if !step.is_multiple_of(self.log_every) && step != self.total_steps {
            self.bar.set(step, String::new);
            return Ok(None);
        }
        let line = self.line(step, learning_rate, weights, gradient_norm);
        self.since = Since::now();
        self.log.add(&line)?;
        if let Some(events) = &mut self.events {
            events.add(step, scalars(&line))?;
        }
        self.progress.report(self.status(&line));
        self.show(&line);
        Ok(Some(line))
    }

    /// The line as those who ask for the progress see it.
    fn status(&self, line: &Line) -> StatusLine {
        let of = |name: &str| line.measures.get(name).copied().unwrap_or(f64::NAN);
        let told_apart = [
            "loss",
            "active_dimensions_query",
            "active_dimensions_document",
        ];
        let settings = [
            ("gradient_norm", line.gradient_norm),
            ("learning_rate", line.learning_rate),
            ("lambda_query", line.lambda_query),
            ("lambda_document", line.lambda_document),
        ];
        let measures = line.measures.iter().map(|(name, value)| (*name, *value));
        let measures = measures.filter(|(name, _)| !told_apart.contains(name));
        StatusLine {
            step: line.step,
            // The epoch of the last step, not of the next one.
            epoch: line.step.saturating_sub(1) / self.steps_per_epoch,
            loss: of("loss"),
            measures: measures
                .chain(settings)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            active_dimensions: Some(ActiveDimensions {
                query: of("active_dimensions_query"),
                document: of("active_dimensions_document"),
            }),
            triplets_per_second: line.triplets_per_second,
            tokens_per_second: line.tokens_per_second,
            mfu: line.mfu,
            eta_seconds: line.eta_seconds,
        }
    }

    /// The bar on a terminal, one structured line elsewhere.
    fn show(&self, line: &Line) {
        let of = |name: &str| line.measures.get(name).copied().unwrap_or(f64::NAN);
        let (loss, query, document) = (
            of("loss"),
            of("active_dimensions_query"),
            of("active_dimensions_document"),
        );
        self.bar.set(line.step, || {
            format!(
                "loss {loss:.3}  active {query:.0}/{document:.0}  {:.1} triplets/s",
                line.triplets_per_second
            )
        });
        if self.bar.is_shown() {
            return;
        }
        tracing::info!(
            step = line.step,
            total_steps = line.total_steps,
            epoch = line.epoch,
            loss,
            infonce = of("infonce"),
            flops_query = of("flops_query"),
            flops_document = of("flops_document"),
            flops_negative = of("flops_negative"),
            margin_mse = line.measures.get("margin_mse").copied(),
            kl = line.measures.get("kl").copied(),
            active_dimensions_query = query,
            active_dimensions_document = document,
            gradient_norm = line.gradient_norm,
            learning_rate = line.learning_rate,
            lambda_query = line.lambda_query,
            lambda_document = line.lambda_document,
            tokens_per_second = line.tokens_per_second,
            triplets_per_second = line.triplets_per_second,
            mfu = line.mfu,
            peak_memory_mib = line.peak_memory_mib,
            eta = format_duration(Duration::from_secs(line.eta_seconds)),
            "step"
        );
    }

    /// Adds a scalar that is measured apart, such as the validation loss.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add_scalar(&mut self, step: u64, name: &str, value: f64) -> std::io::Result<()> {
        self.log
            .add(&serde_json::json!({ "step": step, name: value }))?;
        if let Some(events) = &mut self.events {
            events.add(step, std::iter::once((name, value)))?;
        }
        tracing::info!(step, value, "{name}");
        Ok(())
    }

    fn line(
        &self,
        step: u64,
        learning_rate: f64,
        weights: FlopsWeights,
        gradient_norm: f64,
    ) -> Line {
        let since = &self.since;
        let seconds = since.started.elapsed().as_secs_f64().max(1e-9);
        let batches = since.batches.max(1) as f64;
        let per_step = seconds / since.steps.max(1) as f64;
        Line {
            step,
            total_steps: self.total_steps,
            epoch: step as f64 / self.steps_per_epoch as f64,
            measures: MEASURES
                .iter()
                .zip(&since.sums)
                .filter(|(name, _)| is_measured(&self.loss, name))
                .map(|(name, sum)| (*name, sum / batches))
                .collect(),
            gradient_norm,
            learning_rate,
            lambda_query: weights.query,
            lambda_document: weights.document,
            tokens_per_second: since.tokens as f64 / seconds,
            triplets_per_second: since.triplets as f64 / seconds,
            mfu: since.flops / seconds / self.peak_flops,
            peak_memory_mib: peak_resident_bytes().unwrap_or(0) >> 20,
            eta_seconds: ((self.total_steps - step) as f64 * per_step) as u64,
        }
    }
}

/// A line as TensorBoard scalars.
fn scalars(line: &Line) -> impl Iterator<Item = (&'static str, f64)> {
    let rest = [
        ("epoch", line.epoch),
        ("gradient_norm", line.gradient_norm),
        ("learning_rate", line.learning_rate),
        ("lambda_query", line.lambda_query),
        ("lambda_document", line.lambda_document),
        ("tokens_per_second", line.tokens_per_second),
        ("triplets_per_second", line.triplets_per_second),
        ("mfu", line.mfu),
        ("peak_memory_mib", line.peak_memory_mib as f64),
    ];
    line.measures
        .iter()
        .map(|(name, value)| (*name, *value))
        .chain(rest)
}
