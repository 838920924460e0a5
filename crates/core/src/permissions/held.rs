//! What a token may do, against what it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Role, known, policy};

/// One policy of a role that a token has.
#[derive(Clone, Debug)]
pub struct Policy {
    domain: String,
    entity: String,
    actions: Vec<String>,
    /// The division it holds in, by name; nothing for all.
    division: Option<String>,
    /// It holds only under a condition.
    conditional: bool,
}

/// The rights of a token, as `GET /api/v2/authorization/subjects/me` answers.
#[derive(Clone, Debug, Default)]
pub struct Held {
    policies: Vec<Policy>,
}

/// What a token lacks and has too much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Needed, and nowhere given.
    pub missing: BTreeSet<String>,
    /// Needed, and given in these divisions only, or under a condition (`under a condition`).
    pub partial: BTreeMap<String, BTreeSet<String>>,
    /// Given, and not needed.
    pub excess: BTreeSet<String>,
}

impl Policy {
    fn allows(&self, permission: &str) -> bool {
        let fits = |own: &str, wanted: &str| own == "*" || own.eq_ignore_ascii_case(wanted);
        match policy(permission) {
            Some((domain, entity, action)) => {
                fits(&self.domain, domain)
                    && fits(&self.entity, entity)
                    && self.actions.iter().any(|own| fits(own, action))
            }
            // A name of another form is given by everything alone.
            None => self.domain == "*",
        }
    }
}

impl Held {
    /// Reads the grants of a subject.
    pub fn read(subject: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut policies = Vec::new();
        for grant in subject["grants"].as_array().into_iter().flatten() {
            let division = &grant["division"];
            let division = match (&division["id"], &division["name"]) {
                (Value::String(id), _) if id == "*" => None,
                (_, Value::String(name)) if !name.is_empty() => Some(name.clone()),
                (id, _) => Some(text(id)),
            };
            let of_role = grant["role"]["policies"].as_array();
            for policy in of_role.into_iter().flatten() {
                let entity = policy.get("entityName").or_else(|| policy.get("entity"));
                let actions = policy["actions"].as_array().into_iter().flatten();
                policies.push(Policy {
                    domain: text(&policy["domain"]),
                    entity: entity.map(text).unwrap_or_default(),
                    actions: actions.map(text).collect(),
                    division: division.clone(),
                    conditional: !policy["condition"].is_null(),
                });
            }
        }
        Self { policies }
    }

    /// Returns where a permission is held: nothing where nowhere, no limit where in all divisions.
    pub(super) fn extent(&self, permission: &str) -> Option<BTreeSet<String>> {
        let giving = self.policies.iter();
        let giving: Vec<&Policy> = giving.filter(|policy| policy.allows(permission)).collect();
        let whole = |policy: &&Policy| policy.division.is_none() && !policy.conditional;
        if giving.is_empty() {
            return None;
        }
        if giving.iter().any(whole) {
            return Some(BTreeSet::new());
        }
        let limits = giving.iter().map(|policy| match &policy.division {
            Some(division) => division.clone(),
            None => "under a condition".to_owned(),
        });
        Some(limits.collect())
    }

    /// Compares with what a role gives.
    pub fn compare(&self, role: &Role) -> Comparison {
        let mut comparison = Comparison::default();
        for name in role.needs.keys() {
            match self.extent(name) {
                None => {
                    comparison.missing.insert(name.clone());
                }
                Some(limits) if !limits.is_empty() => {
                    comparison.partial.insert(name.clone(), limits);
                }
                Some(_) => {}
            }
        }
        let mut given: BTreeSet<String> = known()
            .filter(|name| self.policies.iter().any(|policy| policy.allows(name)))
            .map(str::to_owned)
            .collect();
        // Permissions that no call of the contract asks for are more than needed as well.
        for policy in &self.policies {
            let plain = policy.domain != "*" && policy.entity != "*";
            for action in policy
                .actions
                .iter()
                .filter(|action| plain && *action != "*")
            {
                let name = format!("{}:{}:{action}", policy.domain, policy.entity);
                if !given.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                    given.insert(name);
                }
            }
        }
        given.retain(|name| {
            !role
                .needs
                .keys()
                .any(|need| need.eq_ignore_ascii_case(name))
        });
        comparison.excess = given;
        comparison
    }
}
