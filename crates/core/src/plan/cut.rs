//! Cycles among objects that are to be created, and where to cut them.
//!
//! A queue names a flow that names the queue. One of the two is created without the other and
//! linked later. Every object that is linked later costs a write more, so few are chosen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// One object needs another to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The object that refers.
    pub from: usize,
    /// The object that it refers to.
    pub to: usize,
    /// What it costs to create `from` without `to` and link it later; nothing where that cannot be.
    pub cost: Option<u32>,
}

/// Chooses the edges to cut so that no cycle is left.
///
/// # Errors
/// The objects of a cycle that cannot be cut.
pub fn cut_cycles(nodes: usize, edges: &[Edge]) -> Result<BTreeSet<(usize, usize)>, Vec<usize>> {
    let mut cut = BTreeSet::new();
    let mut open = circles(nodes, edges);
    while let Some(circle) = open.pop() {
        let left = cut_some(circle, &mut cut)?;
        open.extend(circles(nodes, &left));
    }
    Ok(cut)
}

/// Objects that refer to each other in circles, and the edges among them.
struct Circle {
    members: Vec<usize>,
    edges: Vec<Edge>,
}

fn circles(nodes: usize, edges: &[Edge]) -> Vec<Circle> {
    let groups = cycles(nodes, edges);
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    for (number, members) in groups.iter().enumerate() {
        group_of.extend(members.iter().map(|member| (*member, number)));
    }
    let mut found: Vec<Circle> = groups
        .into_iter()
        .map(|members| Circle {
            members,
            edges: Vec::new(),
        })
        .collect();
    for edge in edges {
        if let (Some(from), Some(to)) = (group_of.get(&edge.from), group_of.get(&edge.to))
            && from == to
        {
            found[*from].edges.push(*edge);
        }
    }
    found
}

/// A circle of so many objects is cut at one before it is looked at again; a larger one at more.
///
/// After each cut the best next one may be another. Looking every time would take a large circle
/// quadratic time.
const ONE_CUT: usize = 32;

/// Cuts a circle at the best places and returns the edges that are left.
fn cut_some(circle: Circle, cut: &mut BTreeSet<(usize, usize)>) -> Result<Vec<Edge>, Vec<usize>> {
    let Circle { members, edges } = circle;
    let ranked = ranked(&edges);
    if ranked.is_empty() {
        return Err(members);
    }
    let mut live = Live::new(&edges);
    let mut chosen = BTreeSet::new();
    for node in ranked {
        if chosen.len() > members.len() / ONE_CUT {
            break;
        }
        if live.is_in_circle(node) && chosen.insert(node) {
            live.cut(node);
        }
    }
    let is_cut = |edge: &Edge| edge.cost.is_some() && chosen.contains(&edge.from);
    cut.extend(
        edges
            .iter()
            .filter(|edge| is_cut(edge))
            .map(|edge| (edge.from, edge.to)),
    );
    Ok(edges.into_iter().filter(|edge| !is_cut(edge)).collect())
}

/// Knows which objects of a circle may still be in one, while it is being cut.
struct Live<'e> {
    outgoing: HashMap<usize, Vec<&'e Edge>>,
    incoming: HashMap<usize, Vec<&'e Edge>>,
    /// Edges that are not cut, by the objects they leave and reach.
    out_count: HashMap<usize, usize>,
    in_count: HashMap<usize, usize>,
    gone: HashSet<(usize, usize)>,
}

impl<'e> Live<'e> {
    fn new(edges: &'e [Edge]) -> Self {
        let mut live = Self {
            outgoing: HashMap::new(),
            incoming: HashMap::new(),
            out_count: HashMap::new(),
            in_count: HashMap::new(),
            gone: HashSet::new(),
        };
        for edge in edges {
            live.outgoing.entry(edge.from).or_default().push(edge);
            live.incoming.entry(edge.to).or_default().push(edge);
            *live.out_count.entry(edge.from).or_default() += 1;
            *live.in_count.entry(edge.to).or_default() += 1;
        }
        live
    }

    fn is_in_circle(&self, node: usize) -> bool {
        let some = |count: &HashMap<usize, usize>| count.get(&node).is_some_and(|n| *n > 0);
        some(&self.out_count) && some(&self.in_count)
    }

    /// Takes away the edges of an object that can be cut, and then all that lead to no circle.
    fn cut(&mut self, node: usize) {
        let cuttable = |edge: &&&Edge| edge.cost.is_some();
        let first: Vec<&Edge> = self
            .outgoing
            .get(&node)
            .into_iter()
            .flatten()
            .filter(cuttable)
            .copied()
            .collect();
        let mut open = first;
        while let Some(edge) = open.pop() {
            if !self.gone.insert((edge.from, edge.to)) {
                continue;
            }
            let out = self.out_count.entry(edge.from).or_default();
            *out -= 1;
            if *out == 0 {
                open.extend(self.incoming.get(&edge.from).into_iter().flatten());
            }
            let into = self.in_count.entry(edge.to).or_default();
            *into -= 1;
            if *into == 0 {
                open.extend(self.outgoing.get(&edge.to).into_iter().flatten());
            }
        }
    }
}

/// Returns the groups of objects that refer to each other in circles.
fn cycles(nodes: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, edges.len());
    let touched: BTreeSet<usize> = edges.iter().flat_map(|edge| [edge.from, edge.to]).collect();
    let index: BTreeMap<usize, NodeIndex> = touched
        .iter()
        .map(|node| (*node, graph.add_node(())))
        .collect();
    let back: Vec<usize> = touched.iter().copied().collect();
    let mut own = BTreeSet::new();
    for edge in edges {
        if edge.from == edge.to {
            own.insert(edge.from);
        }
        graph.add_edge(index[&edge.from], index[&edge.to], ());
    }
    let mut found: Vec<Vec<usize>> = tarjan_scc(&graph)
        .into_iter()
        .map(|group| {
            let mut group: Vec<usize> = group.into_iter().map(|node| back[node.index()]).collect();
            group.sort_unstable();
            group
        })
        .filter(|group| group.len() > 1 || own.contains(&group[0]))
        .collect();
    found.sort();
    found
}

/// Ranks the objects that can be cut by how much their cuts break for their price.
fn ranked(edges: &[Edge]) -> Vec<usize> {
    let mut incoming: BTreeMap<usize, u64> = BTreeMap::new();
    let mut outgoing: BTreeMap<usize, (u64, u32, bool)> = BTreeMap::new();
    for edge in edges {
        *incoming.entry(edge.to).or_default() += 1;
        let (count, cost, all) = outgoing.entry(edge.from).or_insert((0, 0, true));
        match edge.cost {
            Some(price) => {
                *count += 1;
                *cost = (*cost).max(price);
            }
            None => *all = false,
        }
    }
    let mut ranked: Vec<_> = outgoing
        .into_iter()
        .filter(|(_, (count, _, _))| *count > 0)
        .map(|(node, (count, cost, all))| {
            // Fewer, cheaper cuts that take the object out of every cycle come first.
            let broken = count * incoming.get(&node).copied().unwrap_or(0).max(1);
            let price = u64::from(cost).max(1) * 1_000_000 / broken;
            (!all, price, node)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, node)| node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edge(from: usize, to: usize, cost: Option<u32>) -> Edge {
        Edge { from, to, cost }
    }

    #[test]
    fn the_edge_that_can_wait_is_cut() {
        let cut = cut_cycles(2, &[edge(0, 1, Some(1)), edge(1, 0, None)]);
        assert_eq!(cut, Ok(BTreeSet::from([(0, 1)])));
    }

    #[test]
    fn an_object_that_refers_to_itself_is_linked_later() {
        assert_eq!(
            cut_cycles(1, &[edge(0, 0, Some(1))]),
            Ok(BTreeSet::from([(0, 0)]))
        );
    }

    #[test]
    fn one_shared_flow_is_cheaper_than_many_queues() {
        // Flow 0 names every queue, every queue names the flow: cutting the flow is one link.
        let mut edges = Vec::new();
        for queue in 1..6 {
            edges.extend([edge(0, queue, Some(2)), edge(queue, 0, Some(1))]);
        }
        let cut = cut_cycles(6, &edges).expect("cuttable");
        assert_eq!(
            cut.iter().map(|(from, _)| *from).collect::<BTreeSet<_>>(),
            BTreeSet::from([0])
        );
    }

    #[test]
    fn a_cycle_that_cannot_be_cut_is_named() {
        assert_eq!(
            cut_cycles(2, &[edge(0, 1, None), edge(1, 0, None)]),
            Err(vec![0, 1])
        );
    }

    proptest! {
        #[test]
        fn no_cycle_is_left(
            pairs in proptest::collection::vec((0..12_usize, 0..12_usize, proptest::option::of(1..3_u32)), 0..60)
        ) {
            let edges: Vec<Edge> = pairs.into_iter().map(|(from, to, cost)| edge(from, to, cost)).collect();
            if let Ok(cut) = cut_cycles(12, &edges) {
                let left: Vec<Edge> = edges
                    .iter()
                    .filter(|edge| !(cut.contains(&(edge.from, edge.to)) && edge.cost.is_some()))
                    .copied()
                    .collect();
                prop_assert_eq!(cycles(12, &left), Vec::<Vec<usize>>::new());
            }
        }

        #[test]
        fn a_large_circle_is_cut_at_several_places_at_once(
            pairs in proptest::collection::vec((0..200_usize, 0..200_usize), 200..600)
        ) {
            let edges: Vec<Edge> = pairs.into_iter().map(|(from, to)| edge(from, to, Some(1))).collect();
            let cut = cut_cycles(200, &edges).expect("every edge can be cut");
            let left: Vec<Edge> =
                edges.iter().filter(|edge| !cut.contains(&(edge.from, edge.to))).copied().collect();
            prop_assert_eq!(cycles(200, &left), Vec::<Vec<usize>>::new());
        }
    }
}
