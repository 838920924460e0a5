//! Replaces names in a flow and keeps every other byte.

use std::collections::BTreeMap;
use std::ops::Range;

use super::document::Document;
use super::find::{Findings, Part, Piece, find};
use super::raw::{Layout, is_typed, spell};
use super::scan::FlowScan;
use super::target::FlowTarget;
use super::yaml::{self, Content, NodeId, Place, Style};
use super::{FlowError, expression};

/// An order to call a target by another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The target as `scan` reports it.
    pub from: FlowTarget,
    /// The same target under its new name: variant, kind and flow type stay.
    pub to: FlowTarget,
}

impl Rename {
    /// Gives a target a new name.
    pub fn new(from: FlowTarget, to: impl Into<String>) -> Self {
        let to = from.renamed(to);
        Self { from, to }
    }
}

/// A flow source with other names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The new text.
    pub text: String,
    /// How many places were changed, the flow's own name included.
    pub replaced: usize,
    /// What the text said before.
    pub before: FlowScan,
}

/// A new text for a part of a scalar's value.
struct Edit {
    range: Range<usize>,
    quoted: bool,
    text: String,
}

/// Renames what a flow names, all at once: two names can be swapped.
///
/// Only the names found by [`scan`](super::scan) are replaced; comments, quotes, line ends, a
/// byte-order mark and everything else stay as they are. A plain scalar gets quotes when its new
/// name needs them. A rename of the flow itself (its own type and name) changes its `name` too.
///
/// # Errors
/// The text cannot be read; two edits disagree about one name, or change more than the name; the
/// name stands in a folded block, which is not edited.
pub fn rename(text: &str, edits: &[Rename]) -> Result<Renamed, FlowError> {
    let document = Document::read(text)?;
    let wanted = wanted(&document, edits)?;
    let findings = find(&document)?;
    let mut replaced = 0;
    let mut scalars: BTreeMap<NodeId, Vec<Edit>> = BTreeMap::new();
    for found in &findings.found {
        let Some(to) = wanted.get(&found.target) else {
            continue;
        };
        replaced += 1;
        for piece in &found.pieces {
            add(&document, &mut scalars, piece, part(to, piece.part))?;
        }
    }
    let own = FlowTarget::flow(document.flow_type, findings.scan.name.clone());
    if let Some(to) = wanted.get(&own) {
        replaced += 1;
        let length = document.tree.scalar(findings.name).map_or(0, str::len);
        let piece = Piece {
            node: findings.name,
            range: 0..length,
            quoted: false,
            part: Part::Name,
        };
        add(&document, &mut scalars, &piece, to.name())?;
    }
    if replaced == 0 {
        return Ok(Renamed {
            text: text.to_owned(),
            replaced,
            before: findings.scan,
        });
    }
    let mut changes = Vec::new();
    for (node, edits) in scalars {
        change(&document, node, edits, &mut changes)?;
    }
    let text = splice(text, changes);
    verify(&document, &findings, &wanted, &text)?;
    Ok(Renamed {
        text,
        replaced,
        before: findings.scan,
    })
}

/// The edits by target, without those that change nothing.
fn wanted<'e>(
    document: &Document<'_>,
    edits: &'e [Rename],
) -> Result<BTreeMap<&'e FlowTarget, &'e FlowTarget>, FlowError> {
    let mut wanted = BTreeMap::new();
    for Rename { from, to } in edits {
        let same = match (from, to) {
            (FlowTarget::Object { kind: a, .. }, FlowTarget::Object { kind: b, .. }) => a == b,
            (FlowTarget::Flow { flow_type: a, .. }, FlowTarget::Flow { flow_type: b, .. }) => {
                a == b
            }
            (FlowTarget::DataAction { .. }, FlowTarget::DataAction { .. }) => true,
            _ => false,
        };
        let category = match to {
            FlowTarget::DataAction { category, .. } => category.as_str(),
            FlowTarget::Object { .. } | FlowTarget::Flow { .. } => "-",
        };
        if !same || to.name().is_empty() || category.is_empty() {
            let message = format!("{} {:?} cannot become {to:?}", from.kind(), from.name());
            return Err(document.error(0, message));
        }
        if wanted.insert(from, to).is_some_and(|other| other != to) {
            let message = format!("{} {:?} is given two new names", from.kind(), from.name());
            return Err(document.error(0, message));
        }
    }
    wanted.retain(|from, to| from != to);
    Ok(wanted)
}

fn part(target: &FlowTarget, part: Part) -> &str {
    match (target, part) {
        (FlowTarget::DataAction { category, .. }, Part::Category) => category,
        _ => target.name(),
    }
}

fn add(
    document: &Document<'_>,
    scalars: &mut BTreeMap<NodeId, Vec<Edit>>,
    piece: &Piece,
    text: &str,
) -> Result<(), FlowError> {
    let value = document.tree.scalar(piece.node).unwrap_or_default();
    let text = if piece.quoted {
        expression::escape(text)
    } else {
        text.to_owned()
    };
    let present = value.get(piece.range.clone()).unwrap_or_default();
    if document.masked.unmask(present) == text {
        return Ok(());
    }
    let edits = scalars.entry(piece.node).or_default();
    // Actions of one category share its key.
    if let Some(same) = edits.iter().find(|edit| edit.range == piece.range) {
        if same.text == text {
            return Ok(());
        }
        let offset = document.tree.nodes[piece.node].range.start;
        let message = "two renames disagree about the text at this place";
        return Err(document.error(offset, message));
    }
    edits.push(Edit {
        range: piece.range.clone(),
        quoted: piece.quoted,
        text,
    });
    Ok(())
}

/// Turns the edits of one scalar into changes of the text.
fn change(
    document: &Document<'_>,
    node: NodeId,
    mut edits: Vec<Edit>,
    changes: &mut Vec<(Range<usize>, String)>,
) -> Result<(), FlowError> {
    edits.sort_by_key(|edit| edit.range.start);
    let scalar = &document.tree.nodes[node];
    let Content::Scalar { value, style } = &scalar.content else {
        return Ok(());
    };
    let refuse = || {
        let message =
            "this name cannot be replaced in place; write the scalar on one line in quotes";
        document.error(scalar.range.start, message)
    };
    let raw = &document.masked.text[scalar.range.clone()];
    let mut local = Vec::new();
    if let Some(layout) = Layout::of(raw, *style, value) {
        for edit in &edits {
            let Some(range) = layout.spelling(&edit.range) else {
                break;
            };
            let Some(text) = spell(&edit.text, *style) else {
                break;
            };
            local.push((range, text));
        }
    }
    let fits = local.len() == edits.len();
    let named = edits.iter().all(|edit| !edit.quoted);
    if fits && (*style != Style::Plain || stays_plain(document, node, value, &edits, &local, named))
    {
        let start = scalar.range.start;
        let shift = |range: Range<usize>| range.start + start..range.end + start;
        changes.extend(local.into_iter().map(|(range, text)| (shift(range), text)));
        return Ok(());
    }
    if matches!(style, Style::Literal | Style::Folded) {
        return Err(refuse());
    }
    // Double quotes can hold any text.
    let value = document.masked.unmask(&apply(value, &edits));
    let spelled = spell(&value, Style::Double).ok_or_else(refuse)?;
    changes.push((scalar.range.clone(), format!("\"{spelled}\"")));
    Ok(())
}

/// Whether a plain scalar still says the new value without quotes: the parser is asked.
fn stays_plain(
    document: &Document<'_>,
    node: NodeId,
    value: &str,
    edits: &[Edit],
    local: &[(Range<usize>, String)],
    named: bool,
) -> bool {
    let scalar = &document.tree.nodes[node];
    let raw = &document.masked.text[scalar.range.clone()];
    let expected = apply(value, edits);
    if named && is_typed(&expected) {
        return false;
    }
    let spelled = splice(raw, local.to_vec());
    let sample = match (scalar.place == Place::Key, scalar.in_flow) {
        (true, true) => format!("{{{spelled}: 1}}"),
        (true, false) => format!("{spelled}: 1\n"),
        (false, true) => format!("[{spelled}]"),
        (false, false) => format!("k: {spelled}\n"),
    };
    let Ok(tree) = yaml::parse(&sample, 0) else {
        return false;
    };
    let read = tree.nodes.iter().any(|node| {
        matches!(&node.content, Content::Scalar { value, style: Style::Plain } if *value == expected)
    });
    let nodes = if scalar.place == Place::Key || !scalar.in_flow {
        3
    } else {
        2
    };
    read && tree.nodes.len() == nodes
}

fn apply(value: &str, edits: &[Edit]) -> String {
    let changes = edits
        .iter()
        .map(|edit| (edit.range.clone(), edit.text.clone()));
    splice(value, changes.collect())
}

/// Replaces ranges of a text.
fn splice(text: &str, mut changes: Vec<(Range<usize>, String)>) -> String {
    changes.sort_by_key(|(range, _)| range.start);
    let mut spliced = String::with_capacity(text.len());
    let mut done = 0;
    for (range, new) in changes {
        spliced.push_str(&text[done..range.start]);
        spliced.push_str(&new);
        done = range.end;
    }
    spliced.push_str(&text[done..]);
    spliced
}

/// Reads the new text and holds it against what was asked: a rename changes names, nothing else.
fn verify(
    document: &Document<'_>,
    before: &Findings,
    wanted: &BTreeMap<&FlowTarget, &FlowTarget>,
    text: &str,
) -> Result<(), FlowError> {
    let after = Document::read(text)?;
    let found = find(&after)?;
    let renamed = before
        .found
        .iter()
        .map(|found| match wanted.get(&found.target) {
            Some(to) => *to,
            None => &found.target,
        });
    let same = renamed.eq(found.found.iter().map(|found| &found.target))
        && document.tree.nodes.len() == after.tree.nodes.len();
    if same {
        return Ok(());
    }
    let message = "a new name cannot be told from other text of the flow; choose another";
    Err(document.error(0, message))
}
