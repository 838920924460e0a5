//! Lengths of time: `10m`, `90d`, `2y`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};

/// A length of time that is not nothing.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Term(pub(crate) Span);

impl Term {
    /// Returns it by the clock, where months and years do not occur in it.
    pub(crate) fn duration(self) -> Option<Duration> {
        let days = SpanRelativeTo::days_are_24_hours();
        Duration::try_from(self.0.to_duration(days).ok()?).ok()
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = text.parse::<Span>().ok().filter(|span| span.is_positive());
        span.map(Self).ok_or_else(|| {
            Error::custom(format!(
                "{text:?} is no length of time, such as 10m, 90d or 2y"
            ))
        })
    }
}
