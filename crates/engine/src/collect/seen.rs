//! What an earlier try of the same read has learned already.
//!
//! Only what was read whole is kept: what failed is asked for again.

use std::collections::HashMap;
use std::sync::Arc;

use orgsmith_core::catalogue::{Descriptor, Driver, Gathered};
use orgsmith_core::document::{Captured, Stored};
use orgsmith_core::id::{Kind, SourceId};
use orgsmith_store::checkpoint::Checkpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::details::Inverse;
use super::lists::Listed;

/// Looks things up in a checkpoint, and writes them down; where there is none, does nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen<'s>(pub(super) Option<&'s Checkpoint>);

/// How many objects of a list are written down together: as trees they take ten times the memory.
const TOGETHER: usize = 200;

/// A list that was read whole; what is in it is kept in parts, and was before this is.
#[derive(Serialize, Deserialize)]
struct List {
    parts: usize,
    left_out: Vec<(String, String)>,
}

/// An object without files.
#[derive(Serialize, Deserialize)]
struct Row {
    id: SourceId,
    body: Value,
}

impl From<&Stored> for Row {
    fn from(stored: &Stored) -> Self {
        Self {
            id: stored.id.clone(),
            body: stored.body(),
        }
    }
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        let Row { id, body } = row;
        let files = Default::default();
        Captured { id, body, files }.into()
    }
}

/// Tells whether bodies of a kind hold URLs that end soon; those are read anew.
fn is_signed(descriptor: &Descriptor) -> bool {
    matches!(
        descriptor.driver,
        Driver::Prompt | Driver::Grammar | Driver::Asset
    )
}

impl Seen<'_> {
    pub(super) fn is_kept(self) -> bool {
        self.0.is_some()
    }

    fn get<T: DeserializeOwned>(self, key: &str) -> Option<T> {
        serde_json::from_slice(&self.0?.get(key)?).ok()
    }

    fn put<T: Serialize>(self, key: &str, value: &T) {
        if let (Some(checkpoint), Ok(text)) = (self.0, serde_json::to_vec(value)) {
            checkpoint.put(key, &text);
        }
    }

    pub(super) fn list(self, descriptor: &Descriptor) -> Option<Listed> {
        let List { parts, left_out } = self.get(&list_key(descriptor))?;
        let mut objects = Vec::new();
        for part in 0..parts {
            let rows: Vec<Row> = self.get(&part_key(descriptor, part))?;
            objects.extend(rows.into_iter().map(Stored::from));
        }
        Some(Listed {
            objects,
            left_out,
            ..Listed::default()
        })
    }

    /// Notes a list that nothing is missing of.
    pub(super) fn note_list(self, descriptor: &Descriptor, listed: &Listed) {
        let whole = listed.failures.is_empty() && listed.deleted.is_empty();
        if self.is_kept() && whole && !is_signed(descriptor) {
            let parts = listed.objects.chunks(TOGETHER);
            let list = List {
                parts: parts.len(),
                left_out: listed.left_out.clone(),
            };
            for (part, objects) in parts.enumerate() {
                let rows: Vec<Row> = objects.iter().map(Row::from).collect();
                self.put(&part_key(descriptor, part), &rows);
            }
            self.put(&list_key(descriptor), &list);
        }
    }

    pub(super) fn object(
        self,
        descriptor: &Descriptor,
        inverse: Inverse,
        id: &SourceId,
    ) -> Option<Stored> {
        let row: Row = self.get(&object_key(descriptor, inverse, id))?;
        Some(row.into())
    }

    /// Notes an object that was read with all its parts.
    pub(super) fn note_object(self, descriptor: &Descriptor, inverse: Inverse, object: &Stored) {
        if self.is_kept() && !is_signed(descriptor) {
            let key = object_key(descriptor, inverse, &object.id);
            self.put(&key, &Row::from(object));
        }
    }

    pub(super) fn gathered(self, gathered: &Gathered) -> Option<HashMap<String, Vec<Value>>> {
        self.get(&gathered_key(gathered))
    }

    pub(super) fn note_gathered(self, gathered: &Gathered, found: &HashMap<String, Vec<Value>>) {
        self.put(&gathered_key(gathered), found);
    }

    /// Returns a file of an object with its name; what it was asked for by may say which.
    pub(super) fn file(
        self,
        kind: &Kind,
        id: &SourceId,
        which: &str,
    ) -> Option<(String, Arc<[u8]>)> {
        let entry = self.0?.get(&file_key(kind, id, which))?;
        let end = entry.iter().position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(&entry[..end]).ok()?;
        Some((name.to_owned(), entry[end + 1..].into()))
    }

    pub(super) fn note_file(
        self,
        kind: &Kind,
        id: &SourceId,
        which: &str,
        (name, content): (&str, &[u8]),
    ) {
        if let Some(checkpoint) = self.0 {
            let entry = [name.as_bytes(), &[0], content].concat();
            checkpoint.put(&file_key(kind, id, which), &entry);
        }
    }
}

fn list_key(descriptor: &Descriptor) -> String {
    format!("list/{}", descriptor.kind)
}

fn part_key(descriptor: &Descriptor, part: usize) -> String {
    format!("list/{}/{part}", descriptor.kind)
}

/// The parts that are read with an object differ with what it is read for.
fn object_key(descriptor: &Descriptor, inverse: Inverse, id: &SourceId) -> String {
    let parts = descriptor.parts.len();
    format!("object/{}/{parts}/{inverse:?}/{id}", descriptor.kind)
}

fn gathered_key(gathered: &Gathered) -> String {
    format!("gathered/{}/{}", gathered.path, gathered.by)
}

fn file_key(kind: &Kind, id: &SourceId, which: &str) -> String {
    format!("file/{kind}/{id}/{which}")
}
