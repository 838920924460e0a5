//! What the API contract says of the fields of documents: types, values, lengths.
//!
//! The contract itself is no part of the program; `catalogue/models.txt` is made from it for the kinds
//! that there are, and a test holds it against its source. [`Places`] joins it with a kind file: what
//! may stand at each place of a document.

mod place;
mod read;

pub use place::{Place, Places, Shape};

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The file: `= kind` or `: Model`, and below it `field type constraint…`, one a line.
const MODELS: &str = include_str!("../../catalogue/models.txt");

/// A type of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A text.
    Text,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A date with a time and an offset.
    Time,
    /// A date.
    Date,
    /// The contract says no more.
    Any,
    /// An object of a model.
    Model(&'static str),
    /// A list.
    List(Box<Self>),
    /// An object with free keys.
    Map(Box<Self>),
}

/// A field of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// The values that are known, of the items where it is a list or a map; empty: any.
    pub values: Vec<&'static str>,
    /// What bounds it.
    pub limits: Limits,
    /// A new object needs it; told of the fields of kinds alone.
    pub required: bool,
}

/// What bounds a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The least value.
    pub minimum: Option<f64>,
    /// The largest value.
    pub maximum: Option<f64>,
    /// The least number of characters.
    pub min_length: Option<u64>,
    /// The largest number of characters.
    pub max_length: Option<u64>,
}

/// Knows the fields of kinds and of models.
#[derive(Debug, Default)]
pub(crate) struct Models {
    kinds: BTreeMap<&'static str, Vec<Field>>,
    models: BTreeMap<&'static str, Vec<Field>>,
}

impl Models {
    /// Returns what this program was built with.
    pub(crate) fn builtin() -> &'static Self {
        static MODELS_READ: LazyLock<Models> = LazyLock::new(|| read::read(MODELS));
        &MODELS_READ
    }

    /// Returns the fields and the parts of a kind.
    pub(crate) fn kind(&self, name: &str) -> &[Field] {
        self.kinds.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the fields of a model; none where the contract does not say them.
    pub(crate) fn model(&self, name: &str) -> &[Field] {
        self.models.get(name).map_or(&[], Vec::as_slice)
    }
}
