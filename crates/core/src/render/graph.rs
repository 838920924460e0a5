//! A graph of references: on a screen, for Graphviz and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Detail;
use super::plan::{number, readable};
use super::text::{Style, Text, plain, span, visible};
use crate::graph::{Edge, Graph, Node};

/// Paths of a reference that are shown where not everything is.
const FEW: usize = 2;

/// Writes a graph as a person reads it: each object with what it refers to.
pub fn graph_screen(graph: &Graph, detail: Detail) -> Text {
    let mut text = Text::default();
    let mut edges: Vec<Vec<&Edge>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        edges[edge.from].push(edge);
    }
    let mut kind = None;
    let read = graph.nodes.iter().zip(&edges).filter(|(node, _)| node.read);
    for (node, edges) in read {
        if kind != Some(&node.object.kind) {
            kind = Some(&node.object.kind);
            text.gap();
            text.line([span(Style::Heading, node.object.kind.as_str())]);
        }
        text.line([plain(format!("  {}", readable(&node.object.key)))]);
        for edge in edges {
            let to = &graph.nodes[edge.to];
            let style = if edge.in_cycle {
                Style::Old
            } else {
                Style::Plain
            };
            let shown = format!("→ {} {}", to.object.kind, readable(&to.object.key));
            text.line([
                plain("    "),
                span(style, shown),
                span(Style::Dim, format!("  {}", paths(edge, detail))),
                span(Style::Warning, if to.read { "" } else { "  not read" }),
            ]);
        }
    }
    if !graph.cycles.is_empty() {
        text.gap();
        text.line([span(Style::Heading, "Circles")]);
    }
    for cycle in &graph.cycles {
        let names: Vec<String> = cycle
            .iter()
            .map(|node| graph.nodes[*node].object.to_string())
            .collect();
        text.line([plain("  "), span(Style::Old, names.join(" ↔ "))]);
    }
    text.gap();
    let unread = graph.nodes.iter().filter(|node| !node.read).count();
    text.line([plain(format!(
        "{}, {}, {}, {} not read",
        counted(graph.nodes.len(), "object"),
        counted(graph.edges.len(), "reference"),
        counted(graph.cycles.len(), "circle"),
        number(unread)
    ))]);
    text
}

fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", number(count))
}

pub(super) fn paths(edge: &Edge, detail: Detail) -> String {
    let most = if detail == Detail::Objects {
        FEW
    } else {
        usize::MAX
    };
    let mut shown: Vec<&str> = edge.paths.iter().map(String::as_str).take(most).collect();
    let more = edge.paths.len().saturating_sub(shown.len());
    let rest = format!("{more} more");
    if more > 0 {
        shown.push(&rest);
    }
    let said = said(edge);
    shown.extend(said.iter().map(String::as_str));
    shown.join(", ")
}

/// Writes what is said of a member: `ringNumber 2`.
pub(super) fn said(edge: &Edge) -> Vec<String> {
    let said = edge.member.iter().flatten();
    said.map(|(field, value)| format!("{field} {value}"))
        .collect()
}

/// Writes a graph for Graphviz.
pub fn graph_dot(graph: &Graph) -> String {
    let mut out = String::from(
        "digraph orgsmith {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
    );
    for node in &graph.nodes {
        let dashed = if node.read {
            ""
        } else {
            ", style=\"rounded,dashed\""
        };
        let _ = writeln!(
            out,
            "  {} [label={}{dashed}];",
            dot(&node.object.to_string()),
            dot(&format!("{}\n{}", node.title, node.kind_title)),
        );
    }
    for edge in &graph.edges {
        let line = match (edge.in_cycle, &edge.member) {
            (true, _) => ", color=red, style=dashed",
            (false, Some(_)) => ", style=dotted",
            (false, None) => "",
        };
        let _ = writeln!(
            out,
            "  {} -> {} [tooltip={}{line}];",
            dot(&graph.nodes[edge.from].object.to_string()),
            dot(&graph.nodes[edge.to].object.to_string()),
            dot(&paths(edge, Detail::Full)),
        );
    }
    out.push_str("}\n");
    out
}

/// Writes a text as a string of Graphviz, which gives `\` a meaning of its own in labels.
fn dot(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| visible(line).replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// The version of the JSON form.
const VERSION: u32 = 1;

/// Writes a graph for programs.
pub fn graph_json(graph: &Graph) -> Value {
    let name = |node: &usize| &graph.nodes[*node].object;
    let nodes: Vec<Value> = graph
        .nodes
        .iter()
        .map(|node| {
            let Node {
                object,
                kind_title,
                family,
                title,
                read,
            } = node;
            json!({
                "object": object, "kind": object.kind, "key": object.key, "title": title,
                "kind_title": kind_title, "family": family, "read": read,
            })
        })
        .collect();
    let edges: Vec<Value> = graph
        .edges
        .iter()
        .map(|edge| {
            let Edge {
                from,
                to,
                paths,
                member,
                in_cycle,
            } = edge;
            let mut shown = json!({
                "from": name(from), "to": name(to), "paths": paths, "in_cycle": in_cycle,
            });
            if let Some(said) = member {
                shown["member"] = said.clone().into();
            }
            shown
        })
        .collect();
    let cycles: Vec<Vec<_>> = graph
        .cycles
        .iter()
        .map(|cycle| cycle.iter().map(name).collect())
        .collect();
    json!({ "version": VERSION, "nodes": nodes, "edges": edges, "cycles": cycles })
}
