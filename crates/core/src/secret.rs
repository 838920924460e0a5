//! Secret values: never displayed, never serialised, wiped when dropped.

use secrecy::{ExposeSecret, SecretString};

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        assert!(!format!("{:?}", Secret::new("hunter2".into())).contains("hunter2"));
    }
}
