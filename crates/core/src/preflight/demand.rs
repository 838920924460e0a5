//! What a plan asks of an org, and what the org has to be asked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::limits;
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::diff::items_of;
use crate::document::{Packed, Slot};
use crate::id::{Kind, ObjectRef, TargetId};
use crate::path::FieldPath;
use crate::plan::{Action, Plan, Step};

/// More distinct sets of roles than this are not asked about one by one.
const SETS: usize = 50;

/// What the org is asked about licences.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// What these roles of the target need; by their ids.
    Roles(BTreeSet<String>),
    /// What these permissions need, of roles that are not there yet or change.
    Permissions(BTreeSet<String>),
}

/// Users whose licences follow from the same answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holders {
    pub(super) users: Vec<ObjectRef>,
    /// The roles that they all have, by themselves or by a group.
    pub(super) roles: BTreeSet<ObjectRef>,
    /// What to ask; the licences are those of all answers.
    pub(super) questions: BTreeSet<Question>,
    /// The roles behind those questions that are about permissions.
    of_permissions: BTreeMap<Question, BTreeSet<ObjectRef>>,
    /// Roles of which neither an id nor the permissions are known.
    pub(super) unknown: BTreeSet<ObjectRef>,
}

/// The most of something that one object has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Largest {
    pub(super) object: ObjectRef,
    pub(super) count: usize,
}

/// Objects of a kind that come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Creates {
    pub(super) existing: usize,
    pub(super) new: usize,
}

/// What a plan asks of an org.
#[derive(Clone, Debug)]
pub struct Demand {
    pub(super) org: String,
    pub(super) source: String,
    /// Who takes seats.
    pub(super) holders: Vec<Holders>,
    /// The roles that a question about permissions is of.
    roles: BTreeMap<Question, BTreeSet<ObjectRef>>,
    /// Whether roles were taken one by one.
    pub(super) role_by_role: bool,
    /// The ids of those users that are in the target already.
    pub(super) known_users: BTreeMap<ObjectRef, TargetId>,
    pub(super) creates: BTreeMap<Kind, Creates>,
    pub(super) members: Option<Largest>,
    pub(super) skills: Option<Largest>,
    /// Numbers that are to be assigned.
    pub(super) numbers: BTreeSet<String>,
    /// The most that a user is to have of a medium at once, by medium.
    pub(super) capacity: BTreeMap<String, Largest>,
    /// The same of the org, where the plan is about that.
    pub(super) of_org: BTreeMap<String, u64>,
    /// Objects that are left alone: the first few, and how many there are.
    pub(super) conflicts: Vec<ObjectRef>,
    /// Permissions that are given away with roles, by the roles.
    given: BTreeMap<String, BTreeSet<ObjectRef>>,
}

/// The steps of each object.
type Steps<'p> = BTreeMap<&'p ObjectRef, Vec<&'p Step>>;

impl Demand {
    /// Finds what a plan asks for; the bundle is the state that it was made for.
    pub fn new(catalogue: &Catalogue, bundle: &Bundle, plan: &Plan) -> Self {
        let mut steps: Steps<'_> = BTreeMap::new();
        for step in &plan.steps {
            steps.entry(&step.object).or_default().push(step);
        }
        let reader = Reader {
            bundle,
            plan,
            steps,
        };
        let (holders, role_by_role) = reader.holders();
        let asked = holders.iter().flat_map(|holders| &holders.of_permissions);
        let roles = asked.map(|(question, roles)| (question.clone(), roles.clone()));
        let roles = roles.collect();
        let users = holders.iter().flat_map(|holders| &holders.users);
        let known_users = users
            .filter_map(|user| Some((user.clone(), plan.bindings.get(user)?.clone())))
            .collect();
        let creates = plan.counts.iter().filter_map(|(kind, counts)| {
            let (existing, new) = (counts.existing, counts.create + counts.adopt);
            (new > 0).then(|| (kind.clone(), Creates { existing, new }))
        });
        Self {
            org: plan.target.org.org_name.clone(),
            source: plan.source.org.org_name.clone(),
            roles,
            role_by_role,
            known_users,
            creates: creates.collect(),
            members: reader.largest("routing_queue", "members"),
            skills: reader.largest("user", "skills"),
            numbers: reader.numbers(catalogue),
            capacity: reader.capacity(),
            of_org: reader.capacity_of_org(),
            conflicts: plan
                .conflicts
                .iter()
                .map(|conflict| conflict.object.clone())
                .collect(),
            given: reader.given(),
            holders,
        }
    }

    /// Returns the permissions that are given away with roles, by the roles.
    pub fn given(&self) -> &BTreeMap<String, BTreeSet<ObjectRef>> {
        &self.given
    }

    /// Returns what has to be asked about licences, each once.
    pub fn questions(&self) -> BTreeSet<Question> {
        let of_holders = self.holders.iter().map(|holders| &holders.questions);
        of_holders.flatten().cloned().collect()
    }

    /// Returns the roles that a question about permissions is of: another org may have them.
    pub fn roles_of(&self, question: &Question) -> impl Iterator<Item = &ObjectRef> {
        self.roles.get(question).into_iter().flatten()
    }

    /// Returns the namespaces of limits that are of interest.
    pub fn namespaces(&self) -> BTreeSet<&'static str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        for kind in self.creates.keys() {
            found.extend(limits::namespaces(kind.as_str()));
        }
        if self.members.is_some() {
            found.extend(limits::QUEUE_MEMBERS.namespaces);
        }
        if self.skills.is_some() {
            found.extend(limits::USER_SKILLS.namespaces);
        }
        found
    }

    /// Tells whether it matters who holds a licence already.
    pub fn has_known_users(&self) -> bool {
        !self.known_users.is_empty()
    }

    /// Tells whether it matters how much of a medium the org lets anybody have.
    pub fn has_capacity(&self) -> bool {
        self.capacity
            .keys()
            .any(|medium| !self.of_org.contains_key(medium))
    }

    /// Tells whether numbers are needed.
    pub fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }
}

/// Reads the demand off a bundle and a plan.
struct Reader<'p> {
    bundle: &'p Bundle,
    plan: &'p Plan,
    steps: Steps<'p>,
}

/// Returns the objects that items refer to, in a field of theirs or as themselves.
fn referred(items: Option<&Value>, field: Option<&str>) -> BTreeSet<ObjectRef> {
    let items = items_of(items).iter();
    let refs = items.filter_map(|item| match field {
        Some(field) => item.get(field),
        None => Some(item),
    });
    refs.filter_map(|value| match Slot::of(value) {
        Some(Slot::Ref(object)) => Some(object),
        _ => None,
    })
    .collect()
}

impl<'p> Reader<'p> {
    fn documents(&self, kind: &str) -> impl Iterator<Item = (&'p ObjectRef, &'p Packed)> {
        let kind = Kind::new(kind);
        let documents = self.bundle.documents.iter();
        documents.filter(move |(object, _)| object.kind == kind)
    }

    /// Tells whether an object comes into being, or changes in one of these fields.
    fn touched(&self, object: &ObjectRef, fields: &[&str]) -> bool {
        let steps = self.steps.get(object).into_iter().flatten();
        let mut steps = steps.filter(|step| step.action != Action::Delete);
        steps.any(|step| {
            matches!(step.action, Action::Create | Action::Adopt)
                || step.changes.iter().any(|change| {
                    let root = change.path.split(['.', '[']).next().unwrap_or_default();
                    fields.contains(&root)
                })
        })
    }

    /// Finds the permissions of the roles that the plan grants, as far as the bundle has the roles.
    fn given(&self) -> BTreeMap<String, BTreeSet<ObjectRef>> {
        let mut roles: BTreeSet<ObjectRef> = BTreeSet::new();
        for (subject, document) in self.documents("user").chain(self.documents("group")) {
            if self.touched(subject, &["grants"]) {
                roles.extend(referred(document.field("grants").as_ref(), Some("role")));
            }
        }
        let mut given: BTreeMap<String, BTreeSet<ObjectRef>> = BTreeMap::new();
        for (role, document) in self
            .documents("auth_role")
            .filter(|(role, _)| roles.contains(*role))
        {
            let policies = document.field("permissionPolicies");
            for policy in items_of(policies.as_ref()) {
                let text = |name: &str| policy.get(name).and_then(Value::as_str).unwrap_or("*");
                for action in items_of(policy.get("actionSet"))
                    .iter()
                    .filter_map(Value::as_str)
                {
                    let parts = [text("domain"), text("entityName"), action];
                    // What a wildcard stands for the org knows.
                    if !parts.contains(&"*") {
                        given
                            .entry(parts.join(":"))
                            .or_default()
                            .insert(role.clone());
                    }
                }
            }
        }
        given
    }

    /// Finds the users that may take seats, by what their licences follow from.
    fn holders(&self) -> (Vec<Holders>, bool) {
        // What members of a group get by it, and whether that is new.
        let mut by_group: BTreeMap<ObjectRef, BTreeSet<ObjectRef>> = BTreeMap::new();
        let mut newly: BTreeSet<ObjectRef> = BTreeSet::new();
        for (group, document) in self.documents("group") {
            let roles = referred(document.field("grants").as_ref(), Some("role"));
            if roles.is_empty() || document.field("rolesEnabled") == Some(Value::Bool(false)) {
                continue;
            }
            let is_new = self.touched(group, &["grants", "members"]);
            for member in referred(document.field("members").as_ref(), None) {
                let held = by_group.entry(member.clone()).or_default();
                held.extend(roles.iter().cloned());
                if is_new {
                    newly.insert(member);
                }
            }
        }
        let mut sets: BTreeMap<BTreeSet<ObjectRef>, Vec<ObjectRef>> = BTreeMap::new();
        for (user, document) in self.documents("user") {
            if !(self.touched(user, &["grants", "state"]) || newly.contains(user)) {
                continue;
            }
            if document.text("state").as_deref() == Some("inactive") {
                continue;
            }
            let mut roles = referred(document.field("grants").as_ref(), Some("role"));
            roles.extend(by_group.remove(user).unwrap_or_default());
            sets.entry(roles).or_default().push(user.clone());
        }
        let roles: BTreeSet<&ObjectRef> = sets.keys().flatten().collect();
        let role_by_role = sets.len() > SETS && roles.len() < sets.len();
        let holders = sets.into_iter().map(|(roles, users)| {
            let mut holders = Holders {
                users,
                roles: roles.clone(),
                questions: BTreeSet::new(),
                of_permissions: BTreeMap::new(),
                unknown: BTreeSet::new(),
            };
            if role_by_role && !roles.is_empty() {
                for role in roles {
                    self.ask(&BTreeSet::from([role]), &mut holders);
                }
            } else {
                self.ask(&roles, &mut holders);
            }
            holders
        });
        (holders.collect(), role_by_role)
    }

    /// Adds what has to be asked about roles that are held together.
    fn ask(&self, roles: &BTreeSet<ObjectRef>, holders: &mut Holders) {
        let standing = |role: &ObjectRef| {
            let bound = self.plan.bindings.get(role);
            bound.filter(|_| !self.steps.contains_key(role))
        };
        if roles.iter().all(|role| standing(role).is_some()) {
            let ids = roles.iter().filter_map(standing);
            let ids = ids.map(|id| id.as_str().to_owned()).collect();
            holders.questions.insert(Question::Roles(ids));
            return;
        }
        let mut ids = BTreeSet::new();
        let mut permissions = BTreeSet::new();
        let mut described = BTreeSet::new();
        for role in roles {
            match (self.bundle.documents.get(role), standing(role)) {
                (Some(document), _) => {
                    permissions.extend(permissions_of(document));
                    described.insert(role.clone());
                }
                (None, Some(id)) => {
                    ids.insert(id.as_str().to_owned());
                }
                (None, None) => {
                    holders.unknown.insert(role.clone());
                }
            }
        }
        if !ids.is_empty() {
            holders.questions.insert(Question::Roles(ids));
        }
        if !permissions.is_empty() {
            let asked = Question::Permissions(permissions);
            holders.of_permissions.insert(asked.clone(), described);
            holders.questions.insert(asked);
        }
    }

    /// Finds the object with the most items, of those whose items change.
    fn largest(&self, kind: &str, part: &str) -> Option<Largest> {
        let touched = self.documents(kind);
        let touched = touched.filter(|(object, _)| self.touched(object, &[part]));
        let sized = touched.filter_map(|(object, document)| {
            let count = items_of(document.field(part).as_ref()).len();
            (count > 0).then_some((count, object))
        });
        let (count, object) = sized.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1)))?;
        let object = object.clone();
        Some(Largest { object, count })
    }

    /// Finds how much users are to have of each medium, of those for whom that changes.
    fn capacity(&self) -> BTreeMap<String, Largest> {
        let mut found: BTreeMap<String, Largest> = BTreeMap::new();
        let users = self.documents("user");
        for (object, document) in users.filter(|(object, _)| self.touched(object, &[UTILIZATION])) {
            let own = document.field(UTILIZATION).unwrap_or_default();
            for (medium, count) in capacities(&own) {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let most = found.get(&medium).map_or(0, |largest| largest.count);
                if count > most {
                    let object = object.clone();
                    found.insert(medium, Largest { object, count });
                }
            }
        }
        found
    }

    /// Finds how much the org will let people have, where the plan says so.
    fn capacity_of_org(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        for (_, document) in self.documents("routing_utilization") {
            let own = document.field(UTILIZATION).unwrap_or_default();
            found.extend(capacities(&Value::from_iter([(UTILIZATION, own)])));
        }
        found
    }

    /// Finds the phone numbers that are written.
    fn numbers(&self, catalogue: &Catalogue) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for object in self.steps.keys() {
            let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
                continue;
            };
            let paths: &[FieldPath] = &descriptor.numbers;
            let Some(document) = self.bundle.documents.get(*object) else {
                continue;
            };
            for path in paths {
                let root = path.root();
                if !self.touched(object, &[root]) {
                    continue;
                }
                let value = document.field(root).unwrap_or_default();
                let whole = Value::Object([(root.to_owned(), value)].into_iter().collect());
                path.for_each(&whole, &mut |number| {
                    found.extend(number.as_str().map(str::to_owned));
                });
            }
        }
        found
    }
}

/// The field of a utilization, and of the part of a user that is one.
const UTILIZATION: &str = "utilization";

/// Reads how much of each medium a utilization lets somebody have at once.
pub fn capacities(body: &Value) -> BTreeMap<String, u64> {
    let media = body.get(UTILIZATION).and_then(Value::as_object);
    let media = media.into_iter().flatten();
    media
        .filter_map(|(medium, says)| Some((medium.clone(), says["maximumCapacity"].as_u64()?)))
        .collect()
}

/// Lists the permissions that a role gives, as its document says.
fn permissions_of(role: &Packed) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or("*").to_owned();
    let mut found = BTreeSet::new();
    for policy in items_of(role.field("permissionPolicies").as_ref()) {
        let (domain, entity) = (text(&policy["domain"]), text(&policy["entityName"]));
        for action in items_of(policy.get("actionSet")) {
            found.insert(format!("{domain}:{entity}:{}", text(action)));
        }
    }
    let plain = role.field("permissions");
    let plain = items_of(plain.as_ref()).iter();
    found.extend(plain.filter_map(|name| name.as_str().map(str::to_owned)));
    found
}
