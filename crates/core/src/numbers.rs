//! Telephone numbers, which are others in every org.
//!
//! A number of the source, or an alias in place of one, is given a number of the target: a certain
//! one, or the lowest that is free in a range. Who has one of the range already keeps it, so a second
//! run gives the same. Every decision is kept with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::Packed;
use crate::id::ObjectRef;
use crate::plan::{Conflict, Finding, Severity};

/// Where numbers come from in a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supply {
    /// DIDs of the pools of the org, as whole numbers.
    Dids(RangeInclusive<u64>),
    /// Extensions, which are written with that many digits at least.
    Extensions {
        /// As whole numbers.
        range: RangeInclusive<u64>,
        /// Digits.
        width: usize,
    },
}

/// What takes the place of an alias, or of a number, in one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where the number is taken from; a range of one without a fallback is a certain number.
    pub supply: Supply,
    /// Taken when the range has no number left.
    pub fallback: Option<String>,
}

/// The numbers of a target.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What each alias stands for in the source.
    pub aliases: BTreeMap<String, BTreeSet<String>>,
    /// By alias, or by a number of the source.
    pub mappings: BTreeMap<String, Mapping>,
}

/// Who has a number in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `USER`, `IVR_CONFIG`, …
    pub sort: String,
    /// What it is called.
    pub name: String,
}

/// What is known of the numbers of a target.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The DIDs of its pools, with who has them.
    pub dids: BTreeMap<u64, Option<Holder>>,
    /// The extensions that somebody has.
    pub extensions: BTreeMap<u64, Holder>,
}

/// What was decided of one number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The object that has it.
    pub object: ObjectRef,
    /// The place in its document.
    pub place: String,
    /// The alias, or the number of the source.
    pub alias: String,
    /// The number in the target; nothing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Why this one.
    pub reason: String,
}

/// A bundle with the numbers of a target.
#[derive(Debug, Default)]
pub struct Numbered {
    /// What was decided, by object.
    pub decisions: Vec<Decision>,
    /// Objects that were left out.
    pub conflicts: Vec<Conflict>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

impl Rules {
    /// Tells whether no number is given.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// Returns the alias that a text is, or stands for.
    fn alias<'r>(&'r self, text: &'r str) -> Option<&'r str> {
        if self.mappings.contains_key(text) || self.aliases.contains_key(text) {
            return Some(text);
        }
        let stands = |(_, numbers): &(&String, &BTreeSet<String>)| numbers.contains(text);
        let found = self.aliases.iter().find(stands);
        found.map(|(alias, _)| alias.as_str())
    }

    /// Puts the numbers of a target into a bundle.
    pub fn apply(&self, catalogue: &Catalogue, bundle: &mut Bundle, facts: &Facts) -> Numbered {
        let mut giver = Giver {
            rules: self,
            facts,
            taken: BTreeSet::new(),
            done: Numbered::default(),
        };
        let mut wanted = Vec::new();
        for (object, document) in &bundle.documents {
            let places = places(catalogue, document);
            let concerns = |place: &Place| {
                let is_wrong = place.list == "dnis" && !is_e164(&place.text);
                is_wrong || self.alias(&place.text).is_some()
            };
            if places.iter().any(concerns) {
                wanted.push((object.clone(), places));
            }
        }
        let mut out = Vec::new();
        for (object, places) in wanted {
            let mut document = bundle.documents[&object].open();
            let name = document.body.get("name").and_then(Value::as_str);
            match giver.give(&object, name.unwrap_or_default(), &places) {
                Ok(given) => {
                    write(&mut document.body, &places, &given);
                    bundle.insert(document);
                }
                Err(reason) => out.push(Conflict { object, reason }),
            }
        }
        for conflict in &out {
            bundle.documents.remove(&conflict.object);
        }
        giver.done.conflicts = out;
        giver.done
    }
}

/// A place that holds a number.
struct Place {
    list: &'static str,
    index: usize,
    field: Option<&'static str>,
    text: String,
}

impl Place {
    fn told(&self) -> String {
        let field = self.field.map(|field| format!(".{field}"));
        format!("{}[{}]{}", self.list, self.index, field.unwrap_or_default())
    }
}

/// Returns the places of a document that hold numbers.
fn places(catalogue: &Catalogue, document: &Packed) -> Vec<Place> {
    let kind = document.object.kind.as_str();
    let descriptor = catalogue.get(kind).ok();
    let has_dnis = descriptor.is_some_and(|d| d.numbers.iter().any(|path| path.root() == "dnis"));
    let list = |name: &str| match document.field(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    if has_dnis {
        for (index, value) in list("dnis").iter().enumerate() {
            found.extend(value.as_str().map(|text| Place {
                list: "dnis",
                index,
                field: None,
                text: text.to_owned(),
            }));
        }
    }
    if kind == "user" {
        for (index, address) in list("addresses").iter().enumerate() {
            for field in ["address", "extension"] {
                let text = address.get(field).and_then(Value::as_str);
                found.extend(text.map(|text| Place {
                    list: "addresses",
                    index,
                    field: Some(field),
                    text: text.to_owned(),
                }));
            }
        }
    }
    found
}

/// Writes what was given; a place that got nothing is taken out.
fn write(body: &mut Map<String, Value>, places: &[Place], given: &[Given]) {
    // From the end, so that what is taken out moves nothing that is still to be written.
    for (place, given) in places.iter().zip(given).rev() {
        let Some(Value::Array(list)) = body.get_mut(place.list) else {
            continue;
        };
        match (given, place.field) {
            (Given::AsItIs, _) => {}
            (Given::Number(number), None) => list[place.index] = number.as_str().into(),
            (Given::Number(number), Some(field)) => {
                list[place.index][field] = number.as_str().into();
            }
            (Given::Nothing, None) => {
                list.remove(place.index);
            }
            (Given::Nothing, Some(field)) => {
                if let Value::Object(address) = &mut list[place.index] {
                    address.remove(field);
                    let left = ["address", "extension"]
                        .iter()
                        .any(|f| address.contains_key(*f));
                    if !left {
                        list.remove(place.index);
                    }
                }
            }
        }
    }
}

enum Given {
    AsItIs,
    Number(String),
    Nothing,
}

struct Giver<'r> {
    rules: &'r Rules,
    facts: &'r Facts,
    /// What was given in this plan.
    taken: BTreeSet<String>,
    done: Numbered,
}

impl Giver<'_> {
    /// Gives an object the numbers that it asks for.
    fn give(
        &mut self,
        object: &ObjectRef,
        name: &str,
        places: &[Place],
    ) -> Result<Vec<Given>, String> {
        let mut given = Vec::new();
        for place in places {
            let Some(alias) = self.rules.alias(&place.text).map(str::to_owned) else {
                if place.list == "dnis" && !is_e164(&place.text) {
                    return Err(format!(
                        "{} holds {:?}, which is neither an E.164 number such as +13175550100 nor an alias of the project file",
                        place.told(),
                        place.text
                    ));
                }
                given.push(Given::AsItIs);
                continue;
            };
            let Some(mapping) = self.rules.mappings.get(&alias).cloned() else {
                let message = format!(
                    "{} is {alias}, for which the target has no number in the project file; it goes without",
                    place.told()
                );
                self.warn("number-not-mapped", object, message);
                given.push(self.nothing(object, name, place));
                continue;
            };
            let (number, reason) = self.pick(object, name, &alias, &mapping)?;
            self.done.decisions.push(Decision {
                object: object.clone(),
                place: place.told(),
                alias: alias.clone(),
                number: number.clone(),
                reason: reason.clone(),
            });
            given.push(match number {
                Some(number) => {
                    self.taken.insert(number.clone());
                    Given::Number(number)
                }
                None => {
                    let message = format!("{} is {alias}: {reason}; it goes without", place.told());
                    self.warn("number-pool-exhausted", object, message);
                    self.nothing(object, name, place)
                }
            });
        }
        Ok(given)
    }

    fn warn(&mut self, rule: &str, object: &ObjectRef, message: String) {
        self.done.findings.push(Finding {
            severity: Severity::Warning,
            rule: rule.to_owned(),
            object: Some(object.clone()),
            message,
        });
    }

    /// Gives nothing; a call route keeps a number that it has in the target, whatever it is.
    fn nothing(&mut self, object: &ObjectRef, name: &str, place: &Place) -> Given {
        if place.list != "dnis" {
            return Given::Nothing;
        }
        let own = self.facts.dids.iter().find(|(number, holder)| {
            holder.as_ref().is_some_and(|h| is_own(object, name, h))
                && !self.taken.contains(&spell(**number))
        });
        let Some((number, _)) = own else {
            return Given::Nothing;
        };
        let number = spell(*number);
        self.taken.insert(number.clone());
        self.done.decisions.push(Decision {
            object: object.clone(),
            place: place.told(),
            alias: place.text.clone(),
            number: Some(number.clone()),
            reason: "it has the number, and there is no other for it".to_owned(),
        });
        Given::Number(number)
    }

    /// Picks a number, with the reason.
    fn pick(
        &self,
        object: &ObjectRef,
        name: &str,
        alias: &str,
        mapping: &Mapping,
    ) -> Result<(Option<String>, String), String> {
        let (range, holders) = match &mapping.supply {
            Supply::Dids(range) => (range, None),
            Supply::Extensions { range, .. } => (range, Some(&self.facts.extensions)),
        };
        let holder = |number: u64| match holders {
            Some(extensions) => extensions.get(&number),
            None => self.facts.dids.get(&number).and_then(Option::as_ref),
        };
        let spelled = |number: u64| match &mapping.supply {
            Supply::Dids(_) => spell(number),
            Supply::Extensions { width, .. } => format!("{number:0width$}"),
        };
        let exists = |number: &u64| holders.is_some() || self.facts.dids.contains_key(number);
        let open = |number: &u64| !self.taken.contains(&spelled(*number));
        let own = |number: &u64| holder(*number).is_some_and(|h| is_own(object, name, h));
        let mut all = range.clone().filter(exists);
        if let Some(number) = all.by_ref().filter(open).find(own) {
            return Ok((
                Some(spelled(number)),
                format!("it has this number of {alias} already"),
            ));
        }
        if range.start() == range.end() && mapping.fallback.is_none() {
            let number = *range.start();
            if !exists(&number) {
                return Err(format!(
                    "{alias} is {} in the target, which is in none of its DID pools",
                    spelled(number)
                ));
            }
            if let Some(holder) = holder(number) {
                return Err(format!(
                    "{alias} is {} in the target, which {} {:?} has",
                    spelled(number),
                    noun(&holder.sort),
                    holder.name
                ));
            }
            if !open(&number) {
                return Err(format!(
                    "{alias} is {} in the target, which another object of this plan gets",
                    spelled(number)
                ));
            }
            return Ok((Some(spelled(number)), format!("the number of {alias}")));
        }
        let free = |number: &u64| holder(*number).is_none() && open(number);
        let told = format!("{} to {}", spelled(*range.start()), spelled(*range.end()));
        if let Some(number) = range.clone().filter(exists).find(free) {
            return Ok((
                Some(spelled(number)),
                format!("the lowest that is free of {told}"),
            ));
        }
        let exhausted = match range.clone().any(|number| exists(&number)) {
            true => format!("no number of {told} is free"),
            false => format!("no DID pool of the target has a number of {told}"),
        };
        match &mapping.fallback {
            Some(fallback) if !self.taken.contains(fallback) => {
                let number = digits(fallback).unwrap_or_default();
                match holder(number).filter(|h| !is_own(object, name, h)) {
                    Some(holder) => Ok((
                        None,
                        format!(
                            "{exhausted}, and {} {:?} has the fallback {fallback}",
                            noun(&holder.sort),
                            holder.name
                        ),
                    )),
                    None => Ok((Some(fallback.clone()), format!("{exhausted}: the fallback"))),
                }
            }
            Some(fallback) => Ok((
                None,
                format!("{exhausted}, and the fallback {fallback} is given already"),
            )),
            None => Ok((None, exhausted)),
        }
    }
}

/// Tells whether who has a number is this object. Users are told by their names.
fn is_own(object: &ObjectRef, name: &str, holder: &Holder) -> bool {
    let sort = match object.kind.as_str() {
        "user" => "USER",
        _ => "IVR_CONFIG",
    };
    holder.sort == sort && holder.name == name
}

fn noun(sort: &str) -> &str {
    match sort {
        "USER" => "the user",
        "IVR_CONFIG" => "the call route",
        "PHONE" => "the phone",
        "GROUP" => "the group",
        _ => "something called",
    }
}

fn spell(number: u64) -> String {
    format!("+{number}")
}

/// Reads a number as a whole number.
pub fn digits(text: &str) -> Option<u64> {
    text.trim_start_matches('+').parse().ok()
}

/// Tells whether a text is a number with its country code, as E.164 has it.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Portable;

    fn rules(mappings: &[(&str, Mapping)]) -> Rules {
        let line = ["+13175550100", "+13175550101"].map(str::to_owned);
        Rules {
            aliases: BTreeMap::from([("support-line".to_owned(), BTreeSet::from(line))]),
            mappings: mappings
                .iter()
                .map(|(alias, mapping)| ((*alias).to_owned(), mapping.clone()))
                .collect(),
        }
    }

    fn dids(from: u64, to: u64, fallback: Option<&str>) -> Mapping {
        Mapping {
            supply: Supply::Dids(from..=to),
            fallback: fallback.map(str::to_owned),
        }
    }

    fn bundle(routes: &[(&str, &[&str])]) -> Bundle {
        let mut bundle = Bundle::default();
        for (name, dnis) in routes {
            let object: ObjectRef = format!("architect_ivr/{name}").parse().expect("kind/key");
            let Value::Object(body) = json!({"name": name, "dnis": dnis}) else {
                panic!("no object")
            };
            bundle.insert(Portable {
                object,
                body,
                files: BTreeMap::new(),
            });
        }
        bundle
    }

    fn dnis(bundle: &Bundle, name: &str) -> Value {
        let object: ObjectRef = format!("architect_ivr/{name}").parse().expect("kind/key");
        bundle.documents[&object].field("dnis").expect("numbers")
    }

    /// Free numbers 15550100 to 15550103, of which some are held by call routes.
    fn facts(held: &[(u64, &str)]) -> Facts {
        let mut facts = Facts::default();
        for number in 15_550_100..=15_550_103 {
            facts.dids.insert(number, None);
        }
        for (number, name) in held {
            let holder = Holder {
                sort: "IVR_CONFIG".to_owned(),
                name: (*name).to_owned(),
            };
            facts.dids.insert(*number, Some(holder));
        }
        facts
    }

    fn apply(rules: &Rules, bundle: &mut Bundle, facts: &Facts) -> Numbered {
        rules.apply(Catalogue::builtin(), bundle, facts)
    }

    #[test]
    fn each_gets_the_lowest_free_number_and_keeps_it() {
        let rules = rules(&[("support-line", dids(15_550_100, 15_550_199, None))]);
        let wanted = || {
            bundle(&[
                ("A", &["+13175550100"]),
                ("B", &["support-line", "+13175550101"]),
            ])
        };
        let mut first = wanted();
        let done = apply(&rules, &mut first, &facts(&[(15_550_100, "Other")]));
        assert_eq!(dnis(&first, "A"), json!(["+15550101"]));
        assert_eq!(dnis(&first, "B"), json!(["+15550102", "+15550103"]));
        assert_eq!(done.decisions.len(), 3);
        // B came first by hand: it keeps what it has.
        let mut again = wanted();
        let held = [(15_550_100, "B"), (15_550_101, "B"), (15_550_102, "A")];
        let done = apply(&rules, &mut again, &facts(&held));
        assert_eq!(dnis(&again, "A"), json!(["+15550102"]));
        assert_eq!(dnis(&again, "B"), json!(["+15550100", "+15550101"]));
        assert!(
            done.decisions.iter().all(|d| d.reason.contains("already")),
            "{done:?}"
        );
    }

    #[test]
    fn an_exhausted_range_takes_the_fallback_once_and_then_nothing() {
        let rules = rules(&[(
            "support-line",
            dids(15_550_100, 15_550_100 + 1, Some("+15550103")),
        )]);
        let mut wanted = bundle(&[
            ("A", &["support-line"]),
            ("B", &["support-line"]),
            ("C", &["support-line"]),
        ]);
        let done = apply(
            &rules,
            &mut wanted,
            &facts(&[(15_550_100, "X"), (15_550_101, "Y")]),
        );
        assert_eq!(dnis(&wanted, "A"), json!(["+15550103"]));
        assert_eq!(dnis(&wanted, "B"), json!([]));
        assert_eq!(done.conflicts, []);
        assert_eq!(done.findings.len(), 2);
        assert!(
            done.findings[0]
                .message
                .contains("the fallback +15550103 is given already"),
            "{done:?}"
        );
    }

    #[test]
    fn a_call_route_keeps_its_number_where_there_is_no_other() {
        let rules = rules(&[("support-line", dids(15_550_100, 15_550_101, None))]);
        let mut wanted = bundle(&[("A", &["support-line"])]);
        let held = [(15_550_100, "X"), (15_550_101, "Y"), (15_550_103, "A")];
        apply(&rules, &mut wanted, &facts(&held));
        assert_eq!(dnis(&wanted, "A"), json!(["+15550103"]));
    }

    #[test]
    fn a_number_in_use_a_wrong_number_and_one_of_no_pool_leave_the_object_alone() {
        let one = |number| dids(number, number, None);
        let rules = rules(&[
            ("+13175550109", one(15_550_100)),
            ("sales", one(19_990_000)),
        ]);
        let mut wanted = bundle(&[
            ("A", &["+13175550109"]),
            ("B", &["sales"]),
            ("C", &["+13175550109", "12 34"]),
        ]);
        let done = apply(&rules, &mut wanted, &facts(&[(15_550_100, "Other")]));
        let told: Vec<&str> = done.conflicts.iter().map(|c| c.reason.as_str()).collect();
        assert_eq!(wanted.documents.len(), 0);
        assert!(
            told[0].contains("which the call route \"Other\" has"),
            "{told:?}"
        );
        assert!(told[1].contains("in none of its DID pools"), "{told:?}");
        assert!(
            told[2].contains("+15550100") || told[2].contains("E.164"),
            "{told:?}"
        );
    }

    #[test]
    fn extensions_of_users_are_given_with_their_digits() {
        let supply = Supply::Extensions {
            range: 100..=102,
            width: 4,
        };
        let mapping = Mapping {
            supply,
            fallback: None,
        };
        let rules = rules(&[("agent-ext", mapping)]);
        let mut wanted = Bundle::default();
        for name in ["ana", "ben"] {
            let object: ObjectRef = format!("user/{name}@x.example").parse().expect("kind/key");
            let address = json!({"mediaType": "PHONE", "type": "WORK", "extension": "agent-ext"});
            let Value::Object(body) = json!({"name": name, "addresses": [address]}) else {
                panic!("no object")
            };
            wanted.insert(Portable {
                object,
                body,
                files: BTreeMap::new(),
            });
        }
        let holder = Holder {
            sort: "USER".to_owned(),
            name: "zoe".to_owned(),
        };
        let facts = Facts {
            extensions: BTreeMap::from([(100, holder)]),
            ..Facts::default()
        };
        apply(&rules, &mut wanted, &facts);
        let extensions = wanted
            .documents
            .values()
            .map(|d| d.open().body["addresses"][0]["extension"].clone());
        assert_eq!(
            extensions.collect::<Vec<_>>(),
            [json!("0101"), json!("0102")]
        );
    }

    #[test]
    fn e164_has_a_plus_a_country_and_up_to_fifteen_digits() {
        for good in ["+13175550100", "+4930901820"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in [
            "13175550100",
            "+0317",
            "+1 317 555 0100",
            "+1317555010012345",
            "+",
            "support",
        ] {
            assert!(!is_e164(bad), "{bad}");
        }
    }
}
