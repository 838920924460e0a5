//! Walks a flow and finds what it names.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::Document;
use super::expression::{self, Mention};
use super::literals::{guids, urls};
use super::placeholder::{inner_angles, whole_angle};
use super::rules::{self, FlowSlot, Rule, Shape};
use super::scan::{DynamicReference, FlowReference, FlowScan, Literal};
use super::shapes::{is_text, names};
use super::target::{FlowTarget, ObjectKind};
use super::yaml::{Content, NodeId};
use super::{FlowError, FlowType};

/// The most findings of one flow; a flow with more is refused rather than reported in part.
const MAX_FINDINGS: usize = 50_000;

/// A part of a scalar that spells a part of a target.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) node: NodeId,
    /// The bytes of the scalar's value.
    pub(super) range: Range<usize>,
    /// Whether the text stands in a string literal of an expression.
    pub(super) quoted: bool,
    pub(super) part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Name,
    Category,
}

/// A target and everything that spells it at one place.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) target: FlowTarget,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(super) struct Findings {
    pub(super) scan: FlowScan,
    pub(super) found: Vec<Found>,
    /// The scalar of the flow's own name.
    pub(super) name: NodeId,
}

/// Finds everything in a document.
pub(super) fn find(document: &Document<'_>) -> Result<Findings, FlowError> {
    let tree = &document.tree;
    let text_of = |key: &str| {
        let node = tree.get(document.body, key)?;
        Some((
            tree.follow(node),
            document.masked.unmask(tree.scalar(node)?),
        ))
    };
    let Some((name_node, name)) = text_of("name").filter(|(_, name)| !name.is_empty()) else {
        let offset = tree.nodes[document.body].range.start;
        return Err(document.error(offset, "the flow has no name"));
    };
    let scan = FlowScan {
        flow_type: document.flow_type,
        name,
        division: text_of("division")
            .map(|(_, text)| text)
            .filter(|text| !text.is_empty()),
        description: text_of("description").map(|(_, text)| text),
        references: Vec::new(),
        dynamic: Vec::new(),
        unknown: Vec::new(),
        placeholders: Vec::new(),
        guids: Vec::new(),
        urls: Vec::new(),
    };
    let mut finder = Finder {
        document,
        scan,
        found: Vec::new(),
        claimed: BTreeSet::new(),
        regions: Vec::new(),
    };
    if let Some(division) = tree.get(document.body, "division") {
        finder.name(ObjectKind::Division, division);
    }
    finder.walk()?;
    Ok(finder.finish(name_node))
}

/// The parts of a flow in which keys mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    Flow,
    /// The list of referenced objects that newer exports carry: every object is `{name: …}`.
    ReferencedObjects,
    /// Training sentences of a bot: no names, and `<x>` is what somebody may say.
    Language,
}

struct Finder<'d, 't> {
    document: &'d Document<'t>,
    scan: FlowScan,
    found: Vec<Found>,
    /// Scalars that a rule has read.
    claimed: BTreeSet<NodeId>,
    /// The region of every node.
    regions: Vec<Region>,
}

impl Finder<'_, '_> {
    /// Visits every node once, in the order of the text: parents come before their children.
    fn walk(&mut self) -> Result<(), FlowError> {
        let tree = &self.document.tree;
        for (id, node) in tree.nodes.iter().enumerate() {
            let outer = self
                .regions
                .get(node.parent)
                .copied()
                .unwrap_or(Region::Flow);
            let region = match tree.key_of(id) {
                Some("referencedObjects") if node.parent == self.document.body => {
                    Region::ReferencedObjects
                }
                Some("settingsNaturalLanguageUnderstanding") => Region::Language,
                _ => outer,
            };
            self.regions.push(region);
            match &node.content {
                Content::Map(_) if id != 0 && region != Region::Language => self.map(id, region),
                Content::Scalar { value, .. } => self.scalar(id, value, region),
                Content::Map(_) | Content::Seq(_) | Content::Alias(_) => {}
            }
            if self.found.len() + self.scan.dynamic.len() + self.scan.guids.len() > MAX_FINDINGS
                || self.scan.placeholders.len() + self.scan.urls.len() > MAX_FINDINGS
            {
                let message = format!("the flow holds more than {MAX_FINDINGS} findings");
                return Err(self.document.error(node.range.start, message));
            }
        }
        self.unknown_literals();
        self.placeholders();
        Ok(())
    }

    fn map(&mut self, id: NodeId, region: Region) {
        let tree = &self.document.tree;
        for (key_node, value) in tree.pairs(id) {
            let Some(key) = tree.scalar(*key_node) else {
                continue;
            };
            if region == Region::ReferencedObjects {
                self.referenced_object(key, *value);
                continue;
            }
            match rules::key_rule(key) {
                Some(Rule::Object(kind, shape)) => {
                    for node in names(tree, *value, shape) {
                        self.name(kind, node);
                    }
                }
                Some(Rule::Flow(slot, shape)) => {
                    let flow_type = self.slot_type(slot, id);
                    for node in names(tree, *value, shape) {
                        self.push(|name| FlowTarget::flow(flow_type, name), node);
                    }
                }
                Some(Rule::DataAction) => self.data_actions(*value),
                None => {}
            }
            self.typed_value(key, *value);
            self.find_action(key, *value);
            self.prompt(key, *value, id);
        }
    }

    fn slot_type(&self, slot: FlowSlot, action: NodeId) -> Option<FlowType> {
        let own = self.document.flow_type;
        match slot {
            FlowSlot::Transfer => {
                let action = self.document.tree.key_of(action).unwrap_or_default();
                if action.ends_with("FlowSecure") {
                    Some(FlowType::SecureCall)
                } else {
                    own.transfers_to()
                }
            }
            FlowSlot::InQueue => own.queues_in(),
            FlowSlot::Bot => Some(FlowType::Bot),
            FlowSlot::DigitalBot => Some(FlowType::DigitalBot),
            FlowSlot::CommonModule => Some(FlowType::CommonModule),
        }
    }

    fn data_actions(&mut self, categories: NodeId) {
        let tree = &self.document.tree;
        for (category_key, inner) in tree.pairs(categories) {
            let Some(category) = tree.scalar(*category_key) else {
                continue;
            };
            let category_text = self.document.masked.unmask(category);
            let category_piece = whole(tree.follow(*category_key), category, Part::Category);
            for (key, actions) in tree.pairs(*inner) {
                // `dataAction` today; secure and bridge actions have keys of their own.
                if !tree.scalar(*key).is_some_and(|key| key.ends_with("Action")) {
                    continue;
                }
                for node in names(tree, *actions, Shape::Keyed) {
                    let Some(name) = tree.scalar(node) else {
                        continue;
                    };
                    let node = tree.follow(node);
                    let target = FlowTarget::data_action(
                        category_text.clone(),
                        self.document.masked.unmask(name),
                    );
                    let pieces = vec![whole(node, name, Part::Name), category_piece.clone()];
                    if self.claimed.insert(node) {
                        self.found.push(Found { target, pieces });
                    }
                }
            }
        }
    }

    /// Variables (`queueVariable: {initialValue: …}`) and assignments (`queue: {value: …}`).
    fn typed_value(&mut self, key: &str, value: NodeId) {
        let tree = &self.document.tree;
        let Some(kind) = rules::data_type(key) else {
            return;
        };
        let held = if key.ends_with("Variable") {
            tree.get(value, "initialValue")
        } else {
            tree.get(value, "variable").and(tree.get(value, "value"))
        };
        for node in held
            .map(|held| names(tree, held, Shape::Literal))
            .unwrap_or_default()
        {
            self.name(kind, node);
        }
    }

    /// Actions that look an object up: `findQueue: {findName: {lit: X}}`.
    fn find_action(&mut self, key: &str, value: NodeId) {
        let tree = &self.document.tree;
        let Some(kind) = rules::find_action(key) else {
            return;
        };
        let Some(argument) = tree.get(value, "findName") else {
            return;
        };
        if let Some(literal) = tree
            .get(argument, "lit")
            .filter(|literal| is_text(tree, *literal))
        {
            self.name(kind, literal);
        }
        let Some(expression) = tree.get(argument, "exp") else {
            return;
        };
        let Some(text) = tree.scalar(expression) else {
            return;
        };
        let node = tree.follow(expression);
        if self.claimed.contains(&node) {
            return;
        }
        if let Some((name, range)) = expression::whole_literal(text) {
            self.mention(kind, &name, node, range, true);
        } else {
            self.computed(key, node, text);
        }
    }

    /// Prompts: `prompt: Prompt.X` and `lit: {name: Prompt.X}`, under any key.
    fn prompt(&mut self, key: &str, value: NodeId, parent: NodeId) {
        let tree = &self.document.tree;
        let is_literal = key == "name" && tree.key_of(parent) == Some("lit");
        if key != "prompt" && !is_literal {
            return;
        }
        let Some(text) = tree.scalar(value) else {
            return;
        };
        let node = tree.follow(value);
        if self.claimed.contains(&node) {
            return;
        }
        match text.split_once('.') {
            Some((space, name)) if space.eq_ignore_ascii_case("prompt") && !name.is_empty() => {
                self.mention(
                    ObjectKind::UserPrompt,
                    name,
                    node,
                    space.len() + 1..text.len(),
                    false,
                );
            }
            Some((space, _)) if space.eq_ignore_ascii_case("promptsystem") => {
                self.claimed.insert(node);
            }
            _ => {}
        }
    }

    /// An entry of `referencedObjects`: `flow: {name: X, type: T}`, `queue: {name: X}`.
    fn referenced_object(&mut self, key: &str, value: NodeId) {
        let tree = &self.document.tree;
        let Some(node) = tree.get(value, "name").filter(|name| is_text(tree, *name)) else {
            return;
        };
        let text = |key: &str| tree.get(value, key).and_then(|node| tree.scalar(node));
        match (key, rules::key_rule(key)) {
            ("flow", _) => {
                let flow_type = text("type").and_then(FlowType::parse);
                self.push(|name| FlowTarget::flow(flow_type, name), node);
            }
            ("dataAction", _) => {
                let Some(category_node) = tree.get(value, "category") else {
                    return;
                };
                let (Some(name), Some(category)) = (tree.scalar(node), tree.scalar(category_node))
                else {
                    return;
                };
                let unmask = |text: &str| self.document.masked.unmask(text);
                let target = FlowTarget::data_action(unmask(category), unmask(name));
                let pieces = vec![
                    whole(tree.follow(node), name, Part::Name),
                    whole(tree.follow(category_node), category, Part::Category),
                ];
                self.found.push(Found { target, pieces });
            }
            ("userPrompt" | "prompt", _) => self.name(ObjectKind::UserPrompt, node),
            ("script", _) => self.name(ObjectKind::Script, node),
            (_, Some(Rule::Object(kind, _))) => self.name(kind, node),
            _ => {}
        }
    }

    fn scalar(&mut self, id: NodeId, value: &str, region: Region) {
        let document = self.document;
        if document.tree.key_of(id) == Some("exp") {
            for mention in expression::mentions(value) {
                match mention {
                    Mention::Name {
                        kind,
                        name,
                        range,
                        quoted,
                    } => {
                        self.mention(kind, &name, id, range, quoted);
                    }
                    Mention::Computed { function, call } => {
                        self.computed(&function, id, &value[call]);
                    }
                }
            }
        }
        if value.contains('-') {
            for text in guids(value) {
                let literal = self.literal_at(id, text);
                self.scan.guids.push(literal);
            }
        }
        if value.contains("://") {
            for text in urls(value) {
                let literal = self.literal_at(id, &document.masked.unmask(text));
                self.scan.urls.push(literal);
            }
        }
        if region != Region::Language && whole_angle(value).is_some() {
            self.angles(id, whole_angle(value).into_iter().collect());
        }
    }

    fn angles(&mut self, id: NodeId, ranges: Vec<Range<usize>>) {
        let document = self.document;
        let node = &document.tree.nodes[id];
        let Content::Scalar { value, .. } = &node.content else {
            return;
        };
        let raw = &document.text[node.range.clone()];
        let mut from = 0;
        for range in ranges {
            // Neither escapes nor folding touch the characters of a placeholder's name.
            let text = &value[range];
            if let Some(at) = raw[from..].find(text).map(|at| from + at) {
                let start = node.range.start + at;
                self.scan
                    .placeholders
                    .push(document.placeholder(start..start + text.len()));
                from = at + text.len();
            }
        }
    }

    fn computed(&mut self, function: &str, node: NodeId, text: &str) {
        let (line, column) = self
            .document
            .position(self.document.tree.nodes[node].range.start);
        let text = self.document.masked.unmask(text);
        self.scan.dynamic.push(DynamicReference {
            function: function.to_owned(),
            line,
            column,
            text,
        });
    }

    fn name(&mut self, kind: ObjectKind, node: NodeId) {
        self.push(|name| FlowTarget::object(kind, name), node);
    }

    /// Records that a whole scalar spells a target.
    fn push(&mut self, target: impl FnOnce(String) -> FlowTarget, node: NodeId) {
        let tree = &self.document.tree;
        let node = tree.follow(node);
        let Some(text) = tree.scalar(node).filter(|text| !text.is_empty()) else {
            return;
        };
        if self.claimed.insert(node) {
            let target = target(self.document.masked.unmask(text));
            let pieces = vec![whole(node, text, Part::Name)];
            self.found.push(Found { target, pieces });
        }
    }

    /// Records that a part of a scalar spells a target.
    fn mention(
        &mut self,
        kind: ObjectKind,
        name: &str,
        node: NodeId,
        range: Range<usize>,
        quoted: bool,
    ) {
        if name.is_empty() {
            return;
        }
        let target = FlowTarget::object(kind, self.document.masked.unmask(name));
        self.claimed.insert(node);
        self.found.push(Found {
            target,
            pieces: vec![Piece {
                node,
                range,
                quoted,
                part: Part::Name,
            }],
        });
    }

    /// Object literals that no rule has read.
    fn unknown_literals(&mut self) {
        let tree = &self.document.tree;
        for (id, node) in tree.nodes.iter().enumerate() {
            let named = tree.key_of(id) == Some("name") && tree.key_of(node.parent) == Some("lit");
            let Content::Scalar { value, .. } = &node.content else {
                continue;
            };
            if !named || value.is_empty() || self.claimed.contains(&id) {
                continue;
            }
            // Of a user with an email address the name is decoration.
            let decoration = tree.get(node.parent, "email").is_some();
            if !decoration && self.regions.get(id) != Some(&Region::Language) {
                let literal = self.literal_at(id, &self.document.masked.unmask(value));
                self.scan.unknown.push(literal);
            }
        }
    }

    /// Placeholders with braces count where a scalar holds them: those of comments do no harm.
    fn placeholders(&mut self) {
        let tree = &self.document.tree;
        let mut braces = self.document.masked.found.iter().peekable();
        for node in &tree.nodes {
            if !matches!(node.content, Content::Scalar { .. }) {
                continue;
            }
            while braces
                .next_if(|range| range.start < node.range.start)
                .is_some()
            {}
            while let Some(range) = braces.next_if(|range| range.end <= node.range.end) {
                self.scan
                    .placeholders
                    .push(self.document.placeholder(range.clone()));
            }
        }
        let mut angles = Vec::new();
        for piece in self.found.iter().flat_map(|found| &found.pieces) {
            let value = tree.scalar(piece.node).unwrap_or_default();
            // A whole value has been seen as a scalar already.
            if whole_angle(value).is_none() {
                let name = value.get(piece.range.clone()).unwrap_or_default();
                let start = piece.range.start;
                let shifted = inner_angles(name).into_iter();
                let shifted = shifted.map(|range| range.start + start..range.end + start);
                angles.push((piece.node, shifted.collect()));
            }
        }
        for (node, ranges) in angles {
            self.angles(node, ranges);
        }
        self.scan.placeholders.sort();
        self.scan.placeholders.dedup();
    }

    fn literal_at(&self, id: NodeId, text: &str) -> Literal {
        let (line, column) = self
            .document
            .position(self.document.tree.nodes[id].range.start);
        Literal {
            text: text.to_owned(),
            line,
            column,
            path: self.document.tree.path(id),
        }
    }

    fn finish(mut self, name: NodeId) -> Findings {
        let document = self.document;
        self.found.sort_by_key(|found| {
            let piece = &found.pieces[0];
            (
                document.tree.nodes[piece.node].range.start,
                piece.range.start,
            )
        });
        self.scan.references = self
            .found
            .iter()
            .map(|found| reference(document, found))
            .collect();
        Findings {
            scan: self.scan,
            found: self.found,
            name,
        }
    }
}

fn reference(document: &Document<'_>, found: &Found) -> FlowReference {
    let node = found.pieces[0].node;
    let (line, column) = document.position(document.tree.nodes[node].range.start);
    let unfilled = found.pieces.iter().any(|piece| {
        let text = document
            .tree
            .scalar(piece.node)
            .and_then(|text| text.get(piece.range.clone()));
        text.is_some_and(|text| {
            document.masked.unmask(text) != text || !inner_angles(text).is_empty()
        })
    });
    let path = document.tree.path(node);
    FlowReference {
        target: found.target.clone(),
        line,
        column,
        path,
        unfilled,
    }
}

fn whole(node: NodeId, text: &str, part: Part) -> Piece {
    Piece {
        node,
        range: 0..text.len(),
        quoted: false,
        part,
    }
}
