//! How several bundles agree, object by object: which of them have it, and which of these are equal.
//!
//! Other than [`crate::compare`], which asks what one of two would have to become, this asks whether
//! contents are the same, in both directions: a field that only one of them has is a difference.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::{Bundle, Gap, Origin};
use crate::catalogue::{Catalogue, Descriptor};
use crate::compare::document_changes;
use crate::diff::Change;
use crate::document::{Packed, Slot};
use crate::guid::guid;
use crate::id::{Kind, ObjectRef};
use crate::select::Selection;

/// One of the bundles that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Source<'b> {
    /// What a person called it: the name of an org, or a path.
    pub name: &'b str,
    /// Whether it is an org, to which a plan can be made.
    pub is_org: bool,
    /// What was read of it.
    pub bundle: &'b Bundle,
    /// What was asked of it when it was read; of a bundle, what its manifest says.
    pub asked: &'b Selection,
}

/// How several bundles agree; the first is the one that the others are held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The bundles.
    pub columns: Vec<Column>,
    /// The objects that any of them has, or those that were wanted.
    pub rows: Vec<Row>,
    /// Where only some objects were wanted, the flags that say which.
    pub part: Option<Vec<String>>,
}

/// One of the bundles.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What a person called it.
    pub name: String,
    /// Whether it is an org, to which a plan can be made.
    pub is_org: bool,
    /// Where it came from.
    pub origin: Origin,
    /// What could not be read of it.
    pub gaps: Vec<Gap>,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The object.
    pub object: ObjectRef,
    /// What is known of all its cells together.
    pub state: State,
    /// What each bundle has, in the order of the columns.
    pub cells: Vec<Cell>,
    /// The different contents there are; the first is that of the first column that has it.
    pub groups: Vec<Group>,
}

/// What is known of an object in all bundles together; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Two bundles have it with different content.
    Differs,
    /// A bundle has it not; those that have it agree.
    Missing,
    /// Of a bundle it is not known; the others agree.
    Unread,
    /// All have it with the same content.
    Same,
}

impl State {
    /// Lists the states, what matters most first.
    pub const ALL: [Self; 4] = [Self::Differs, Self::Missing, Self::Unread, Self::Same];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Unread => "unread",
            Self::Same => "same",
        }
    }
}

/// What one bundle has of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The content of a group.
    Has {
        /// Which of the row's groups.
        group: usize,
        /// What of it could not be read: the content may be more than this.
        gap: Option<String>,
    },
    /// Nothing.
    Missing,
    /// It was not read, so nobody knows; with the reason.
    Unread(String),
}

/// One content that an object has in one or more bundles.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The columns that have it.
    pub columns: Vec<usize>,
    /// How it differs from the first group; empty for that one.
    pub changes: Vec<Change>,
    /// Whether a plan from the first column would change it: a field that the first column leaves
    /// out is not managed by it.
    pub planned: bool,
}

/// Returns the letter of a group: `A`, `B`, … and after `Z` numbers.
pub fn letter(group: usize) -> String {
    match u8::try_from(group) {
        Ok(number @ 0..26) => char::from(b'A' + number).to_string(),
        _ => (group + 1).to_string(),
    }
}

impl Matrix {
    /// Compares bundles. `wanted` says which objects are rows, and by which selection they
    /// were found; nothing for all.
    ///
    /// An object that is in one selection and by another bundle's contents in none, such as a
    /// dependency, is therefore still looked for in every bundle.
    pub fn new(
        catalogue: &Catalogue,
        sources: &[Source<'_>],
        wanted: Option<(&BTreeSet<ObjectRef>, &Selection)>,
    ) -> Self {
        let objects: BTreeSet<&ObjectRef> = match wanted {
            Some((wanted, _)) => wanted.iter().collect(),
            None => sources
                .iter()
                .flat_map(|source| source.bundle.documents.keys())
                .collect(),
        };
        let readers: Vec<Reader<'_>> = sources
            .iter()
            .map(|source| Reader::new(catalogue, source, &objects))
            .collect();
        // What cannot be told apart has no document anywhere, and is a row all the same.
        let nowhere = sources.iter().flat_map(|source| source.bundle.lacks());
        let nowhere =
            nowhere.filter(|gap| gap.object.as_deref().is_some_and(|o| guid(o).is_none()));
        let nowhere = nowhere
            .filter_map(Gap::object_ref)
            .filter(|object| match wanted {
                Some((_, selection)) => selection.matches(object, None),
                None => true,
            });
        let nowhere: BTreeSet<ObjectRef> = nowhere.collect();
        let all: BTreeSet<&ObjectRef> = objects.iter().copied().chain(&nowhere).collect();
        let rows = all
            .into_iter()
            .map(|object| row(catalogue, &readers, object))
            .collect();
        let columns = sources.iter().map(|source| {
            let Bundle {
                documents, gaps, ..
            } = source.bundle;
            let asked_for = |gap: &&Gap| !gap.is_of_another(documents, |o| objects.contains(o));
            Column {
                name: source.name.to_owned(),
                is_org: source.is_org,
                origin: source.bundle.source.clone(),
                gaps: gaps.iter().filter(asked_for).cloned().collect(),
            }
        });
        Self {
            columns: columns.collect(),
            rows,
            part: wanted.map(|(_, selection)| selection.to_flags()),
        }
    }

    /// Tells whether any object is not the same everywhere.
    pub fn differs(&self) -> bool {
        self.rows
            .iter()
            .any(|row| matches!(row.state, State::Differs | State::Missing))
    }

    /// Counts the objects of each kind by their state.
    pub fn counts(&self) -> BTreeMap<&Kind, BTreeMap<State, usize>> {
        let mut counts: BTreeMap<&Kind, BTreeMap<State, usize>> = BTreeMap::new();
        for row in &self.rows {
            let of_kind = counts.entry(&row.object.kind).or_default();
            *of_kind.entry(row.state).or_default() += 1;
        }
        counts
    }

    /// Returns the objects that a plan from the first column would create or change in another.
    pub fn to_plan(&self, column: usize) -> impl Iterator<Item = &ObjectRef> {
        let rows = self.rows.iter().filter(move |row| {
            matches!(row.cells.first(), Some(Cell::Has { .. }))
                && match row.cells.get(column) {
                    Some(Cell::Has { group, .. }) => {
                        row.groups.get(*group).is_some_and(|group| group.planned)
                    }
                    Some(Cell::Missing) => true,
                    Some(Cell::Unread(_)) | None => false,
                }
        });
        rows.map(|row| &row.object)
    }
}

/// What a bundle says of objects, and of which it cannot say anything.
struct Reader<'b> {
    bundle: &'b Bundle,
    /// What its manifest says was asked for; of an org every object of a kind that was read is known.
    exported: Option<&'b Selection>,
    /// Kinds that were asked for.
    kinds: BTreeSet<Kind>,
    /// Kinds of which nothing is known.
    kind_gaps: BTreeMap<&'b Kind, &'b str>,
    object_gaps: BTreeMap<(&'b Kind, &'b str), &'b str>,
    /// Kinds with an object that could not be read and of which only the id is known.
    nameless_gaps: BTreeMap<&'b Kind, &'b Gap>,
}

impl<'b> Reader<'b> {
    fn new(catalogue: &Catalogue, source: &Source<'b>, objects: &BTreeSet<&ObjectRef>) -> Self {
        let bundle = source.bundle;
        let mut reader = Self {
            bundle,
            exported: (!source.is_org && !source.asked.is_everything()).then_some(source.asked),
            kinds: source.asked.kinds(catalogue).into_keys().collect(),
            kind_gaps: BTreeMap::new(),
            object_gaps: BTreeMap::new(),
            nameless_gaps: BTreeMap::new(),
        };
        for gap in &bundle.gaps {
            match &gap.object {
                None => {
                    reader.kind_gaps.insert(&gap.kind, &gap.reason);
                }
                Some(object) => {
                    reader
                        .object_gaps
                        .insert((&gap.kind, object), gap.reason.as_str());
                    if !gap
                        .object_ref()
                        .is_some_and(|object| objects.contains(&&object))
                    {
                        reader.nameless_gaps.insert(&gap.kind, gap);
                    }
                }
            }
        }
        // A kind that documents speak of was read, whatever the manifest says.
        let held = bundle.documents.keys().map(|object| object.kind.clone());
        reader.kinds.extend(held);
        reader
    }

    /// Returns why nobody knows whether the bundle's org has an object that the bundle has not.
    ///
    /// `division` is the division that the object is in elsewhere.
    fn unread(&self, object: &ObjectRef, division: Option<&str>) -> Option<String> {
        let ObjectRef { kind, key } = object;
        if let Some(reason) = self.object_gaps.get(&(kind, key.as_str())) {
            return Some((*reason).to_owned());
        }
        if let Some(reason) = self.kind_gaps.get(kind) {
            return Some((*reason).to_owned());
        }
        if !self.kinds.contains(kind) {
            return Some(format!(
                "{kind} was not read: it is read on request only, or was not selected"
            ));
        }
        if self
            .exported
            .is_some_and(|asked| !asked.matches(object, division))
        {
            return Some("it was not selected when this was exported".to_owned());
        }
        // What could not be read has an id and no name: it may be this one.
        let gap = self.nameless_gaps.get(kind)?;
        Some(format!("one that could not be read may be it: {gap}"))
    }
}

fn row(catalogue: &Catalogue, readers: &[Reader<'_>], object: &ObjectRef) -> Row {
    let descriptor = catalogue.get(object.kind.as_str()).ok();
    let documents: Vec<Option<&Packed>> = readers
        .iter()
        .map(|reader| reader.bundle.documents.get(object))
        .collect();
    let mut contents: Vec<(&Packed, Group)> = Vec::new();
    let mut cells = Vec::with_capacity(readers.len());
    let division = documents.iter().flatten().find_map(|d| division_of(d));
    for (column, (reader, document)) in readers.iter().zip(&documents).enumerate() {
        let Some(document) = document else {
            cells.push(match reader.unread(object, division.as_deref()) {
                Some(reason) => Cell::Unread(reason),
                None => Cell::Missing,
            });
            continue;
        };
        let equal =
            |(content, _): &(&Packed, Group)| both_ways(descriptor, content, document).0.is_empty();
        let to_first = contents
            .first()
            .map(|(first, _)| both_ways(descriptor, first, document));
        let found = match &to_first {
            Some((changes, _)) if changes.is_empty() => Some(0),
            _ => contents.iter().skip(1).position(equal).map(|at| at + 1),
        };
        let group = found.unwrap_or_else(|| {
            let (changes, planned) = to_first.unwrap_or_default();
            let columns = Vec::new();
            contents.push((
                document,
                Group {
                    columns,
                    changes,
                    planned,
                },
            ));
            contents.len() - 1
        });
        contents[group].1.columns.push(column);
        let gap = reader
            .object_gaps
            .get(&(&object.kind, object.key.as_str()))
            .map(|reason| (*reason).to_owned());
        cells.push(Cell::Has { group, gap });
    }
    let groups: Vec<Group> = contents.into_iter().map(|(_, group)| group).collect();
    Row {
        object: object.clone(),
        state: state_of(&cells, groups.len()),
        cells,
        groups,
    }
}

fn state_of(cells: &[Cell], groups: usize) -> State {
    if groups > 1 {
        State::Differs
    } else if cells.contains(&Cell::Missing) {
        State::Missing
    } else if cells.iter().any(|cell| matches!(cell, Cell::Unread(_))) {
        State::Unread
    } else {
        State::Same
    }
}

/// Returns the last part of the key of a document's division.
fn division_of(document: &Packed) -> Option<String> {
    match Slot::of(&document.field("division")?)? {
        Slot::Ref(division) => division.key.parts().pop(),
        _ => None,
    }
}

/// Returns how `other` differs from `first`, whichever of them has a field; and whether `other`
/// would have to change to become `first`.
fn both_ways(
    descriptor: Option<&Descriptor>,
    first: &Packed,
    other: &Packed,
) -> (Vec<Change>, bool) {
    if first == other {
        return (Vec::new(), false);
    }
    let (first, other) = (first.open(), other.open());
    let between = |old, new| document_changes(descriptor, old, new);
    let mut found = between(&first, &other);
    let back = between(&other, &first);
    let planned = !back.is_empty();
    let named: BTreeSet<String> = found.iter().map(|change| change.path.clone()).collect();
    let only_first = back
        .into_iter()
        .filter(|change| !named.contains(&change.path));
    found.extend(only_first.map(|Change { path, old, new }| Change {
        path,
        old: new,
        new: old,
    }));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    (found, planned)
}

#[cfg(test)]
mod tests;
