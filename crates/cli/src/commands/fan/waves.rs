//! Which orgs are written to, and in which order: by name, by label, in waves.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::error::{Failure, count};

/// The label that says in which wave an org is.
const LABEL: &str = "wave";
/// Stands for every org that is in none of the waves that are named.
const REST: &str = "rest";

/// Orgs that are written to at the same time, before the next wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wave {
    /// Its name; nothing where there is only one, without a name.
    pub(super) name: Option<String>,
    pub(super) orgs: Vec<String>,
}

/// A term of `--to-label`: labels that an org must all have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels(Vec<(String, String)>);

/// Reads `key=value`, or several with commas between.
pub(crate) fn labels(text: &str) -> Result<Labels, String> {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{pair:?} is not of the form key=value")),
    };
    let pairs = text.split(',').map(pair);
    pairs.collect::<Result<_, _>>().map(Labels)
}

impl Labels {
    /// `*` is any value.
    fn fit(&self, given: &BTreeMap<String, String>) -> bool {
        let Self(pairs) = self;
        pairs.iter().all(|(key, value)| {
            let given = given.get(key);
            given.is_some_and(|given| value == "*" || given == value)
        })
    }

    fn text(&self) -> String {
        let Self(pairs) = self;
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join(",")
    }
}

/// Lists the orgs that are named, as they were typed, and then those with the labels, by name.
///
/// The source is no target of its own labels.
///
/// # Errors
/// An org that is not known, or labels that no org has.
pub(super) fn targets(
    config: &Config,
    named: &[String],
    by_label: &[Labels],
    source: &str,
) -> anyhow::Result<Vec<String>> {
    let mut chosen = Vec::new();
    let mut seen = BTreeSet::new();
    for name in named {
        // A slip in a name should show before an org is read for minutes.
        config.org(name)?;
        if seen.insert(name.clone()) {
            chosen.push(name.clone());
        }
    }
    for term in by_label {
        let orgs = config.project.orgs.iter();
        let fitting: Vec<_> = orgs
            .filter(|(name, org)| name.as_str() != source && term.fit(&org.labels))
            .collect();
        if fitting.is_empty() {
            return Err(Failure::Usage(format!(
                "no org has the label {}; labels stand under `orgs: NAME: labels:` in the project file",
                term.text()
            ))
            .into());
        }
        for (name, _) in fitting {
            config.org(name)?;
            if seen.insert(name.clone()) {
                chosen.push(name.clone());
            }
        }
    }
    Ok(chosen)
}

/// Puts targets into the waves that their label `wave` names, in the order that is asked for.
///
/// # Errors
/// A wave that is named twice or that no org is in, and orgs that are in no wave.
pub(super) fn waves(
    config: &Config,
    targets: Vec<String>,
    names: &[String],
) -> anyhow::Result<Vec<Wave>> {
    if names.is_empty() {
        return Ok(vec![Wave {
            name: None,
            orgs: targets,
        }]);
    }
    let usage = |message: String| anyhow::Error::new(Failure::Usage(message));
    let known: BTreeSet<&String> = names.iter().collect();
    if known.len() < names.len() {
        return Err(usage(format!(
            "--waves {} names a wave twice",
            names.join(",")
        )));
    }
    let wave_of = |org: &String| {
        let entry = config.project.orgs.get(org);
        let label = entry.and_then(|entry| entry.labels.get(LABEL));
        let label = label.map_or(REST, String::as_str);
        let known = names.iter().any(|name| name == label);
        if known { label } else { REST }.to_owned()
    };
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for org in targets {
        members.entry(wave_of(&org)).or_default().push(org);
    }
    let mut waves = Vec::new();
    for name in names {
        let orgs = members.remove(name).unwrap_or_default();
        // A wave that is to guard the next one and has nobody in it would guard nothing.
        if orgs.is_empty() && name != REST {
            return Err(usage(format!(
                "no target is in the wave {name}; give one `labels: {{wave: {name}}}` in the \
                 project file, or leave the wave out"
            )));
        }
        waves.push(Wave {
            name: Some(name.clone()),
            orgs,
        });
    }
    if let Some(left) = members.remove(REST) {
        return Err(usage(format!(
            "{} in none of the waves {}: {}; label them, or add the wave `rest`",
            match left.len() {
                1 => "1 target is".to_owned(),
                more => format!("{} are", count(more, "target")),
            },
            names.join(","),
            left.join(", ")
        )));
    }
    waves.retain(|wave| !wave.orgs.is_empty());
    Ok(waves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Project;

    fn config() -> Config {
        let text = "orgs:\n  gold: {region: us-east-1, labels: {tier: gold}}\n  a: {region: us-east-1, labels: {wave: canary, tier: gold}}\n  b: {region: us-east-1, labels: {wave: early}}\n  c: {region: us-east-1, labels: {tier: gold, area: emea}}\n  d: {region: us-east-1}\n";
        let project: Project = serde_saphyr::from_str(text).expect("a project");
        Config {
            project,
            path: None,
        }
    }

    fn names(text: &[&str]) -> Vec<String> {
        text.iter().map(|name| (*name).to_owned()).collect()
    }

    fn parted(wanted: &[&str]) -> Result<Vec<(String, Vec<String>)>, String> {
        let all = names(&["d", "c", "b", "a"]);
        let waves = waves(&config(), all, &names(wanted)).map_err(|error| error.to_string())?;
        let waves = waves.into_iter();
        Ok(waves
            .map(|wave| (wave.name.unwrap_or_default(), wave.orgs))
            .collect())
    }

    #[test]
    fn a_target_is_in_the_wave_of_its_label_and_else_in_the_rest() {
        assert_eq!(
            parted(&["canary", "rest"]),
            Ok(vec![
                ("canary".into(), names(&["a"])),
                ("rest".into(), names(&["d", "c", "b"]))
            ])
        );
        assert_eq!(parted(&["rest", "early", "canary"]).unwrap().len(), 3);
        assert_eq!(
            parted(&[]),
            Ok(vec![(String::new(), names(&["d", "c", "b", "a"]))])
        );
    }

    #[test]
    fn a_target_without_a_wave_and_a_wave_without_a_target_are_refused() {
        let message = parted(&["canary", "early"]).unwrap_err();
        assert!(message.starts_with("2 targets are in none"), "{message}");
        assert!(message.contains("d, c"), "{message}");
        let message = parted(&["pilot", "rest"]).unwrap_err();
        assert!(message.contains("wave: pilot"), "{message}");
        assert!(parted(&["canary", "canary", "rest"]).is_err());
    }

    #[test]
    fn labels_choose_targets_and_never_the_source() {
        let by = |terms: &[&str]| {
            let terms: Vec<Labels> = terms.iter().map(|term| labels(term).unwrap()).collect();
            targets(&config(), &names(&["d"]), &terms, "gold").map_err(|error| error.to_string())
        };
        assert_eq!(by(&["tier=gold"]), Ok(names(&["d", "a", "c"])));
        assert_eq!(by(&["tier=gold,area=emea"]), Ok(names(&["d", "c"])));
        assert_eq!(by(&["area=*", "wave=*"]), Ok(names(&["d", "c", "a", "b"])));
        assert!(by(&["tier=silver"]).unwrap_err().contains("tier=silver"));
        assert!(labels("tier").is_err() && labels("=x").is_err() && labels("").is_err());
    }
}
