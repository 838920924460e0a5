//! The YAML of a flow as a tree with byte ranges; the only file that knows the parser.
//!
//! Nodes live in one vector in the order of the text and point to each other by index, so that
//! neither building nor dropping nor walking a deep tree needs the call stack. Aliases stay
//! aliases: nothing is expanded, so there is nothing to explode.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use super::MAX_DEPTH;

/// The most aliases that are read: Architect writes none, people write few, and every one makes
/// the rules look again at what it repeats.
const MAX_ALIASES: usize = 250;

/// The longest path that is reported, in bytes; a longer one loses its beginning.
const MAX_PATH: usize = 1024;

/// The index of a node; parents come before their children.
pub(super) type NodeId = usize;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        value: String,
        style: Style,
    },
    Map(Vec<(NodeId, NodeId)>),
    Seq(Vec<NodeId>),
    /// A repetition of an earlier (or an enclosing) node.
    Alias(NodeId),
}

/// What a node is to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Key,
    Value { key: NodeId },
    Item { index: usize },
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    /// The bytes of the node in the text, with its quotes.
    pub(super) range: Range<usize>,
    pub(super) parent: NodeId,
    pub(super) place: Place,
    /// Whether the node stands inside `[]` or `{}`.
    pub(super) in_flow: bool,
}

/// One YAML document.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

/// Why a text is not one YAML document: a message and a byte offset.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// Reads one YAML document; `base` is added to every offset.
pub(super) fn parse(text: &str, base: usize) -> Result<Tree, YamlError> {
    let options = granit_parser::options! {
        emit_comments: false,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH.min(255),
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| YamlError {
            offset: base + error.marker().byte_offset().unwrap_or(0).min(text.len()),
            message: error.info(),
        })?;
        let range = span.byte_range().unwrap_or(0..0);
        let range = base + range.start..base + range.end;
        let offset = range.start;
        builder
            .take(event, range)
            .map_err(|message| YamlError { offset, message })?;
    }
    if builder.nodes.is_empty() {
        let message = "the text is empty".to_owned();
        return Err(YamlError {
            offset: base,
            message,
        });
    }
    Ok(Tree {
        nodes: builder.nodes,
    })
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<NodeId>,
    /// Of each open mapping, the key that waits for its value.
    keys: Vec<Option<NodeId>>,
    anchors: BTreeMap<usize, NodeId>,
    in_flow: Vec<bool>,
    aliases: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) -> Result<(), String> {
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let value = value.into_owned();
                self.add(Content::Scalar { value, style }, range, anchor)?;
            }
            Event::MappingStart(style, anchor, _) => {
                let id = self.add(Content::Map(Vec::new()), range, anchor)?;
                self.open(id, style);
            }
            Event::SequenceStart(style, anchor, _) => {
                let id = self.add(Content::Seq(Vec::new()), range, anchor)?;
                self.open(id, style);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.keys.pop();
                self.in_flow.pop();
                if let Some(id) = self.open.pop() {
                    let start = self.nodes[id].range.start;
                    self.nodes[id].range.end = range.end.max(start);
                }
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    return Err("an alias points nowhere".to_owned());
                };
                self.aliases += 1;
                if self.aliases > MAX_ALIASES {
                    return Err(format!("the text holds more than {MAX_ALIASES} aliases"));
                }
                self.add(Content::Alias(target), range, 0)?;
            }
            // Stream and document marks carry nothing; the options ask for no other events.
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, id: NodeId, style: StructureStyle) {
        let outer = self.in_flow.last().copied().unwrap_or(false);
        self.in_flow.push(outer || style == StructureStyle::Flow);
        self.open.push(id);
        self.keys.push(None);
    }

    fn add(
        &mut self,
        content: Content,
        range: Range<usize>,
        anchor: usize,
    ) -> Result<NodeId, String> {
        let id = self.nodes.len();
        let (parent, place) = match self.open.last().copied() {
            None if id > 0 => return Err("the text holds more than one document".to_owned()),
            None => (0, Place::Root),
            Some(parent) => {
                let waiting = self.keys.last_mut().and_then(Option::take);
                let place = match (&mut self.nodes[parent].content, waiting) {
                    (Content::Map(pairs), Some(key)) => {
                        pairs.push((key, id));
                        Place::Value { key }
                    }
                    (Content::Map(_), None) => {
                        if let Some(slot) = self.keys.last_mut() {
                            *slot = Some(id);
                        }
                        Place::Key
                    }
                    (Content::Seq(items), _) => {
                        items.push(id);
                        Place::Item {
                            index: items.len() - 1,
                        }
                    }
                    // Only mappings and sequences are ever opened.
                    (Content::Scalar { .. } | Content::Alias(_), _) => Place::Root,
                };
                (parent, place)
            }
        };
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        let in_flow = self.in_flow.last().copied().unwrap_or(false);
        self.nodes.push(Node {
            content,
            range,
            parent,
            place,
            in_flow,
        });
        Ok(id)
    }
}

impl Tree {
    /// The node itself, or what it repeats when it is an alias.
    pub(super) fn follow(&self, id: NodeId) -> NodeId {
        match self.nodes[id].content {
            Content::Alias(target) => target,
            _ => id,
        }
    }

    /// The text of a scalar, following an alias.
    pub(super) fn scalar(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[self.follow(id)].content {
            Content::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The pairs of a mapping, following an alias; nothing for other nodes.
    pub(super) fn pairs(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        match &self.nodes[self.follow(id)].content {
            Content::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The items of a sequence, following an alias; nothing for other nodes.
    pub(super) fn items(&self, id: NodeId) -> &[NodeId] {
        match &self.nodes[self.follow(id)].content {
            Content::Seq(items) => items,
            _ => &[],
        }
    }

    /// Whether the node is a mapping, following an alias.
    pub(super) fn is_map(&self, id: NodeId) -> bool {
        matches!(self.nodes[self.follow(id)].content, Content::Map(_))
    }

    /// The value under a key of a mapping.
    pub(super) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let pairs = self.pairs(id).iter();
        pairs
            .rev()
            .find(|(name, _)| self.scalar(*name) == Some(key))
            .map(|(_, value)| *value)
    }

    /// The key under which a node stands in its parent mapping.
    pub(super) fn key_of(&self, id: NodeId) -> Option<&str> {
        match self.nodes[id].place {
            Place::Value { key } => self.scalar(key),
            Place::Root | Place::Key | Place::Item { .. } => None,
        }
    }

    /// The path of a node as a JSON pointer: `/inboundCall/tasks/0/task/name`.
    pub(super) fn path(&self, id: NodeId) -> String {
        let mut parts = Vec::new();
        let mut length = 0;
        let mut at = id;
        loop {
            let node = &self.nodes[at];
            let part = match node.place {
                Place::Root => break,
                Place::Value { key } => pointer_part(self.scalar(key).unwrap_or("?")),
                Place::Key => pointer_part(self.scalar(at).unwrap_or("?")),
                Place::Item { index } => index.to_string(),
            };
            length += part.len() + 1;
            if length > MAX_PATH {
                parts.push("…".to_owned());
                break;
            }
            parts.push(part);
            at = node.parent;
        }
        parts
            .iter()
            .rev()
            .fold(String::new(), |path, part| path + "/" + part)
    }
}

fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
