//! Rules of flows.

use std::collections::BTreeSet;

use super::{Found, Image};
use crate::graph::Graph;
use crate::snapshot::UNPUBLISHED;

pub(super) fn circle(image: &Image<'_>, found: &mut Found<'_>) {
    let graph = Graph::new(image.catalogue, image.bundle);
    let nodes = graph.nodes.iter().enumerate();
    let flows: BTreeSet<usize> = nodes
        .filter(|(_, node)| node.object.kind.as_str() == "flow")
        .map(|(place, _)| place)
        .collect();
    let graph = graph.part(&flows);
    for cycle in &graph.cycles {
        let names: Vec<String> = cycle
            .iter()
            .map(|place| graph.nodes[*place].object.to_string())
            .collect();
        let message = match &names[..] {
            [_] => "refers to itself".to_owned(),
            names => format!("refer to each other in a circle: {}", names.join(", ")),
        };
        found.at(&graph.nodes[cycle[0]].object, "", message);
    }
}

pub(super) fn locked(image: &Image<'_>, found: &mut Found<'_>) {
    for (object, state) in image.states {
        if let Some(user) = &state.locked_by {
            found.at(object, "", format!("is locked by {user}"));
        }
    }
}

pub(super) fn unpublished(image: &Image<'_>, found: &mut Found<'_>) {
    let never = image
        .bundle
        .gaps
        .iter()
        .filter(|gap| gap.reason == UNPUBLISHED);
    for object in never.filter_map(|gap| gap.object_ref()) {
        found.at(&object, "", "was never published".to_owned());
    }
    for (object, state) in image.states {
        if state.has_draft {
            let message = "has changes that are not published".to_owned();
            found.at(object, "", message);
        }
    }
}
