//! A bundle: the portable documents of an org, or of a part of it, and what is known of them.

use std::collections::{BTreeMap, BTreeSet};
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
    /// What it means that a document leaves something out.
    pub written: Written,
    /// Those of the objects that Genesys made, though their keys do not tell: nobody creates one.
    pub built_in: BTreeSet<ObjectRef>,
}

/// Who wrote the documents of a bundle; what they leave out means another thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// A person: what is left out is not managed.
    #[default]
    ByHand,
    /// An org was read: what is left out it does not have.
    Read {
        /// The objects that a person wrote all the same.
        but: BTreeSet<ObjectRef>,
    },
}

impl Written {
    /// Says that documents are what an org answered.
    pub fn read() -> Self {
        Self::Read {
            but: BTreeSet::new(),
        }
    }
}

impl Bundle {
    /// Adds a document that a person wrote, whoever wrote the others.
    pub(crate) fn insert_by_hand(&mut self, document: Portable) {
        if let Written::Read { but } = &mut self.written {
            but.insert(document.object.clone());
        }
        self.insert(document);
    }

    /// Returns the gaps that are of kinds and objects of which there is no document.
    pub fn lacks(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| {
            let object = gap.object_ref();
            object.is_none_or(|object| !self.documents.contains_key(&object))
        })
    }

    /// Tells whether its org does not have what the document of an object leaves out.
    pub fn was_read(&self, object: &ObjectRef) -> bool {
        match &self.written {
            Written::ByHand => false,
            Written::Read { but } => !but.contains(object),
        }
    }

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
