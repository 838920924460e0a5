//! Finds ids of the source org in text.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::snapshot::Snapshot;

/// Returns the ids of the source org that the target does not have.
pub fn foreign_ids<'s>(
    source: &'s Snapshot,
    target: &Snapshot,
) -> impl Iterator<Item = &'s str> + use<'s> {
    let ids = |snapshot: &'s Snapshot| {
        let captured = snapshot
            .objects
            .values()
            .chain(snapshot.deleted.values())
            .flatten();
        captured.map(|captured| captured.id.as_str())
    };
    let captured = target
        .objects
        .values()
        .chain(target.deleted.values())
        .flatten();
    let own: HashSet<String> = captured
        .map(|captured| captured.id.as_str().to_owned())
        .collect();
    ids(source).filter(move |id| !own.contains(*id))
}

/// Ids that must not be sent.
///
/// Nearly all ids are GUIDs, which have a form: a look at the form and into a table costs a
/// thousandth of the automaton that searches for any text, which is kept for the others.
pub(super) struct Ids {
    guids: HashSet<u128>,
    others: Option<AhoCorasick>,
}

/// Ids that are no GUIDs are searched from this length on; shorter ones are words of any text.
const SHORTEST: usize = 16;

/// Characters of a GUID.
const GUID: usize = 36;

impl Ids {
    pub(super) fn new<'i>(ids: impl IntoIterator<Item = &'i str>) -> Self {
        let mut guids = HashSet::new();
        let mut others = Vec::new();
        for id in ids {
            match guid(id.as_bytes()) {
                Some(number) if id.len() == GUID => {
                    guids.insert(number);
                }
                _ if id.len() >= SHORTEST && id.contains(|c: char| c.is_ascii_digit()) => {
                    others.push(id)
                }
                _ => {}
            }
        }
        let others = (!others.is_empty()).then(|| {
            let builder = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&others);
            builder.expect("ids of one org are far from the automaton's limits")
        });
        Self { guids, others }
    }

    /// Returns the first id that a text holds.
    pub(super) fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.find_guid(text).or_else(|| {
            let found = self.others.as_ref()?.find(text)?;
            text.get(found.range())
        })
    }

    fn find_guid<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.guids.is_empty() {
            return None;
        }
        let bytes = text.as_bytes();
        let mut from = 0;
        while let Some(dash) = bytes.get(from..)?.iter().position(|byte| *byte == b'-') {
            let dash = from + dash;
            from = dash + 1;
            // The first dash of a GUID stands behind eight digits.
            let found = dash
                .checked_sub(8)
                .and_then(|start| Some((start, guid(bytes.get(start..start + GUID)?)?)));
            if let Some((start, number)) = found
                && self.guids.contains(&number)
            {
                return text.get(start..start + GUID);
            }
        }
        None
    }
}

/// Reads the GUID at the beginning of a text, in either case.
fn guid(text: &[u8]) -> Option<u128> {
    let mut number = 0_u128;
    for (index, byte) in text.get(..GUID)?.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::Ids;

    const ID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    #[test]
    fn an_id_is_found_wherever_it_stands() {
        let ids = Ids::new([ID, "static_action-17-of-crm", "short1"]);
        for text in [
            ID.to_owned(),
            format!("ab-{ID}"),
            format!("0{ID}0"),
            format!("/api/v2/users/{}/x", ID.to_uppercase()),
            format!("ü-0f1e2d3c-4b5a-{ID}"),
            "x static_action-17-of-crm".to_owned(),
        ] {
            assert!(ids.find(&text).is_some(), "{text}");
        }
        for text in [
            "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f1",
            "short1",
            "0f1e2d3c-",
            "--------",
            "ü-ü-ü",
        ] {
            assert_eq!(ids.find(text), None, "{text}");
        }
    }
}
