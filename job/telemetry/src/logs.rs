//! Log lines on standard error: text on a terminal, JSON elsewhere.

use crate::rank::Rank;
use crate::spans;
use json_subscriber::JsonLayer;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

/// What is logged without `RUST_LOG`. The S3 client tells at "info" where its credentials come from, over and over.
const LEVELS: &str = "info,aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn";

/// Where users choose what is logged.
const VARIABLE: &str = "RUST_LOG";
/// How the names of our own crates begin.
const OURS: &str = "splade";

/// What is logged, and what is to be said about the choice.
pub(crate) struct Level {
    pub(crate) filter: EnvFilter,
    /// Why it is not what was asked for.
    pub(crate) complaint: Option<String>,
}

/// What `RUST_LOG` chooses.
pub(crate) fn level() -> Level {
    chosen(std::env::var(VARIABLE).ok().as_deref().unwrap_or_default())
}

/// What this value of `RUST_LOG` chooses; nothing chooses the default.
fn chosen(value: &str) -> Level {
    let default = |complaint| Level {
        filter: EnvFilter::new(LEVELS),
        complaint,
    };
    if value.trim().is_empty() {
        return default(None);
    }
    let refused = |reason: &str| {
        default(Some(format!(
            "{VARIABLE}={value} {reason}: info is used. Write a level, such as debug, or levels of crates, such as \
             info,splade_storage=debug"
        )))
    };
    if is_silence_by_mistake(value) {
        return refused("names neither a level nor a crate of this program");
    }
    match EnvFilter::try_new(value) {
        Ok(filter) => Level {
            filter,
            complaint: None,
        },
        Err(error) => refused(&format!("is no filter ({error})")),
    }
}

/// A misspelt level reads as the name of a crate. Where nothing else is said, nothing would be logged.
fn is_silence_by_mistake(value: &str) -> bool {
    value.split(',').map(str::trim).all(|word| {
        !word.contains(['=', '['])
            && !word.starts_with(OURS)
            && word.parse::<LevelFilter>().is_err()
    })
}

/// The layer that writes log lines.
///
/// A JSON line carries the rank where there are several, and the trace and span that it belongs to: those of the
/// thread, else those that this process was started by.
pub(crate) fn layer<S>(
    started_by: SpanContext,
    rank: Option<Rank>,
    level: EnvFilter,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Spans are for the traces; their names before every line would only be noise.
    let filter = level.and(filter_fn(|metadata| metadata.target() != spans::TARGET));
    if std::io::stderr().is_terminal() {
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .without_time()
            .with_filter(filter)
            .boxed()
    } else {
        json(started_by, rank).with_filter(filter).boxed()
    }
}

fn json<S>(started_by: SpanContext, rank: Option<Rank>) -> JsonLayer<S, fn() -> std::io::Stderr>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut layer = JsonLayer::stderr();
    layer
        .with_timer("timestamp", SystemTime)
        .with_level("level")
        .with_flattened_event();
    if let Some(rank) = rank.filter(|rank| rank.has_company()) {
        layer.add_static_field("rank", rank.rank.into());
    }
    layer.add_multiple_dynamic_fields(move |_, _, writer| {
        let current = Context::current().span().span_context().clone();
        let span = if current.is_valid() {
            &current
        } else {
            &started_by
        };
        if span.is_valid() {
            // What cannot be written is a member of the line, never the line.
            let _ = writer.write_field("trace_id", span.trace_id().to_string());
            let _ = writer.write_field("span_id", span.span_id().to_string());
        }
    });
    layer
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn what_chooses_a_level_is_taken_as_it_is() {
        for value in [
            "debug",
            "WARN",
            "off",
            "info,hyper",
            "hyper=debug",
            "splade_storage",
            "splade_job=debug, info",
        ] {
            assert_eq!(chosen(value).complaint, None, "{value}");
        }
        assert_eq!(chosen("").complaint, None);
    }

    #[test]
    fn what_would_silence_everything_by_mistake_is_said() {
        for value in ["inof", "inof,wran", "foo=bar=baz", "splade_job=loud"] {
            let level = chosen(value);
            assert!(level.complaint.unwrap().contains(value));
            assert_eq!(level.filter.to_string(), chosen("").filter.to_string());
        }
    }
}
