//! Which objects of an org are meant: `--select kind=routing_queue,name=Sales*`.
//!
//! A [`Selection`] says first which kinds must be read, then which documents of a bundle stay. It
//! knows keys as people write them, and the names of kinds as people shorten them.

mod closure;
mod one;
mod pattern;
mod term;

use std::collections::{BTreeMap, BTreeSet};

pub use closure::{Dependencies, without_members};
pub(crate) use closure::{NUMBERS, brought, member_of_item, member_parts, references};
pub use one::{NoSuchObject, find_object, kind_of};
pub use term::BadTerm;

use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, nearest};
use crate::document::{Packed, Slot};
use crate::id::{Kind, ObjectRef};
use crate::people::PROFILE;
use pattern::last;
pub(crate) use pattern::{Pattern, readable};
use term::Term;

/// Which objects are meant.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    select: Vec<Term>,
    exclude: Vec<Term>,
    with_dependencies: bool,
    /// Objects that are meant besides, each by itself.
    objects: BTreeSet<ObjectRef>,
}

/// How much of a kind must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// Only the rows of its lists, which tell the keys of its objects: others refer to them.
    Names,
    /// Everything but what is asked only of objects that are named.
    Whole,
    /// Everything, and what its objects belong to.
    Asked,
}

/// Returns the name by which a term of a selection means one object, and as little else as can be.
///
/// In a term a comma begins the next value and spaces around a value are nothing; `?` stands for any
/// character and so for these.
pub fn term_name(object: &ObjectRef) -> String {
    name_in_term(&readable(&object.key))
}

/// Returns a name as a term of a selection has it.
pub fn name_in_term(name: &str) -> String {
    let (start, end) = (name.trim_start(), name.trim_end());
    let (start, end) = (name.len() - start.len(), end.len());
    name.char_indices()
        .map(|(at, c)| match c {
            ',' => '?',
            c if crate::render::is_harmful(c) => '?',
            _ if at < start || at >= end => '?',
            c => c,
        })
        .collect()
}

/// Says that a term selects nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("--select {term} selects nothing{}", .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default())]
pub struct NothingSelected {
    /// The term, as it was written.
    pub term: String,
    /// The nearest object of the kinds that the term names.
    pub suggestion: Option<String>,
}

/// Stands in a manifest for `--with-dependencies`.
const DEPENDENCIES: &str = "+dependencies";

impl Selection {
    /// Reads the values of `--select` and `--exclude`.
    ///
    /// A term is `kind=…,name=…`; the parts of a term must all hold, of several terms one. Without a
    /// `--select` everything is meant.
    ///
    /// # Errors
    /// The first term that cannot be read, and what is allowed in its place.
    pub fn parse<S: AsRef<str>>(
        catalogue: &Catalogue,
        select: &[S],
        exclude: &[S],
    ) -> Result<Self, BadTerm> {
        let read = |terms: &[S]| {
            let terms = terms
                .iter()
                .map(|text| Term::parse(catalogue, text.as_ref()));
            terms.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            select: read(select)?,
            exclude: read(exclude)?,
            with_dependencies: false,
            objects: BTreeSet::new(),
        })
    }

    /// Takes what the selected objects refer to along.
    #[must_use]
    pub fn with_dependencies(mut self, with: bool) -> Self {
        self.with_dependencies = with;
        self
    }

    /// Means some objects besides; without a `--select` these alone.
    #[must_use]
    pub fn and_objects(mut self, objects: impl IntoIterator<Item = ObjectRef>) -> Self {
        self.objects.extend(objects);
        self
    }

    /// Tells whether everything is meant.
    pub fn is_everything(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty() && self.objects.is_empty()
    }

    /// Returns the selection as it was written, for the manifest of a bundle.
    pub fn to_texts(&self) -> Vec<String> {
        let excluded = self.exclude.iter().map(|term| format!("!{}", term.text));
        let mut texts: Vec<String> = self
            .select
            .iter()
            .map(|term| term.text.clone())
            .chain(excluded)
            .collect();
        if self.with_dependencies && !texts.is_empty() {
            texts.push(DEPENDENCIES.to_owned());
        }
        texts
    }

    /// Returns the selection as words of a command line.
    pub fn to_flags(&self) -> Vec<String> {
        let flag = |flag: &str, terms: &[Term]| -> Vec<String> {
            let words = terms.iter().flat_map(|term| [flag, term.text.as_str()]);
            words.map(str::to_owned).collect()
        };
        let mut flags = flag("--select", &self.select);
        flags.extend(flag("--exclude", &self.exclude));
        if self.with_dependencies {
            flags.push("--with-dependencies".to_owned());
        }
        flags
    }

    /// Reads a selection back from the manifest of a bundle.
    ///
    /// # Errors
    /// The first term that cannot be read.
    pub fn from_texts(catalogue: &Catalogue, texts: &[String]) -> Result<Self, BadTerm> {
        let terms = texts.iter().filter(|text| *text != DEPENDENCIES);
        let (exclude, select): (Vec<_>, Vec<_>) = terms.partition(|text| text.starts_with('!'));
        let select: Vec<&str> = select.into_iter().map(String::as_str).collect();
        let exclude: Vec<&str> = exclude.into_iter().map(|text| &text[1..]).collect();
        let with = texts.iter().any(|text| text == DEPENDENCIES);
        Ok(Self::parse(catalogue, &select, &exclude)?.with_dependencies(with))
    }

    /// Tells whether an object is meant; `division` is the name of its division, where it has one.
    pub fn matches(&self, object: &ObjectRef, division: Option<&str>) -> bool {
        let any = |terms: &[Term]| terms.iter().any(|term| term.matches(object, division));
        let all = self.select.is_empty() && self.objects.is_empty();
        (all || any(&self.select) || self.objects.contains(object))
            && !self.excludes(object, division)
    }

    /// Knows the divisions of the documents of a bundle, as far as [`Self::matches`] asks for them.
    pub(crate) fn divisions<'b>(&self, bundle: &'b Bundle) -> Divisions<'b> {
        Divisions::new(bundle, self.select.iter().chain(&self.exclude))
    }

    /// Returns the kinds that must be read, and how much of each.
    ///
    /// What a selected kind refers to is read at least by name, because a reference is written with
    /// a key; with dependencies it is read whole.
    pub fn kinds(&self, catalogue: &Catalogue) -> BTreeMap<Kind, Read> {
        closure::kinds(
            catalogue,
            self.selected_kinds(catalogue),
            self.with_dependencies,
        )
    }

    /// Returns the kinds of which objects may be selected.
    pub fn selected_kinds<'k>(&self, catalogue: &'k Catalogue) -> impl Iterator<Item = &'k Kind> {
        catalogue
            .iter()
            .filter(|descriptor| {
                let kind = &descriptor.kind;
                match descriptor.on_request {
                    true => self.select.iter().any(|term| term.names_kind(kind)),
                    false => {
                        self.select.is_empty() || self.select.iter().any(|term| term.may_be(kind))
                    }
                }
            })
            .map(|descriptor| &descriptor.kind)
            .filter(|kind| !self.exclude.iter().any(|term| term.is_all_of(kind)))
    }

    /// Returns the names of the objects of a kind that may be selected, where all are written out.
    pub fn exact_names(&self, kind: &Kind) -> Option<BTreeSet<String>> {
        let terms = self.select.iter().filter(|term| term.may_be(kind));
        let mut names = BTreeSet::new();
        for term in terms {
            names.extend(term.exact_names()?.map(str::to_owned));
        }
        (!names.is_empty()).then_some(names)
    }

    /// Tells whether objects are named, and not just left out.
    pub fn is_positive(&self) -> bool {
        !self.select.is_empty()
    }

    /// Tells whether what selected objects refer to is taken along.
    pub fn takes_dependencies(&self) -> bool {
        self.with_dependencies
    }

    /// Tells whether an object is left out by name; `division` as for [`Self::matches`].
    pub fn excludes(&self, object: &ObjectRef, division: Option<&str>) -> bool {
        self.exclude
            .iter()
            .any(|term| term.matches(object, division))
    }

    fn terms(&self) -> impl Iterator<Item = &Term> {
        self.select.iter().chain(&self.exclude)
    }

    /// Checks that every `--select` selects something of one of some bundles. One that names kinds and nothing
    /// else is no slip: there may be none of a kind, as long as another selects something.
    ///
    /// # Errors
    /// The first `--select` that selects nothing.
    pub fn check(&self, bundles: &[&Bundle]) -> Result<(), NothingSelected> {
        let selects = |term: &Term, bundle: &Bundle| {
            let divisions = Divisions::new(bundle, [term]);
            let mut documents = bundle.documents.values();
            documents
                .any(|document| term.matches(&document.object, divisions.of(document).as_deref()))
        };
        let nowhere = |term: &&Term| !bundles.iter().any(|bundle| selects(term, bundle));
        let empty: Vec<&Term> = self.select.iter().filter(nowhere).collect();
        let is_all = empty.len() == self.select.len();
        match empty.iter().find(|term| is_all || !term.is_of_kinds()) {
            Some(term) => Err(nothing(term, bundles)),
            None => Ok(()),
        }
    }

    /// Returns the bundle with the selected documents only, and with what they need where
    /// dependencies are taken along.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn apply(
        &self,
        mut bundle: Bundle,
        catalogue: &Catalogue,
    ) -> Result<Bundle, NothingSelected> {
        if self.is_everything() {
            return Ok(bundle);
        }
        self.check(&[&bundle])?;
        let selected = self.selected(&bundle);
        let kept = self.taken(&bundle, catalogue).into_iter();
        let kept: BTreeSet<ObjectRef> = kept.cloned().collect();
        let kinds: BTreeSet<&Kind> = kept.iter().map(|object| &object.kind).collect();
        let documents = &bundle.documents;
        bundle.gaps.retain(|gap| {
            let concerned =
                kinds.contains(&gap.kind) || self.select.iter().any(|term| term.may_be(&gap.kind));
            concerned && !gap.is_of_another(documents, |object| kept.contains(object))
        });
        // Profiles are no objects of an org; what is there tells what may have been meant.
        let is_profile = |object: &ObjectRef| object.kind.as_str() == PROFILE;
        let documents = &mut bundle.documents;
        documents.retain(|object, _| kept.contains(object) || is_profile(object));
        for (object, document) in &mut bundle.documents {
            let mut members = closure::member_parts(catalogue, &object.kind);
            if !selected.contains(object) && members.next().is_some() {
                let mut open = document.open();
                closure::keep_members(catalogue, &mut open, &selected);
                *document = open.into();
            }
        }
        bundle.selection = self.to_texts();
        Ok(bundle)
    }

    /// Returns the objects of a bundle that are meant, without what they need.
    fn selected(&self, bundle: &Bundle) -> BTreeSet<ObjectRef> {
        let divisions = Divisions::new(bundle, self.terms());
        let documents = bundle.documents.values();
        documents
            .filter(|document| self.matches(&document.object, divisions.of(document).as_deref()))
            .map(|document| document.object.clone())
            .collect()
    }

    /// Returns the objects of a bundle that are meant, with what they need where dependencies are
    /// taken along.
    pub fn kept<'b>(&self, bundle: &'b Bundle, catalogue: &Catalogue) -> BTreeSet<&'b ObjectRef> {
        self.kept_with(bundle, catalogue, |_| BTreeSet::new())
    }

    /// Returns the objects that [`Self::apply`] leaves of a bundle: the same, and where dependencies are
    /// taken along also what the selected objects belong to. Of what is read of an org a selected user says
    /// that; in a bundle the queues, groups and teams do.
    pub fn taken<'b>(&self, bundle: &'b Bundle, catalogue: &Catalogue) -> BTreeSet<&'b ObjectRef> {
        self.kept_with(bundle, catalogue, |selected| {
            closure::holders(catalogue, bundle, selected)
        })
    }

    fn kept_with<'b>(
        &self,
        bundle: &'b Bundle,
        catalogue: &Catalogue,
        holders: impl FnOnce(&BTreeSet<ObjectRef>) -> BTreeSet<&'b ObjectRef>,
    ) -> BTreeSet<&'b ObjectRef> {
        let divisions = Divisions::new(bundle, self.terms());
        let excluded =
            |document: &Packed| self.excludes(&document.object, divisions.of(document).as_deref());
        let selected = self.selected(bundle);
        let mut kept: BTreeSet<&ObjectRef> = bundle
            .documents
            .keys()
            .filter(|object| selected.contains(*object))
            .collect();
        if self.with_dependencies {
            let mut along = kept.clone();
            let holders = holders(&selected).into_iter();
            along.extend(holders.filter(|holder| !excluded(&bundle.documents[*holder])));
            closure::documents(catalogue, bundle, &kept, &mut along, &excluded);
            kept = along;
        }
        kept
    }
}

/// Knows the names of divisions, where a term asks for them.
pub(crate) struct Divisions<'b> {
    bundle: Option<&'b Bundle>,
}

impl<'b> Divisions<'b> {
    fn new<'t>(bundle: &'b Bundle, terms: impl IntoIterator<Item = &'t Term>) -> Self {
        let asked = terms.into_iter().any(Term::asks_for_divisions);
        Self {
            bundle: asked.then_some(bundle),
        }
    }

    /// Returns the name of the division that a document is in.
    pub(crate) fn of(&self, document: &Packed) -> Option<String> {
        let bundle = self.bundle?;
        let Slot::Ref(division) = Slot::of(&document.field("division")?)? else {
            return None;
        };
        // The home division is known by its name where the bundle tells it, else as `~home`.
        let named = bundle.documents.get(&division);
        let name = named.and_then(|named| named.text("name"));
        Some(name.unwrap_or_else(|| readable(&division.key)))
    }
}

fn nothing(term: &Term, bundles: &[&Bundle]) -> NothingSelected {
    let candidates: Vec<(String, String)> = bundles
        .iter()
        .flat_map(|bundle| bundle.documents.keys())
        .filter(|object| term.may_be(&object.kind))
        .map(|object| (last(&object.key), readable(&object.key)))
        .collect();
    let wanted = term.wanted_name().unwrap_or_default();
    let names = candidates
        .iter()
        .flat_map(|(last, whole)| [last.as_str(), whole.as_str()]);
    NothingSelected {
        term: term.text.clone(),
        suggestion: nearest(wanted, names),
    }
}

#[cfg(test)]
mod tests;
