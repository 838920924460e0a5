//! Whether who posts may, and whether it was posted before.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::secret::Secret;

/// The header of a signature: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body" in hex>`.
pub const SIGNATURE: &str = "x-orgsmith-signature";
/// The header of an API key.
pub const API_KEY: &str = "x-api-key";

/// How old a signature may be, and how far ahead the sender's clock.
pub const SIGNED_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// How old an event may be: EventBridge tries for a day.
pub const EVENT_WITHIN: SignedDuration = SignedDuration::from_hours(25);

/// What a sender must show.
#[derive(Clone)]
pub enum Proof {
    /// A signature of the body, with a time, by a key that both know.
    Signature(Secret),
    /// The key itself: all that an API destination of EventBridge can send.
    ApiKey(Secret),
}

/// What a sender shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'r> {
    /// The header [`SIGNATURE`].
    pub signature: Option<&'r str>,
    /// The header [`API_KEY`].
    pub api_key: Option<&'r str>,
}

/// Says why a post is refused. No text of it holds what was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The header is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The header is not of its form.
    #[error("the header {0} is not of its form")]
    Malformed(&'static str),
    /// It was made by somebody else, or of another body.
    #[error("the header {0} is wrong")]
    Wrong(&'static str),
    /// It is too old, or its time has not come.
    #[error("it was signed more than {} minutes ago or ahead", SIGNED_WITHIN.as_mins())]
    Stale,
}

impl Proof {
    /// Checks what a sender shows for the bytes of a body, as they came.
    ///
    /// # Errors
    /// It shows nothing, something else, or something old.
    pub fn check(&self, shown: Shown<'_>, body: &[u8], now: Timestamp) -> Result<(), Unproven> {
        match self {
            Self::ApiKey(key) => {
                let given = shown.api_key.ok_or(Unproven::Missing(API_KEY))?;
                // Hashes are compared in constant time, and say nothing of a length.
                let hash = |text: &str| blake3::hash(text.as_bytes());
                match hash(given) == hash(key.expose()) {
                    true => Ok(()),
                    false => Err(Unproven::Wrong(API_KEY)),
                }
            }
            Self::Signature(key) => {
                let given = shown.signature.ok_or(Unproven::Missing(SIGNATURE))?;
                let (at, tag) = parts(given).ok_or(Unproven::Malformed(SIGNATURE))?;
                let mut mac = mac(key);
                mac.update(format!("{at}.").as_bytes());
                mac.update(body);
                mac.verify_slice(&tag)
                    .map_err(|_| Unproven::Wrong(SIGNATURE))?;
                let at = Timestamp::from_second(at).map_err(|_| Unproven::Stale)?;
                match now.duration_since(at).abs() <= SIGNED_WITHIN {
                    true => Ok(()),
                    false => Err(Unproven::Stale),
                }
            }
        }
    }
}

/// Signs a body as [`Proof::Signature`] checks it.
pub fn sign(key: &Secret, body: &[u8], at: Timestamp) -> String {
    let at = at.as_second();
    let mut mac = mac(key);
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let tag = mac.finalize().into_bytes();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

fn mac(key: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.expose().as_bytes()).expect("HMAC takes a key of any length")
}

/// Reads `t=…,v1=…`.
fn parts(header: &str) -> Option<(i64, Vec<u8>)> {
    let (at, tag) = header.split_once(',')?;
    let at = at.trim().strip_prefix("t=")?.parse().ok()?;
    let tag = tag.trim().strip_prefix("v1=")?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    let tag: Option<Vec<u8>> = tag.as_bytes().chunks(2).map(pair).collect();
    tag.filter(|tag| tag.len() == 32).map(|tag| (at, tag))
}

/// Whether an event is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nobody told it before.
    New,
    /// It was told before: delivery is at least once, so this is no error.
    Again,
    /// It is too old, or its time has not come: whoever repeats it now means no good, and the scan
    /// finds whatever it was about.
    Stale,
}

/// Remembers the events of a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replays {
    seen: BTreeMap<String, Timestamp>,
}

impl Replays {
    /// The most events that are remembered; beyond, the oldest are forgotten.
    pub const CAP: usize = 100_000;

    /// Admits an event once.
    pub fn admit(&mut self, event: &str, at: Timestamp, now: Timestamp) -> Admission {
        if now.duration_since(at).abs() > EVENT_WITHIN {
            return Admission::Stale;
        }
        if self.seen.insert(event.to_owned(), at).is_some() {
            return Admission::Again;
        }
        if self.seen.len() > Self::CAP {
            self.forget(now);
        }
        Admission::New
    }

    /// Forgets what would be stale, and, where that is not enough, the older half.
    fn forget(&mut self, now: Timestamp) {
        let stale = |at: &Timestamp| now.duration_since(*at).abs() > EVENT_WITHIN;
        self.seen.retain(|_, at| !stale(at));
        if self.seen.len() > Self::CAP {
            let mut times: Vec<Timestamp> = self.seen.values().copied().collect();
            times.sort();
            let middle = times[times.len() / 2];
            self.seen.retain(|_, at| *at > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).expect("a time")
    }

    fn key(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn signed(signature: &str) -> Shown<'_> {
        Shown {
            signature: Some(signature),
            api_key: None,
        }
    }

    #[test]
    fn a_signature_is_good_for_its_body_its_key_and_its_time() {
        let proof = Proof::Signature(key("secret"));
        let good = sign(&key("secret"), b"{}", at(0));
        let check = |shown: &str, body: &[u8], now| proof.check(signed(shown), body, now);
        assert_eq!(check(&good, b"{}", at(299)), Ok(()));
        assert_eq!(check(&good, b"{}", at(-299)), Ok(()));
        assert_eq!(check(&good, b"{}", at(301)), Err(Unproven::Stale));
        assert_eq!(check(&good, b"{ }", at(0)), Err(Unproven::Wrong(SIGNATURE)));
        let other = sign(&key("other"), b"{}", at(0));
        assert_eq!(check(&other, b"{}", at(0)), Err(Unproven::Wrong(SIGNATURE)));
        // A newer time does not go with the old tag.
        let tag = good.split_once(',').expect("two parts").1;
        let renewed = format!("t={},{tag}", at(1000).as_second());
        assert_eq!(
            check(&renewed, b"{}", at(1000)),
            Err(Unproven::Wrong(SIGNATURE))
        );
        for odd in ["", "t=1", "t=x,v1=00", "v1=00,t=1", "t=1,v1=é0", "t=1,v1=0"] {
            assert_eq!(
                check(odd, b"{}", at(0)),
                Err(Unproven::Malformed(SIGNATURE)),
                "{odd}"
            );
        }
        let nothing = proof.check(Shown::default(), b"{}", at(0));
        assert_eq!(nothing, Err(Unproven::Missing(SIGNATURE)));
    }

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // RFC 4231, test case 2, has this key; the tag of "0.what" was computed with OpenSSL.
        let zero = Timestamp::from_second(0).expect("a time");
        let signature = sign(&key("Jefe"), b"what", zero);
        assert_eq!(
            signature,
            "t=0,v1=8969d831f1853e5b7a6355d721d4c4f2403e03f06bec697ddd9be8d038848269"
        );
    }

    #[test]
    fn an_api_key_is_the_whole_key() {
        let proof = Proof::ApiKey(key("secret"));
        let check = |api_key| {
            let shown = Shown {
                signature: None,
                api_key,
            };
            proof.check(shown, b"", at(0))
        };
        assert_eq!(check(Some("secret")), Ok(()));
        for wrong in ["", "secre", "secrets", "SECRET"] {
            assert_eq!(check(Some(wrong)), Err(Unproven::Wrong(API_KEY)));
        }
        assert_eq!(check(None), Err(Unproven::Missing(API_KEY)));
        // A signature is no API key.
        let good = sign(&key("secret"), b"", at(0));
        let refused = proof.check(signed(&good), b"", at(0));
        assert_eq!(refused, Err(Unproven::Missing(API_KEY)));
    }

    #[test]
    fn an_event_is_admitted_once_and_not_when_it_is_old() {
        let mut replays = Replays::default();
        assert_eq!(replays.admit("a", at(0), at(10)), Admission::New);
        assert_eq!(replays.admit("a", at(0), at(20)), Admission::Again);
        assert_eq!(replays.admit("b", at(0), at(20)), Admission::New);
        let day = 25 * 3600;
        assert_eq!(replays.admit("c", at(0), at(day + 1)), Admission::Stale);
        assert_eq!(replays.admit("d", at(day + 60), at(30)), Admission::Stale);
        // So an id that is forgotten is one that would be stale.
        assert_eq!(replays.admit("a", at(0), at(day + 1)), Admission::Stale);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut replays = Replays::default();
        for index in 0..=Replays::CAP {
            let second = i64::try_from(index).expect("a small number") / 10;
            replays.admit(&index.to_string(), at(second), at(second));
        }
        assert!(replays.seen.len() <= Replays::CAP);
        let last = Replays::CAP.to_string();
        let now = at(10_001);
        assert_eq!(replays.admit(&last, at(10_000), now), Admission::Again);
    }
}
