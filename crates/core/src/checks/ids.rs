//! Finds ids of the source org in text.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::guid::{guid, guids_in};
use crate::snapshot::Snapshot;

/// Returns the ids of the source org, as [`Snapshot::ids`] tells them, that the target does not have.
pub fn foreign_ids<'s>(
    source: impl IntoIterator<Item = &'s str>,
    target: &Snapshot,
) -> Vec<&'s str> {
    let own: HashSet<&str> = target.ids().collect();
    source.into_iter().filter(|id| !own.contains(id)).collect()
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

impl Ids {
    pub(super) fn new<'i>(ids: impl IntoIterator<Item = &'i str>) -> Self {
        let mut guids = HashSet::new();
        let mut others = Vec::new();
        for id in ids {
            match guid(id) {
                Some(number) => {
                    guids.insert(number);
                }
                None if id.len() >= SHORTEST && id.contains(|c: char| c.is_ascii_digit()) => {
                    others.push(id)
                }
                None => {}
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
        let mut known = guids_in(text).filter(|(_, number)| self.guids.contains(number));
        text.get(known.next()?.0)
    }
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
