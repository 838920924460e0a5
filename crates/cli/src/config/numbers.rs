//! `numbers:` of the project and of an org: aliases, and where a target takes its numbers from.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::numbers::{Mapping, Rules, Supply, digits, is_e164};
use schemars::JsonSchema;
use serde::Deserialize;

/// What aliases stand for in the source: `support-line: ["+13175550100"]`.
pub(super) type Aliases = BTreeMap<String, Vec<String>>;

/// What an org has for an alias, or for a number of the source.
pub(super) type Numbers = BTreeMap<String, Entry>;

/// `+551150550100`, or `{dids: +551150550100-+551150550199, fallback: …}`, or `{extensions: 1000-1999}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Entry {
    Number(String),
    Supply(Written),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    dids: Option<String>,
    extensions: Option<String>,
    fallback: Option<String>,
}

/// Makes rules of what is written.
pub(super) fn rules(aliases: &Aliases, numbers: &Numbers) -> Result<Rules, String> {
    let mut rules = Rules::default();
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for (alias, stands_for) in aliases {
        for number in stands_for {
            if !is_e164(number) && digits(number).is_none() {
                return Err(format!("numbers: {alias}: {number:?} is no number"));
            }
            if let Some(other) = known.insert(number, alias) {
                return Err(format!("numbers: {number} is both {other} and {alias}"));
            }
        }
        let stands_for: BTreeSet<String> = stands_for.iter().cloned().collect();
        rules.aliases.insert(alias.clone(), stands_for);
    }
    for (name, entry) in numbers {
        if !aliases.contains_key(name) && !is_e164(name) {
            let known: Vec<&str> = aliases.keys().map(String::as_str).collect();
            let known = match &known[..] {
                [] => "the project has none under `numbers:`".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            return Err(format!(
                "numbers: {name} is neither a number such as +13175550100 nor an alias; {known}"
            ));
        }
        let mapping = mapping(entry).map_err(|message| format!("numbers: {name}: {message}"))?;
        rules.mappings.insert(name.clone(), mapping);
    }
    Ok(rules)
}

fn mapping(entry: &Entry) -> Result<Mapping, String> {
    let written = match entry {
        Entry::Number(number) => {
            let number = did(number)?;
            return Ok(Mapping {
                supply: Supply::Dids(number..=number),
                fallback: None,
            });
        }
        Entry::Supply(written) => written,
    };
    let supply = match (&written.dids, &written.extensions) {
        (Some(dids), None) => {
            let (from, to) = range(dids);
            Supply::Dids(ordered(did(from)?, did(to)?)?)
        }
        (None, Some(extensions)) => {
            let (from, to) = range(extensions);
            let number = |text: &str| {
                let all = text.bytes().all(|digit| digit.is_ascii_digit());
                let number = digits(text).filter(|_| all);
                number.ok_or_else(|| format!("{text:?} is no extension"))
            };
            Supply::Extensions {
                range: ordered(number(from)?, number(to)?)?,
                width: from.len(),
            }
        }
        _ => return Err("give either `dids` or `extensions`".to_owned()),
    };
    if let Some(fallback) = &written.fallback {
        did(fallback)?;
    }
    Ok(Mapping {
        supply,
        fallback: written.fallback.clone(),
    })
}

fn range(text: &str) -> (&str, &str) {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    (from.trim(), to.trim())
}

fn did(text: &str) -> Result<u64, String> {
    let number = digits(text).filter(|_| is_e164(text));
    number.ok_or_else(|| {
        format!("{text:?} is no E.164 number: a plus, the country code and the number, digits only")
    })
}

fn ordered(from: u64, to: u64) -> Result<std::ops::RangeInclusive<u64>, String> {
    match from <= to {
        true => Ok(from..=to),
        false => Err(format!("the range ends before it begins: {from}-{to}")),
    }
}
