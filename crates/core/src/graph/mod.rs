//! Which objects refer to which, and where they do so in circles.
//!
//! [`crate::plan`] has a graph of its own, of what must be created before what; this one is for
//! people and knows every reference. Drawing it is in [`crate::render`].

mod layout;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Map, Value};

pub use layout::{Layout, Place, layout};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Portable, Slot};
use crate::flow_names::{self, FlowNames};
use crate::id::{ObjectRef, StepId};
use crate::path::Items;
use crate::plan::Plan;
use crate::select::{member_of_item, member_parts, readable, references};

/// Objects and their references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The objects, sorted.
    pub nodes: Vec<Node>,
    /// The references, sorted; between two objects there is at most one in each direction.
    pub edges: Vec<Edge>,
    /// Objects that refer to each other in circles, as places in `nodes`; sorted.
    pub cycles: Vec<Vec<usize>>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The object.
    pub object: ObjectRef,
    /// Genesys' noun for its kind.
    pub kind_title: String,
    /// The family of its kind.
    pub family: String,
    /// What people call it.
    pub title: String,
    /// Whether its document was read; others are known from references only.
    pub read: bool,
}

/// The references from one object to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The object that refers, as its place in the nodes.
    pub from: usize,
    /// The object that it refers to.
    pub to: usize,
    /// Where: `members[].user`, or `flow.yaml:12` for a line of a flow's source.
    pub paths: Vec<String>,
    /// What is said of an object that belongs to the other one, where it does: `ringNumber: 2`. It goes
    /// without saying that an agent takes part in a queue, at its first ring.
    pub member: Option<Map<String, Value>>,
    /// Whether it is part of a circle.
    pub in_cycle: bool,
}

/// Which way from an object is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what it refers to.
    Needs,
    /// To what refers to it.
    NeededBy,
}

/// Where one object refers to another.
type Places = BTreeMap<(ObjectRef, ObjectRef), BTreeSet<String>>;

impl Graph {
    /// Builds the graph of a bundle's documents and of everything that they refer to.
    pub fn new(catalogue: &Catalogue, bundle: &Bundle) -> Self {
        Self::with(catalogue, bundle, &|_| true)
    }

    /// Builds the graph of a bundle as who looks at some objects sees it: who belongs to an object is left
    /// out, unless it is about one of the two. So a user is seen with queues and these without all the others.
    pub fn around(catalogue: &Catalogue, bundle: &Bundle, about: &BTreeSet<ObjectRef>) -> Self {
        Self::with(catalogue, bundle, &|object| about.contains(object))
    }

    fn with(catalogue: &Catalogue, bundle: &Bundle, about: &dyn Fn(&ObjectRef) -> bool) -> Self {
        let names = FlowNames::new(catalogue, flow_names::of_bundle(bundle));
        let mut objects: BTreeSet<ObjectRef> = bundle.documents.keys().cloned().collect();
        let (mut found, mut by_way) = (Places::new(), Places::new());
        let mut belongs: BTreeMap<(ObjectRef, ObjectRef), Map<String, Value>> = BTreeMap::new();
        for (from, document) in &bundle.documents {
            let mut document = document.open();
            let is_about = about(from);
            for Member { object, path, said } in take_members(catalogue, &mut document) {
                if is_about || about(&object) {
                    let ends = (from.clone(), object.clone());
                    objects.insert(object);
                    found.entry(ends.clone()).or_default().insert(path);
                    belongs.insert(ends, said);
                }
            }
            references(&document, &names, &mut |to, path| {
                // A station is seen as the phone that it comes with.
                let bringer = catalogue.bringer(&to);
                let seen = if bringer.is_some() {
                    &mut by_way
                } else {
                    &mut found
                };
                let paths = seen.entry((from.clone(), bringer.unwrap_or(to)));
                paths.or_default().insert(path.to_owned());
            });
        }
        // Of a phone that is somebody's own it says nothing more.
        by_way.retain(|(from, to), _| !found.contains_key(&(to.clone(), from.clone())));
        for (ends, paths) in by_way {
            found.entry(ends).or_default().extend(paths);
        }
        objects.extend(found.keys().map(|(_, to)| to.clone()));
        let place: BTreeMap<&ObjectRef, usize> = objects.iter().zip(0..).collect();
        let edges = found.into_iter().filter_map(|(ends, paths)| {
            let member = belongs.remove(&ends);
            let (from, to) = ends;
            let (from, to) = (*place.get(&from)?, *place.get(&to)?);
            let mut paths: Vec<String> = paths.into_iter().collect();
            paths.sort_by_key(|path| in_reading_order(path));
            Some(Edge {
                from,
                to,
                paths,
                member,
                in_cycle: false,
            })
        });
        let edges = edges.collect();
        let nodes = objects.iter().map(|object| node(catalogue, bundle, object));
        let nodes = nodes.collect();
        with_cycles(nodes, edges)
    }

    /// Builds the graph of what a plan writes: which object has to be there before which.
    pub fn of_plan(catalogue: &Catalogue, plan: &Plan) -> Self {
        let of: BTreeMap<&StepId, &ObjectRef> = plan
            .steps
            .iter()
            .map(|step| (&step.id, &step.object))
            .collect();
        let objects: BTreeSet<&ObjectRef> = of.values().copied().collect();
        let place: BTreeMap<&ObjectRef, usize> = objects.iter().copied().zip(0..).collect();
        let mut found: BTreeSet<(usize, usize)> = BTreeSet::new();
        for step in &plan.steps {
            let needed = step.after.iter().filter_map(|id| of.get(id));
            let needed = needed.filter(|object| **object != &step.object);
            found.extend(needed.map(|object| (place[&step.object], place[*object])));
        }
        let edges = found.into_iter().map(|(from, to)| Edge {
            from,
            to,
            paths: Vec::new(),
            member: None,
            in_cycle: false,
        });
        let none = Bundle::default();
        let nodes = objects.iter().map(|object| Node {
            read: true,
            ..node(catalogue, &none, object)
        });
        with_cycles(nodes.collect(), edges.collect())
    }

    /// Returns the place of an object in the nodes.
    pub fn place(&self, object: &ObjectRef) -> Option<usize> {
        self.nodes
            .binary_search_by(|node| node.object.cmp(object))
            .ok()
    }

    /// Returns the nodes that some others belong to: the queues, groups and teams of a user.
    pub fn holders(&self, of: &BTreeSet<usize>) -> BTreeSet<usize> {
        let edges = self.edges.iter();
        let held = edges.filter(|edge| edge.member.is_some() && of.contains(&edge.to));
        held.map(|edge| edge.from).collect()
    }

    /// Returns the nodes that are reached from some, with these.
    pub fn reach(
        &self,
        from: impl IntoIterator<Item = usize>,
        direction: Direction,
    ) -> BTreeSet<usize> {
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            match direction {
                Direction::Needs => next[edge.from].push(edge.to),
                Direction::NeededBy => next[edge.to].push(edge.from),
            }
        }
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = from.into_iter().collect();
        while let Some(node) = open.pop() {
            if found.insert(node) {
                open.extend(next.get(node).into_iter().flatten());
            }
        }
        found
    }

    /// Returns the part of the graph that has some nodes only.
    #[must_use]
    pub fn part(&self, kept: &BTreeSet<usize>) -> Self {
        let place: BTreeMap<usize, usize> = kept.iter().copied().zip(0..).collect();
        let nodes = kept.iter().filter_map(|node| self.nodes.get(*node));
        let nodes = nodes.cloned().collect();
        let edges = self.edges.iter().filter_map(|edge| {
            Some(Edge {
                from: *place.get(&edge.from)?,
                to: *place.get(&edge.to)?,
                paths: edge.paths.clone(),
                member: edge.member.clone(),
                in_cycle: false,
            })
        });
        with_cycles(nodes, edges.collect())
    }
}

/// Somebody who belongs to an object.
struct Member {
    object: ObjectRef,
    /// Where the object says so.
    path: String,
    /// What it says besides, as far as it does not go without saying.
    said: Map<String, Value>,
}

/// Takes out of a document who belongs to the object.
fn take_members(catalogue: &Catalogue, document: &mut Portable) -> Vec<Member> {
    let mut found = Vec::new();
    for part in member_parts(catalogue, &document.object.kind) {
        let Some(value) = document.body.get(&part.field) else {
            continue;
        };
        let Some(items) = Items::of(value) else {
            continue;
        };
        for item in items.list {
            let Some(object) = member_of_item(part, item) else {
                continue;
            };
            let mut path = format!("{}[]", part.field);
            let mut said = Map::new();
            if let (None, Value::Object(fields)) = (Slot::of(item), item) {
                part.identity.iter().for_each(|field| {
                    path.push('.');
                    path.push_str(field);
                });
                let told = fields.iter().filter(|(field, value)| {
                    !part.identity.contains(field) && part.defaults.get(*field) != Some(value)
                });
                said.extend(told.map(|(field, value)| (field.clone(), value.clone())));
            }
            found.push(Member { object, path, said });
        }
        document.body.remove(&part.field);
    }
    found
}

/// Sorts `flow.yaml:9` before `flow.yaml:12`.
fn in_reading_order(path: &str) -> (String, usize) {
    match path.rsplit_once(':') {
        Some((file, line)) => match line.parse() {
            Ok(line) => (file.to_owned(), line),
            Err(_) => (path.to_owned(), 0),
        },
        None => (path.to_owned(), 0),
    }
}

fn node(catalogue: &Catalogue, bundle: &Bundle, object: &ObjectRef) -> Node {
    let document = bundle.documents.get(object);
    let title = match document.and_then(|document| document.text("name")) {
        Some(name) if !name.is_empty() => name,
        _ => readable(&object.key),
    };
    let descriptor = catalogue.get(object.kind.as_str()).ok();
    Node {
        object: object.clone(),
        kind_title: descriptor.map_or_else(|| object.kind.to_string(), |d| d.title.clone()),
        family: descriptor.map_or_else(String::new, |d| d.family.clone()),
        title,
        read: document.is_some(),
    }
}

fn with_cycles(nodes: Vec<Node>, mut edges: Vec<Edge>) -> Graph {
    let mut group = vec![usize::MAX; nodes.len()];
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    let loops: BTreeSet<usize> = edges
        .iter()
        .filter(|e| e.from == e.to)
        .map(|e| e.from)
        .collect();
    for members in components(nodes.len(), &edges) {
        let to_itself = |node: usize| loops.contains(&node);
        if members.len() > 1 || to_itself(members[0]) {
            cycles.push(members);
        }
    }
    cycles.sort();
    for (number, members) in cycles.iter().enumerate() {
        for member in members {
            group[*member] = number;
        }
    }
    for edge in &mut edges {
        edge.in_cycle = group[edge.from] != usize::MAX && group[edge.from] == group[edge.to];
    }
    Graph {
        nodes,
        edges,
        cycles,
    }
}

/// Returns the nodes by strongly connected component, what is referred to first.
fn components(nodes: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, edges.len());
    let places: Vec<NodeIndex> = (0..nodes).map(|_| graph.add_node(())).collect();
    for edge in edges {
        graph.add_edge(places[edge.from], places[edge.to], ());
    }
    let groups = tarjan_scc(&graph).into_iter().map(|group| {
        let mut members: Vec<usize> = group.into_iter().map(NodeIndex::index).collect();
        members.sort_unstable();
        members
    });
    groups.collect()
}

#[cfg(test)]
mod tests;
