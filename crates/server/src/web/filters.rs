//! How values are written in a page.

#![expect(clippy::unnecessary_wraps, reason = "what a template calls may fail")]

use askama::{Result, Values};

/// The day and minute of a time.
#[askama::filter_fn]
pub(super) fn short(time: impl AsRef<str>, _: &dyn Values) -> Result<String> {
    let text = time.as_ref();
    Ok(text.get(..16).unwrap_or(text).replace('T', " "))
}

/// The time of the day.
#[askama::filter_fn]
pub(super) fn clock(time: impl AsRef<str>, _: &dyn Values) -> Result<String> {
    let text = time.as_ref();
    Ok(text.get(11..19).unwrap_or(text).to_owned())
}

/// The first line of a text, if it is not too long.
#[askama::filter_fn]
pub(super) fn line(text: impl AsRef<str>, _: &dyn Values) -> Result<String> {
    let line = text.as_ref().lines().next().unwrap_or_default();
    Ok(match line.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    })
}

/// The beginning of an id.
#[askama::filter_fn]
pub(super) fn start(id: impl AsRef<str>, _: &dyn Values) -> Result<String> {
    Ok(id.as_ref().chars().take(8).collect())
}

/// The class of a state of a job, which those of runs have as well.
#[askama::filter_fn]
pub(super) fn class(state: impl AsRef<str>, _: &dyn Values) -> Result<&'static str> {
    Ok(match state.as_ref() {
        "Completed" => "done",
        "Failed" => "failed",
        "Running" => "running",
        _ => "quiet",
    })
}

/// A number of bytes, for people.
#[askama::filter_fn]
pub(super) fn bytes(size: &u64, _: &dyn Values) -> Result<String> {
    Ok(match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{} kB", size / 1_000),
        _ => format!("{} MB", size / 1_000_000),
    })
}
