//! YAML as values that know their place.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Number, Value};

use super::MAX_DEPTH;
use crate::bundle::What;

/// Most values of one document, counting what an alias stands for every time.
const MAX_NODES: usize = 2_000_000;

/// A place in a text, as editors count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<&Marker> for Position {
    fn from(marker: &Marker) -> Self {
        Self {
            line: marker.line().max(1),
            column: marker.col() + 1,
        }
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value starts.
    pub position: Position,
    /// The value.
    pub data: Data,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub enum Data {
    /// Neither a list nor a mapping.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(BTreeMap<String, Node>),
}

/// Says what is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub position: Position,
    /// What.
    pub what: What,
}

impl Node {
    /// Returns the value without places.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(list) => list.iter().map(Self::to_value).collect(),
            Data::Map(map) => Value::Object(
                map.iter()
                    .map(|(name, node)| (name.clone(), node.to_value()))
                    .collect(),
            ),
        }
    }

    /// Returns the node at a JSON pointer, such as `/rings/0/skills`.
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            node = match &node.data {
                Data::List(list) => list.get(step.parse::<usize>().ok()?)?,
                Data::Map(map) => map.get(&step)?,
                Data::Scalar(_) => return None,
            };
        }
        Some(node)
    }
}

/// Finds where the value at a JSON pointer stands in a YAML text.
pub fn locate(text: &str, pointer: &str) -> Option<Position> {
    let node = parse(text).ok()?;
    node.at(pointer).map(|node| node.position)
}

/// Reads one document.
///
/// # Errors
/// The first thing in the text that a bundle cannot hold.
pub fn parse(text: &str) -> Result<Node, Fault> {
    let options = granit_parser::options! {
        emit_comments: false,
        simple_key_max_lookahead: 4096,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        last: Position { line: 1, column: 1 },
    };
    reader.document()
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    last: Position,
}

#[derive(Clone)]
struct Anchor {
    node: Node,
    nodes: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Position), Fault> {
        match self.events.next() {
            Some(Ok((event, Span { start, .. }))) => {
                self.last = Position::from(&start);
                Ok((event, self.last))
            }
            Some(Err(error)) => Err(Fault {
                position: Position::from(error.marker()),
                what: What::Yaml(error.info()),
            }),
            None => self.fault(self.last, "the text ends too early"),
        }
    }

    fn fault<T>(&self, position: Position, text: &str) -> Result<T, Fault> {
        Err(Fault {
            position,
            what: What::Yaml(text.to_owned()),
        })
    }

    fn document(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            let (event, position) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return self.fault(position, "a second document; keep one per file");
                }
                event => root = Some(self.node(event, position, 0)?.0),
            }
        }
        root.ok_or(Fault {
            position: Position { line: 1, column: 1 },
            what: What::NotAMapping,
        })
    }

    /// Reads the rest of a node, and tells how deep it goes.
    fn node(
        &mut self,
        event: Event<'t>,
        position: Position,
        depth: usize,
    ) -> Result<(Node, usize), Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep(position));
        }
        self.count(1, position)?;
        let before = self.nodes;
        let (data, anchor, inner) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), position)?;
                let value = if style == ScalarStyle::Plain && tag != Some("str") {
                    plain(&text).map_err(|what| Fault { position, what })?
                } else {
                    Value::String(text.into_owned())
                };
                (Data::Scalar(value), anchor, 0)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), position)?;
                let (list, inner) = self.list(depth)?;
                (Data::List(list), anchor, inner)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), position)?;
                let (map, inner) = self.map(depth)?;
                (Data::Map(map), anchor, inner)
            }
            Event::Alias(id) => return self.alias(id, position, depth),
            _ => return self.fault(position, "unexpected content"),
        };
        let node = Node { position, data };
        if anchor != 0 {
            let anchored = Anchor {
                node: node.clone(),
                nodes: self.nodes - before,
                depth: inner,
            };
            self.anchors.insert(anchor, anchored);
        }
        Ok((node, inner))
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Node>, usize), Fault> {
        let (mut list, mut inner) = (Vec::new(), 0);
        loop {
            let (event, position) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((list, inner + 1));
            }
            let (node, deep) = self.node(event, position, depth + 1)?;
            inner = inner.max(deep);
            list.push(node);
        }
    }

    fn map(&mut self, depth: usize) -> Result<(BTreeMap<String, Node>, usize), Fault> {
        let (mut map, mut inner) = (BTreeMap::new(), 0);
        let mut places: HashMap<String, Position> = HashMap::new();
        loop {
            let (event, position) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok((map, inner + 1)),
                Event::Scalar(text, style, 0, None) => {
                    if style == ScalarStyle::Plain && text == "<<" {
                        return self
                            .fault(position, "merge keys (<<) are not used; write the fields");
                    }
                    if style == ScalarStyle::Plain && text.is_empty() {
                        return self.fault(position, "a key is missing before the colon");
                    }
                    text.into_owned()
                }
                _ => return self.fault(position, "a key must be plain text"),
            };
            if let Some(first) = places.insert(name.clone(), position) {
                let what = What::DuplicateKey { name, first };
                return Err(Fault { position, what });
            }
            let (event, position) = self.next()?;
            let (node, deep) = self.node(event, position, depth + 1)?;
            inner = inner.max(deep);
            map.insert(name, node);
        }
    }

    fn alias(
        &mut self,
        id: usize,
        position: Position,
        depth: usize,
    ) -> Result<(Node, usize), Fault> {
        let Some(anchor) = self.anchors.get(&id).cloned() else {
            return self.fault(position, "an alias stands inside its own anchor");
        };
        if depth + anchor.depth > MAX_DEPTH {
            return Err(too_deep(position));
        }
        self.count(anchor.nodes, position)?;
        Ok((anchor.node, anchor.depth))
    }

    fn count(&mut self, nodes: usize, position: Position) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let what = What::Limit {
            what: "the number of values in the file",
            limit: MAX_NODES as u64,
        };
        Err(Fault { position, what })
    }

    fn tag<'a>(&self, tag: Option<&'a Tag>, position: Position) -> Result<Option<&'a str>, Fault> {
        let Some(tag) = tag else { return Ok(None) };
        match tag.core_suffix() {
            Some(name @ ("str" | "map" | "seq")) => Ok(Some(name)),
            _ => self.fault(position, "tags (!…) are not used"),
        }
    }
}

fn too_deep(position: Position) -> Fault {
    let what = What::Limit {
        what: "the depth of nesting",
        limit: MAX_DEPTH as u64,
    };
    Fault { position, what }
}

/// Resolves a plain scalar by the core schema of YAML 1.2.
fn plain(text: &str) -> Result<Value, What> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Err(What::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let inexact = || What::Inexact(text.to_owned());
    if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err(inexact());
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let rest = text.strip_prefix(prefix).unwrap_or_default();
        if !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)) {
            return u64::from_str_radix(rest, radix)
                .map(Value::from)
                .map_err(|_| inexact());
        }
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(Value::String(text.to_owned()));
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        return unsigned
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| unsigned.parse::<i64>().map(Value::from))
            .map_err(|_| inexact());
    }
    if !is_float(digits) {
        return Ok(Value::String(text.to_owned()));
    }
    let value: f64 = text.parse().map_err(|_| inexact())?;
    Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(inexact)
}

/// Tells whether a text is a float of the core schema, without its sign.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let has_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && has_exponent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::yaml::to_yaml;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn fault(text: &str) -> (usize, usize, String) {
        let Fault { position, what } = parse(text).expect_err(text);
        (position.line, position.column, what.to_string())
    }

    #[test]
    fn hand_written_yaml_is_read() {
        let text = "# a comment\nname: Billing\nbase: &b {x: 1, y: [0x10, 1.5, -2]}\nagain: *b\n\
                    text: >\n  folded\n  text\nquoted: '1'\nyes: no\nversion: !!str 1.0\n";
        assert_eq!(
            parse(text).expect("it is YAML").to_value(),
            json!({
                "name": "Billing", "base": {"x": 1, "y": [16, 1.5, -2]},
                "again": {"x": 1, "y": [16, 1.5, -2]}, "text": "folded text\n", "quoted": "1",
                "yes": "no", "version": "1.0",
            })
        );
    }

    #[test]
    fn what_would_be_lost_is_refused_with_its_place() {
        assert_eq!(
            fault("a: 1\nb:\n  c: 2\n  c: 3\n"),
            (
                4,
                3,
                "the key \"c\" stands twice, first in line 3; delete one of the two".into()
            )
        );
        assert_eq!(fault("a: 1\nb: null\n").0, 2);
        assert!(fault("a:\n").2.starts_with("null is not a value"));
        assert!(fault("a: [1, ~]").2.starts_with("null is not a value"));
        assert_eq!(
            fault("n: 123456789012345678901234567890").2,
            "123456789012345678901234567890 cannot be kept exactly; put it in quotes"
        );
        assert!(fault("a: .nan").2.contains("quotes"));
        assert!(fault("a: 1e999").2.contains("quotes"));
        assert!(fault("a: !custom x").2.contains("tags"));
        assert!(fault("a: &x {b: 1}\nc:\n  <<: *x\n").2.contains("merge"));
        assert!(fault("a: 1\n---\nb: 2\n").2.contains("second document"));
        assert!(fault("a: [1, 2\n").0 >= 1);
        assert!(fault("a: \"x\nb: 1").0 >= 1);
        assert!(fault("a: &x [*x]").2.contains("anchor"));
        assert!(fault("").2.contains("mapping"));
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(fault(&bomb).2.contains("limit"));
        let flow = format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse(&flow).is_err());
        assert!(parse(&format!("a: {}x", "- ".repeat(5_000))).is_err());
        let deep: String = (0..5_000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect();
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn values_are_located() {
        let text = "name: x\nrings:\n  - skills: [a, b]\n    \"a/b\": 1\n";
        let at = |pointer| locate(text, pointer).map(|at| (at.line, at.column));
        assert_eq!(at("/name"), Some((1, 7)));
        assert_eq!(at("/rings/0/skills/1"), Some((3, 17)));
        assert_eq!(at("/rings/0/a~1b"), Some((4, 12)));
        assert_eq!(at("/rings/1"), None);
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[ -~\n]{0,20}",
            2 => "\\PC{0,12}",
            1 => any::<String>(),
            1 => "[a\n \t]{0,12}",
            1 => prop::sample::select(vec![
                "", "~", "null", "true", "no", "1", "-1.5", "0x1", "1e3", ".inf", "-", "- a", "a: b",
                "#", "a #b", "---", "...", "<<", "=", "!x", "&a", "*a", "%", "@", "`", "2024-01-01",
                "12:30", "1_000", "\u{feff}", "\u{85}", "\u{2028}", "\r\n", "a\r", "\t", "'", "\"",
                "[", "{", "|", ">", "?", "? a", ":", "a:", ",", "\\",
            ]).prop_map(str::to_owned),
            1 => "[a-z]{1020,1030}",
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(|float| {
                Number::from_f64(float).map_or(Value::from(0), Value::Number)
            }),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(map in prop::collection::btree_map(text(), value(), 0..6)) {
            let body: Map<String, Value> = map.into_iter().collect();
            let text = to_yaml(&body);
            let read = parse(&text).map_err(|fault| TestCaseError::fail(format!("{fault:?}\n{text}")))?;
            prop_assert_eq!(read.to_value(), Value::Object(body), "{}", text);
            prop_assert!(text.lines().all(|line| !line.ends_with([' ', '\t'])), "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
