//! The rows: what a plan asks for, held against what the org says.

use std::collections::{BTreeMap, BTreeSet};

use super::demand::{Creates, Largest};
use super::limits::{self, Place};
use super::{Check, Demand, Facts, Manual, Row, Table, Told, Unread, Verdict, seats};
use crate::id::{Kind, ObjectRef};
use crate::permissions::Lacks;

/// Names in a sentence before it says how many more there are.
const NAMED: usize = 5;

impl Table {
    /// Holds what a plan asks for against what the org says.
    ///
    /// `manual` are free seats that a person names; they count more than what the org says.
    pub fn new(demand: &Demand, facts: &Facts, manual: &Manual) -> Self {
        let mut rows = seats::licences(demand, facts, manual);
        rows.extend(objects(demand, facts));
        rows.extend(facts.lacks.as_ref().map(permissions));
        rows.extend(facts.products.as_ref().map(products));
        rows.extend(
            facts
                .free_numbers
                .as_ref()
                .map(|free| numbers(demand, free)),
        );
        rows.extend(capacity(demand, facts));
        rows.push(conflicts(&demand.conflicts));
        Self {
            org: demand.org.clone(),
            source: demand.source.clone(),
            rows,
            calls: facts.calls,
        }
    }
}

pub(super) fn big(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Names the first few of several things.
pub(super) fn some<T: std::fmt::Display>(things: impl IntoIterator<Item = T>) -> String {
    let things: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    let named = things[..things.len().min(NAMED)].join(", ");
    match things.len().saturating_sub(NAMED) {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

pub(super) fn row(check: Check, verdict: Verdict, reason: impl Into<String>) -> Row {
    Row {
        check,
        required: None,
        available: None,
        verdict,
        reason: reason.into(),
        advice: String::new(),
    }
}

impl Row {
    pub(super) fn amounts(mut self, required: u64, available: Option<u64>) -> Self {
        self.required = Some(required);
        self.available = available;
        self
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Says what to do about a fact that was not told; `else_do` where no permission would help.
    pub(super) fn unread(self, unread: &Unread, else_do: &str) -> Self {
        match unread.permissions.as_slice() {
            [] => self.advice(else_do),
            names => {
                let also = if else_do.is_empty() { "" } else { "; or " };
                let names = names.join(" or ");
                self.advice(format!("give the OAuth client {names}{also}{else_do}"))
            }
        }
    }
}

pub(super) fn why(unread: &Unread) -> String {
    format!("{}: {}", unread.call, unread.reason)
}

pub(super) fn measured(required: u64, available: u64) -> Verdict {
    if required > available {
        Verdict::Short
    } else {
        Verdict::Ok
    }
}

// Limits

fn objects(demand: &Demand, facts: &Facts) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut unread: BTreeMap<&str, &Unread> = BTreeMap::new();
    let mut untold: Vec<String> = Vec::new();
    let mut judge =
        |place: Option<&'static Place>, name: String, found: &mut dyn FnMut(Limit<'_>)| match place
            .map(|place| look(place, facts))
        {
            Some(Looked::Found(limit)) => found(limit),
            Some(Looked::Unread(namespace, why)) => {
                unread.insert(namespace, why);
            }
            Some(Looked::Untold) | None => untold.push(name),
        };
    for (kind, creates) in &demand.creates {
        let place = limits::of_kind(kind.as_str());
        judge(place, kind.to_string(), &mut |limit| {
            rows.push(of_kind(&demand.org, kind, *creates, &limit));
        });
    }
    let sized = [
        (Check::QueueMembers, &limits::QUEUE_MEMBERS, &demand.members),
        (Check::UserSkills, &limits::USER_SKILLS, &demand.skills),
    ];
    for (check, place, largest) in sized {
        if let Some(largest) = largest {
            judge(Some(place), check.title(), &mut |limit| {
                rows.push(of_largest(check.clone(), largest, &limit));
            });
        }
    }
    // What a client may not see in one namespace it mostly may see in none.
    let mut alike: BTreeMap<String, (Vec<&str>, &Unread)> = BTreeMap::new();
    for (namespace, unread) in unread {
        let entry = alike.entry(why(unread));
        entry.or_insert((Vec::new(), unread)).0.push(namespace);
    }
    for (why, (namespaces, unread)) in alike {
        let reason = format!("limits of {}: {why}", some(namespaces));
        let found = row(Check::Limits, Verdict::Unknown, reason);
        rows.push(found.unread(unread, ""));
    }
    if !untold.is_empty() {
        let reason = format!("{} tells no limit for {}", demand.org, some(untold));
        rows.push(row(Check::Limits, Verdict::Unknown, reason));
    }
    rows
}

/// A limit as the org tells it.
struct Limit<'f> {
    namespace: &'f str,
    key: &'f str,
    value: u64,
}

enum Looked<'f> {
    Found(Limit<'f>),
    Unread(&'static str, &'f Unread),
    Untold,
}

/// Looks for a limit in the namespaces that it may be in.
fn look<'f>(place: &'static Place, facts: &'f Facts) -> Looked<'f> {
    let mut failed = None;
    for namespace in place.namespaces {
        match facts.limits.get(namespace) {
            Some(Ok(limits)) => {
                if let Some((key, value)) = place.find(limits) {
                    return Looked::Found(Limit {
                        namespace,
                        key,
                        value,
                    });
                }
            }
            Some(Err(unread)) => failed = failed.or(Some((*namespace, unread))),
            None => {}
        }
    }
    match failed {
        Some((namespace, unread)) => Looked::Unread(namespace, unread),
        None => Looked::Untold,
    }
}

fn of_kind(org: &str, kind: &Kind, creates: Creates, limit: &Limit<'_>) -> Row {
    let Limit {
        namespace,
        key,
        value,
    } = limit;
    let available = value.saturating_sub(big(creates.existing));
    let required = big(creates.new);
    let verdict = measured(required, available);
    let reason = format!(
        "{} to create, {} there; limit {value} ({namespace} {key})",
        creates.new, creates.existing
    );
    let found = row(Check::Objects(kind.clone()), verdict, reason);
    let found = found.amounts(required, Some(available));
    match verdict {
        Verdict::Short => found.advice(format!(
            "delete what {org} does not need, select less, or have Genesys raise {key} for {org}"
        )),
        Verdict::Ok | Verdict::Unknown => found,
    }
}

fn of_largest(check: Check, largest: &Largest, limit: &Limit<'_>) -> Row {
    let Limit {
        namespace,
        key,
        value,
    } = limit;
    let required = big(largest.count);
    let verdict = measured(required, *value);
    let reason = format!(
        "the most are of {}; limit ({namespace} {key})",
        largest.object
    );
    let found = row(check, verdict, reason).amounts(required, Some(*value));
    match verdict {
        Verdict::Short => found.advice(format!(
            "spread what {} has over several, or have Genesys raise {key}",
            largest.object
        )),
        Verdict::Ok | Verdict::Unknown => found,
    }
}

// The rest

fn permissions(told: &Told<Lacks>) -> Row {
    let lacks = match told {
        Ok(lacks) => lacks,
        Err(unread) => {
            let reason = format!("what the OAuth client may do is not told: {}", why(unread));
            return row(Check::Permissions, Verdict::Unknown, reason).unread(
                unread,
                "compare by hand with `orgsmith permissions --for apply`",
            );
        }
    };
    let Lacks {
        needed,
        missing,
        partial,
        doubtful,
        not_to_give,
    } = lacks;
    let held = needed.saturating_sub(missing.len());
    let judged = |verdict, reason: String| {
        row(Check::Permissions, verdict, reason).amounts(big(*needed), Some(big(held)))
    };
    let names = |of: &BTreeMap<String, BTreeSet<Kind>>| {
        some(
            of.iter()
                .map(|(name, kinds)| format!("{name} ({})", some(kinds))),
        )
    };
    if !missing.is_empty() {
        let advice = "give the role of the OAuth client what it lacks, in all divisions \
                      (`orgsmith org check` lists it)";
        return judged(Verdict::Short, format!("it lacks {}", names(missing))).advice(advice);
    }
    if !not_to_give.is_empty() {
        let told = not_to_give.iter();
        let told = told.map(|(name, roles)| format!("{name} (of {})", some(roles)));
        let reason = format!("it may not give what it does not hold: {}", some(told));
        let advice = "give the role of the OAuth client these as well, or leave the grants out";
        return judged(Verdict::Short, reason).advice(advice);
    }
    if !partial.is_empty() {
        let limits = partial.iter();
        let limits = limits.map(|(name, limits)| format!("{name} only in {}", some(limits)));
        let reason = format!("it holds {}", some(limits));
        return judged(Verdict::Unknown, reason)
            .advice("grant the role in all divisions, unless the plan stays within these");
    }
    if !doubtful.is_empty() {
        let reason = format!("calls may ask for {}, which it lacks", names(doubtful));
        return judged(Verdict::Unknown, reason).advice("give the role of the OAuth client these");
    }
    judged(Verdict::Ok, "what the calls of the plan ask for".to_owned())
}

fn products(told: &Told<[BTreeSet<String>; 2]>) -> Row {
    let [source, target] = match told {
        Ok(both) => both,
        Err(unread) => {
            let reason = format!("products are not told: {}", why(unread));
            return row(Check::Products, Verdict::Unknown, reason).unread(unread, "");
        }
    };
    let lacking: Vec<&String> = source.difference(target).collect();
    let (verdict, reason) = match lacking.len() {
        0 => (Verdict::Ok, "every product of the source".to_owned()),
        _ => (
            Verdict::Unknown,
            format!("the source also has {}", some(&lacking)),
        ),
    };
    let found = row(Check::Products, verdict, reason);
    let found = found.amounts(big(source.len()), Some(big(source.len() - lacking.len())));
    match lacking.len() {
        0 => found,
        _ => found.advice(
            "what needs them is refused, and roles lose their permissions without a word: \
             leave it out with --exclude, or have them enabled",
        ),
    }
}

fn numbers(demand: &Demand, told: &Told<u64>) -> Row {
    let required = big(demand.numbers.len());
    let found = |verdict, reason: String| row(Check::Numbers, verdict, reason);
    match told {
        Ok(free) if *free >= required => {
            found(Verdict::Ok, "free in DID pools of the org".to_owned())
                .amounts(required, Some(*free))
        }
        Ok(free) => found(
            Verdict::Unknown,
            "fewer are free in DID pools of the org; pools that the plan makes are not counted"
                .to_owned(),
        )
        .amounts(required, Some(*free))
        .advice(
            "add the numbers to a DID pool first; call routes go without those that are not there",
        ),
        Err(unread) => found(Verdict::Unknown, why(unread))
            .amounts(required, None)
            .unread(unread, ""),
    }
}

/// Holds what users are to have of each medium against what their org lets everybody have.
fn capacity(demand: &Demand, facts: &Facts) -> Option<Row> {
    if demand.capacity.is_empty() {
        return None;
    }
    let found = |verdict, reason: String| Some(row(Check::Capacity, verdict, reason));
    let mut of_org = match &facts.capacity {
        Some(Ok(told)) => told.clone(),
        Some(Err(unread)) => {
            let reason = format!("the utilization of {}: {}", demand.org, why(unread));
            return Some(row(Check::Capacity, Verdict::Unknown, reason).unread(unread, ""));
        }
        None => BTreeMap::new(),
    };
    of_org.extend(demand.of_org.clone());
    let lower = demand.capacity.iter().filter_map(|(medium, most)| {
        let own = of_org.get(medium)?;
        (big(most.count) > *own).then(|| {
            format!(
                "{} {medium} for {}, and {own} for the org",
                most.count, most.object
            )
        })
    });
    let lower: Vec<String> = lower.collect();
    if lower.is_empty() {
        return found(
            Verdict::Ok,
            "no more than the org lets everybody have".to_owned(),
        );
    }
    let reason = format!("more than the org lets everybody have: {}", some(&lower));
    let advice = "take routing_utilization along, or give the profile less: whether a person may have \
                  more than the org is not known";
    Some(found(Verdict::Unknown, reason)?.advice(advice))
}

fn conflicts(left: &[ObjectRef]) -> Row {
    match left.len() {
        0 => row(Check::Conflicts, Verdict::Ok, "no object is left alone"),
        count => {
            let reason = format!(
                "{} left alone, for names that clash or other reasons: {}",
                counted(count, "object"),
                some(left)
            );
            row(Check::Conflicts, Verdict::Unknown, reason).advice(
                "`orgsmith plan` says why; `orgsmith map pin` says which of several is meant",
            )
        }
    }
}
