//! Identifiers, one type per noun.
//!
//! A source id and a target id are different types on purpose: nothing converts one into the other,
//! so an id read from one org cannot be sent to another by mistake.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names a resource kind, such as `routing_queue`; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Arc<str>);

impl Kind {
    /// Wraps a kind name without checking that the catalogue knows it.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name as users write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Kind {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Identifies an object within its kind by what people call it, never by an id.
///
/// Parts (a flow has two: type and name) are joined by `/`; `/`, `%` and control characters inside a
/// part are percent-encoded, so the text is reversible. A key that starts with `~` names an object
/// that every org has, such as the home division (`~home`); a part that really starts with `~`
/// has it encoded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Joins the parts of a natural key.
    pub fn from_parts<S: AsRef<str>>(parts: &[S]) -> Self {
        let mut text = String::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                text.push('/');
            }
            encode_part(part.as_ref(), &mut text);
        }
        Self(text.into())
    }

    /// Names an object that every org has, whatever it is called there.
    pub fn builtin(name: &str) -> Self {
        let mut text = String::from("~");
        encode_part(name, &mut text);
        Self(text.into())
    }

    /// Accepts text that is already encoded, as it stands in a bundle.
    pub fn from_encoded(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the encoded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the key names a built-in object.
    pub fn is_builtin(&self) -> bool {
        self.0.starts_with('~')
    }

    /// Returns the parts, decoded.
    pub fn parts(&self) -> Vec<String> {
        self.0.split('/').map(decode_part).collect()
    }
}

fn encode_part(part: &str, out: &mut String) {
    for (index, c) in part.chars().enumerate() {
        match c {
            '/' | '%' => push_encoded(c, out),
            '~' if index == 0 => push_encoded(c, out),
            c if c.is_control() => push_encoded(c, out),
            c => out.push(c),
        }
    }
}

fn push_encoded(c: char, out: &mut String) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        out.push_str(&format!("%{byte:02X}"));
    }
}

fn decode_part(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Identifies one object of an org by kind and natural key; written `routing_skill/Billing`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// The natural key within the kind.
    pub key: Key,
}

impl ObjectRef {
    /// Puts a kind and a key together.
    pub fn new(kind: Kind, key: Key) -> Self {
        Self { kind, key }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key)
    }
}

/// Says that a text is not of the form `kind/key`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a reference of the form kind/key")]
pub struct NotAReference(pub String);

/// Tells a kind's name from anything else, such as the `#` of a pointer into a JSON schema.
fn is_kind_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl FromStr for ObjectRef {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((kind, key)) if is_kind_name(kind) && !key.is_empty() => Ok(Self {
                kind: Kind::new(kind),
                key: Key::from_encoded(key),
            }),
            _ => Err(NotAReference(text.to_owned())),
        }
    }
}

macro_rules! text_type {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        text_impls!($name);
    )*};
}

macro_rules! text_impls {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self(text.as_str().into()))
            }
        }
    };
}

text_type! {
    /// The id of an object in the org that is read from.
    SourceId,
    /// The id of an object in the org that is written to; the only id a request may carry.
    TargetId,
    /// The name under which the project file knows an org.
    OrgName,
    /// Names a step within its plan: `routing_queue/Sales:create`.
    StepId,
    /// Names a run: a UUID chosen when it starts.
    RunId,
}
text_impls!(Kind);
text_impls!(Key);

/// Returns an object's own id: of one that lives in another, the last of the ids of its path.
pub fn own_id(path_ids: &str) -> &str {
    path_ids.rsplit('/').next().unwrap_or(path_ids)
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slash_in_a_name_is_not_a_separator() {
        let key = Key::from_parts(&["inboundcall", "A/B 50%"]);
        assert_eq!(key.as_str(), "inboundcall/A%2FB 50%25");
        assert_eq!(key.parts(), ["inboundcall", "A/B 50%"]);
    }

    #[test]
    fn a_name_that_starts_with_a_tilde_is_not_a_built_in() {
        assert!(!Key::from_parts(&["~home"]).is_builtin());
        assert!(Key::builtin("home").is_builtin());
    }

    #[test]
    fn a_reference_needs_kind_and_key() {
        assert_eq!(
            "Billing".parse::<ObjectRef>(),
            Err(NotAReference("Billing".into()))
        );
        let reference: ObjectRef = "flow/inboundcall/Main".parse().expect("a reference");
        assert_eq!(reference.kind.as_str(), "flow");
        assert_eq!(reference.key.as_str(), "inboundcall/Main");
    }

    proptest! {
        #[test]
        fn keys_are_reversible(parts in proptest::collection::vec(".{0,12}", 1..4)) {
            prop_assert_eq!(Key::from_parts(&parts).parts(), parts);
        }
    }
}
