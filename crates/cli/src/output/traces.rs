//! Traces for OpenTelemetry: spans of jobs, runs, steps and calls of the API, sent by OTLP over HTTP.
//!
//! Where they go is told by the variables that OpenTelemetry gives for that; without
//! `OTEL_EXPORTER_OTLP_ENDPOINT` there are none. What a span holds is what a log would: orgs, ids, paths
//! and outcomes; neither headers nor bodies.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use super::log::Layer;
use crate::error::Failure;

/// How long the end of the program waits for the last spans to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says who sends the spans.
fn resource() -> Resource {
    let us = [
        KeyValue::new("service.name", "orgsmith"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(us)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name),
        None => resource,
    }
    .build()
}

/// Makes what sends spans, where the environment says whereto.
pub(super) fn layer() -> anyhow::Result<Option<Layer>> {
    const PLACES: [&str; 2] = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ];
    let off = variable("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
    let Some(place) = PLACES.into_iter().find(|name| variable(name).is_some()) else {
        return Ok(None);
    };
    if off {
        return Ok(None);
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()
        .map_err(|error| {
            Failure::Usage(format!("{place}: traces cannot be sent there: {error}"))
        })?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("orgsmith"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    // A second call in one process, as in tests, keeps the first.
    let _ = PROVIDER.set(provider);
    let ours = filter_fn(|about| about.is_span() && about.target().starts_with("orgsmith"));
    let ours = ours.with_max_level_hint(LevelFilter::DEBUG);
    Ok(Some(layer.with_filter(ours).boxed()))
}

/// Sends what was not sent yet.
pub(super) fn end() -> Result<(), String> {
    let Some(provider) = PROVIDER.get() else {
        return Ok(());
    };
    let ended = provider.shutdown_with_timeout(PATIENCE);
    ended.map_err(|error| error.to_string())
}
