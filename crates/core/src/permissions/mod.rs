//! The least role that a client needs: which permissions, for which kinds, and what for.
//!
//! A kind file says which permissions its calls ask for; what the API contract says of each call
//! (`facts`) decides which of several alternatives is enough, and what else a permission opens.

mod facts;
mod held;
mod plan;
mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

pub use held::{Comparison, Held, Policy};
pub use plan::{Lacks, asked};
pub use role::markdown;

use crate::catalogue::{Catalogue, ClonePhase, Descriptor, ListSpec, Part};
use crate::id::Kind;
use crate::select::Read;
use facts::{Asks, Facts};

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Reading an org.
    Export,
    /// Reading an org, and creating and updating objects in it.
    Apply,
    /// The same, and deleting what is not wanted.
    Sync,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Export => "export",
            Self::Apply => "apply",
            Self::Sync => "sync",
        })
    }
}

/// What a permission is needed for, of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Reading the rows of its lists, because others refer to its objects by name.
    Names,
    /// Reading its objects whole.
    Read,
    /// Creating and updating.
    Write,
    /// Deleting.
    Delete,
}

impl Use {
    fn reads(self) -> bool {
        matches!(self, Self::Names | Self::Read)
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Names => "names",
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        })
    }
}

/// The least role for a purpose.
#[derive(Clone, Debug, Serialize)]
pub struct Role {
    /// What it is for.
    pub purpose: Purpose,
    /// Each permission, and of which kinds it is needed for what.
    pub needs: BTreeMap<String, BTreeMap<Kind, BTreeSet<Use>>>,
    /// Permissions that are needed for reading alone and open these writes too, as
    /// the API has it.
    pub wider: BTreeMap<String, BTreeSet<String>>,
    /// Names that are no `domain:entity:action`: no policy can give them.
    pub not_policies: BTreeSet<String>,
    /// Calls of these kinds for which the contract documents no permission; the org may ask for one.
    pub undocumented: BTreeSet<String>,
}

/// The call that moves an object to another division.
const MOVE: (&str, &str) = (
    "POST",
    "/api/v2/authorization/divisions/{divisionId}/objects/{objectType}",
);

impl Role {
    /// Returns the least role for some kinds.
    ///
    /// Whom a token speaks for, what it may do and where an org is are read without any permission.
    pub fn new(catalogue: &Catalogue, purpose: Purpose, kinds: &BTreeMap<Kind, Read>) -> Self {
        let mut building = Building::default();
        for (kind, read) in kinds {
            if let Ok(descriptor) = catalogue.get(kind.as_str()) {
                // Where something is pruned, the target is read as a whole.
                let own = *read >= Read::Whole;
                let read = match purpose {
                    Purpose::Sync => (*read).max(Read::Whole),
                    Purpose::Export | Purpose::Apply => *read,
                };
                building.add(descriptor, purpose, read, own);
            }
        }
        building.finish(purpose)
    }

    /// Returns the role as the body of `POST /api/v2/authorization/roles`.
    pub fn body(&self) -> serde_json::Value {
        role::body(self)
    }

    /// Says what no role can grant more narrowly, one fact a line.
    pub fn remarks(&self) -> Vec<String> {
        role::remarks(self)
    }
}

#[derive(Default)]
struct Building {
    needs: BTreeMap<String, BTreeMap<Kind, BTreeSet<Use>>>,
    /// The calls that are made, and by which kinds and for what.
    calls: BTreeSet<(String, String)>,
}

impl Building {
    fn add(&mut self, kind: &Descriptor, purpose: Purpose, read: Read, own: bool) {
        let lists = kind.list.iter();
        let lists: Vec<&ListSpec> = lists
            .filter(|list| purpose != Purpose::Export || !list.deleted)
            .collect();
        for list in &lists {
            self.call(list.method(), &list.path);
        }
        if let Some(single) = kind.read.as_ref().filter(|_| kind.singleton) {
            self.call("GET", &single.path);
        }
        if read == Read::Names {
            let single = kind.read.iter().filter(|_| kind.singleton);
            let calls = lists.iter().map(|list| (list.method(), &list.path));
            for (method, path) in calls.chain(single.map(|read| ("GET", &read.path))) {
                self.names(kind, method, path);
            }
            return;
        }
        self.all(kind, Use::Read, &kind.read_permissions);
        let is_read = |part: &&Part| part.asked.is_none() || read == Read::Asked;
        let parts: Vec<&Part> = kind.parts.iter().filter(is_read).collect();
        let asked = || parts.iter().filter_map(|part| part.asked.as_ref());
        for asked in asked() {
            self.all(kind, Use::Read, &asked.read_permissions);
        }
        if let Some(one) = &kind.read {
            self.call("GET", &one.path);
        }
        for list in parts.iter().filter_map(|part| part.list.as_ref()) {
            self.call(list.method(), &list.path);
        }
        for gathered in parts.iter().filter_map(|part| part.gathered.as_ref()) {
            self.call("GET", &gathered.path);
        }
        if purpose == Purpose::Export || kind.clone == ClonePhase::Mapped || !own {
            return;
        }
        self.all(kind, Use::Write, &kind.write_permissions);
        for asked in asked() {
            self.all(kind, Use::Write, &asked.write_permissions);
        }
        let writes = [&kind.create, &kind.update, &kind.restore];
        for write in writes.into_iter().flatten() {
            self.call(&write.method, &write.path);
        }
        if let Some(publish) = &kind.publish {
            self.call(&publish.method, &publish.path);
            if let Some(reopen) = &publish.reopen {
                self.call(&reopen.method, &reopen.path);
            }
            if let Some(job) = &publish.job {
                self.call("GET", &job.path);
            }
        }
        if let Some(draft) = &kind.draft {
            self.call("GET", &draft.versions);
            self.call("POST", &draft.path);
        }
        if let Some(path) = &kind.go_live {
            self.call("POST", path);
        }
        for part in &parts {
            let writes = [&part.replace, &part.add, &part.change, &part.remove];
            for write in writes.into_iter().flatten() {
                self.call(&write.method, &write.path);
            }
        }
        if kind.move_as.is_some() {
            self.call(MOVE.0, MOVE.1);
            if let Some(Asks::All(names)) = Facts::get().asks(MOVE.0, MOVE.1) {
                self.all(kind, Use::Write, names);
            }
        }
        if purpose == Purpose::Sync {
            self.all(kind, Use::Delete, &kind.delete_permissions);
            if let Some(delete) = &kind.delete {
                self.call("DELETE", &delete.path);
            }
        }
    }

    fn call(&mut self, method: &str, path: &str) {
        self.calls.insert((method.to_owned(), path.to_owned()));
    }

    fn all<S: AsRef<str>>(&mut self, kind: &Descriptor, what: Use, permissions: &[S]) {
        for permission in permissions {
            let kinds = self
                .needs
                .entry(permission.as_ref().to_owned())
                .or_default();
            kinds.entry(kind.kind.clone()).or_default().insert(what);
        }
    }

    /// Adds what one list asks for: of alternatives those that the kind file chose.
    fn names(&mut self, kind: &Descriptor, method: &str, path: &str) {
        let names = match Facts::get().asks(method, path) {
            Some(Asks::All(names) | Asks::Any(names)) => names.as_slice(),
            Some(Asks::Unknown) | None => &[],
        };
        let chosen = names
            .iter()
            .copied()
            .filter(|name| kind.read_permissions.iter().any(|own| own == name));
        let chosen: Vec<&str> = chosen.collect();
        self.all(kind, Use::Names, &chosen);
    }

    fn finish(mut self, purpose: Purpose) -> Role {
        for name in self.spare() {
            self.hand_over(&name);
        }
        let facts = Facts::get();
        let mut wider = BTreeMap::new();
        for (name, kinds) in &self.needs {
            if !kinds.values().flatten().all(|what| what.reads()) {
                continue;
            }
            let opened: BTreeSet<String> = facts
                .calls_of(name)
                .filter(|((method, path), asks)| writes(method, path) && self.opens(name, asks))
                .filter(|((method, path), _)| !self.makes(method, path))
                .map(|((method, path), _)| format!("{method} {path}"))
                .collect();
            if !opened.is_empty() {
                wider.insert(name.clone(), opened);
            }
        }
        let not_policies = self.needs.keys().filter(|name| policy(name).is_none());
        let undocumented = self.calls.iter();
        let undocumented = undocumented
            .filter(|(method, path)| {
                facts.asks(method, path) == Some(&Asks::Unknown)
                    || (facts.asks(method, path).is_none() && writes(method, path))
            })
            .map(|(method, path)| format!("{method} {path}"));
        Role {
            purpose,
            wider,
            not_policies: not_policies.cloned().collect(),
            undocumented: undocumented.collect(),
            needs: self.needs,
        }
    }

    fn makes(&self, method: &str, path: &str) -> bool {
        self.calls.contains(&(method.to_owned(), path.to_owned()))
    }

    /// Tells whether the role may make a call, and could not without the permission.
    fn opens(&self, permission: &str, asks: &Asks) -> bool {
        let has = |name: &&str| self.needs.contains_key(*name);
        match asks {
            Asks::All(names) => names.contains(&permission) && names.iter().all(has),
            Asks::Any(names) => {
                names.contains(&permission)
                    && !names.iter().any(|name| *name != permission && has(name))
            }
            Asks::Unknown => false,
        }
    }

    /// Takes a spare permission out; what it was needed for is for the alternatives now.
    fn hand_over(&mut self, spare: &str) {
        let Some(kinds) = self.needs.remove(spare) else {
            return;
        };
        let mut instead: BTreeSet<&str> = BTreeSet::new();
        for ((method, path), asks) in Facts::get().calls_of(spare) {
            if let (true, Asks::Any(names)) = (self.makes(method, path), asks) {
                instead.extend(names.iter().filter(|name| self.needs.contains_key(**name)));
            }
        }
        for name in instead {
            for (kind, uses) in &kinds {
                let needed = self.needs.entry(name.to_owned()).or_default();
                needed.entry(kind.clone()).or_default().extend(uses);
            }
        }
    }

    /// Finds permissions that one kind chose of alternatives, of which another kind needs one anyway;
    /// those that open most go first.
    fn spare(&self) -> BTreeSet<String> {
        let facts = Facts::get();
        let mut candidates: Vec<(usize, &String)> = self
            .needs
            .keys()
            .map(|name| {
                let opened = facts.calls_of(name);
                let opened = opened.filter(|((method, path), _)| writes(method, path));
                (opened.count(), name)
            })
            .collect();
        candidates.sort_by(|a, b| b.cmp(a));
        let mut spare = BTreeSet::new();
        for (_, name) in candidates {
            let mut used = facts
                .calls_of(name)
                .filter(|((method, path), _)| self.makes(method, path))
                .peekable();
            // What no call of a kind file asks for is for the calls of a driver.
            let spared = used.peek().is_some()
                && used.all(|(_, asks)| match asks {
                    Asks::Any(names) => names.iter().any(|other| {
                        other != name && self.needs.contains_key(*other) && !spare.contains(*other)
                    }),
                    Asks::All(_) | Asks::Unknown => false,
                });
            if spared {
                spare.insert(name.clone());
            }
        }
        spare
    }
}

/// Tells whether a call changes something: searches and queries are sent by `POST` and read.
fn writes(method: &str, path: &str) -> bool {
    method != "GET"
        && !(method == "POST" && ["/query", "/search"].iter().any(|end| path.ends_with(end)))
}

/// Takes a permission apart: domain, entity and action.
fn policy(permission: &str) -> Option<(&str, &str, &str)> {
    let (domain, rest) = permission.split_once(':')?;
    let (entity, action) = rest.split_once(':')?;
    (!action.contains(':')).then_some((domain, entity, action))
}

/// Returns every permission that the API contract names.
pub fn known() -> impl Iterator<Item = &'static str> {
    Facts::get().permissions()
}

#[cfg(test)]
mod tests;
