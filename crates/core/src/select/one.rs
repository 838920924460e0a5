//! One object, as a person names it: `routing_queue/Sales`, or `queue/sales`.

use std::collections::BTreeSet;

use super::pattern::{last, readable};
use super::term::kinds_named;
use crate::catalogue::{Catalogue, nearest};
use crate::id::{Kind, ObjectRef};

/// Says that a name means no object, or more than one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} {message}{}", .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default())]
pub struct NoSuchObject {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

/// Returns the kind of the object that a text names, before any object is known.
///
/// # Errors
/// The text is not of the form `kind/key`, or no kind is called so.
pub fn kind_of(catalogue: &Catalogue, text: &str) -> Result<Kind, NoSuchObject> {
    let bad = |message: &str, suggestion: Option<String>| NoSuchObject {
        text: text.to_owned(),
        message: message.to_owned(),
        suggestion,
    };
    let Some((word, key)) = text.split_once('/').filter(|(_, key)| !key.is_empty()) else {
        return Err(bad(
            "is not of the form kind/key, such as routing_queue/Sales",
            None,
        ));
    };
    let found = kinds_named(catalogue, word).map_err(|near| {
        let near = near.map(|kind| format!("{kind}/{key}"));
        bad(
            "is of no kind that is known; `orgsmith kinds` lists them",
            near,
        )
    })?;
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(kind), None) => Ok(kind),
        _ => Err(bad("is of several kinds; write one of them", None)),
    }
}

/// Finds the object that a text names: its key, or what people read of it, in any case of letters.
///
/// # Errors
/// No object is called so, or several are; with the nearest that there is.
pub fn find_object<'o>(
    catalogue: &Catalogue,
    objects: impl Iterator<Item = &'o ObjectRef>,
    text: &str,
) -> Result<ObjectRef, NoSuchObject> {
    let kind = kind_of(catalogue, text)?;
    let key = text.split_once('/').map_or("", |(_, key)| key);
    let of_kind: BTreeSet<&ObjectRef> = objects.filter(|object| object.kind == kind).collect();
    let lower = key.to_lowercase();
    let tests: [&dyn Fn(&ObjectRef) -> bool; 3] = [
        &|object| object.key.as_str() == key,
        &|object| readable(&object.key).to_lowercase() == lower,
        &|object| last(&object.key).to_lowercase() == lower,
    ];
    for test in tests {
        let mut found = of_kind.iter().filter(|object| test(object));
        match (found.next(), found.next()) {
            (Some(object), None) => return Ok((*object).clone()),
            (Some(_), Some(other)) => {
                return Err(NoSuchObject {
                    text: text.to_owned(),
                    message: "means several objects; write the whole key".to_owned(),
                    suggestion: Some(other.to_string()),
                });
            }
            (None, _) => {}
        }
    }
    let names: Vec<(String, &ObjectRef)> = of_kind
        .iter()
        .flat_map(|object| {
            [
                (readable(&object.key), *object),
                (last(&object.key), *object),
            ]
        })
        .collect();
    let near = nearest(key, names.iter().map(|(name, _)| name.as_str()));
    let near = near.and_then(|near| names.iter().find(|(name, _)| *name == near));
    Err(NoSuchObject {
        text: text.to_owned(),
        message: format!("is not there, among {} of {kind}", of_kind.len()),
        suggestion: near.map(|(_, object)| object.to_string()),
    })
}
