//! Secret values: never displayed, never serialised, wiped when dropped.

use secrecy::{ExposeSecret, SecretString};

use crate::id::ObjectRef;

/// A value that must appear in no output, log, journal, state or bundle.
///
/// It has no `Display` and no `Serialize`; `Debug` prints a placeholder.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of the value.
    pub fn new(value: String) -> Self {
        Self(value.into())
    }

    /// Returns the value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns a keyed hash of the value in its place, by which a later change of it is noticed.
    ///
    /// The same value in another place has another hash, so equal values cannot be told from it.
    /// Without the key it says nothing; with the key a guess of the value can be checked.
    pub fn fingerprint(&self, key: &FingerprintKey, object: &ObjectRef, name: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&key.0);
        for part in [&object.to_string(), name, self.expose()] {
            // The length in front keeps parts apart, whatever they hold.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// What fingerprints of secrets are made with.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// Makes the key of a text that nobody can guess.
    pub fn of(text: &str) -> Self {
        let use_of_it = "orgsmith 2026-11 fingerprints of secrets";
        Self(blake3::derive_key(use_of_it, text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        assert!(!format!("{:?}", Secret::new("hunter2".into())).contains("hunter2"));
    }

    #[test]
    fn a_fingerprint_is_of_value_place_and_key() {
        let object = |text: &str| text.parse::<ObjectRef>().expect("an object");
        let print = |value: &str, key: u8, at: &str, name: &str| {
            let key = FingerprintKey::of(&key.to_string());
            Secret::new(value.into()).fingerprint(&key, &object(at), name)
        };
        let first = print("hunter2", 1, "a/x", "n");
        assert_eq!(first, print("hunter2", 1, "a/x", "n"));
        for other in [
            print("hunter3", 1, "a/x", "n"),
            print("hunter2", 2, "a/x", "n"),
            print("hunter2", 1, "a/y", "n"),
            print("hunter2", 1, "a/x", "m"),
            print("2", 1, "a/x", "nhunter"),
        ] {
            assert_ne!(first, other);
        }
    }
}
