//! JSON values as YAML that every parser reads alike.

use serde_json::{Map, Number, Value};

/// Longest key that can stand before a `:`; longer ones need `?`.
const MAX_SIMPLE_KEY: usize = 120;

/// Writes a document; ends with a line break.
pub fn to_yaml(body: &Map<String, Value>) -> String {
    let mut out = String::new();
    if body.is_empty() {
        out.push_str("{}\n");
    } else {
        mapping(body, 0, &mut out);
    }
    out
}

fn mapping(map: &Map<String, Value>, indent: usize, out: &mut String) {
    // Sorted here too: whether serde_json sorts depends on a feature anybody may turn on.
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    for (index, (name, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        if name.len() > MAX_SIMPLE_KEY {
            out.push_str("? ");
            quoted(name, out);
            out.push('\n');
            pad(indent, out);
        } else {
            scalar(name, out);
        }
        out.push(':');
        child(value, indent, out);
    }
}

/// Writes what follows a `:`.
fn child(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() && slot(value).is_none() => {
            out.push('\n');
            pad(indent + 2, out);
            mapping(map, indent + 2, out);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            pad(indent + 2, out);
            sequence(list, indent + 2, out);
        }
        _ => {
            out.push(' ');
            leaf(value, indent + 2, out);
        }
    }
}

fn sequence(list: &[Value], indent: usize, out: &mut String) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() && slot(value).is_none() => {
                mapping(map, indent + 2, out)
            }
            Value::Array(list) if !list.is_empty() => sequence(list, indent + 2, out),
            _ => leaf(value, indent + 2, out),
        }
    }
}

fn leaf(value: &Value, indent: usize, out: &mut String) {
    if let Some((name, text)) = slot(value) {
        out.push_str(&format!("{{{name}: "));
        quoted(text, out);
        out.push_str("}\n");
        return;
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(value) => number(value, out),
        Value::String(text) if is_literal(text) => return literal(text, indent, out),
        Value::String(text) => scalar(text, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
    out.push('\n');
}

/// Returns a reference, secret or variable, which is written on one line.
fn slot(value: &Value) -> Option<(&str, &str)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, text) = map.iter().next()?;
    let is_slot = matches!(name.as_str(), "$ref" | "$secret" | "$var");
    is_slot.then_some((name, text.as_str()?))
}

fn number(value: &Number, out: &mut String) {
    let text = value.to_string();
    // YAML 1.1 takes `1e30` for a string: its floats need a dot, and a sign in the exponent.
    match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            out.push_str(mantissa);
            if !mantissa.contains('.') {
                out.push_str(".0");
            }
            out.push('e');
            if !exponent.starts_with(['-', '+']) {
                out.push('+');
            }
            out.push_str(exponent);
        }
        None => out.push_str(&text),
    }
}

fn scalar(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        quoted(text, out);
    }
}

/// Tells whether a text needs no quotes in any version of YAML.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/');
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.ends_with(|c: char| !c.is_whitespace())
        && text.chars().all(inner)
        && !is_word(&text.to_lowercase())
}

fn is_word(lower: &str) -> bool {
    const WORDS: [&str; 13] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan", "infinity", "_",
    ];
    WORDS.contains(&lower)
}

/// Tells whether a text can stand in a literal block and survive an editor.
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with(['\n', ' ', '\t'])
        && !body.ends_with('\n')
        && body
            .split('\n')
            .all(|line| !line.ends_with([' ', '\t']) && !line.starts_with('\t'))
        && text
            .chars()
            .all(|c| matches!(c, '\n' | '\t') || !needs_escape(c))
}

fn literal(text: &str, indent: usize, out: &mut String) {
    let body = text.strip_suffix('\n');
    out.push_str(if body.is_some() { "|\n" } else { "|-\n" });
    for line in body.unwrap_or(text).split('\n') {
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            // Invisible, and able to reorder what a person sees.
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => match c as u32 {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code => out.push_str(&format!("\\u{code:04x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(value: Value) -> String {
        match value {
            Value::Object(map) => to_yaml(&map),
            other => panic!("{other} is no mapping"),
        }
    }

    #[test]
    fn a_document_reads_like_a_person_wrote_it() {
        let body = json!({
            "name": "Billing EMEA", "count": 3, "ratio": 1e30, "on": true, "norway": "no",
            "when": "2024-01-01", "empty": [], "none": {},
            "rings": [{"skills": [{"$ref": "routing_skill/Billing"}], "expand": "yes"}, [1, [2]]],
            "script": "first\n  second\n\nlast\n", "tail": "one\ntwo", "space": "a \nb",
        });
        assert_eq!(
            written(body),
            r#"count: 3
empty: []
name: Billing EMEA
none: {}
norway: "no"
"on": true
ratio: 1.0e+30
rings:
  - expand: "yes"
    skills:
      - {$ref: "routing_skill/Billing"}
  - - 1
    - - 2
script: |
  first
    second

  last
space: "a \nb"
tail: |-
  one
  two
when: "2024-01-01"
"#
        );
    }
}
