//! What the writes of one plan ask for, against what a token may do.
//!
//! Closer than the least role: only the calls that the plan has.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Asks, Facts};
use super::held::Held;
use super::policy;
use crate::catalogue::Catalogue;
use crate::id::{Kind, ObjectRef};
use crate::plan::{Plan, Write};

/// What a token lacks for a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// How many permissions the plan asks for; alternatives count as one.
    pub needed: usize,
    /// Needed, and nowhere held: by the kinds that need it. Alternatives are joined by ` or `.
    pub missing: BTreeMap<String, BTreeSet<Kind>>,
    /// Needed, and held in these divisions only, or under a condition.
    pub partial: BTreeMap<String, BTreeSet<String>>,
    /// Not held, and needed by jobs of which the contract does not say what they need, or of a form
    /// that no role has.
    pub doubtful: BTreeMap<String, BTreeSet<Kind>>,
    /// Not held, and in roles that are to be granted: nobody may give what they do not have.
    pub not_to_give: BTreeMap<String, BTreeSet<ObjectRef>>,
}

/// Returns the permissions that a call asks for, or of which it asks for one.
pub fn asked(method: &str, path: &str) -> Vec<&'static str> {
    match Facts::get().asks(method, path) {
        Some(Asks::All(names) | Asks::Any(names)) => names.clone(),
        Some(Asks::Unknown) | None => Vec::new(),
    }
}

impl Held {
    /// Returns the permissions of roles that the token may not give, as it lacks them itself.
    pub fn not_to_give(
        &self,
        given: &BTreeMap<String, BTreeSet<ObjectRef>>,
    ) -> BTreeMap<String, BTreeSet<ObjectRef>> {
        let lacking = given.iter().filter(|(name, _)| self.extent(name).is_none());
        lacking
            .map(|(name, roles)| (name.clone(), roles.clone()))
            .collect()
    }

    /// Compares with what the writes of a plan ask for.
    pub fn lacks(&self, catalogue: &Catalogue, plan: &Plan) -> Lacks {
        let mut needed: BTreeMap<Vec<&str>, BTreeSet<Kind>> = BTreeMap::new();
        let mut perhaps: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
        for step in &plan.steps {
            let kind = &step.object.kind;
            if let Write::Request(request) = &step.write {
                let groups = match Facts::get().asks(&request.method, &request.path) {
                    Some(Asks::All(names)) => names.iter().map(|name| vec![*name]).collect(),
                    Some(Asks::Any(names)) => vec![names.clone()],
                    Some(Asks::Unknown) | None => Vec::new(),
                };
                for group in groups {
                    needed.entry(group).or_default().insert(kind.clone());
                }
            } else if let Ok(descriptor) = catalogue.get(kind.as_str()) {
                for name in &descriptor.write_permissions {
                    let kinds = perhaps.entry(name.clone()).or_default();
                    kinds.insert(kind.clone());
                }
            }
        }
        let mut lacks = Lacks {
            needed: needed.len(),
            ..Lacks::default()
        };
        for (names, kinds) in needed {
            let held: Vec<_> = names.iter().map(|name| self.extent(name)).collect();
            if held
                .iter()
                .any(|extent| matches!(extent, Some(limits) if limits.is_empty()))
            {
                continue;
            }
            let limits: BTreeSet<String> = held.into_iter().flatten().flatten().collect();
            // A name of another form is in no role; whoever may do it is not told.
            let is_told = names.iter().any(|name| policy(name).is_some());
            let names = names.join(" or ");
            if limits.is_empty() && !is_told {
                lacks.doubtful.insert(names, kinds);
            } else if limits.is_empty() {
                lacks.missing.insert(names, kinds);
            } else {
                lacks.partial.insert(names, limits);
            }
        }
        for (name, kinds) in perhaps {
            if self.extent(&name).is_none() && !lacks.missing.contains_key(&name) {
                lacks.doubtful.insert(name, kinds);
            }
        }
        lacks
    }
}
