//! Licences: which permission belongs to which, who holds one, and how many an org pays for.
//!
//! An org of the simulator has the licences of a small table. A user who is active holds the
//! least of them, and those that the permissions of their roles belong to, of their own roles and
//! of those of their groups. Of the licences of one family only the highest is held.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::member_ids;
use crate::config::Beyond;
use crate::cx::Caller;
use crate::error::Refusal;
use crate::store::Fields;
use crate::world::Org;

/// A licence that users can hold.
#[derive(Debug)]
pub(crate) struct License {
    pub(crate) id: &'static str,
    /// What the contract calls it.
    pub(crate) product: &'static str,
    pub(crate) sku: &'static str,
    /// The permission domains that belong to it.
    pub(crate) domains: &'static [&'static str],
    pub(crate) needs: &'static [&'static str],
    /// Where it stands among those of which one is held.
    rank: Option<u8>,
}

/// What every active user holds.
const LEAST: &str = "collaborate";

/// Seats of a licence of which the world does not say how many are paid for.
const PLENTY: u64 = 1_000_000;

pub(crate) const LICENSES: &[License] = &[
    License {
        id: LEAST,
        product: "Genesys Cloud Collaborate",
        sku: "GC-0001",
        domains: &["directory", "presence", "chat", "groups"],
        needs: &[],
        rank: None,
    },
    License {
        id: "communicate",
        product: "Genesys Cloud Communicate",
        sku: "GC-0002",
        domains: &["telephony", "voicemail", "fax"],
        needs: &[LEAST],
        rank: None,
    },
    License {
        id: "cloudCX1",
        product: "Genesys Cloud CX 1",
        sku: "GC-0101",
        domains: &[
            "routing",
            "architect",
            "outbound",
            "conversation",
            "analytics",
            "recording",
            "scripter",
        ],
        needs: &[LEAST],
        rank: Some(1),
    },
    License {
        id: "cloudCX2",
        product: "Genesys Cloud CX 2",
        sku: "GC-0102",
        domains: &["messaging", "responses", "responseAssets", "webDeployments"],
        needs: &[LEAST],
        rank: Some(2),
    },
    License {
        id: "cloudCX3",
        product: "Genesys Cloud CX 3",
        sku: "GC-0103",
        domains: &[
            "quality",
            "wfm",
            "speechAndTextAnalytics",
            "learning",
            "coaching",
            "gamification",
        ],
        needs: &[LEAST],
        rank: Some(3),
    },
    License {
        id: "workitems",
        product: "Genesys Cloud Workitems",
        sku: "GC-0201",
        domains: &["workitems"],
        needs: &["cloudCX1"],
        rank: None,
    },
];

/// Lists the licences that an org has.
pub(crate) fn of_org(org: &Org) -> impl Iterator<Item = &'static License> {
    let missing = org.spec.seats.missing.clone();
    LICENSES
        .iter()
        .filter(move |license| !missing.iter().any(|id| id == license.id))
}

/// Gives the seats of a licence that an org pays for.
pub(crate) fn paid(org: &Org, license: &str) -> u64 {
    let paid = org.spec.seats.paid.get(license).copied();
    paid.unwrap_or(PLENTY)
}

/// Gives the licences that somebody with permissions of these domains needs.
pub(crate) fn inferred(domains: &BTreeSet<&str>) -> BTreeSet<&'static str> {
    let needed = || {
        LICENSES.iter().filter(|license| {
            license
                .domains
                .iter()
                .any(|domain| domains.contains(domain))
        })
    };
    let highest = needed().filter_map(|license| license.rank).max();
    let held = needed().filter(|license| license.rank.is_none() || license.rank == highest);
    held.map(|license| license.id).chain([LEAST]).collect()
}

/// Lists the permission domains of a role.
pub(crate) fn domains_of(role: &Fields) -> impl Iterator<Item = &str> {
    let policies = role.get("permissionPolicies").and_then(Value::as_array);
    let policies = policies.into_iter().flatten();
    policies.filter_map(|policy| policy["domain"].as_str())
}

/// The domains that every subject has by its roles, in whatever division.
fn domains_of_subjects(org: &Org) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for grant in org.grants.keys() {
        if let Some(role) = org.store.get("role", &grant.role) {
            let of_subject = found.entry(&grant.subject).or_default();
            of_subject.extend(domains_of(&role.fields));
        }
    }
    found
}

/// Gives the licences of every active user.
pub(crate) fn held(org: &Org) -> BTreeMap<&str, BTreeSet<&'static str>> {
    let of_subjects = domains_of_subjects(org);
    let mut of_users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for user in org.store.all("user") {
        if user.text("state") == "active" {
            let own = of_subjects.get(user.id.as_str());
            of_users.insert(&user.id, own.cloned().unwrap_or_default());
        }
    }
    for group in org.store.all("group") {
        let gives_roles = group.fields.get("rolesEnabled") != Some(&Value::Bool(false));
        let Some(domains) = of_subjects.get(group.id.as_str()).filter(|_| gives_roles) else {
            continue;
        };
        for member in member_ids(group) {
            if let Some(of_user) = of_users.get_mut(member) {
                of_user.extend(domains);
            }
        }
    }
    let of_users = of_users.into_iter();
    of_users
        .map(|(user, domains)| (user, inferred(&domains)))
        .collect()
}

/// Counts who holds each licence.
pub(crate) fn used(org: &Org) -> BTreeMap<&'static str, u64> {
    let mut used = BTreeMap::new();
    for license in held(org).into_values().flatten() {
        *used.entry(license).or_insert(0) += 1;
    }
    used
}

/// Refuses one more active user where seats block and the least licence has none left.
pub(crate) fn check_one_more(org: &Org, caller: &Caller) -> Result<(), Refusal> {
    if !blocks(org, caller) {
        return Ok(());
    }
    let count = used(org).get(LEAST).copied().unwrap_or(0) + 1;
    match count > paid(org, LEAST) {
        true => Err(no_seat(org, LEAST, count)),
        false => Ok(()),
    }
}

fn blocks(org: &Org, caller: &Caller) -> bool {
    org.spec.seats.beyond == Beyond::Block && !matches!(caller, Caller::Seed)
}

fn no_seat(org: &Org, license: &str, count: u64) -> Refusal {
    let message = format!(
        "There is no seat of license {license} left: {count} would be in use, {} are paid for.",
        paid(org, license)
    );
    Refusal::new(400, "max.entity.count.reached", message)
}

/// Does something that may take seats; where seats block and one would be missing, it is taken
/// back and refused.
///
/// `undo` puts everything back to how it was.
pub(crate) fn taking<T>(
    org: &mut Org,
    caller: &Caller,
    act: impl FnOnce(&mut Org) -> T,
    undo: impl FnOnce(&mut Org),
) -> Result<T, Refusal> {
    let blocks = blocks(org, caller);
    let before = if blocks { used(org) } else { BTreeMap::new() };
    let done = act(org);
    if !blocks {
        return Ok(done);
    }
    let after = used(org);
    let over = after.iter().find(|(license, count)| {
        let old = before.get(*license).copied().unwrap_or(0);
        **count > old && **count > paid(org, license)
    });
    let Some((license, count)) = over else {
        return Ok(done);
    };
    let refusal = no_seat(org, license, *count);
    undo(org);
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_family_only_the_highest_is_needed() {
        let of = |domains: &[&'static str]| inferred(&domains.iter().copied().collect());
        assert_eq!(of(&[]), BTreeSet::from(["collaborate"]));
        assert_eq!(of(&["authorization"]), BTreeSet::from(["collaborate"]));
        assert_eq!(
            of(&["routing", "quality", "telephony"]),
            BTreeSet::from(["cloudCX3", "collaborate", "communicate"])
        );
    }
}
