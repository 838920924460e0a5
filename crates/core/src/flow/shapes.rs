//! The shapes in which a value spells names.

use super::rules::{self, Shape};
use super::yaml::{NodeId, Tree};

/// The scalars that spell the names in a value.
pub(super) fn names(tree: &Tree, value: NodeId, shape: Shape) -> Vec<NodeId> {
    let mut names = Vec::new();
    match shape {
        Shape::Literal | Shape::Named => {
            let listed = tree.items(value);
            let values = if listed.is_empty() {
                std::slice::from_ref(&value)
            } else {
                listed
            };
            for value in values {
                let literal = tree.get(*value, "lit");
                names.extend(
                    literal
                        .into_iter()
                        .flat_map(|literal| self::literal(tree, literal)),
                );
                if literal.is_some() || shape == Shape::Named {
                    names.extend(tree.get(*value, "name").filter(|name| is_text(tree, *name)));
                }
            }
        }
        Shape::Keyed => {
            for (key_node, inner) in tree.pairs(value) {
                match tree.scalar(*key_node) {
                    Some("name") if is_text(tree, *inner) => names.push(*inner),
                    Some("name") if tree.is_map(*inner) => names.push(*key_node),
                    Some(key) if rules::is_reserved(key) => {}
                    // Switches have a scalar; an object has a mapping or nothing.
                    Some(_) => match tree.scalar(*inner) {
                        None | Some("" | "~" | "null") => names.push(*key_node),
                        Some(_) => {}
                    },
                    None => {}
                }
            }
        }
    }
    names
}

/// The names in the value of `lit`: `{name: X}`, `{email: X}` or a list of those.
fn literal(tree: &Tree, literal: NodeId) -> Vec<NodeId> {
    let listed = tree.items(literal);
    let literals = if listed.is_empty() {
        std::slice::from_ref(&literal)
    } else {
        listed
    };
    let name = |node: &NodeId| {
        let name = tree.get(*node, "email").or_else(|| tree.get(*node, "name"));
        name.filter(|name| is_text(tree, *name))
    };
    literals.iter().filter_map(name).collect()
}

/// Whether a node is a scalar that is not empty.
pub(super) fn is_text(tree: &Tree, node: NodeId) -> bool {
    tree.scalar(node).is_some_and(|text| !text.is_empty())
}
