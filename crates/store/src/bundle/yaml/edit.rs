//! Changes a document and leaves the rest of its text as a person wrote it.
//!
//! A single value is replaced where it stands; where that cannot be, the whole field is written anew,
//! and as a last resort the document. Which it is, is not reasoned but tried: what was written is read
//! back and must be what is wanted.

use serde_json::{Map, Value};

use super::emit::to_yaml;
use super::parse::{Data, Node, parse};

/// A document that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Its text.
    pub text: String,
    /// Comments or the order of fields were lost.
    pub lost: bool,
}

/// Makes a text say what is wanted.
pub fn edit(text: &str, wanted: &Map<String, Value>) -> Edited {
    let fresh = || Edited {
        text: to_yaml(wanted),
        lost: has_comment(text),
    };
    let Ok(node) = parse(text) else {
        return fresh();
    };
    let Data::Map(fields) = &node.data else {
        return fresh();
    };
    let mut edited = Edited {
        text: text.to_owned(),
        lost: false,
    };
    let is_changed = |name: &String| {
        let now = fields.get(name).map(Node::to_value);
        now.as_ref() != wanted.get(name)
    };
    let names: std::collections::BTreeSet<&String> = fields.keys().chain(wanted.keys()).collect();
    for name in names.into_iter().filter(|name| is_changed(name)) {
        match field(&edited.text, name, wanted.get(name)) {
            Some(next) => {
                edited.lost |= next.lost;
                edited.text = next.text;
            }
            None => return fresh(),
        }
    }
    match says(&edited.text) {
        Some(found) if found == *wanted => edited,
        _ => fresh(),
    }
}

fn says(text: &str) -> Option<Map<String, Value>> {
    match parse(text).ok()?.to_value() {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Sets one field, or takes it away.
fn field(text: &str, name: &str, value: Option<&Value>) -> Option<Edited> {
    let node = parse(text).ok()?;
    let mut wanted = says(text)?;
    match value {
        Some(value) => wanted.insert(name.to_owned(), value.clone()),
        None => wanted.remove(name),
    };
    let found = match &node.data {
        Data::Map(fields) => fields.get(name),
        _ => None,
    };
    if let Some((found, value)) = found.zip(value)
        && let Some(edited) = in_place(text, found, value)
        && says(&edited).is_some_and(|found| found == wanted)
    {
        return Some(Edited {
            text: edited,
            lost: false,
        });
    }
    let edited = block(text, &node, name, value)?;
    (says(&edited.text)? == wanted).then_some(edited)
}

/// Replaces the single values that differ, each on its line.
fn in_place(text: &str, found: &Node, wanted: &Value) -> Option<String> {
    let mut places = Vec::new();
    differing(found, wanted, &mut places).then_some(())?;
    // From the end, so that what stands before keeps its place.
    places.sort_by_key(|(node, _)| node.position);
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for (node, value) in places.into_iter().rev() {
        let line = lines.get_mut(node.position.line - 1)?;
        let start = line.char_indices().nth(node.position.column - 1)?.0;
        let length = token(&line[start..])?;
        line.replace_range(start..start + length, &leaf(value)?);
    }
    Some(lines.concat())
}

/// Lists single values that differ; tells whether there is nothing else that does.
fn differing<'n>(
    node: &'n Node,
    wanted: &'n Value,
    places: &mut Vec<(&'n Node, &'n Value)>,
) -> bool {
    match (&node.data, wanted) {
        (Data::Map(map), Value::Object(wanted)) => {
            map.len() == wanted.len()
                && map.iter().all(|(name, node)| {
                    let value = wanted.get(name);
                    value.is_some_and(|value| differing(node, value, places))
                })
        }
        (Data::List(list), Value::Array(wanted)) => {
            list.len() == wanted.len()
                && list
                    .iter()
                    .zip(wanted)
                    .all(|(node, value)| differing(node, value, places))
        }
        (Data::Scalar(now), Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            if now != wanted {
                places.push((node, wanted));
            }
            true
        }
        _ => false,
    }
}

/// Writes a single value on one line.
fn leaf(value: &Value) -> Option<String> {
    let text = to_yaml(&Map::from_iter([("x".to_owned(), value.clone())]));
    let text = text.strip_prefix("x: ")?.trim_end();
    (!text.contains('\n')).then(|| text.to_owned())
}

/// Returns the length of the single value at the beginning of a text.
fn token(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    match first {
        '"' => {
            let mut escaped = false;
            let end = text.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map(|(at, _)| at + 1)
        }
        '\'' => {
            let mut at = 1;
            loop {
                at += text[at..].find('\'')? + 1;
                if !text[at..].starts_with('\'') {
                    return Some(at);
                }
                at += 1;
            }
        }
        '|' | '>' | '&' | '*' | '!' => None,
        _ => {
            let line = text.lines().next()?;
            let end = line.find(" #").unwrap_or(line.len());
            let end = line[..end].find([',', ']', '}']).unwrap_or(end);
            Some(line[..end].trim_end().len())
        }
    }
}

/// Writes a field anew, in the lines in which it stands.
fn block(text: &str, node: &Node, name: &str, value: Option<&Value>) -> Option<Edited> {
    let Data::Map(fields) = &node.data else {
        return None;
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let starts =
        |line: &str| line.starts_with(|c: char| !c.is_whitespace() && c != '#' && c != '-');
    // A field begins on the line of its value, or on one above.
    let start_of = |node: &Node| {
        let last = node.position.line.min(lines.len());
        (0..last).rev().find(|at| starts(lines[*at]))
    };
    let new = value.map(|value| to_yaml(&Map::from_iter([(name.to_owned(), value.clone())])));
    let new = new.unwrap_or_default();
    let (from, to) = match fields.get(name) {
        Some(found) => {
            let from = start_of(found)?;
            let next = (from + 1..lines.len()).find(|at| starts(lines[*at]));
            let mut to = next.unwrap_or(lines.len());
            // What stands right above the next field is about it.
            let about_next =
                |line: &str| line.trim().is_empty() || line.starts_with('#') && next.is_some();
            while to > from + 1 && about_next(lines[to - 1]) {
                to -= 1;
            }
            (from, to)
        }
        None => {
            let after = fields.iter().filter(|(other, _)| other.as_str() > name);
            let at = after.filter_map(|(_, node)| start_of(node)).min();
            let mut at = at.unwrap_or(lines.len());
            while at > 0 && at < lines.len() && lines[at - 1].starts_with('#') {
                at -= 1;
            }
            (at, at)
        }
    };
    let mut edited: String = lines[..from].concat();
    if !edited.is_empty() && !edited.ends_with('\n') {
        edited.push('\n');
    }
    edited.push_str(&new);
    edited.push_str(&lines[to..].concat());
    Some(Edited {
        text: edited,
        lost: has_comment(&lines[from..to].concat()),
    })
}

/// Tells whether there may be a comment in a text.
fn has_comment(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim_start().starts_with('#') || line.contains(" #"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const TEXT: &str = "# The queue of Sales.\nname: Sales   # as people say it\n\n# Until spring.\ndescription: 'It''s on'\nacw: {mode: MANDATORY, prompt: \"a \\\" b\"}\nmembers:\n- user: {$ref: user/ada@example.com}\n  ring: 1 # first\n- user: {$ref: user/bo@example.com}\n  ring: 2\n# Last.\nzone:\n  - a\n";

    fn edited(change: impl FnOnce(&mut Map<String, Value>)) -> Edited {
        let mut wanted = says(TEXT).expect("a mapping");
        change(&mut wanted);
        let edited = edit(TEXT, &wanted);
        assert_eq!(says(&edited.text), Some(wanted));
        edited
    }

    fn lines_changed(edited: &Edited) -> Vec<&str> {
        let old: Vec<&str> = TEXT.lines().collect();
        edited
            .text
            .lines()
            .filter(|line| !old.contains(line))
            .collect()
    }

    #[test]
    fn a_single_value_is_replaced_where_it_stands() {
        for (pointer, value, line) in [
            ("/name", json!("Sells"), "name: Sells   # as people say it"),
            ("/description", json!("off: 1"), "description: \"off: 1\""),
            (
                "/acw/prompt",
                json!("c"),
                "acw: {mode: MANDATORY, prompt: c}",
            ),
            (
                "/acw/mode",
                json!("OPTIONAL"),
                "acw: {mode: OPTIONAL, prompt: \"a \\\" b\"}",
            ),
            ("/members/0/ring", json!(4), "  ring: 4 # first"),
            (
                "/members/1/user/$ref",
                json!("user/cy@example.com"),
                "- user: {$ref: \"user/cy@example.com\"}",
            ),
        ] {
            let edited = edited(|body| {
                let mut whole = Value::Object(std::mem::take(body));
                *whole.pointer_mut(pointer).expect("a place") = value;
                *body = whole.as_object().cloned().expect("an object");
            });
            assert_eq!(lines_changed(&edited), [line]);
            assert!(!edited.lost);
        }
    }

    #[test]
    fn a_field_comes_goes_or_is_written_anew_and_its_neighbours_stay() {
        let more = edited(|body| {
            body.insert("fresh".to_owned(), json!({"a": [1]}));
        });
        assert_eq!(lines_changed(&more), ["fresh:", "  a:", "    - 1"]);
        assert!(!more.lost);
        let less = edited(|body| {
            body.remove("zone");
        });
        assert!(less.text.ends_with("ring: 2\n# Last.\n"), "{}", less.text);
        let anew = edited(|body| {
            body["members"].as_array_mut().expect("a list").remove(1);
        });
        assert!(
            anew.lost,
            "the comment beside the ring is lost, and it is said"
        );
        assert!(anew.text.contains("# as people say it") && anew.text.contains("# Last.\nzone:"));
    }

    #[test]
    fn what_cannot_be_edited_is_written_as_a_whole() {
        for text in [
            "{name: a, # why\n b: 1}\n",
            "--- \nname: a\n...\n",
            "name: &x a\nb: *x\n",
        ] {
            let mut wanted = says(text).expect("a mapping");
            wanted.insert("name".to_owned(), json!("z"));
            wanted.insert("c".to_owned(), json!(["new"]));
            let edited = edit(text, &wanted);
            assert_eq!(says(&edited.text), Some(wanted));
            assert_eq!(edited.lost, text.contains('#'));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            r#"[ab#:,'"\n\]}{ ]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn body() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("[a-d]", value(), 0..4)
            .prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn whatever_was_written_says_what_is_wanted_then(now in body(), wanted in body()) {
            let text = to_yaml(&now);
            prop_assert_eq!(says(&edit(&text, &wanted).text).unwrap_or_default(), wanted);
            prop_assert_eq!(edit(&text, &now).text, text);
        }
    }
}
