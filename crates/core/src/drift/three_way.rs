//! Which side moved, field by field.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::policy::Resolution;
use crate::diff::Change;

/// Which side moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Both, and alike.
    Same,
    /// The source.
    Source,
    /// The target.
    Target,
    /// Both, and not alike; or nobody knows, as there is no state on which they ever agreed.
    Conflict,
}

impl Side {
    /// Returns what is said of two places together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, one) | (one, Self::Same) => one,
            (one, other) if one == other => one,
            _ => Self::Conflict,
        }
    }
}

/// A place in an object that moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The place in the document, as in [`Change::path`]; empty for the whole object.
    pub path: String,
    /// Which side moved.
    pub side: Side,
    /// There is a base, so that it is known who moved.
    pub has_base: bool,
    /// What it was when both agreed; nothing where it was not there, or is not known.
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub base: Option<Value>,
    /// What it is in the source.
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub source: Option<Value>,
    /// What it is in the target.
    #[serde(
        default,
        deserialize_with = "there",
        skip_serializing_if = "Option::is_none"
    )]
    pub target: Option<Value>,
    /// What the policy makes of it.
    pub resolution: Resolution,
    /// The entry by which it is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<u32>,
}

/// Reads a value that is there: `null` is one.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl Field {
    fn new(path: &str, side: Side) -> Self {
        Self {
            path: path.to_owned(),
            side,
            has_base: true,
            base: None,
            source: None,
            target: None,
            resolution: Resolution::Nothing,
            ignored: None,
        }
    }

    /// Makes the field that stands for a whole object.
    pub(super) fn whole(side: Side) -> Self {
        Self::new("", side)
    }

    /// Makes the field for what differs and has no place, and of which nobody knows who moved.
    pub(super) fn unnamed(words: &str) -> Self {
        Self {
            has_base: false,
            ..Self::new(words, Side::Conflict)
        }
    }

    /// Tells whether it stands for the whole object.
    pub fn is_whole(&self) -> bool {
        self.path.is_empty()
    }

    /// Tells whether the sides differ, and nobody ignores it.
    pub fn counts(&self) -> bool {
        self.side != Side::Same && self.ignored.is_none()
    }

    /// Returns the field of the document in which it is.
    pub fn root(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or(&self.path)
    }

    /// Tells whether it is at a place, or within it.
    pub fn is_within(&self, place: &str) -> bool {
        is_within(&self.path, place)
    }

    /// Says in other words what differs.
    pub fn to_change(&self, old: Option<&Value>, new: Option<&Value>) -> Change {
        Change {
            path: self.path.clone(),
            old: old.cloned(),
            new: new.cloned(),
        }
    }
}

/// Tells which side moved at each place.
///
/// `to_source` is what would have to change in the target for it to be the source, `to_base` for it
/// to be the base; without a base nobody knows who moved. `lacked` tells whether the target is known not
/// to have had a field, of which the base then says nothing.
pub(super) fn merge(
    to_source: &[&Change],
    to_base: Option<&[&Change]>,
    lacked: &dyn Fn(&str) -> bool,
) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for change in to_source {
        let Change { path, old, new } = change;
        let mut field = Field {
            source: new.clone(),
            target: old.clone(),
            ..Field::new(path, Side::Conflict)
        };
        let since = to_base.map(|since| since.iter().filter(|since| overlap(&since.path, path)));
        match since.map(Iterator::collect::<Vec<_>>) {
            None => field.has_base = false,
            // Nobody spoke of it, and now both do.
            Some(since) if since.is_empty() && old.is_some() && lacked(field.root()) => {}
            // The target is as the base was.
            Some(since) if since.is_empty() => {
                field.side = Side::Source;
                field.base.clone_from(old);
            }
            Some(since) => {
                let exact = since.iter().find(|since| since.path == *path);
                field.base = exact.and_then(|since| since.new.clone());
                if exact.is_some_and(|since| since.new == *new) && since.len() == 1 {
                    field.side = Side::Target;
                }
            }
        }
        fields.push(field);
    }
    for since in to_base.into_iter().flatten() {
        if !to_source
            .iter()
            .any(|change| overlap(&change.path, &since.path))
        {
            fields.push(Field {
                base: since.new.clone(),
                source: since.old.clone(),
                target: since.old.clone(),
                ..Field::new(&since.path, Side::Same)
            });
        }
    }
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    fields.dedup_by(|a, b| a.path == b.path);
    fields
}

fn overlap(one: &str, other: &str) -> bool {
    is_within(one, other) || is_within(other, one)
}

/// Tells whether a path is a place, or within it.
fn is_within(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::changes;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    /// A state: every field is there, as both sides manage all of them.
    fn state() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = || 0..3_u8;
        (
            leaf(),
            leaf(),
            leaf(),
            prop::collection::btree_set(0..4_u8, 0..3),
        )
            .prop_map(|(a, x, y, set)| {
                let value = json!({"a": a, "n": {"x": x, "y": y}, "s": set});
                value.as_object().cloned().expect("an object")
            })
    }

    fn three(
        base: &Map<String, Value>,
        source: &Map<String, Value>,
        target: &Map<String, Value>,
    ) -> Vec<Field> {
        let (source, base) = (
            changes(source, target, &|_| false),
            changes(base, target, &|_| false),
        );
        let base: Vec<&Change> = base.iter().collect();
        merge(&source.iter().collect::<Vec<_>>(), Some(&base), &|_| false)
    }

    proptest! {
        #[test]
        fn equal_states_have_no_drift(x in state()) {
            prop_assert_eq!(three(&x, &x, &x), Vec::<Field>::new());
        }

        #[test]
        fn what_only_one_side_changed_is_that_sides(x in state(), y in state()) {
            for field in three(&x, &x, &y) {
                prop_assert_eq!(field.side, Side::Target);
                prop_assert_eq!(field.base, field.source);
            }
            for field in three(&x, &y, &x) {
                prop_assert_eq!(field.side, Side::Source);
                prop_assert_eq!(field.base, field.target);
            }
            for field in three(&x, &y, &y) {
                prop_assert_eq!(field.side, Side::Same);
            }
        }

        #[test]
        fn exchanging_the_sides_exchanges_who_moved(b in state(), s in state(), t in state()) {
            let mut mirrored = three(&b, &t, &s);
            for field in &mut mirrored {
                field.side = match field.side {
                    Side::Source => Side::Target,
                    Side::Target => Side::Source,
                    other => other,
                };
                std::mem::swap(&mut field.source, &mut field.target);
            }
            prop_assert_eq!(three(&b, &s, &t), mirrored);
        }

        #[test]
        fn without_a_base_all_that_differs_is_at_odds(s in state(), t in state()) {
            let found = changes(&s, &t, &|_| false);
            let fields = merge(&found.iter().collect::<Vec<_>>(), None, &|_| false);
            prop_assert_eq!(fields.is_empty(), s == t);
            for field in fields {
                prop_assert_eq!((field.side, field.has_base), (Side::Conflict, false));
            }
        }
    }

    #[test]
    fn a_place_within_another_is_no_longer_name() {
        assert!(is_within("a.b", "a"));
        assert!(is_within("a[x].b", "a"));
        assert!(is_within("a", "a"));
        assert!(!is_within("ab", "a"));
        assert!(!is_within("a", "a.b"));
    }
}
