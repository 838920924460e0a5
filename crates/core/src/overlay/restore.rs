//! The way back: what an org has, as the bundle that it was made of says it.
//!
//! The base is made the target's once more, and compared with what the target really has. Where both
//! are equal the base's own words are kept, with its variables, names and places of secrets; what was
//! changed in the target is kept, with hosts and addresses put back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::rename::rename;
use super::{Moved, Overlay, Texts, text_of};
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Driver};
use crate::document::{Files, Portable, Slot};
use crate::flow;
use crate::plan::{Conflict, FLOW_SOURCE};

impl Overlay {
    /// Makes of what a target has what its base says, as far as they agree.
    ///
    /// Returns objects whose names cannot be put back.
    pub fn restore(
        &self,
        catalogue: &Catalogue,
        base: &Bundle,
        found: &mut Bundle,
    ) -> Vec<Conflict> {
        let mut expected = base.clone();
        let forward = self.apply(catalogue, &mut expected).moved;
        let back: Moved = forward
            .into_iter()
            .filter(|(_, new)| found.documents.contains_key(new))
            .map(|(old, new)| (new, old))
            .collect();
        let texts = self.texts.inverse();
        for (object, packed) in &mut found.documents {
            let origin = back.get(object).unwrap_or(object);
            let mut document = packed.open();
            match (base.documents.get(origin), expected.documents.get(object)) {
                (Some(base), Some(expected)) => {
                    let (base, expected) = (base.open(), expected.open());
                    self.restore_document(catalogue, &base, &expected, &mut document, &texts);
                }
                _ => put_back(&mut document, &texts),
            }
            *packed = document.into();
        }
        let mut conflicts = Vec::new();
        rename(catalogue, found, back, &mut conflicts);
        self.keep(base, found);
        conflicts
    }

    /// Keeps what the target has nothing to say of: kinds that are switched off, protected objects.
    fn keep(&self, base: &Bundle, found: &mut Bundle) {
        found
            .documents
            .retain(|object, _| !self.off.contains(&object.kind));
        for (object, document) in &base.documents {
            let protected = self.protected.as_ref().is_some_and(|protected| {
                let division = protected.divisions(base).of(document);
                protected.matches(object, division.as_deref())
            });
            if self.off.contains(&object.kind) || protected && found.documents.contains_key(object)
            {
                found.documents.insert(object.clone(), document.clone());
            }
        }
    }

    fn restore_document(
        &self,
        catalogue: &Catalogue,
        base: &Portable,
        expected: &Portable,
        found: &mut Portable,
        texts: &Texts,
    ) {
        let merge = Merge { texts };
        let mut body = Value::Object(merge.fields(&base.body, &expected.body, &found.body));
        // What the target keeps is not the bundle's, and numbers are given anew in every org.
        let descriptor = catalogue.get(base.object.kind.as_str()).ok();
        let ignored = self.ignored.iter().filter(|ignored| {
            // Divisions of the base are the ones that the rules speak of.
            ignored.on.matches(&base.object, None)
        });
        let kept = ignored.flat_map(|ignored| &ignored.fields);
        let numbers = descriptor.into_iter().flat_map(|d| &d.numbers);
        for path in kept.chain(numbers) {
            let whole = Value::Object(base.body.clone());
            match path.get(&whole) {
                Some(value) if !path.in_list() => {
                    path.set(&mut body, value);
                }
                Some(_) => {
                    if let Some(value) = base.body.get(path.root()) {
                        body[path.root()] = value.clone();
                    }
                }
                None => path.retain(&mut body, &mut |_| false),
            }
        }
        if let Value::Object(body) = body {
            found.body = body;
        }
        let is_flow = descriptor.is_some_and(|descriptor| descriptor.driver == Driver::Flow);
        restore_files(
            is_flow,
            &base.files,
            &expected.files,
            &mut found.files,
            texts,
        );
    }
}

/// Puts hosts and addresses back in a document that the base does not have.
fn put_back(document: &mut Portable, texts: &Texts) {
    let mut body = Value::Object(std::mem::take(&mut document.body));
    texts.rewrite_in(&mut body, &mut BTreeSet::new());
    if let Value::Object(body) = body {
        document.body = body;
    }
    for (name, bytes) in &mut document.files {
        let text = text_of(name, bytes);
        if let Some(new) = text.and_then(|text| texts.rewrite(text, &mut BTreeSet::new())) {
            *bytes = Arc::from(new.into_bytes());
        }
    }
}

/// Restores values.
struct Merge<'t> {
    texts: &'t Texts,
}

impl Merge<'_> {
    fn value(&self, base: &Value, expected: &Value, found: &Value) -> Value {
        if found == expected || are_secrets(base, found) {
            return base.clone();
        }
        match (base, expected, found) {
            (Value::Object(base), Value::Object(expected), Value::Object(found))
                if Slot::of(&Value::Object(found.clone())).is_none() =>
            {
                Value::Object(self.fields(base, expected, found))
            }
            (Value::Array(base), Value::Array(expected), Value::Array(found))
                if base.len() == expected.len() =>
            {
                Value::Array(self.items(base, expected, found))
            }
            _ => self.own(found),
        }
    }

    fn fields(
        &self,
        base: &Map<String, Value>,
        expected: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut fields = Map::new();
        for (name, found) in found {
            let value = match (base.get(name), expected.get(name)) {
                (Some(base), Some(expected)) => self.value(base, expected, found),
                // The overlay took it out: the target's is its own.
                (Some(base), None) => base.clone(),
                // The overlay put it in.
                (None, Some(expected)) if expected == found => continue,
                (None, _) => self.own(found),
            };
            fields.insert(name.clone(), value);
        }
        for (name, base) in base {
            if !expected.contains_key(name) && !fields.contains_key(name) {
                fields.insert(name.clone(), base.clone());
            }
        }
        fields
    }

    /// Restores the items of a list: equal ones in the order of the base, then what else there is.
    fn items(&self, base: &[Value], expected: &[Value], found: &[Value]) -> Vec<Value> {
        let mut matched: BTreeMap<usize, Value> = BTreeMap::new();
        let mut others = Vec::new();
        for item in found {
            let mut places = expected.iter().enumerate();
            let place = places.find(|(at, expected)| {
                !matched.contains_key(at) && (*expected == item || are_secrets(&base[*at], item))
            });
            match place {
                Some((at, _)) => {
                    matched.insert(at, base[at].clone());
                }
                None => others.push(item),
            }
        }
        let mut free = (0..base.len()).filter(|at| !matched.contains_key(at));
        let changed: Vec<(Option<usize>, &Value)> =
            others.into_iter().map(|item| (free.next(), item)).collect();
        let mut more = Vec::new();
        for (place, item) in changed {
            match place {
                // As many as there were: an item was changed, and none added.
                Some(at) if base.len() == found.len() => {
                    matched.insert(at, self.value(&base[at], &expected[at], item));
                }
                _ => more.push(self.own(item)),
            }
        }
        matched.into_values().chain(more).collect()
    }

    /// Returns what only the target says.
    fn own(&self, found: &Value) -> Value {
        let mut value = found.clone();
        self.texts.rewrite_in(&mut value, &mut BTreeSet::new());
        value
    }
}

/// Tells whether both are places of secrets: an export names them by itself.
fn are_secrets(base: &Value, found: &Value) -> bool {
    let is_secret = |value: &Value| matches!(Slot::of(value), Some(Slot::Secret(_)));
    is_secret(base) && is_secret(found)
}

fn restore_files(is_flow: bool, base: &Files, expected: &Files, found: &mut Files, texts: &Texts) {
    for (name, bytes) in found {
        let (Some(base), Some(expected)) = (base.get(name), expected.get(name)) else {
            continue;
        };
        let same_flow = || {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
            let [one, other] = [expected, bytes]
                .map(|bytes| text(bytes).and_then(|text| flow::canonical(&text).ok()));
            is_flow && name == FLOW_SOURCE && one.is_some() && one == other
        };
        if bytes == expected || same_flow() {
            *bytes = base.clone();
            continue;
        }
        let sides = [base, expected, &*bytes].map(|bytes| text_of(name, bytes));
        if let [Some(base), Some(expected), Some(found)] = sides {
            *bytes = Arc::from(restore_lines(base, expected, found, texts).into_bytes());
        }
    }
}

/// Restores a text: its equal lines as the base has them, the others with hosts put back.
fn restore_lines(base: &str, expected: &str, found: &str, texts: &Texts) -> String {
    let split =
        |text: &str| -> Vec<String> { text.split_inclusive('\n').map(str::to_owned).collect() };
    let (base, expected, found) = (split(base), split(expected), split(found));
    let own = |line: &String| {
        let new = texts.rewrite(line, &mut BTreeSet::new());
        new.unwrap_or_else(|| line.clone())
    };
    if base.len() != expected.len() {
        return found.iter().map(own).collect();
    }
    let mut out = String::new();
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, &expected, &found) {
        match op {
            similar::DiffOp::Equal { old_index, len, .. } => {
                out.extend(base[old_index..old_index + len].iter().map(String::as_str));
            }
            similar::DiffOp::Insert {
                new_index, new_len, ..
            }
            | similar::DiffOp::Replace {
                new_index, new_len, ..
            } => {
                out.extend(found[new_index..new_index + new_len].iter().map(own));
            }
            similar::DiffOp::Delete { .. } => {}
        }
    }
    out
}
