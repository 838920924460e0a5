//! Examples of data actions: what one is called with, and what is to come of it.
//!
//! `example/<name>.yaml` stands in a bundle beside the objects and is orgsmith's own: [`take`] takes
//! the examples out before anything else is looked at, so that none is ever sent as configuration.
//! Calling an action may change something in another system. That there is an example says that it may
//! be called.

use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::catalogue::nearest;
use crate::document::{Portable, Slot, for_each_slot_in};
use crate::id::ObjectRef;
use crate::plan::Severity;
use crate::validate::{Problem, step};

/// The kind of an example.
pub const EXAMPLE: &str = "example";
/// The kind of what it is an example of.
pub(crate) const ACTION: &str = "integration_action";

const FIELDS: [&str; 4] = ["action", "input", "expect", "description"];

/// An example of a data action.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its own name: `example/A claim is found`.
    pub name: ObjectRef,
    /// The action that is called.
    pub action: ObjectRef,
    /// What it is called with.
    pub input: Map<String, Value>,
    /// What its result has to hold, besides anything else.
    pub expect: Option<Value>,
}

/// Takes the examples out of a bundle, and tells what is wrong with them; every problem is an error.
pub fn take(bundle: &mut Bundle) -> (Vec<Example>, Vec<Problem>) {
    let is_one = |object: &&ObjectRef| object.kind.as_str() == EXAMPLE;
    let names: Vec<ObjectRef> = bundle.documents.keys().filter(is_one).cloned().collect();
    let taken = names
        .iter()
        .filter_map(|name| bundle.documents.remove(name));
    let taken: Vec<Portable> = taken.map(|document| document.open()).collect();
    let (mut examples, mut problems) = (Vec::new(), Vec::new());
    for document in taken {
        let before = problems.len();
        let example = read(bundle, document, &mut problems);
        examples.extend(example.filter(|_| problems.len() == before));
    }
    (examples, problems)
}

fn read(bundle: &Bundle, document: Portable, problems: &mut Vec<Problem>) -> Option<Example> {
    let Portable {
        object: name,
        mut body,
        files: _,
    } = document;
    let mut wrong = |pointer: &str, message: String| {
        let problem = Problem::at(&name, pointer, (Severity::Error, EXAMPLE), message);
        problems.push(problem);
    };
    for field in body
        .keys()
        .filter(|field| !FIELDS.contains(&field.as_str()))
    {
        let near = nearest(field, FIELDS.into_iter());
        let near = near.map(|near| format!(" (did you mean {near:?}?)"));
        let told = format!(
            "an example has no field {field:?}{}",
            near.unwrap_or_default()
        );
        wrong(&step("", field), told);
    }
    let Some(Slot::Ref(action)) = body.get("action").and_then(Slot::of) else {
        let told = format!("an example names its action: {{$ref: \"{ACTION}/…\"}}");
        wrong("", told);
        return None;
    };
    let Some(packed) = bundle
        .documents
        .get(&action)
        .filter(|_| action.kind.as_str() == ACTION)
    else {
        let keys = bundle
            .documents
            .keys()
            .filter(|other| other.kind.as_str() == ACTION);
        let known: Vec<String> = keys.map(ToString::to_string).collect();
        let near = nearest(&action.to_string(), known.iter().map(String::as_str));
        let near = near.map(|near| format!(" (did you mean {near:?}?)"));
        let told = format!(
            "the bundle has no data action {action}{}",
            near.unwrap_or_default()
        );
        wrong("/action", told);
        return None;
    };
    let input = match body.remove("input") {
        None => Map::new(),
        Some(Value::Object(input)) => input,
        Some(other) => {
            wrong(
                "/input",
                format!("expected the inputs by name, found {other}"),
            );
            return None;
        }
    };
    let mut slots = false;
    for_each_slot_in(&input, &mut |_| slots = true);
    if slots {
        let told = "an example is called with values; references and secrets cannot stand in it";
        wrong("/input", told.to_owned());
        return None;
    }
    let contract = packed.field("contract").unwrap_or_default();
    let schema = &contract["input"]["inputSchema"];
    if schema.is_object() {
        let input = Value::Object(input.clone());
        match jsonschema::validator_for(schema) {
            Ok(validator) => {
                for error in validator.iter_errors(&input) {
                    let pointer = format!("/input{}", error.instance_path());
                    wrong(&pointer, format!("{action} takes no such input: {error}"));
                }
            }
            Err(error) => wrong(
                "/action",
                format!("the input contract of {action} is no JSON Schema: {error}"),
            ),
        }
    }
    Some(Example {
        name,
        action,
        input,
        expect: body.remove("expect"),
    })
}

/// Finds the first place where a result lacks something that is expected; nothing where it has all.
///
/// A mapping may have more fields than are expected; a list has what is expected and no more.
pub(crate) fn lacks(expected: &Value, result: Option<&Value>) -> Option<String> {
    lacks_at("", expected, result)
}

fn lacks_at(pointer: &str, expected: &Value, result: Option<&Value>) -> Option<String> {
    let at = if pointer.is_empty() {
        "the result"
    } else {
        pointer
    };
    match (expected, result) {
        (_, None) => Some(format!("{at} is missing")),
        (Value::Object(fields), Some(Value::Object(got))) => fields
            .iter()
            .find_map(|(name, value)| lacks_at(&step(pointer, name), value, got.get(name))),
        (Value::Array(items), Some(Value::Array(got))) => {
            if items.len() != got.len() {
                let told = format!("{at} has {} items, expected {}", got.len(), items.len());
                return Some(told);
            }
            let mut pairs = items.iter().zip(got).enumerate();
            pairs.find_map(|(number, (item, got))| {
                lacks_at(&step(pointer, &number.to_string()), item, Some(got))
            })
        }
        (Value::Number(number), Some(Value::Number(got))) if number.as_f64() == got.as_f64() => {
            None
        }
        (expected, Some(got)) if expected == got => None,
        (expected, Some(got)) => Some(format!(
            "{at} is {}, expected {}",
            brief(got),
            brief(expected)
        )),
    }
}

/// Writes a value in few characters.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Files;

    const GET: &str = "integration_action/custom-rest-actions/X/X/Get";

    fn bundle(examples: &[(&str, Value)]) -> Bundle {
        let schema =
            json!({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]});
        let action = json!({"name": "Get", "contract": {"input": {"inputSchema": schema}}});
        let examples = examples
            .iter()
            .map(|(name, body)| (format!("example/{name}"), body.clone()));
        let mut bundle = Bundle::default();
        for (object, body) in [(GET.to_owned(), action)].into_iter().chain(examples) {
            let Value::Object(body) = body else {
                panic!("no object")
            };
            bundle.insert(Portable {
                object: object.parse().expect("a name"),
                body,
                files: Files::new(),
            });
        }
        bundle
    }

    #[test]
    fn an_example_leaves_the_bundle_and_is_held_against_the_contract() {
        let action = json!({"$ref": GET});
        let mut one = bundle(&[(
            "Found",
            json!({"action": action, "input": {"id": "C1"}, "expect": {"status": "open"}}),
        )]);
        let (examples, problems) = take(&mut one);
        assert_eq!(
            (examples.len(), problems.len(), one.documents.len()),
            (1, 0, 1)
        );
        assert_eq!(examples[0].input["id"], "C1");
        for (body, pointer, told) in [
            (
                json!({"action": action, "input": {"id": 7}}),
                "/input/id",
                "string",
            ),
            (json!({"action": action}), "/input", "id"),
            (
                json!({"action": {"$ref": "integration_action/custom-rest-actions/X/X/Got"}}),
                "/action",
                "did you mean",
            ),
            (json!({"input": {}}), "", "names its action"),
            (
                json!({"action": action, "input": {"id": "C1"}, "expects": {}}),
                "/expects",
                "did you mean \"expect\"",
            ),
            (
                json!({"action": action, "input": {"id": {"$secret": "x"}}}),
                "/input",
                "secrets",
            ),
            (json!({"action": action, "input": []}), "/input", "by name"),
        ] {
            let (examples, problems) = take(&mut bundle(&[("Bad", body.clone())]));
            assert!(examples.is_empty(), "{body}");
            assert_eq!(problems[0].pointer, pointer, "{problems:?}");
            assert!(problems[0].message.contains(told), "{problems:?}");
        }
    }

    #[test]
    fn a_result_may_hold_more_than_is_expected_and_nothing_else() {
        let result = json!({"status": "open", "lines": [{"id": 1, "net": 2.0}], "more": true});
        let told = |expected: Value| lacks(&expected, Some(&result));
        assert_eq!(told(json!({"status": "open", "lines": [{"net": 2}]})), None);
        assert_eq!(told(json!({})), None);
        assert_eq!(
            told(json!({"status": "closed"})).as_deref(),
            Some("/status is \"open\", expected \"closed\"")
        );
        assert_eq!(
            told(json!({"lines": []})).as_deref(),
            Some("/lines has 1 items, expected 0")
        );
        assert_eq!(
            told(json!({"lines": [{"id": 2}]})).as_deref(),
            Some("/lines/0/id is 1, expected 2")
        );
        assert_eq!(told(json!({"who": 1})).as_deref(), Some("/who is missing"));
        assert!(told(json!([])).is_some_and(|told| told.ends_with("expected []")));
    }
}
