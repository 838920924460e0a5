//! Differences that nobody wants to see for a while.

use serde::{Deserialize, Serialize};

use super::three_way::Field;
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::Packed;
use crate::id::ObjectRef;
use crate::select::{BadTerm, Selection};

/// Differences that are ignored until a time, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// Its number in the org.
    pub id: u32,
    /// Which objects, as the user wrote it.
    #[serde(default)]
    pub select: Vec<String>,
    /// Which places in them; all where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// They count again from then on, in milliseconds since 1970.
    pub until_ms: i64,
    /// Why they are ignored.
    pub reason: String,
    /// When the entry was made, in milliseconds since 1970.
    pub since_ms: i64,
}

impl Ignore {
    /// Tells whether it holds at a time.
    pub fn holds(&self, now_ms: i64) -> bool {
        now_ms < self.until_ms
    }
}

/// The entries of one org.
#[derive(Clone, Debug, Default)]
pub struct Ignores(Vec<(Ignore, Selection)>);

impl Ignores {
    /// Takes entries.
    ///
    /// # Errors
    /// The first term that cannot be read.
    pub fn new(catalogue: &Catalogue, entries: Vec<Ignore>) -> Result<Self, BadTerm> {
        let read = entries.into_iter().map(|entry| {
            let selection = Selection::from_texts(catalogue, &entry.select)?;
            Ok((entry, selection))
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the entry by which a difference is ignored at a time.
    pub(super) fn find(
        &self,
        object: &ObjectRef,
        field: &Field,
        (document, bundle): (Option<&Packed>, &Bundle),
        now_ms: i64,
    ) -> Option<&Ignore> {
        let mut holding = self.0.iter().filter(|(entry, _)| entry.holds(now_ms));
        let found = holding.find(|(entry, selection)| {
            let divisions = selection.divisions(bundle);
            let division = document.and_then(|document| divisions.of(document));
            let inside = || entry.fields.iter().any(|place| field.is_within(place));
            selection.matches(object, division.as_deref()) && (entry.fields.is_empty() || inside())
        });
        found.map(|(entry, _)| entry)
    }
}
