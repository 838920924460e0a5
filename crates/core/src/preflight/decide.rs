//! The rows: what a plan asks for, held against what the org says.

use std::collections::{BTreeMap, BTreeSet};

use super::demand::{Creates, Largest};
use super::limits::{self, Place};
use super::{Charge, Check, Demand, Facts, Manual, Row, Table, Told, Unread, Verdict};
use crate::id::{Kind, ObjectRef};
use crate::permissions::Lacks;

/// Names in a sentence before it says how many more there are.
const NAMED: usize = 5;

impl Table {
    /// Holds what a plan asks for against what the org says.
    ///
    /// `manual` are free seats that a person names; they count more than what the org says.
    pub fn new(demand: &Demand, facts: &Facts, manual: &Manual) -> Self {
        let mut rows = licences(demand, facts, manual);
        rows.extend(objects(demand, facts));
        rows.extend(facts.lacks.as_ref().map(permissions));
        rows.extend(facts.products.as_ref().map(products));
        rows.extend(
            facts
                .free_numbers
                .as_ref()
                .map(|free| numbers(demand, free)),
        );
        rows.push(conflicts(&demand.conflicts));
        Self {
            org: demand.org.clone(),
            source: demand.source.clone(),
            rows,
            calls: facts.calls,
        }
    }
}

impl Table {
    /// Finds what is short for certain before either org is read, for a clone of a whole org: more
    /// users of the source hold a licence than the target pays for.
    ///
    /// `inactive` is how many users of the source are inactive, as those may be among the holders
    /// and take no seat. `calls` is what it took to know. Returns nothing where nothing is certain.
    pub fn at_a_glance(
        source: &str,
        org: &str,
        holders: &BTreeMap<String, BTreeSet<String>>,
        inactive: u64,
        charges: &[Charge],
        calls: u64,
    ) -> Option<Self> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for licence in holders.values().flatten() {
            *counts.entry(licence).or_default() += 1;
        }
        let short = counts.into_iter().filter_map(|(licence, count)| {
            let own = charges.iter().filter(|charge| charge.is_for(licence));
            let own: Vec<f64> = own.map(|charge| charge.prepaid).collect();
            let (least, paid) = (count.saturating_sub(inactive), whole(own.iter().sum()));
            if own.is_empty() || measured(least, paid) == Verdict::Ok {
                return None;
            }
            let reason = format!(
                "at least {least} active users of {source} hold it, {paid} paid for in {org}; \
                 nothing else was looked at"
            );
            let found = row(Check::Licence(licence.to_owned()), Verdict::Short, reason);
            let found = found.amounts(least, Some(paid));
            Some(found.advice(more_seats(licence, org)))
        });
        let rows: Vec<Row> = short.collect();
        (!rows.is_empty()).then(|| Self {
            org: org.to_owned(),
            source: source.to_owned(),
            rows,
            calls,
        })
    }
}

fn more_seats(licence: &str, org: &str) -> String {
    format!(
        "order more seats of {licence} for {org}, select fewer users, or go on with --ignore-shortfall: \
         the org then bills or refuses what is over"
    )
}

fn big(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Names the first few of several things.
fn some<T: std::fmt::Display>(things: impl IntoIterator<Item = T>) -> String {
    let things: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    let named = things[..things.len().min(NAMED)].join(", ");
    match things.len().saturating_sub(NAMED) {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}

fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

fn row(check: Check, verdict: Verdict, reason: impl Into<String>) -> Row {
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
    fn amounts(mut self, required: u64, available: Option<u64>) -> Self {
        self.required = Some(required);
        self.available = available;
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Says what to do about a fact that was not told; `else_do` where no permission would help.
    fn unread(self, unread: &Unread, else_do: &str) -> Self {
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

fn why(unread: &Unread) -> String {
    format!("{}: {}", unread.call, unread.reason)
}

fn measured(required: u64, available: u64) -> Verdict {
    if required > available {
        Verdict::Short
    } else {
        Verdict::Ok
    }
}

// Licences

/// Who takes a seat of each licence, and of whom that could not be told.
#[derive(Default)]
struct Seats<'d> {
    by_licence: BTreeMap<&'d str, BTreeSet<&'d ObjectRef>>,
    /// Licences that only the source named.
    by_source: BTreeSet<&'d str>,
    untold: BTreeSet<&'d ObjectRef>,
    unread: Option<&'d Unread>,
    unknown: BTreeSet<&'d ObjectRef>,
}

fn licences(demand: &Demand, facts: &Facts, manual: &Manual) -> Vec<Row> {
    let seats = Seats::count(demand, facts);
    let mut rows = Vec::new();
    if !seats.untold.is_empty() {
        rows.push(untold(&seats));
    }
    for (licence, users) in &seats.by_licence {
        let by_source = seats.by_source.contains(licence);
        rows.push(seats_of(demand, facts, manual, (licence, by_source), users));
    }
    rows
}

impl<'d> Seats<'d> {
    fn count(demand: &'d Demand, facts: &'d Facts) -> Self {
        let mut seats = Self::default();
        for holders in &demand.holders {
            for question in &holders.questions {
                match facts.inferred.get(question) {
                    Some(Ok(licences)) => {
                        for licence in licences {
                            if facts.by_source.contains(question) {
                                seats.by_source.insert(licence);
                            }
                            let of = seats.by_licence.entry(licence).or_default();
                            of.extend(&holders.users);
                        }
                    }
                    Some(Err(unread)) => {
                        seats.unread = Some(unread);
                        seats.untold.extend(&holders.users);
                    }
                    None => seats.untold.extend(&holders.users),
                }
            }
            if !holders.unknown.is_empty() {
                seats.unknown.extend(&holders.unknown);
                seats.untold.extend(&holders.users);
            }
        }
        // Who holds it already takes no seat.
        if let Some(Ok(held)) = &facts.holders {
            for (licence, users) in &mut seats.by_licence {
                users.retain(|user| {
                    let id = demand.known_users.get(*user);
                    let own = id.and_then(|id| held.get(id.as_str()));
                    !own.is_some_and(|own| own.contains(*licence))
                });
            }
        }
        seats.by_licence.retain(|_, users| !users.is_empty());
        seats
    }
}

fn untold(seats: &Seats<'_>) -> Row {
    let users = counted(seats.untold.len(), "user");
    let mut reasons = Vec::new();
    if let Some(unread) = seats.unread {
        reasons.push(why(unread));
    }
    if !seats.unknown.is_empty() {
        let roles = some(&seats.unknown);
        reasons.push(format!("what {roles} may do is not known"));
    }
    let reason = format!(
        "which licences the roles of {users} need is not told: {}",
        reasons.join("; ")
    );
    let found = row(Check::Licences, Verdict::Unknown, reason);
    let found = found.amounts(big(seats.untold.len()), None);
    match seats.unread {
        Some(unread) => found.unread(unread, "look in the contract whether it has the seats"),
        None => found.advice("select the roles too, so that they are known"),
    }
}

fn seats_of(
    demand: &Demand,
    facts: &Facts,
    manual: &Manual,
    (licence, by_source): (&str, bool),
    users: &BTreeSet<&ObjectRef>,
) -> Row {
    let org = &demand.org;
    let required = big(users.len());
    let mut who = format!("{} would hold it anew", counted(users.len(), "user"));
    if demand.role_by_role {
        who.push_str(", counted role by role");
    }
    if by_source {
        who.push_str(", as the source says of its roles");
    }
    if let Some(Err(unread)) = &facts.holders {
        who.push_str(&format!(
            ", those who hold it already among them ({})",
            why(unread)
        ));
    }
    if let Some(Err(unread)) = &facts.licences {
        who.push_str(&format!(
            ", and whether {org} has the licence is not told ({})",
            why(unread)
        ));
    }
    let check = || Check::Licence(licence.to_owned());
    let more = more_seats(licence, org);
    let judged = |available: u64, from: &str| {
        let verdict = measured(required, available);
        let reason = format!("{who}; {from}");
        let found = row(check(), verdict, reason).amounts(required, Some(available));
        match verdict {
            Verdict::Short => found.advice(more.as_str()),
            Verdict::Ok | Verdict::Unknown => found,
        }
    };
    if let Some(free) = manual.get(licence) {
        return judged(*free, "free seats as given by --seats");
    }
    let state = format!("say how many seats are free: --seats {licence}=N");
    let unknown = |reason: String| {
        row(check(), Verdict::Unknown, format!("{who}; {reason}")).amounts(required, None)
    };
    match &facts.licences {
        // What an org has of its own decides what it needs for its roles.
        Some(Ok(known)) if !known.contains(licence) && by_source => {
            return unknown(format!("{org} does not have this licence"))
                .advice("look whether another licence of the org gives these permissions");
        }
        Some(Ok(known)) if !known.contains(licence) => {
            let reason = format!("{who}; {org} does not have this licence");
            return row(check(), Verdict::Short, reason)
                .amounts(required, Some(0))
                .advice(format!(
                    "have {licence} added to {org}, or take the permissions that need it out of the roles"
                ));
        }
        Some(Ok(_) | Err(_)) | None => {}
    }
    match &facts.charges {
        Some(Ok(charges)) => {
            let own: Vec<_> = charges
                .iter()
                .filter(|charge| charge.is_for(licence))
                .collect();
            if own.is_empty() {
                return unknown(format!(
                    "no charge in the open billing periods of {org} is for it"
                ))
                .advice(state);
            }
            let paid: f64 = own.iter().map(|charge| charge.prepaid).sum();
            let used: f64 = own.iter().map(|charge| charge.used).sum();
            judged(
                whole(paid - used),
                &format!("{paid} paid for, {used} in use"),
            )
        }
        Some(Err(unread)) => {
            let mut unread = unread.clone();
            let reason = format!("the org hides its contracts ({})", why(&unread));
            if let Some(Err(also)) = &facts.licences {
                unread.permissions.extend(also.permissions.iter().cloned());
            }
            unknown(reason).unread(&unread, &state)
        }
        None => unknown("contracts were not asked for".to_owned()).advice(state),
    }
}

/// Turns a quantity into whole seats: none where it is below.
fn whole(quantity: f64) -> u64 {
    // A cast from a float to an integer saturates.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and what is below is no seat"
    )]
    let seats = quantity.floor().max(0.0) as u64;
    seats
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
