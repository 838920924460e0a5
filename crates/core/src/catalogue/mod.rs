//! The catalogue: a kind is one file, and the engine knows of a kind only what its file says.
//!
//! The files are data of this crate (`catalogue/kinds/*.toml`); the lint in `tests/` holds each
//! against the API contract. An ordinary kind needs no Rust.

mod descriptor;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use descriptor::{
    Asked, Audited, Brings, Builtin, CallSpec, ClonePhase, DeleteSpec, Descriptor, DraftSpec,
    Driver, Endpoint, Gathered, Having, Inverse, ItemBody, ItemWrite, JobSpec, KeySpec, LeaveOut,
    ListSpec, MemberOf, Paging, Parent, Part, Pii, PublishSpec, ReadSpec, Reference, Together,
    WireField, WriteSpec,
};

use crate::id::{Key, Kind, ObjectRef};
use crate::path::{BadPath, FieldPath};

include!(concat!(env!("OUT_DIR"), "/kinds.rs"));

/// Knows every kind.
#[derive(Debug)]
pub struct Catalogue {
    kinds: BTreeMap<Kind, Descriptor>,
}

/// Says that nobody knows a kind, and which name may have been meant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown kind {name:?}{}", .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default())]
pub struct UnknownKind {
    /// What was asked for.
    pub name: String,
    /// The nearest known name.
    pub suggestion: Option<String>,
}

/// Says why a kind file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {message}")]
pub struct BadKindFile {
    /// The file's name.
    pub file: String,
    /// What is wrong, with line and column.
    pub message: String,
}

impl Catalogue {
    /// Returns the catalogue that this program was built with.
    pub fn builtin() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::parse(KIND_FILES).expect("the lint test reads every kind file of this crate")
        });
        &CATALOGUE
    }

    /// Returns a digest of the kind files that this program was built with.
    pub fn builtin_digest() -> String {
        let mut hasher = blake3::Hasher::new();
        for text in KIND_FILES.iter().flat_map(|(file, text)| [file, text]) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Reads kind files, given as name and text.
    ///
    /// # Errors
    /// A file that is not TOML, has an unknown field, or names a kind that another names too.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, BadKindFile> {
        let mut kinds = BTreeMap::new();
        let mut memberships = Vec::new();
        for (file, text) in files {
            let fail = |message: String| BadKindFile {
                file: (*file).to_owned(),
                message,
            };
            let descriptor: Descriptor = toml::from_str(text).map_err(|e| fail(e.to_string()))?;
            let descriptor = with_parent(descriptor).map_err(|e| fail(e.to_string()))?;
            memberships.extend(descriptor.member_of.iter().map(|(name, belongs)| {
                let MemberOf { kind, part, .. } = belongs;
                (
                    descriptor.kind.clone(),
                    name.clone(),
                    kind.clone(),
                    part.clone(),
                )
            }));
            let kind = descriptor.kind.clone();
            if kinds.insert(kind.clone(), descriptor).is_some() {
                return Err(fail(format!("the kind {kind} has another file")));
            }
        }
        for (member, name, kind, part) in memberships {
            let part = kinds
                .get_mut(&kind)
                .and_then(|kind| kind.parts.iter_mut().find(|p| p.field == part));
            let Some(part) = part else { continue };
            part.members = true;
            let reference = belonging(&name, &kind, part);
            if let Some(member) = kinds.get_mut(&member) {
                member.references.push(reference);
            }
        }
        let mut looked_at: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for part in kinds.values().flat_map(|kind| &kind.parts) {
            if let Some(inverse) = &part.inverse {
                let fields = looked_at.entry(inverse.kind.clone()).or_default();
                fields.push(inverse.path.root().to_owned());
            }
        }
        for list in kinds.values().flat_map(|kind| &kind.list) {
            if let Some(owner) = &list.each {
                let fields = looked_at.entry(owner.clone()).or_default();
                fields.extend(list.inside.iter().chain(&list.version).cloned());
            }
        }
        for kind in kinds.values() {
            let lists = kind.parts.iter().filter_map(|part| part.list.as_ref());
            let fields = looked_at.entry(kind.kind.clone()).or_default();
            fields.extend(lists.filter_map(|list| list.version.clone()));
            fields.extend(kind.member_of.values().filter_map(|of| of.field.clone()));
        }
        for (kind, fields) in looked_at {
            if let Some(descriptor) = kinds.get_mut(&kind) {
                descriptor.looked_at.extend(fields);
            }
        }
        Ok(Self { kinds })
    }

    /// Returns the descriptor of a kind.
    ///
    /// # Errors
    /// The kind is unknown; the error suggests the nearest name.
    pub fn get(&self, kind: &str) -> Result<&Descriptor, UnknownKind> {
        self.kinds.get(kind).ok_or_else(|| UnknownKind {
            name: kind.to_owned(),
            suggestion: nearest(kind, self.kinds.keys().map(Kind::as_str)),
        })
    }

    /// Returns the object that brings another along: the phone of a station.
    pub fn bringer(&self, object: &ObjectRef) -> Option<ObjectRef> {
        let kind = self.get(object.kind.as_str()).ok()?.comes_with.clone()?;
        let bringer = self.get(kind.as_str()).ok()?;
        let parts = object.key.parts();
        let key = parts.get(..bringer.key.fields.len())?;
        Some(ObjectRef::new(kind, Key::from_parts(key)))
    }

    /// Returns every descriptor, by kind name.
    pub fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        self.kinds.values()
    }
}

/// The field of a document that says what the object belongs to.
pub const MEMBER_OF: &str = "memberOf";

/// Makes the reference from what says it belongs somewhere: `memberOf.queues[].id` where the items
/// of the part say more than who it is, else `memberOf.groups[]`.
fn belonging(name: &str, kind: &Kind, part: &Part) -> Reference {
    let bare = !part.identity.is_empty();
    let path = format!("{MEMBER_OF}.{name}[]{}", if bare { ".id" } else { "" });
    Reference {
        path: FieldPath::parse(&path).expect("a name of a kind file has no brackets"),
        kind: Some(kind.clone()),
        bare,
        owns_element: true,
        deferrable: true,
        ..Reference::default()
    }
}

/// Spells out what `parent` says: a field, a reference, and lists that are read once for each parent.
fn with_parent(mut descriptor: Descriptor) -> Result<Descriptor, BadPath> {
    if let Some(parent) = descriptor.parent.clone() {
        descriptor.references.push(Reference {
            path: FieldPath::parse(&parent.field)?,
            kind: Some(parent.kind.clone()),
            ..Reference::default()
        });
        for list in descriptor.list.iter_mut().filter(|_| !parent.alone) {
            list.each.get_or_insert_with(|| parent.kind.clone());
        }
        descriptor.fields.push(parent.field);
    }
    Ok(descriptor)
}

/// Returns the candidate nearest to `text`, if any is near enough to be a slip of the hand.
pub fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    candidates
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 2.max(candidate.len() / 4) || candidate.ends_with(&format!("_{text}"))
        })
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Counts the single-character edits between two texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_gets_a_suggestion() {
        let names = ["routing_queue", "routing_skill", "flow"];
        assert_eq!(
            nearest("routing_queu", names.into_iter()).as_deref(),
            Some("routing_queue")
        );
        assert_eq!(
            nearest("queue", names.into_iter()).as_deref(),
            Some("routing_queue")
        );
        assert_eq!(nearest("trunk", names.into_iter()), None);
    }

    #[test]
    fn every_kind_file_of_this_crate_can_be_read() {
        for (file, text) in KIND_FILES {
            Catalogue::parse(&[(file, text)]).unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(Catalogue::builtin().iter().count(), KIND_FILES.len());
    }
}
