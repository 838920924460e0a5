//! Seats: who would hold which licence anew, against what an org pays for.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{big, counted, measured, row, some, why};
use super::{Charge, Check, Demand, Facts, Manual, Row, Table, Unread, Verdict};
use crate::catalogue::nearest;
use crate::id::ObjectRef;

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

pub(super) fn licences(demand: &Demand, facts: &Facts, manual: &Manual) -> Vec<Row> {
    let seats = Seats::count(demand, facts);
    let mut rows = Vec::new();
    if !seats.untold.is_empty() {
        rows.push(untold(&seats));
    }
    for (licence, users) in &seats.by_licence {
        let by_source = seats.by_source.contains(licence);
        rows.push(seats_of(demand, facts, manual, (licence, by_source), users));
    }
    rows.extend(left_out(demand, facts, &seats));
    rows.extend(misnamed(demand, facts, manual, &seats));
    rows
}

/// Who would need a licence that an org does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlicensed {
    /// Why each of them cannot be had.
    pub reasons: BTreeMap<ObjectRef, String>,
    /// The same people, by licence.
    pub by_licence: BTreeMap<String, BTreeSet<ObjectRef>>,
}

impl Demand {
    /// Finds who would need a licence that the org does not have.
    ///
    /// Only what the org says of its own roles counts, and no licence of which a person names free seats.
    pub fn unlicensed(&self, facts: &Facts, manual: &Manual) -> Unlicensed {
        let mut found = Unlicensed::default();
        let Some(Ok(known)) = &facts.licences else {
            return found;
        };
        for holders in &self.holders {
            let questions = holders.questions.difference(&facts.by_source);
            let told = questions.filter_map(|question| facts.inferred.get(question)?.as_ref().ok());
            let has = |id: &String| known.contains(id) || manual.contains_key(id);
            let lacking: BTreeSet<&String> = told.flatten().filter(|id| !has(id)).collect();
            if lacking.is_empty() {
                continue;
            }
            let (org, licences) = (&self.org, some(&lacking));
            let reason = match holders.roles.is_empty() {
                true => {
                    format!("every user needs the licence {licences}, which {org} does not have")
                }
                false => format!(
                    "what {} may do needs the licence {licences}, which {org} does not have; have it added, \
                     or take the permissions that need it out of the roles",
                    some(&holders.roles)
                ),
            };
            let users = || holders.users.iter().cloned();
            found
                .reasons
                .extend(users().map(|user| (user, reason.clone())));
            for licence in lacking {
                let of = found.by_licence.entry(licence.clone()).or_default();
                of.extend(users());
            }
        }
        found
    }
}

/// Tells of licences that the org does not have, for want of which people are left out of the plan.
fn left_out(demand: &Demand, facts: &Facts, seats: &Seats<'_>) -> Vec<Row> {
    let left = facts.left_out.iter();
    let left = left.filter(|(licence, _)| !seats.by_licence.contains_key(licence.as_str()));
    let rows = left.map(|(licence, users)| {
        let org = &demand.org;
        let reason = format!(
            "{} would hold it, and {org} does not have this licence: left out of the plan are {}",
            counted(users.len(), "user"),
            some(users)
        );
        row(Check::Licence(licence.clone()), Verdict::Unknown, reason)
            .amounts(big(users.len()), Some(0))
            .advice(add_licence(licence, org))
    });
    rows.collect()
}

fn add_licence(licence: &str, org: &str) -> String {
    format!("have {licence} added to {org}, or take the permissions that need it out of the roles")
}

/// Tells of figures by hand for licences that nobody needs and the org does not have.
fn misnamed(demand: &Demand, facts: &Facts, manual: &Manual, seats: &Seats<'_>) -> Vec<Row> {
    let Some(Ok(known)) = &facts.licences else {
        return Vec::new();
    };
    let unknown = manual.iter().filter(|(name, _)| {
        !known.contains(*name) && !seats.by_licence.contains_key(name.as_str())
    });
    let rows = unknown.map(|(name, free)| {
        let meant = nearest(name, known.iter().map(String::as_str));
        let meant = meant.map(|meant| format!(" (did you mean {meant:?}?)"));
        let reason = format!(
            "--seats names it, and {} has no licence of that name{}",
            demand.org,
            meant.unwrap_or_default()
        );
        row(Check::Licence(name.clone()), Verdict::Unknown, reason)
            .amounts(0, Some(*free))
            .advice(format!("name one of {}", some(known)))
    });
    rows.collect()
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
                .advice(add_licence(licence, org));
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
