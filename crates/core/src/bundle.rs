//! A bundle: the portable documents of an org, or of a part of it, and what is known of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::{Packed, Portable};
use crate::id::{Key, Kind, ObjectRef};

/// Portable documents and what is known of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bundle {
    /// Where they came from.
    pub source: Origin,
    /// What was asked for, as the user wrote it.
    pub selection: Vec<String>,
    /// The documents.
    pub documents: BTreeMap<ObjectRef, Packed>,
    /// What could not be read, and why.
    pub gaps: Vec<Gap>,
}

impl Bundle {
    /// Adds a document, or replaces that of the same object.
    pub fn insert(&mut self, document: Portable) {
        self.documents
            .insert(document.object.clone(), document.into());
    }
}

/// Names the org a bundle was exported from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The name of the org, as the project file has it.
    pub org_name: String,
    /// Its region, or nothing for a base URL of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Something that exists and could not be read, or not be carried over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The kind.
    pub kind: Kind,
    /// The object: its key, or its id where the key is not known; nothing for the whole kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What happened, and what to do.
    pub reason: String,
}

impl Gap {
    /// Returns the object, where the gap names one by its key.
    pub(crate) fn object_ref(&self) -> Option<ObjectRef> {
        let key = Key::from_encoded(self.object.as_deref()?);
        Some(ObjectRef::new(self.kind.clone(), key))
    }

    /// Tells whether it is in a document that is not meant, and so nobody's business.
    pub(crate) fn is_of_another(
        &self,
        documents: &BTreeMap<ObjectRef, Packed>,
        is_meant: impl FnOnce(&ObjectRef) -> bool,
    ) -> bool {
        let object = self.object_ref();
        object.is_some_and(|object| documents.contains_key(&object) && !is_meant(&object))
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{} {object}: {}", self.kind, self.reason),
            None => write!(f, "{}: {}", self.kind, self.reason),
        }
    }
}
