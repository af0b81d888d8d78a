//! `/metrics`: the run in Prometheus' text format. `docs/observability.md` lists the same metrics.

use crate::gpu::{Gpu, Gpus};
use crate::memory::peak_resident_bytes;
use crate::progress::{Phase, Progress, ProgressReport};
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// Everything that a scrape tells, read at one moment.
struct Scrape {
    report: ProgressReport,
    last_step: Option<Timestamp>,
    is_stalled: bool,
    peak_memory: Option<u64>,
    gpus: Vec<Gpu>,
}

/// One value, with a label where a metric has several.
struct Sample {
    label: Option<(&'static str, String)>,
    value: f64,
}

/// A metric: what it is called, and where its values come from. Without a value it is left out.
struct Metric {
    name: &'static str,
    unit: Option<&'static str>,
    kind: Kind,
    help: &'static str,
    read: fn(&Scrape) -> Vec<Sample>,
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    /// Only grows while a process lives; its name ends in `_total`.
    Counter,
}

const fn gauge(
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    read: fn(&Scrape) -> Vec<Sample>,
) -> Metric {
    Metric {
        name,
        unit,
        kind: Kind::Gauge,
        help,
        read,
    }
}

const METRICS: [Metric; 26] = [
    gauge(
        "build_info",
        None,
        "1, with the version of the program.",
        |_| vec![labelled("version", env!("CARGO_PKG_VERSION"), 1.0)],
    ),
    gauge(
        "phase",
        None,
        "1 for what the run is doing, 0 for the rest.",
        |now| {
            let value = |phase| f64::from(u8::from(now.report.phase == phase));
            Phase::ALL
                .iter()
                .map(|&phase| labelled("phase", &format!("{phase:?}"), value(phase)))
                .collect()
        },
    ),
    gauge("attempt", None, "Start of the training, from 1.", |now| {
        training(now, f64::from(now.report.attempt))
    }),
    gauge("ranks", None, "Ranks that train together.", |now| {
        training(now, f64::from(now.report.world_size))
    }),
    gauge(
        "epoch",
        None,
        "Current pass over the data, from 0.",
        |now| training(now, now.report.epoch as f64),
    ),
    Metric {
        name: "steps",
        unit: None,
        kind: Kind::Counter,
        help: "Optimizer steps done, those of earlier attempts included.",
        read: |now| training(now, now.report.step as f64),
    },
    gauge(
        "target_steps",
        None,
        "Optimizer steps of the whole training.",
        |now| training(now, now.report.total_steps as f64),
    ),
    gauge(
        "last_step_timestamp",
        Some("seconds"),
        "Unix time of the last optimizer step of this process.",
        |now| optional(now.last_step.map(unix)),
    ),
    gauge(
        "stalled",
        None,
        "1 when no step has been done for the stall timeout, else 0.",
        |now| training(now, f64::from(u8::from(now.is_stalled))),
    ),
    gauge(
        "loss",
        None,
        "Loss, averaged since the last report.",
        |now| optional(now.report.loss),
    ),
    gauge(
        "measure",
        None,
        "Parts of the loss and other measures, averaged since the last report.",
        |now| {
            let measures = now.report.measures.iter();
            measures
                .map(|(name, &value)| labelled("measure", name, value))
                .collect()
        },
    ),
    gauge(
        "active_dimensions",
        None,
        "Mean number of non-zero weights of a vector.",
        |now| {
            let means = now.report.active_dimensions.iter();
            means
                .flat_map(|means| [("query", means.query), ("document", means.document)])
                .filter(|(_, value)| value.is_finite())
                .map(|(side, value)| labelled("side", side, value))
                .collect()
        },
    ),
    gauge(
        "triplets_per_second",
        None,
        "Training examples a second, all ranks together.",
        |now| optional(now.report.triplets_per_second),
    ),
    gauge(
        "tokens_per_second",
        None,
        "Real tokens a second, all ranks together.",
        |now| optional(now.report.tokens_per_second),
    ),
    gauge(
        "mfu",
        Some("ratio"),
        "Model FLOP utilisation, from 0 to 1.",
        |now| optional(now.report.mfu),
    ),
    gauge(
        "eta",
        Some("seconds"),
        "Time to the end at this pace.",
        |now| optional(now.report.eta_seconds.map(|seconds| seconds as f64)),
    ),
    gauge(
        "checkpoint_step",
        None,
        "Optimizer steps behind the newest checkpoint.",
        |now| optional(now.report.checkpoint.as_ref().map(|last| last.step as f64)),
    ),
    gauge(
        "checkpoint_timestamp",
        Some("seconds"),
        "Unix time at which the newest checkpoint was complete.",
        |now| optional(now.report.checkpoint.as_ref().map(|last| unix(last.time))),
    ),
    gauge(
        "evaluation",
        None,
        "The last evaluation, by metric.",
        |now| evaluation(now, |last| last.value),
    ),
    gauge(
        "evaluation_best",
        None,
        "The best evaluation so far, by metric.",
        |now| evaluation(now, |last| last.best),
    ),
    gauge(
        "peak_memory",
        Some("bytes"),
        "The most resident memory that this process has had.",
        |now| optional(now.peak_memory.map(|bytes| bytes as f64)),
    ),
    gauge(
        "gpu_utilization",
        Some("ratio"),
        "Share of the last sample period in which the GPU ran a kernel.",
        |now| gpus(now, |gpu| gpu.utilization),
    ),
    gauge(
        "gpu_memory_used",
        Some("bytes"),
        "Memory of the GPU in use.",
        |now| gpus(now, |gpu| gpu.memory_used.map(|bytes| bytes as f64)),
    ),
    gauge(
        "gpu_memory_size",
        Some("bytes"),
        "Memory that the GPU has.",
        |now| gpus(now, |gpu| gpu.memory_total.map(|bytes| bytes as f64)),
    ),
    gauge(
        "gpu_temperature",
        Some("celsius"),
        "Temperature of the GPU.",
        |now| gpus(now, |gpu| gpu.temperature),
    ),
    gauge(
        "gpu_power",
        Some("watts"),
        "Power that the GPU draws.",
        |now| gpus(now, |gpu| gpu.power),
    ),
];

fn labelled(name: &'static str, label: &str, value: f64) -> Sample {
    Sample {
        label: Some((name, label.to_owned())),
        value,
    }
}

fn optional(value: Option<f64>) -> Vec<Sample> {
    let sample = |value| Sample { label: None, value };
    value.map(sample).into_iter().collect()
}

/// A value that only a training has: before one begins, a zero would be a lie.
fn training(now: &Scrape, value: f64) -> Vec<Sample> {
    optional((now.report.attempt > 0).then_some(value))
}

fn evaluation(now: &Scrape, value: fn(&crate::progress::EvaluationRecord) -> f64) -> Vec<Sample> {
    let last = now.report.evaluation.iter();
    last.map(|last| labelled("metric", &last.metric, value(last)))
        .collect()
}

fn gpus(now: &Scrape, value: fn(&Gpu) -> Option<f64>) -> Vec<Sample> {
    let gpus = now.gpus.iter();
    gpus.filter_map(|gpu| Some(labelled("gpu", &gpu.index.to_string(), value(gpu)?)))
        .collect()
}

fn unix(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

/// The metrics of a run.
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

    pub(super) fn new(progress: Progress, gpus: Gpus) -> Self {
        let mut registry = Registry::with_prefix("splade_job");
        registry.register_collector(Box::new(Run { progress, gpus }));
        Self { registry }
    }

    /// What a scrape gets.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Reads the run whenever it is scraped.
#[derive(Debug)]
struct Run {
    progress: Progress,
    gpus: Gpus,
}

impl Collector for Run {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let now = Scrape {
            report: self.progress.snapshot(),
            last_step: self.progress.last_step(),
            is_stalled: self.progress.stalled_for().is_some(),
            peak_memory: peak_resident_bytes(),
            gpus: self.gpus.read(),
        };
        for metric in &METRICS {
            let samples = (metric.read)(&now);
            if !samples.is_empty() {
                metric.encode(&samples, &mut encoder)?;
            }
        }
        Ok(())
    }
}

impl Metric {
    fn encode(&self, samples: &[Sample], encoder: &mut DescriptorEncoder) -> fmt::Result {
        let unit = self.unit.map(|unit| Unit::Other(unit.to_owned()));
        let kind = match self.kind {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, unit.as_ref(), kind)?;
        for Sample { label, value } in samples {
            let labels: Vec<(&str, String)> = label.clone().into_iter().collect();
            let mut series = family.encode_family(&labels)?;
            match self.kind {
                Kind::Gauge => series.encode_gauge(value)?,
                Kind::Counter => {
                    series.encode_counter::<Vec<(&str, String)>, _, u64>(value, None)?
                }
            }
        }
        Ok(())
    }
}
