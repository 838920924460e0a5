//! Standard error: talk for people, and the log; as lines of JSON where a program reads both.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::args::{Global, LogFormat};
use crate::error::Failure;

/// All of this process writes to the one standard error.
static JSON: AtomicBool = AtomicBool::new(false);

/// Begins to log, where that is asked for.
pub(super) fn begin(global: &Global) -> anyhow::Result<()> {
    let is_json = global.log_format == LogFormat::Json;
    JSON.store(is_json, Ordering::Relaxed);
    let Some(filter) = &global.log else {
        return Ok(());
    };
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::Usage(format!("--log {filter:?}: {error}")))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = if is_json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed()
    } else {
        layer.with_ansi(io::stderr().is_terminal()).boxed()
    };
    let log = tracing_subscriber::registry().with(layer.with_filter(filter));
    // A second call in one process, as in tests, keeps the first log.
    let _ = log.try_init();
    Ok(())
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
