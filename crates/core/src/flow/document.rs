//! A flow source that has been read: text, tree, positions and placeholders together.

use std::ops::Range;

use super::lines::Lines;
use super::placeholder::{Masked, Placeholder};
use super::yaml::{self, NodeId, Tree};
use super::{FlowError, FlowType, MAX_TEXT};

#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) masked: Masked<'t>,
    pub(super) tree: Tree,
    pub(super) flow_type: FlowType,
    /// The mapping under the flow type's key.
    pub(super) body: NodeId,
    lines: Lines,
}

impl<'t> Document<'t> {
    /// Reads a flow source.
    pub(super) fn read(text: &'t str) -> Result<Self, FlowError> {
        if text.len() > MAX_TEXT {
            let message = format!("the text is larger than {} MiB", MAX_TEXT >> 20);
            return Err(FlowError {
                line: 1,
                column: 1,
                message,
            });
        }
        let base = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let lines = Lines::new(text, base);
        let masked = Masked::new(text);
        let tree = yaml::parse(&masked.text[base..], base)
            .map_err(|error| broken(text, &lines, &masked.found, error))?;
        let (flow_type, body) =
            body(&tree).ok_or_else(|| no_flow(text, &lines, &masked.found, &tree))?;
        Ok(Self {
            text,
            masked,
            tree,
            flow_type,
            body,
            lines,
        })
    }

    /// The line and column of a byte offset, both counted from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        self.lines.position(self.text, offset)
    }

    /// A complaint about the place of a byte offset.
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> FlowError {
        let (line, column) = self.position(offset);
        FlowError {
            line,
            column,
            message: message.into(),
        }
    }

    /// A placeholder that stands at a byte range.
    pub(super) fn placeholder(&self, range: Range<usize>) -> Placeholder {
        let (line, column) = self.position(range.start);
        Placeholder {
            line,
            column,
            text: self.text[range].to_owned(),
        }
    }
}

/// The type of the flow and the mapping that holds it.
fn body(tree: &Tree) -> Option<(FlowType, NodeId)> {
    tree.pairs(0).iter().find_map(|(key, value)| {
        let key = tree.scalar(*key)?;
        let flow_type = FlowType::all().find(|flow_type| flow_type.root_key() == key);
        let flow_type = flow_type.or_else(|| FlowType::parse(key))?;
        tree.is_map(*value)
            .then(|| (flow_type, tree.follow(*value)))
    })
}

fn no_flow(text: &str, lines: &Lines, found: &[Range<usize>], tree: &Tree) -> FlowError {
    let key = tree.pairs(0).first().map(|(key, _)| *key);
    let offset = tree.nodes[key.unwrap_or(0)].range.start;
    let message = match key.and_then(|key| tree.scalar(key)) {
        Some(key) if FlowType::parse(key).is_some() => "the flow is empty",
        Some(_) => "this is not an Architect flow: the root key is not a flow type",
        None => "this is not an Architect flow: a flow type such as inboundCall is expected",
    };
    broken(
        text,
        lines,
        found,
        yaml::YamlError {
            offset,
            message: message.to_owned(),
        },
    )
}

/// Says where the YAML breaks and, when one is near, which placeholder may be the reason.
fn broken(text: &str, lines: &Lines, found: &[Range<usize>], error: yaml::YamlError) -> FlowError {
    let (line, column) = lines.position(text, error.offset);
    let before = found.partition_point(|range| range.start <= error.offset);
    let suspect = found.get(before.saturating_sub(1)).map(|range| {
        let (line, column) = lines.position(text, range.start);
        format!(
            "; line {line}, column {column} holds the unfilled placeholder {}",
            &text[range.clone()]
        )
    });
    FlowError {
        line,
        column,
        message: error.message + &suspect.unwrap_or_default(),
    }
}
