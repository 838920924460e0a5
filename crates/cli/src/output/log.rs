//! Standard error: talk for people, and the log; as lines of JSON where a program reads both.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::args::{Global, LogFormat};
use crate::error::Failure;

/// All of this process writes to the one standard error.
static JSON: AtomicBool = AtomicBool::new(false);

/// Something that is told what happens within the program.
pub(super) type Layer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

/// Begins to log, and to send traces, where that is asked for.
pub(super) fn begin(global: &Global) -> anyhow::Result<()> {
    let is_json = global.log_format == LogFormat::Json;
    JSON.store(is_json, Ordering::Relaxed);
    let log = global.log.as_deref().map(|filter| layer(filter, is_json));
    let layers = log.transpose()?.into_iter();
    #[cfg(feature = "otel")]
    let layers = layers.chain(super::traces::layer()?);
    let layers: Vec<Layer> = layers.collect();
    if !layers.is_empty() {
        // A second call in one process, as in tests, keeps the first log.
        let _ = tracing_subscriber::registry().with(layers).try_init();
    }
    Ok(())
}

/// Makes what writes the log.
fn layer(filter: &str, is_json: bool) -> anyhow::Result<Layer> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::Usage(format!("--log {filter:?}: {error}")))?;
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = if is_json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed()
    } else {
        layer.with_ansi(io::stderr().is_terminal()).boxed()
    };
    Ok(layer.with_filter(filter).boxed())
}

/// Tells whether a program reads standard error.
pub(super) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Tells whether a person sees standard error as it is written.
pub(super) fn is_for_people() -> bool {
    !is_json() && io::stderr().is_terminal()
}

/// Writes a line of talk. That nobody reads it is no reason to stop.
pub(super) fn talk(text: &str) {
    if is_json() {
        return line("INFO", text, None);
    }
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Writes a line as the log has them, whatever the log leaves out.
pub(super) fn line(level: &str, text: &str, hint: Option<&str>) {
    let text = anstream::adapter::strip_str(text).to_string();
    let mut line = json!({
        "timestamp": jiff::Timestamp::now(),
        "level": level,
        "message": text,
        "target": "orgsmith",
    });
    if let Some(hint) = hint {
        line["hint"] = json!(hint);
    }
    let _ = writeln!(io::stderr(), "{line}");
}
