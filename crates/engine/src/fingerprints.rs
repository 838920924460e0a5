//! Which secrets the objects of an org were given last, as keyed hashes in the state.
//!
//! Nobody can read a secret back, so only this tells that one has changed. The key is made with the
//! first run that sends a secret to the org, and lies beside the hashes: whoever holds the whole
//! state can check a guess of a value, but reads none.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::id::{ObjectRef, OrgName};
use orgsmith_core::secret::{FingerprintKey, Secret};
use orgsmith_store::state::{Error, State};
use uuid::Uuid;

use crate::execute::Secrets;

/// Stands in the place of a hash while a value has perhaps been sent.
const DOUBT: &str = "?";

/// The keyed hashes of the secrets of one org.
pub struct Fingerprints<'s> {
    state: &'s dyn State,
    org: OrgName,
    key: FingerprintKey,
}

impl<'s> Fingerprints<'s> {
    /// Returns those of an org; nothing where no run has sent it a secret.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn of(state: &'s dyn State, org: &OrgName) -> Result<Option<Self>, Error> {
        let key = state.setting(&key_of(org)).await?;
        Ok(key.map(|text| Self {
            state,
            org: org.clone(),
            key: FingerprintKey::of(&text),
        }))
    }

    /// Returns those of an org whose lock is held, and makes their key where there is none.
    pub(crate) async fn open(state: &'s dyn State, org: &OrgName) -> Result<Self, Error> {
        loop {
            if let Some(known) = Self::of(state, org).await? {
                return Ok(known);
            }
            // Twice 122 random bits.
            let text = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            state.put_setting(&key_of(org), Some(&text)).await?;
        }
    }

    /// Returns the secrets of an object that were sent, each with whether the value is another now.
    ///
    /// A secret of which nothing is known, as it never was sent, is not among them.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn sent(&self, object: &ObjectRef) -> Result<Sent, Error> {
        let hashes = self.hashes(object).await?;
        Ok(Sent {
            object: object.clone(),
            key: self.key.clone(),
            hashes,
        })
    }

    /// Notes that an object is about to be given secrets.
    pub(crate) async fn doubt(
        &self,
        object: &ObjectRef,
        names: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let doubts = names.iter().map(|name| (name.clone(), DOUBT.to_owned()));
        self.put(object, doubts).await
    }

    /// Notes which secrets an object was given.
    pub(crate) async fn note(
        &self,
        object: &ObjectRef,
        names: &BTreeSet<String>,
        values: &Secrets,
    ) -> Result<(), Error> {
        let hashes = names.iter().filter_map(|name| {
            let value = values.get(name)?;
            Some((name.clone(), value.fingerprint(&self.key, object, name)))
        });
        self.put(object, hashes).await
    }

    /// Forgets an object that was deleted.
    pub(crate) async fn forget(&self, object: &ObjectRef) -> Result<(), Error> {
        self.state.put_setting(&self.place(object), None).await
    }

    async fn put(
        &self,
        object: &ObjectRef,
        more: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        let mut hashes = self.hashes(object).await?;
        hashes.extend(more);
        let text = serde_json::to_string(&hashes).unwrap_or_default();
        let place = self.place(object);
        self.state.put_setting(&place, Some(&text)).await
    }

    async fn hashes(&self, object: &ObjectRef) -> Result<BTreeMap<String, String>, Error> {
        let text = self.state.setting(&self.place(object)).await?;
        // What cannot be read is as if nothing had been noted.
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    fn place(&self, object: &ObjectRef) -> String {
        format!("secrets/{}/of/{object}", self.org)
    }
}

fn key_of(org: &OrgName) -> String {
    format!("secrets/{org}/key")
}

/// What is known of the secrets that one object was given.
pub struct Sent {
    object: ObjectRef,
    key: FingerprintKey,
    hashes: BTreeMap<String, String>,
}

impl Sent {
    /// Tells whether it is known that a secret of this name was sent.
    pub fn knows(&self, name: &str) -> bool {
        self.hashes.contains_key(name)
    }

    /// Tells whether nothing is known to have been sent.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Tells whether a value is another than the one that was sent, or perhaps is.
    pub fn differs(&self, name: &str, value: &Secret) -> bool {
        let now = || value.fingerprint(&self.key, &self.object, name);
        self.hashes.get(name).is_some_and(|sent| *sent != now())
    }
}
