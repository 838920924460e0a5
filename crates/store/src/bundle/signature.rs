//! Signatures: who vouches for some bytes, and that nobody changed them.
//!
//! Keys and signatures are those of [minisign](https://jedisct1.github.io/minisign/) (Ed25519).

use std::io::Cursor;

use minisign::{ErrorKind, KeyPair, PublicKey, SecretKey, SecretKeyBox, SignatureBox};

/// How a secret key with a password begins: the names of its algorithms, `EdScB2`.
const WITH_PASSWORD: &str = "RWRTY0Iy";

/// Says why something is not signed, or a signature not good.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The text is no secret key.
    #[error("it holds no minisign secret key")]
    SecretKey,
    /// The secret key needs a password.
    #[error("the secret key has a password, and none was given")]
    NoPassword,
    /// The password is not that of the secret key.
    #[error("the password is not that of the secret key")]
    Password,
    /// The text is no public key.
    #[error("it is no minisign public key, which begins with RW")]
    PublicKey,
    /// The text is no signature.
    #[error("the signature is none of minisign")]
    Signature,
    /// The signature is of another key.
    #[error("the signature was made with another key ({found}, not {wanted})")]
    OtherKey {
        /// The id of the key that signed.
        found: String,
        /// The id of the key that should have.
        wanted: String,
    },
    /// The signature is not of these bytes.
    #[error("it is not what was signed: it was changed, or the signature is of something else")]
    Changed,
    /// A directory without a manifest, which is what would be signed of it.
    #[error("a directory is signed by its manifest.json, and it has none")]
    NoManifest,
    /// The system gave no randomness, or a key is broken.
    #[error("{0}")]
    NotMade(String),
}

fn not_made(error: minisign::PError) -> SignatureError {
    SignatureError::NotMade(error.to_string())
}

/// A key that signs.
pub struct SigningKey(SecretKey);

impl SigningKey {
    /// Reads the text of a secret key, as `minisign -G` writes it.
    ///
    /// # Errors
    /// It is none, or its password is missing or wrong.
    pub fn parse(text: &str, password: Option<String>) -> Result<Self, SignatureError> {
        let boxed = SecretKeyBox::from_string(text).map_err(|_| SignatureError::SecretKey)?;
        let key = text.lines().nth(1).unwrap_or_default();
        if !key.starts_with(WITH_PASSWORD) {
            let key = SecretKey::from_unencrypted_box(boxed);
            return key.map(Self).map_err(|_| SignatureError::SecretKey);
        }
        // Without a password the library would ask the terminal.
        let password = password.ok_or(SignatureError::NoPassword)?;
        let opened = SecretKey::from_box(boxed, Some(password));
        opened.map(Self).map_err(|error| match error.kind() {
            ErrorKind::Verify => SignatureError::Password,
            _ => SignatureError::SecretKey,
        })
    }

    /// Makes a new key; returns the texts of the secret and the public one.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate(password: Option<String>) -> Result<(String, String), SignatureError> {
        let pair = match password {
            Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
            None => KeyPair::generate_unencrypted_keypair(),
        };
        let KeyPair { pk, sk } = pair.map_err(not_made)?;
        let secret = sk.to_box(None).map_err(not_made)?.into_string();
        Ok((secret, pk.to_box().map_err(not_made)?.into_string()))
    }
}

/// The public key of somebody who may vouch for a bundle.
pub struct Signer(PublicKey);

impl Signer {
    /// Reads a public key: a file as `minisign -G` writes it, or its last line.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        // A file has a line of comment above the key.
        let line = text.lines().rfind(|line| !line.trim().is_empty());
        let key = PublicKey::from_base64(line.unwrap_or_default().trim());
        key.map(Self).map_err(|_| SignatureError::PublicKey)
    }
}

/// Signs bytes; `told` goes along, and is signed too.
pub(super) fn sign(content: &[u8], key: &SigningKey, told: &str) -> Result<String, SignatureError> {
    let made = minisign::sign(None, &key.0, Cursor::new(content), Some(told), None);
    Ok(made.map_err(not_made)?.into_string())
}

/// Checks a signature of bytes; returns what went along with it.
pub(super) fn check(
    content: &[u8],
    signature: &str,
    signer: &Signer,
) -> Result<String, SignatureError> {
    let signature = SignatureBox::from_string(signature).map_err(|_| SignatureError::Signature)?;
    if signature.keynum() != signer.0.keynum() {
        return Err(SignatureError::OtherKey {
            found: key_id(signature.keynum()),
            wanted: key_id(signer.0.keynum()),
        });
    }
    minisign::verify(
        &signer.0,
        &signature,
        Cursor::new(content),
        true,
        false,
        true,
    )
    .map_err(|_| SignatureError::Changed)?;
    let told = signature.trusted_comment();
    told.map_err(|_| SignatureError::Signature)
}

/// Writes the id of a key as minisign does.
fn key_id(number: &[u8]) -> String {
    number
        .iter()
        .rev()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(password: Option<&str>) -> (String, String) {
        SigningKey::generate(password.map(str::to_owned)).expect("keys")
    }

    fn signer(text: &str) -> Signer {
        Signer::parse(text).expect("a public key")
    }

    #[test]
    fn a_signature_is_of_some_bytes_and_of_one_key() {
        let (secret, public) = keys(None);
        let key = SigningKey::parse(&secret, None).expect("no password");
        let signature = sign(b"bytes", &key, "made of gold").expect("a signature");
        let told = check(b"bytes", &signature, &signer(&public)).expect("good");
        assert_eq!(told, "made of gold");
        // The key alone, without its comment, will do.
        let bare = public.lines().last().expect("the key");
        check(b"bytes", &signature, &signer(bare)).expect("good");

        let (_, other) = keys(None);
        let found = check(b"bytes", &signature, &signer(&other));
        assert!(
            matches!(found, Err(SignatureError::OtherKey { .. })),
            "{found:?}"
        );
        let forged = signature.replace("made of gold", "made of lead");
        for (content, signature) in [(&b"bytez"[..], &signature), (b"bytes", &forged)] {
            let found = check(content, signature, &signer(&public));
            assert!(matches!(found, Err(SignatureError::Changed)), "{found:?}");
        }
        let found = check(b"bytes", "x", &signer(&public));
        assert!(matches!(found, Err(SignatureError::Signature)), "{found:?}");
        assert!(matches!(Signer::parse("x"), Err(SignatureError::PublicKey)));
    }

    #[test]
    fn a_signature_of_minisign_itself_is_good() {
        // The example of minisign's own documentation.
        let signer = signer("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
        let signature = "untrusted comment: signature from minisign secret key\n\
            RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
            trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
            wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
        let told = check(b"test", signature, &signer).expect("good");
        assert!(told.starts_with("timestamp:1633700835"), "{told}");
    }

    #[test]
    fn a_key_with_a_password_asks_for_it() {
        let (secret, public) = keys(Some("open sesame"));
        let opened =
            |password: Option<&str>| SigningKey::parse(&secret, password.map(str::to_owned));
        assert!(matches!(opened(None), Err(SignatureError::NoPassword)));
        assert!(matches!(
            opened(Some("wrong")),
            Err(SignatureError::Password)
        ));
        let key = opened(Some("open sesame")).expect("the password");
        let signature = sign(b"x", &key, "y").expect("a signature");
        check(b"x", &signature, &signer(&public)).expect("good");
        let none = SigningKey::parse("x", None);
        assert!(matches!(none, Err(SignatureError::SecretKey)));
    }
}
