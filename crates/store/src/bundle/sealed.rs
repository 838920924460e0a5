//! Bytes that only some can read, in the format of [age](https://age-encryption.org/v1).
//!
//! The tools `age`, `rage` and `age-keygen` read and write the same files and keys.

use std::io::{Read, Write};

use age::armor::ArmoredReader;
use age::secrecy::ExposeSecret;
use age::x25519;
use age::{DecryptError, Decryptor, Encryptor, IdentityFile};

use super::tree::MAX_TOTAL;

/// How an encrypted file begins: as bytes, and as text.
const BEGINNINGS: [&[u8]; 2] = [
    b"age-encryption.org/v1",
    b"-----BEGIN AGE ENCRYPTED FILE-----",
];

/// Says why something cannot be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A recipient is none.
    #[error("{0:?} is no age recipient; one begins with age1, and `age-keygen -y KEY` prints it")]
    Recipient(String),
    /// There is nobody to encrypt for.
    #[error("no recipient was given: nobody could read it")]
    NoRecipient,
    /// The text holds no keys.
    #[error("it holds no age identity, which begins with AGE-SECRET-KEY-1")]
    Identity,
    /// The keys are themselves encrypted.
    #[error(
        "it is itself encrypted; `age -d` opens it, and --identity /dev/stdin takes the result"
    )]
    SealedIdentity,
    /// It is encrypted already.
    #[error("it is encrypted already")]
    Twice,
    /// It is encrypted, and would be written in clear.
    #[error("it is encrypted")]
    Closed,
    /// It is not encrypted.
    #[error("it is not encrypted")]
    Plain,
    /// The file is encrypted for others.
    #[error("it is encrypted for others: none of the identities opens it")]
    NotForUs,
    /// The file was changed, or is cut off.
    #[error("it was changed or is cut off ({0})")]
    Damaged(String),
    /// The content is larger than a bundle may be.
    #[error("it holds more than {MAX_TOTAL} bytes")]
    TooLarge,
}

/// The keys that open bundles.
pub struct Identity(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Identity {
    /// Reads the text of an identity file, as `age-keygen` writes it.
    ///
    /// # Errors
    /// It holds none.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        if is_sealed(text.as_bytes()) {
            return Err(SealError::SealedIdentity);
        }
        let file = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| SealError::Identity)?;
        match file.into_identities() {
            Ok(identities) if !identities.is_empty() => Ok(Self(identities)),
            _ => Err(SealError::Identity),
        }
    }

    /// Makes a new identity; returns its text and the recipient that belongs to it.
    pub fn generate() -> (String, String) {
        let key = x25519::Identity::generate();
        let text = key.to_string().expose_secret().to_owned();
        (text, key.to_public().to_string())
    }
}

/// Those who may read a bundle.
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Reads public keys (`age1…`).
    ///
    /// # Errors
    /// There is none, or one is none.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, SealError> {
        let each = texts.into_iter().map(|text| {
            let recipient = text.trim().parse();
            recipient.map_err(|_| SealError::Recipient(text.to_owned()))
        });
        let all: Vec<_> = each.collect::<Result<_, _>>()?;
        match all.is_empty() {
            true => Err(SealError::NoRecipient),
            false => Ok(Self(all)),
        }
    }
}

/// Tells whether a file is encrypted, by how it begins.
pub(super) fn is_sealed(content: &[u8]) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| content.starts_with(beginning))
}

/// Encrypts for every recipient.
pub(super) fn seal(content: &[u8], recipients: &Recipients) -> Result<Vec<u8>, SealError> {
    if is_sealed(content) {
        return Err(SealError::Twice);
    }
    let each = recipients.0.iter().map(|one| one as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(each).map_err(|_| SealError::NoRecipient)?;
    let mut sealed = Vec::with_capacity(content.len() + 4096);
    let written = encryptor.wrap_output(&mut sealed).and_then(|mut writer| {
        writer.write_all(content)?;
        writer.finish()
    });
    written.expect("a vector takes all that is written");
    Ok(sealed)
}

/// Decrypts in memory.
pub(super) fn open(sealed: &[u8], identity: &Identity) -> Result<Vec<u8>, SealError> {
    let failed = |error: DecryptError| match error {
        DecryptError::NoMatchingKeys => SealError::NotForUs,
        error => SealError::Damaged(error.to_string()),
    };
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed)).map_err(failed)?;
    let each = identity.0.iter().map(|one| &**one as &dyn age::Identity);
    let reader = decryptor.decrypt(each).map_err(failed)?;
    let mut content = Vec::new();
    reader
        .take(MAX_TOTAL + 1)
        .read_to_end(&mut content)
        .map_err(|error| SealError::Damaged(error.to_string()))?;
    if content.len() as u64 > MAX_TOTAL {
        return Err(SealError::TooLarge);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Recipients, Identity) {
        let (secret, public) = Identity::generate();
        let recipients = Recipients::parse([public.as_str()]).expect("a recipient");
        (recipients, Identity::parse(&secret).expect("a key"))
    }

    #[test]
    fn everybody_named_can_open_it_and_nobody_else() {
        let ((first, first_key), (second, second_key), (_, other)) = (pair(), pair(), pair());
        let both = Recipients(first.0.into_iter().chain(second.0).collect());
        let sealed = seal(b"planted content", &both).expect("recipients");
        assert!(is_sealed(&sealed));
        assert!(!sealed.windows(7).any(|window| window == b"planted"));
        for key in [first_key, second_key] {
            assert_eq!(open(&sealed, &key).expect("ours"), b"planted content");
        }
        assert!(matches!(open(&sealed, &other), Err(SealError::NotForUs)));
        assert!(matches!(seal(&sealed, &both), Err(SealError::Twice)));
    }

    #[test]
    fn a_changed_byte_or_a_cut_is_noticed_wherever_it_is() {
        let (recipient, key) = pair();
        let sealed = seal(&[7; 1000], &recipient).expect("a recipient");
        for at in (0..sealed.len()).step_by(37) {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &key).is_err(), "byte {at}");
            assert!(open(&sealed[..at], &key).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_no_key_is_told() {
        let parse = |texts: &[&str]| Recipients::parse(texts.iter().copied()).err();
        assert!(matches!(parse(&["age1x"]), Some(SealError::Recipient(_))));
        assert!(matches!(parse(&[]), Some(SealError::NoRecipient)));
        for text in ["", "hello", "# only a comment\n"] {
            let found = Identity::parse(text).err();
            assert!(matches!(found, Some(SealError::Identity)), "{text:?}");
        }
        let found = Identity::parse("-----BEGIN AGE ENCRYPTED FILE-----\n").err();
        assert!(matches!(found, Some(SealError::SealedIdentity)));
    }

    #[test]
    fn any_identity_of_a_file_opens_it() {
        let ((first, _), (second, public)) = (Identity::generate(), Identity::generate());
        let text = format!("# created: today\n{first}\n\n{second}\n");
        let identity = Identity::parse(&text).expect("two keys");
        let recipients = Recipients::parse([public.as_str()]).expect("a recipient");
        let sealed = seal(b"x", &recipients).expect("a recipient");
        assert_eq!(open(&sealed, &identity).expect("the second"), b"x");
    }
}
