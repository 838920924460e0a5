//! What may stand at each place of a document of a kind.

use std::collections::{BTreeMap, BTreeSet};

use super::{Field, Limits, Models, Type};
use crate::catalogue::{Descriptor, Part, Reference};

/// What a kind file says of the places of its documents, found by path.
#[derive(Debug)]
pub struct Places<'k> {
    kind: &'k Descriptor,
    references: BTreeMap<String, &'k Reference>,
    volatile: BTreeSet<String>,
    secrets: BTreeSet<String>,
    json: BTreeSet<String>,
}

/// A place of a document: `bullseye.rings[].actions`.
#[derive(Clone, Debug)]
pub struct Place<'k> {
    /// The path, as kind files write it.
    pub path: String,
    /// What the contract calls it and says of it.
    pub field: &'static Field,
    ty: &'static Type,
    part: Option<&'k Part>,
}

/// What may stand at a place.
#[derive(Debug)]
pub enum Shape<'k> {
    /// Nobody says.
    Any,
    /// A text; `field` has its values and lengths.
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
    /// A secret.
    Secret,
    /// A reference.
    Reference(&'k Reference),
    /// A map whose keys are references.
    Keyed(&'k Reference, Box<Place<'k>>),
    /// A list; one of a part may also say `$has`.
    List(Box<Place<'k>>),
    /// An object with free keys.
    Map(Box<Place<'k>>),
    /// An object with these fields.
    Object(Vec<Place<'k>>),
}

/// Models of JSON Schema: the SDKs name some of its keywords, the API takes them all.
const OPEN: [&str; 2] = ["JsonSchemaDocument", "JsonSchemaWithDefinitions"];

impl<'k> Places<'k> {
    /// Finds the places of a kind.
    pub fn new(kind: &'k Descriptor) -> Self {
        let texts =
            |paths: &[crate::path::FieldPath]| paths.iter().map(ToString::to_string).collect();
        let references = kind.references.iter();
        Self {
            kind,
            references: references.map(|one| (one.path.to_string(), one)).collect(),
            volatile: texts(&kind.volatile),
            secrets: texts(&kind.secrets),
            json: texts(&kind.json),
        }
    }

    /// Returns the fields and parts of a document, in the order of the kind file.
    pub fn fields(&self) -> impl Iterator<Item = Place<'k>> + use<'k> {
        let kind = self.kind;
        let known = Models::builtin().kind(kind.kind.as_str()).iter();
        known.map(move |field| Place {
            path: field.name.to_owned(),
            field,
            ty: &field.ty,
            part: kind.parts.iter().find(|part| part.field == field.name),
        })
    }

    /// Says what may stand at a place.
    pub fn shape(&self, place: &Place<'k>) -> Shape<'k> {
        let path = place.path.as_str();
        if let Some(reference) = self.references.get(path) {
            return match (reference.keys, place.ty) {
                (false, _) => Shape::Reference(reference),
                (true, Type::Map(inner)) => {
                    Shape::Keyed(reference, Box::new(place.inner("{}", inner)))
                }
                (true, _) => Shape::Any,
            };
        }
        if self.secrets.contains(path) {
            return Shape::Secret;
        }
        if self.json.contains(path) {
            return Shape::Any;
        }
        match place.ty {
            Type::Any => Shape::Any,
            // A map of which the kind file knows entries that are no plain values.
            Type::Map(_) if self.has_inner(path) => Shape::Any,
            Type::Text => Shape::Text,
            Type::Integer => Shape::Integer,
            Type::Number => Shape::Number,
            Type::Boolean => Shape::Boolean,
            Type::Time => Shape::Time,
            Type::Date => Shape::Date,
            Type::List(inner) => Shape::List(Box::new(place.inner("[]", inner))),
            Type::Map(inner) => Shape::Map(Box::new(place.inner("{}", inner))),
            Type::Model(name) => self.object(place, name),
        }
    }

    /// Tells whether nobody manages a field of the object at a place.
    pub(crate) fn is_volatile(&self, place: &Place<'k>, field: &str) -> bool {
        self.volatile.contains(&format!("{}.{field}", place.path))
    }

    fn has_inner(&self, path: &str) -> bool {
        let begin = format!("{path}.");
        let mut known = self
            .references
            .keys()
            .chain(&self.json)
            .chain(&self.secrets);
        known.any(|place| place.starts_with(&begin))
    }

    fn object(&self, place: &Place<'k>, model: &str) -> Shape<'k> {
        let fields = Models::builtin().model(model);
        if fields.is_empty() || OPEN.contains(&model) {
            return Shape::Any;
        }
        // A part says itself which fields of an item are managed.
        let of_part = place.part.filter(|part| !part.fields.is_empty());
        let managed = |name: &str| {
            of_part.is_none_or(|part| {
                let mut fields = part.fields.iter().chain(&part.identity);
                fields.any(|field| field == name)
            })
        };
        let fields = fields.iter().filter(|field| managed(field.name));
        let fields = fields.map(|field| Place {
            path: format!("{}.{}", place.path, field.name),
            field,
            ty: &field.ty,
            part: None,
        });
        Shape::Object(
            fields
                .filter(|place| !self.volatile.contains(&place.path))
                .collect(),
        )
    }
}

impl Place<'_> {
    /// Returns the name of the field.
    pub fn name(&self) -> &'static str {
        self.field.name
    }

    /// Tells whether the place is a list of items that have calls of their own.
    pub fn is_part_list(&self) -> bool {
        self.part.is_some_and(|part| !part.single) && matches!(self.ty, Type::List(_))
    }

    /// Returns the values that are known; empty: any.
    pub fn values(&self) -> &'static [&'static str] {
        &self.field.values
    }

    /// Returns what bounds the value.
    pub fn limits(&self) -> &'static Limits {
        &self.field.limits
    }

    /// Names the model that an object at the place is of.
    pub fn model(&self) -> Option<&'static str> {
        match self.ty {
            Type::Model(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the part that the place, or its items, are.
    pub(crate) fn part(&self) -> Option<&Part> {
        self.part
    }

    fn inner(&self, step: &str, ty: &'static Type) -> Self {
        Self {
            path: format!("{}{step}", self.path),
            field: self.field,
            ty,
            part: self.part,
        }
    }
}
