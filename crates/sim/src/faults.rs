//! Faults on purpose: which requests fail, and how.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::page::glob;

/// Describes requests that shall fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only requests of this org; a token request belongs to the org of its client.
    #[serde(default)]
    pub org: Option<String>,
    /// Only this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only paths (without query) that match; `*` stands for anything.
    #[serde(default)]
    pub path: Option<String>,
    /// Lets this many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// Fires this many times, then no more; always when not given.
    #[serde(default)]
    pub times: Option<u64>,
    /// How probable it is that a matching request fails, from 0 to 1.
    #[serde(default = "FaultRule::certain")]
    pub probability: f64,
    /// Decides, together with the number of the request, which of them fail.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub action: FaultAction,
}

impl FaultRule {
    /// Describes a fault of every request.
    pub fn new(action: FaultAction) -> Self {
        Self {
            org: None,
            method: None,
            path: None,
            skip: 0,
            times: None,
            probability: Self::certain(),
            seed: 0,
            action,
        }
    }

    /// Limits the rule to one method and a path pattern.
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Limits the rule to one org.
    pub fn org(mut self, name: &str) -> Self {
        self.org = Some(name.to_owned());
        self
    }

    /// Lets this many matching requests pass first.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Fires this many times only.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Fires with this probability, decided by a seed.
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        self.probability = probability;
        self.seed = seed;
        self
    }

    fn certain() -> f64 {
        1.0
    }
}

/// Says what happens to a request that fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
    /// Answers this status; the work is not done.
    Status {
        /// The HTTP status.
        status: u16,
        /// Seconds in a `Retry-After` header.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// Does the work, then answers this status.
    StatusAfter {
        /// The HTTP status.
        status: u16,
    },
    /// Closes the connection; the work is not done.
    ResetBefore,
    /// Does the work, then closes the connection without an answer.
    ResetAfter,
    /// Waits this many milliseconds before the work.
    DelayMs(u64),
    /// Does the work and answers a byte at a time, with so many milliseconds before each.
    DribbleMs(u64),
    /// Does the work and answers, but breaks off in the middle of the body.
    TruncateBody,
    /// Does the work and answers with a body that is not JSON, called JSON.
    MalformedJson,
    /// Does the work and answers with so many blanks behind the body.
    Pad(u64),
    /// Does the work and answers a page that names itself as the next, of very many.
    SamePage,
    /// Answers an HTML page, as a gateway does; the work is not done.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// Answers a refusal that repeats the request's body and its `Authorization`; the work is not
    /// done.
    Echo {
        /// The HTTP status.
        status: u16,
    },
}

/// Holds the rules and how often each has matched and fired.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    next_id: u64,
}

#[derive(Debug, Serialize)]
struct Rule {
    id: u64,
    rule: FaultRule,
    matched: u64,
    fired: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) -> u64 {
        self.next_id += 1;
        self.rules.push(Rule {
            id: self.next_id,
            rule,
            matched: 0,
            fired: 0,
        });
        self.next_id
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::to_value(&self.rules).unwrap_or_default()
    }

    /// Gives what happens to a request; the first rule that fires decides.
    pub(crate) fn strike(
        &mut self,
        org: Option<&str>,
        method: &str,
        path: &str,
    ) -> Option<FaultAction> {
        self.rules
            .iter_mut()
            .find_map(|rule| rule.strike(org, method, path))
    }
}

impl Rule {
    fn strike(&mut self, org: Option<&str>, method: &str, path: &str) -> Option<FaultAction> {
        let FaultRule {
            org: of,
            method: with,
            path: at,
            skip,
            times,
            probability,
            seed,
            action,
        } = &self.rule;
        let matches = of.as_deref().is_none_or(|of| org == Some(of))
            && with
                .as_deref()
                .is_none_or(|with| glob(&with.to_ascii_uppercase(), method))
            && at.as_deref().is_none_or(|at| glob(at, path));
        if !matches {
            return None;
        }
        self.matched += 1;
        let spent = times.is_some_and(|times| self.fired >= times);
        let fires =
            self.matched > *skip && !spent && chance(*seed, self.id, self.matched) < *probability;
        fires.then(|| {
            self.fired += 1;
            action.clone()
        })
    }
}

/// Gives a number from 0 to below 1 that looks random and is the same in every run.
fn chance(seed: u64, rule: u64, request: u64) -> f64 {
    let hash = Sha256::digest(format!("{seed}/{rule}/{request}"));
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&hash[..4]);
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_then_fires_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.add(
            FaultRule::new(FaultAction::ResetBefore)
                .on("POST", "/api/v2/*/queues")
                .skip(1)
                .times(2),
        );
        let mut strike = |method| {
            faults
                .strike(None, method, "/api/v2/routing/queues")
                .is_some()
        };
        assert!(!strike("GET"));
        assert_eq!(
            [
                strike("POST"),
                strike("POST"),
                strike("POST"),
                strike("POST")
            ],
            [false, true, true, false]
        );
    }

    #[test]
    fn probability_is_decided_by_the_seed() {
        let run = |seed| {
            let mut faults = Faults::default();
            faults.add(FaultRule::new(FaultAction::ResetAfter).probability(0.5, seed));
            (0..64)
                .map(|_| faults.strike(None, "GET", "/").is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let fired = run(7).into_iter().filter(|fired| *fired).count();
        assert!((20..44).contains(&fired), "{fired}");
    }
}
