//! One form for all spellings of the same flow.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::Document;
use super::raw::is_typed;
use super::yaml::{Content, NodeId, Style, Tree};
use super::{FlowError, MAX_DEPTH, MAX_TEXT};

/// A flow without what differs between two exports of the same flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The flow as indented text with sorted keys: made to be compared and read, not imported.
    pub text: String,
    /// The BLAKE3 digest of the text, in hexadecimal.
    pub digest: String,
}

/// Generated numbers that are used for nothing but bookkeeping in Architect.
const BOOKKEEPING: &str = "trackingId";

/// Brings a flow source into a form in which two exports of the same flow are equal.
///
/// Key order, quotes, comments, indentation, tracking ids and the numbers inside generated `refId`s
/// do not count; a number and the same number in quotes are different values.
///
/// # Errors
/// The text cannot be read, or its canonical form grows too large.
pub fn canonical(text: &str) -> Result<Canonical, FlowError> {
    let document = Document::read(text)?;
    let mut writer = Writer {
        document: &document,
        out: String::new(),
        refs: BTreeMap::new(),
    };
    writer.collect();
    writer.node(0, 0)?;
    let text = writer.out;
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    Ok(Canonical { text, digest })
}

struct Writer<'d, 't> {
    document: &'d Document<'t>,
    out: String,
    /// Generated ids and what they are called here.
    refs: BTreeMap<&'d str, String>,
}

impl<'d> Writer<'d, '_> {
    /// Numbers the `refId`s of one stem in the order of the canonical text.
    fn collect(&mut self) {
        let tree = &self.document.tree;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut waiting = vec![0];
        while let Some(id) = waiting.pop() {
            match &tree.nodes[id].content {
                Content::Map(pairs) => {
                    waiting.extend(
                        sorted(tree, pairs)
                            .into_iter()
                            .rev()
                            .map(|(_, value)| value),
                    );
                }
                Content::Seq(items) => waiting.extend(items.iter().rev()),
                Content::Scalar { value, .. } if tree.key_of(id) == Some("refId") => {
                    let stem = stem(value);
                    let count = counts.entry(stem).or_default();
                    *count += 1;
                    self.refs.insert(value, format!("{stem}#{count}"));
                }
                Content::Scalar { .. } | Content::Alias(_) => {}
            }
        }
    }

    fn node(&mut self, id: NodeId, depth: usize) -> Result<(), FlowError> {
        let tree = &self.document.tree;
        if depth > MAX_DEPTH || self.out.len() > 2 * MAX_TEXT {
            let offset = tree.nodes[id].range.start;
            return Err(self
                .document
                .error(offset, "the canonical form grows too large"));
        }
        let key = tree.key_of(id);
        let target = tree.follow(id);
        match &tree.nodes[target].content {
            Content::Map(pairs) => {
                for (key, value) in sorted(tree, pairs) {
                    self.line(depth);
                    self.string(key);
                    self.out.push(':');
                    self.node(value, depth + 1)?;
                }
                if pairs.is_empty() {
                    self.out.push_str(" {}");
                }
            }
            Content::Seq(items) => {
                for item in items {
                    self.line(depth);
                    self.out.push('-');
                    self.node(*item, depth + 1)?;
                }
                if items.is_empty() {
                    self.out.push_str(" []");
                }
            }
            Content::Scalar { value, style } => {
                self.out.push(' ');
                if *style == Style::Plain && is_typed(value) {
                    self.out.push_str(value);
                } else {
                    let text = self.reference(key, value);
                    self.string(&text);
                }
            }
            // An alias never points to an alias.
            Content::Alias(_) => {}
        }
        Ok(())
    }

    /// The value with generated ids replaced, under the keys that hold them.
    fn reference(&self, key: Option<&str>, value: &'d str) -> String {
        let is_id = key == Some("refId");
        if is_id || key.is_some_and(|key| key.ends_with("Ref")) {
            if let Some(name) = self.refs.get(value) {
                return name.clone();
            }
            if let Some((path, id)) = value
                .strip_suffix(']')
                .and_then(|text| text.split_once('['))
                && let Some(name) = self.refs.get(id)
            {
                return format!("{path}[{name}]");
            }
        }
        self.document.masked.unmask(value)
    }

    fn line(&mut self, depth: usize) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        // A mark of the depth would do, but people read this in diffs.
        for _ in 0..depth {
            self.out.push(' ');
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.out.extend(['\\', c]),
                c if c.is_control() => {
                    // Writing to a string does not fail.
                    let _ = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

fn sorted<'t>(tree: &'t Tree, pairs: &[(NodeId, NodeId)]) -> Vec<(&'t str, NodeId)> {
    let named = pairs
        .iter()
        .map(|(key, value)| (tree.scalar(*key).unwrap_or("?"), *value));
    let mut named: Vec<_> = named.filter(|(key, _)| *key != BOOKKEEPING).collect();
    named.sort_by_key(|(key, _)| *key);
    named
}

/// A generated id without its number: `Main Menu_10` is `Main Menu`.
fn stem(id: &str) -> &str {
    match id.rsplit_once('_') {
        Some((stem, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => stem,
        _ => id,
    }
}
