//! Who sends the traces, by the names of OpenTelemetry's semantic conventions.

use crate::machine::host_name;
use crate::rank::Rank;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use std::env::consts::{ARCH, OS};

/// The service and its version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Describes this process. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win over what we know by ourselves.
pub(super) fn describe(service: Service, rank: Option<Rank>) -> Resource {
    let own_name = std::env::var("OTEL_SERVICE_NAME").ok();
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new("service.name", service.name),
            KeyValue::new("service.version", service.version),
            KeyValue::new("host.arch", architecture()),
            KeyValue::new("os.type", OS),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .with_attributes(rank.into_iter().flat_map(|rank| {
            [
                KeyValue::new("splade.rank", i64::from(rank.rank)),
                KeyValue::new("splade.world_size", i64::from(rank.world_size)),
            ]
        }))
        .with_attributes(host_name().map(|name| KeyValue::new("host.name", name)))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(
            own_name
                .filter(|name| !name.is_empty())
                .map(|name| KeyValue::new("service.name", name)),
        )
        .build()
}

fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
