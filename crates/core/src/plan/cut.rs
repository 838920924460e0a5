//! Cycles among objects that are to be created, and where to cut them.
//!
//! A queue names a flow that names the queue. One of the two is created without the other and
//! linked later. Every object that is linked later costs a write more, so few are chosen.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut kept: Vec<Edge> = edges.to_vec();
    let mut cut = BTreeSet::new();
    let mut open: Vec<Vec<usize>> = cycles(nodes, &kept);
    while let Some(members) = open.pop() {
        let inside: BTreeSet<usize> = members.iter().copied().collect();
        let within = |edge: &Edge| inside.contains(&edge.from) && inside.contains(&edge.to);
        let chosen = cheapest(&kept, &within).ok_or_else(|| members.clone())?;
        let before = kept.len();
        kept.retain(|edge| {
            let cuts = edge.from == chosen && within(edge) && edge.cost.is_some();
            if cuts {
                cut.insert((edge.from, edge.to));
            }
            !cuts
        });
        debug_assert!(kept.len() < before, "a cut removes an edge");
        let local: Vec<Edge> = kept.iter().filter(|edge| within(edge)).copied().collect();
        open.extend(cycles(nodes, &local));
    }
    Ok(cut)
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

/// Chooses the object whose cuts break most for their price.
fn cheapest(edges: &[Edge], within: &dyn Fn(&Edge) -> bool) -> Option<usize> {
    let mut incoming: BTreeMap<usize, u64> = BTreeMap::new();
    let mut outgoing: BTreeMap<usize, (u64, u32, bool)> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| within(edge)) {
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
    outgoing
        .into_iter()
        .filter(|(_, (count, _, _))| *count > 0)
        .min_by_key(|(node, (count, cost, all))| {
            // Fewer, cheaper cuts that take the object out of every cycle come first.
            let broken = count * incoming.get(node).copied().unwrap_or(0).max(1);
            let price = u64::from(*cost).max(1) * 1_000_000 / broken;
            (!all, price, *node)
        })
        .map(|(node, _)| node)
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
    }
}
