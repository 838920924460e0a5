//! What there is to check in an org.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::Owner;
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::Stored;
use crate::examples::ACTION;
use crate::id::{Kind, ObjectRef};
use crate::numbers::digits;
use crate::snapshot::{Names, Snapshot};

const FLOW: &str = "flow";
const ROUTE: &str = "architect_ivr";

/// The kinds of which an org is asked.
pub const KINDS: [&str; 3] = [FLOW, ROUTE, ACTION];

/// The flows that a call route names, by when they are used.
const HOURS: [(&str, &str); 3] = [
    ("openHoursFlow", "open hours"),
    ("closedHoursFlow", "closed hours"),
    ("holidayHoursFlow", "holidays"),
];

/// How a flow stands in an org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowAt {
    /// It has a published version.
    Published {
        /// Its id.
        id: String,
    },
    /// Nobody has published it.
    Unpublished,
    /// The org does not have it.
    Missing,
    /// That could not be read.
    Unread,
}

/// A call route as an org has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAt {
    /// Its id.
    pub id: String,
    /// Its numbers.
    pub numbers: Vec<String>,
    /// The flows that it leads to, each with its name, by when it does.
    pub flows: BTreeMap<&'static str, (String, FlowAt)>,
}

impl RouteAt {
    /// Tells whether telephony has given it all of its numbers.
    pub fn has_its_numbers(&self, owners: &BTreeMap<u64, Owner>) -> bool {
        let is_its = |number: &String| {
            let owner = digits(number).and_then(|number| owners.get(&number));
            owner.is_some_and(|owner| owner.id == self.id)
        };
        self.numbers.iter().all(is_its)
    }
}

/// What there is to check in an org.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Its flows.
    pub flows: BTreeMap<ObjectRef, FlowAt>,
    /// Its call routes.
    pub routes: BTreeMap<ObjectRef, RouteAt>,
    /// The ids of its data actions.
    pub actions: BTreeMap<ObjectRef, String>,
}

impl Subjects {
    /// Finds in what was read of an org the objects that a bundle speaks of.
    pub fn read(
        catalogue: &Catalogue,
        bundle: &Bundle,
        snapshot: &Snapshot,
        pins: &BTreeMap<ObjectRef, String>,
    ) -> Self {
        let of_kind = |kind: &'static str| {
            let objects = bundle.documents.keys();
            objects.filter(move |object| object.kind.as_str() == kind)
        };
        if KINDS.iter().all(|kind| of_kind(kind).next().is_none()) {
            return Self::default();
        }
        let part = snapshot.part(catalogue, &KINDS);
        let names = Names::new(catalogue, &part, pins);
        let live: HashMap<&ObjectRef, &Stored> = part
            .objects
            .iter()
            .flat_map(|(kind, objects)| objects.iter().map(move |object| (kind, object)))
            .filter_map(|(kind, stored)| Some((names.object(kind, stored.id.as_str())?, stored)))
            .collect();
        let flows = Flows::new(catalogue, &part);
        let mut subjects = Self::default();
        for object in of_kind(FLOW) {
            let at = match live.get(object) {
                Some(stored) => flows.at(stored.id.as_str()),
                None if flows.whole => FlowAt::Missing,
                None => FlowAt::Unread,
            };
            subjects.flows.insert(object.clone(), at);
        }
        for object in of_kind(ROUTE) {
            if let Some(stored) = live.get(object) {
                let route = route(stored, &flows, &names);
                subjects.routes.insert(object.clone(), route);
            }
        }
        for object in of_kind(ACTION) {
            if let Some(stored) = live.get(object) {
                let id = stored.id.as_str().to_owned();
                subjects.actions.insert(object.clone(), id);
            }
        }
        subjects
    }
}

/// Which flows an org has, by id, and whether each was published.
struct Flows<'s> {
    published: HashMap<&'s str, bool>,
    /// No other flow is there.
    whole: bool,
}

impl<'s> Flows<'s> {
    fn new(catalogue: &Catalogue, snapshot: &'s Snapshot) -> Self {
        let descriptor = catalogue.get(FLOW).ok();
        let stamp = descriptor.and_then(|descriptor| descriptor.stamp.as_ref());
        let is_published = |stored: &Stored| {
            stamp.is_some_and(|path| {
                let body = stored.fields(&|field| field == path.root());
                path.get(&body).is_some_and(|value| !value.is_null())
            })
        };
        let kind = descriptor.map(|descriptor| &descriptor.kind);
        let rows = kind
            .and_then(|kind| snapshot.objects.get(kind))
            .into_iter()
            .flatten();
        Self {
            published: rows
                .map(|stored| (stored.id.as_str(), is_published(stored)))
                .collect(),
            whole: kind.is_some_and(|kind| !snapshot.may_lack(kind)),
        }
    }

    fn at(&self, id: &str) -> FlowAt {
        match self.published.get(id) {
            Some(true) => FlowAt::Published { id: id.to_owned() },
            Some(false) => FlowAt::Unpublished,
            None if self.whole => FlowAt::Missing,
            None => FlowAt::Unread,
        }
    }
}

fn route(stored: &Stored, flows: &Flows<'_>, names: &Names) -> RouteAt {
    let body = stored.body();
    let numbers = body["dnis"].as_array().into_iter().flatten();
    let named = HOURS.iter().filter_map(|(field, hours)| {
        let flow = body.get(field).filter(|flow| flow.is_object())?;
        let id = flow["id"].as_str().unwrap_or_default();
        let object = names.object(&Kind::new(FLOW), id);
        let name = object.map_or_else(|| id.to_owned(), ToString::to_string);
        Some((*hours, (name, flows.at(id))))
    });
    RouteAt {
        id: stored.id.as_str().to_owned(),
        numbers: numbers
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        flows: named.collect(),
    }
}
