//! One term of a selection, and the names of kinds as people shorten them.

use std::collections::BTreeSet;

use super::pattern::{Pattern, last, readable};
use crate::catalogue::{Catalogue, Descriptor, nearest};
use crate::id::{Kind, ObjectRef};

/// What may stand before `=`, besides a kind.
const FIELDS: [&str; 4] = ["kind", "family", "name", "division"];

/// Conditions that must all hold.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// As it was written.
    pub(super) text: String,
    /// Nothing: any kind.
    kinds: Option<BTreeSet<Kind>>,
    names: Vec<Pattern>,
    divisions: Vec<Pattern>,
}

/// Says which term cannot be read, and what is allowed in its place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("in the term {term:?}: {message}{}", .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default())]
pub struct BadTerm {
    /// The term, as it was written.
    pub term: String,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl Term {
    pub(super) fn parse(catalogue: &Catalogue, text: &str) -> Result<Self, BadTerm> {
        let bad = |message: String, suggestion: Option<String>| BadTerm {
            term: text.to_owned(),
            message,
            suggestion,
        };
        let mut term = Self {
            text: text.to_owned(),
            kinds: None,
            names: Vec::new(),
            divisions: Vec::new(),
        };
        let mut field = String::new();
        for piece in text.split(',') {
            // `kind=queue,flow`: a piece without `=` is one more value of the field before it.
            let value = match piece.split_once('=') {
                Some((name, value)) => {
                    name.trim().clone_into(&mut field);
                    value.trim()
                }
                None => piece.trim(),
            };
            if field.is_empty() {
                // A kind alone is all of it; a pattern alone may have been meant for names.
                let found = match value.contains(['*', '?']) {
                    true => Err(None),
                    false => kinds_named(catalogue, value),
                };
                found.map_err(|near| {
                    let message = "write a kind, or field=value, with kind, name, division, family or a kind's name as field";
                    bad(message.to_owned(), near)
                })?;
                "kind".clone_into(&mut field);
            }
            if value.is_empty() {
                return Err(bad(format!("{field} has no value"), None));
            }
            match field.as_str() {
                "kind" => {
                    let found = kinds_named(catalogue, value).map_err(|near| {
                        bad(
                            format!("unknown kind {value:?}; `orgsmith kinds` lists them"),
                            near,
                        )
                    })?;
                    term.add_kinds(found);
                }
                "family" => {
                    let pattern = Pattern::new(value);
                    let found: BTreeSet<Kind> = catalogue
                        .iter()
                        .filter(|descriptor| pattern.matches(&descriptor.family))
                        .map(|descriptor| descriptor.kind.clone())
                        .collect();
                    if found.is_empty() {
                        let families: BTreeSet<&str> =
                            catalogue.iter().map(|d| d.family.as_str()).collect();
                        let near = nearest(value, families.iter().copied());
                        let families = families.into_iter().collect::<Vec<_>>().join(", ");
                        return Err(bad(
                            format!("no kind is of the family {value:?}; there are {families}"),
                            near,
                        ));
                    }
                    term.add_kinds(found);
                }
                "name" => term.names.push(Pattern::new(value)),
                "division" => term.divisions.push(Pattern::new(value)),
                kind => {
                    let found = kinds_named(catalogue, kind).map_err(|near| {
                        let near = near.or_else(|| nearest(kind, FIELDS.into_iter()));
                        bad(format!("unknown field {kind:?}; write kind, name, division, family or a kind's name"), near)
                    })?;
                    term.add_kinds(found);
                    term.names.push(Pattern::new(value));
                }
            }
        }
        Ok(term)
    }

    fn add_kinds(&mut self, kinds: BTreeSet<Kind>) {
        self.kinds.get_or_insert_default().extend(kinds);
    }

    /// Tells whether objects of a kind may fit.
    pub(super) fn may_be(&self, kind: &Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(kind))
    }

    /// Tells whether the term names kinds, and nothing else.
    pub(super) fn is_of_kinds(&self) -> bool {
        self.kinds.is_some() && self.names.is_empty() && self.divisions.is_empty()
    }

    /// Tells whether the term names the kind, and does not just leave it open.
    pub(super) fn names_kind(&self, kind: &Kind) -> bool {
        self.kinds
            .as_ref()
            .is_some_and(|kinds| kinds.contains(kind))
    }

    /// Tells whether every object of a kind fits.
    pub(super) fn is_all_of(&self, kind: &Kind) -> bool {
        let all = |patterns: &[Pattern]| {
            patterns.is_empty() || patterns.iter().any(|p| p.as_str() == "*")
        };
        self.may_be(kind) && all(&self.names) && self.divisions.is_empty()
    }

    /// Tells whether it matters in which division an object is.
    pub(super) fn asks_for_divisions(&self) -> bool {
        !self.divisions.is_empty()
    }

    pub(super) fn matches(&self, object: &ObjectRef, division: Option<&str>) -> bool {
        let name_fits = || {
            let whole = readable(&object.key);
            let last = last(&object.key);
            self.names
                .iter()
                .any(|pattern| pattern.matches(&whole) || pattern.matches(&last))
        };
        let division_fits = || {
            division.is_some_and(|division| {
                self.divisions
                    .iter()
                    .any(|pattern| pattern.matches(division))
            })
        };
        self.may_be(&object.kind)
            && (self.names.is_empty() || name_fits())
            && (self.divisions.is_empty() || division_fits())
    }

    /// Returns the names that are meant, where all of them are written out.
    pub(super) fn exact_names(&self) -> Option<impl Iterator<Item = &str>> {
        let exact = |pattern: &Pattern| !pattern.as_str().contains(['*', '?', '/']);
        let all = !self.names.is_empty() && self.names.iter().all(exact);
        all.then(|| self.names.iter().map(Pattern::as_str))
    }

    /// Returns the first name that is asked for.
    pub(super) fn wanted_name(&self) -> Option<&str> {
        self.names.first().map(Pattern::as_str)
    }
}

/// Finds the kinds that a word means: a kind's name, its end (`queue`), Genesys' noun for it, one of
/// these in the plural, or a pattern of names.
pub(super) fn kinds_named(
    catalogue: &Catalogue,
    word: &str,
) -> Result<BTreeSet<Kind>, Option<String>> {
    if word.contains(['*', '?']) {
        let pattern = Pattern::new(word);
        let found = catalogue
            .iter()
            .map(|d| &d.kind)
            .filter(|kind| pattern.matches(kind.as_str()));
        let found: BTreeSet<Kind> = found.cloned().collect();
        return if found.is_empty() {
            Err(None)
        } else {
            Ok(found)
        };
    }
    let word = word.to_lowercase().replace([' ', '-'], "_");
    let singular = word.strip_suffix('s').unwrap_or(&word);
    let title = |d: &Descriptor| d.title.to_lowercase().replace([' ', '-'], "_");
    let tests: [&dyn Fn(&Descriptor) -> bool; 4] = [
        &|d| d.kind.as_str() == word,
        &|d| title(d) == word || title(d) == singular,
        &|d| d.kind.as_str().ends_with(&format!("_{word}")),
        &|d| d.kind.as_str().ends_with(&format!("_{singular}")) || d.kind.as_str() == singular,
    ];
    for test in tests {
        let mut found = catalogue.iter().filter(|d| test(d)).map(|d| d.kind.clone());
        if let (Some(kind), None) = (found.next(), found.next()) {
            return Ok(BTreeSet::from([kind]));
        }
    }
    let titles: Vec<String> = catalogue.iter().map(title).collect();
    let names = catalogue.iter().map(|d| d.kind.as_str());
    Err(nearest(
        &word,
        names.chain(titles.iter().map(String::as_str)),
    ))
}
