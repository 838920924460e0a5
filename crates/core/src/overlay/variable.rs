//! Variables: `{"$var": "name"}` in place of a value, `${var.name}` inside a text.
//!
//! Nothing else in `${…}` or `$…` is ever touched: it belongs to Genesys' templates.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;

use crate::document::Slot;

/// What a variable may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableType {
    /// Any text.
    #[default]
    String,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A web address with its scheme.
    Url,
    /// The name of a host.
    Host,
    /// An e-mail address.
    Email,
    /// A telephone number, as E.164 writes it.
    Phone,
    /// A list.
    List,
    /// An object.
    Object,
}

impl VariableType {
    /// Tells whether a value is of the type.
    ///
    /// # Errors
    /// What it should have been.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let text = value.as_str();
        let has_host = |rest: &str| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !host.is_empty() && !host.contains(char::is_whitespace)
        };
        let (fits, wanted) = match self {
            Self::String => (value.is_string(), "a text"),
            Self::Number => (value.is_number(), "a number"),
            Self::Integer => (value.is_i64() || value.is_u64(), "a whole number"),
            Self::Boolean => (value.is_boolean(), "true or false"),
            Self::List => (value.is_array(), "a list"),
            Self::Object => (value.is_object(), "an object"),
            Self::Url => (
                text.and_then(|text| text.split_once("://"))
                    .is_some_and(|(scheme, rest)| !scheme.is_empty() && has_host(rest)),
                "a web address such as https://crm.example.com/hook",
            ),
            Self::Host => (
                text.is_some_and(|text| has_host(text) && !text.contains('/')),
                "a host such as crm.example.com",
            ),
            Self::Email => (
                text.and_then(|text| text.split_once('@'))
                    .is_some_and(|(name, host)| !name.is_empty() && has_host(host)),
                "an e-mail address",
            ),
            Self::Phone => (
                text.and_then(|text| text.strip_prefix('+'))
                    .is_some_and(|digits| {
                        (3..=15).contains(&digits.len())
                            && digits.bytes().all(|byte| byte.is_ascii_digit())
                            && !digits.starts_with('0')
                    }),
                "a telephone number such as +4930123456",
            ),
        };
        match fits {
            true => Ok(()),
            false => Err(format!("it is {value}, and should be {wanted}")),
        }
    }
}

/// Values of variables, and what became of them.
#[derive(Debug)]
pub(super) struct Filler<'v> {
    values: &'v BTreeMap<String, Value>,
    /// The variables that stood somewhere.
    pub(super) used: BTreeSet<String>,
    /// The variables that have no value.
    pub(super) unset: BTreeSet<String>,
    /// What cannot be put where it should be.
    pub(super) unfit: Vec<String>,
}

/// What a text is part of, which says how a value must be written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// A text of a document.
    Plain,
    /// A string of JSON.
    Json,
    /// Anything else that has a syntax of its own: a flow, a grammar.
    Source,
}

const BEGIN: &str = "${var.";

/// Returns the names inside a text that stand behind `begin` (`${var.`) and before `}`, with their
/// places.
pub(crate) fn places<'t>(
    text: &'t str,
    begin: &str,
) -> impl Iterator<Item = (Range<usize>, &'t str)> {
    let length = begin.len();
    text.match_indices(begin).filter_map(move |(at, _)| {
        let from = at + length;
        let to = from + text[from..].find('}')?;
        let name = &text[from..to];
        is_name(name).then_some((at..to + 1, name))
    })
}

/// Returns a value as it stands inside a text; nothing for a list, an object or null.
pub(crate) fn inside_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Returns the first variable that a text holds; anything else in `${…}` is Genesys' own.
pub(crate) fn open_variable(text: &str) -> Option<&str> {
    places(text, BEGIN).next().map(|(_, name)| name)
}

/// Tells whether a text can be the name of a variable.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

impl<'v> Filler<'v> {
    pub(super) fn new(values: &'v BTreeMap<String, Value>) -> Self {
        Self {
            values,
            used: BTreeSet::new(),
            unset: BTreeSet::new(),
            unfit: Vec::new(),
        }
    }

    fn value(&mut self, name: &str) -> Option<&'v Value> {
        let value = self.values.get(name);
        let noted = match value {
            Some(_) => &mut self.used,
            None => &mut self.unset,
        };
        noted.insert(name.to_owned());
        value
    }

    /// Fills every variable in a value; returns whether there was one.
    pub(super) fn fill(&mut self, value: &mut Value) -> bool {
        if let Some(slot) = Slot::of(value) {
            let Slot::Var(name) = slot else {
                return false;
            };
            if let Some(new) = self.value(&name) {
                *value = new.clone();
            }
            return true;
        }
        match value {
            Value::String(text) => match self.fill_text(text, Inside::Plain) {
                Some(new) => {
                    *text = new;
                    true
                }
                None => false,
            },
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |any, item| self.fill(item) | any),
            Value::Object(map) => map
                .values_mut()
                .fold(false, |any, value| self.fill(value) | any),
            _ => false,
        }
    }

    /// Fills every variable inside a text; nothing where there is none.
    pub(super) fn fill_text(&mut self, text: &str, inside: Inside) -> Option<String> {
        let mut out = String::new();
        let mut done = 0;
        for (place, name) in places(text, BEGIN) {
            let Some(value) = self.value(name) else {
                continue;
            };
            let Some(plain) = inside_text(value) else {
                let told = format!("the variable {name} is no text, and stands inside one");
                self.unfit.push(told);
                continue;
            };
            let written = match inside {
                Inside::Plain => plain,
                Inside::Json => {
                    let quoted = Value::String(plain).to_string();
                    quoted[1..quoted.len() - 1].to_owned()
                }
                Inside::Source if is_harmless(&plain) => plain,
                Inside::Source => {
                    let told = format!(
                        "the value of the variable {name} would change the meaning of the text around it: quotes, backslashes, braces, line breaks, `: ` and ` #` cannot be put there"
                    );
                    self.unfit.push(told);
                    continue;
                }
            };
            out.push_str(&text[done..place.start]);
            out.push_str(&written);
            done = place.end;
        }
        if done == 0 {
            // A place without a value is one all the same.
            return open_variable(text).map(|_| text.to_owned());
        }
        Some(out + &text[done..])
    }
}

/// Tells whether a value can stand in any place of a flow or grammar without changing what is around.
fn is_harmless(value: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '"' | '\'' | '\\' | '{' | '}' | '<' | '&');
    !value.contains(breaks)
        && !value.contains(": ")
        && !value.contains(" #")
        && !value.ends_with(':')
        && value.trim() == value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_of_its_type_or_told_of() {
        for (kind, good, bad) in [
            (
                VariableType::Url,
                json!("https://a.example/x"),
                json!("a.example"),
            ),
            (
                VariableType::Host,
                json!("a.example"),
                json!("https://a.example"),
            ),
            (
                VariableType::Email,
                json!("a@b.example"),
                json!("a.b.example"),
            ),
            (VariableType::Phone, json!("+4930123"), json!("030123")),
            (VariableType::Integer, json!(3), json!(3.5)),
            (VariableType::Number, json!(3.5), json!("3.5")),
            (VariableType::Boolean, json!(true), json!("true")),
            (VariableType::List, json!([]), json!({})),
            (VariableType::Object, json!({}), json!([])),
            (VariableType::String, json!(""), json!(1)),
        ] {
            assert_eq!(kind.check(&good), Ok(()));
            let told = kind.check(&bad).expect_err("it is of another type");
            assert!(told.contains(&bad.to_string()), "{told}");
        }
    }

    #[test]
    fn only_variables_are_filled() {
        let values = BTreeMap::from([
            ("url".to_owned(), json!("https://a.example/\"x\"")),
            ("n".to_owned(), json!(7)),
            ("list".to_owned(), json!([1])),
        ]);
        let mut filler = Filler::new(&values);
        let mut body = json!({
            "whole": {"$var": "n"}, "list": {"$var": "list"}, "open": {"$var": "none"},
            "text": "${var.url} and ${var.n}", "theirs": "${input.x} $!{input.y} $esc.jsonString(${input.z})",
            "ref": {"$ref": "routing_queue/${var.n}"}, "bad": "${var.list}", "odd": "${var.} ${var.a b} ${var.n",
        });
        assert!(filler.fill(&mut body));
        assert_eq!(
            body,
            json!({
                "whole": 7, "list": [1], "open": {"$var": "none"},
                "text": "https://a.example/\"x\" and 7", "theirs": "${input.x} $!{input.y} $esc.jsonString(${input.z})",
                "ref": {"$ref": "routing_queue/${var.n}"}, "bad": "${var.list}", "odd": "${var.} ${var.a b} ${var.n",
            })
        );
        assert_eq!(filler.unset, BTreeSet::from(["none".to_owned()]));
        assert_eq!(filler.unfit.len(), 1);
        let json = filler.fill_text("{\"u\": \"${var.url}\"}", Inside::Json);
        let json = json.expect("there is one");
        assert_eq!(
            serde_json::from_str::<Value>(&json).expect("it is JSON")["u"],
            values["url"]
        );
        assert_eq!(
            filler.fill_text("u: ${var.url}", Inside::Source).as_deref(),
            Some("u: ${var.url}")
        );
        assert_eq!(filler.unfit.len(), 2);
        assert_eq!(
            filler.fill_text("u: ${var.n}", Inside::Source).as_deref(),
            Some("u: 7")
        );
        assert_eq!(filler.fill_text("u: ${input.n}", Inside::Source), None);
    }
}
