//! What a bundle may hold.

use orgsmith_core::document::Portable;
use orgsmith_core::id::{Key, ObjectRef};
use serde_json::Value;

use super::error::{Problem, What};
use super::format::is_kind;
use super::tree::{MAX_FILE, MAX_FILES, MAX_TOTAL, Tree};
use super::yaml::{Data, MAX_DEPTH, Node, Position};

/// Checks an object before it is written.
pub(super) fn writable(object: &ObjectRef, document: &Portable, path: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    if !is_kind(object.kind.as_str()) {
        found.push(What::NotAPath("a kind is written like routing_queue"));
    }
    if !is_encoded(&object.key) {
        found.push(What::NotEncoded);
    }
    for value in document.body.values() {
        holdable(value, 1, &mut found);
    }
    found.dedup();
    found
        .into_iter()
        .map(|what| Problem::new(path, what).of(object))
        .collect()
}

fn is_encoded(key: &Key) -> bool {
    let parts = key.parts();
    let again = match key.as_str().strip_prefix('~') {
        Some(rest) => {
            let rest = Key::from_parts(&Key::from_encoded(rest).parts());
            Key::from_encoded(&format!("~{}", rest.as_str()))
        }
        None => Key::from_parts(&parts),
    };
    again == *key
}

fn holdable(value: &Value, depth: usize, found: &mut Vec<What>) {
    if depth > MAX_DEPTH {
        found.push(What::Limit {
            what: "the depth of nesting",
            limit: MAX_DEPTH as u64,
        });
        return;
    }
    match value {
        Value::Null => found.push(What::Null),
        Value::Array(list) => list
            .iter()
            .for_each(|value| holdable(value, depth + 1, found)),
        Value::Object(map) => map
            .values()
            .for_each(|value| holdable(value, depth + 1, found)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks the sizes of the files.
pub(super) fn sizes(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let over = |what, limit| What::Limit { what, limit };
    let mut total = 0;
    for (path, content) in tree {
        let size = content.len() as u64;
        total += size;
        if size > MAX_FILE {
            problems.push(Problem::new(path, over("the size in bytes", MAX_FILE)));
        }
    }
    if total > MAX_TOTAL {
        problems.push(Problem::new(
            ".",
            over("the size of all files in bytes", MAX_TOTAL),
        ));
    }
    if tree.len() > MAX_FILES {
        problems.push(Problem::new(
            ".",
            over("the number of files", MAX_FILES as u64),
        ));
    }
    problems
}

/// Finds references, secrets and variables that are not written as they should be.
///
/// `{"$ref": "#/…"}` is left alone: JSON schemas inside a configuration say that.
pub(super) fn slots(node: &Node) -> Vec<(Position, What)> {
    let mut found = Vec::new();
    visit(node, &mut found);
    found
}

fn visit(node: &Node, found: &mut Vec<(Position, What)>) {
    match &node.data {
        Data::Scalar(_) => {}
        Data::List(list) => list.iter().for_each(|node| visit(node, found)),
        Data::Map(map) => {
            if map.len() == 1
                && let Some((name, value)) = map.iter().next()
                && let Some(what) = slot(name, &value.data)
            {
                found.push((value.position, what));
            }
            map.values().for_each(|node| visit(node, found));
        }
    }
}

fn slot(name: &str, data: &Data) -> Option<What> {
    let (slot, needs) = match name {
        "$ref" => ("$ref", "kind/key, such as routing_skill/Billing"),
        "$secret" => ("$secret", "the name of a secret"),
        "$var" => ("$var", "the name of a variable"),
        _ => return None,
    };
    let found = match data {
        Data::Scalar(Value::String(text)) => {
            let right = match text.parse::<ObjectRef>() {
                _ if slot != "$ref" => !text.is_empty(),
                Ok(object) => text.starts_with('#') || is_kind(object.kind.as_str()),
                Err(_) => text.starts_with('#'),
            };
            match right {
                true => return None,
                false => format!("{text:?}"),
            }
        }
        Data::Scalar(value) => value.to_string(),
        Data::List(_) => "a list".to_owned(),
        Data::Map(_) => "a mapping".to_owned(),
    };
    Some(What::BadSlot { slot, needs, found })
}
