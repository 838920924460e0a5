//! Components: a file with parameters that yields several objects, as often as it is asked for.
//!
//! `component/<name>.yaml` has parameters and templates of objects; `instance/<name>.yaml` names a
//! component and gives its parameters. Both are orgsmith's own and no objects of the API: before
//! anything else is looked at, [`expand`] puts the objects in their place. `${param.name}` stands for
//! a parameter inside a text or a key, `{$param: name}` for a whole value; anything else in `${…}` is
//! somebody else's.

mod fill;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::catalogue::nearest;
use crate::document::{Files, Portable, Slot};
use crate::id::ObjectRef;
use crate::overlay::VariableType;
use crate::plan::Severity;
use crate::validate::{Problem, step};
use fill::Filler;

/// The kind of a component.
pub const COMPONENT: &str = "component";
/// The kind of an instance of one.
pub const INSTANCE: &str = "instance";

/// The field of a template that holds the files of the object, as texts by name.
const FILES: &str = "$files";

/// Where an object comes from that no file of the bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The instance that asked for it.
    pub instance: ObjectRef,
    /// The component that describes it.
    pub component: ObjectRef,
    /// The place of its template in the component, as a JSON pointer.
    pub pointer: String,
}

/// What became of the components of a bundle.
#[derive(Debug, Default)]
pub struct Expanded {
    /// Where each object comes from that was made.
    pub origins: BTreeMap<ObjectRef, Origin>,
    /// What is wrong with components and instances; every one is an error.
    pub problems: Vec<Problem>,
}

/// A component, as far as it is right.
struct Component {
    parameters: BTreeMap<String, Parameter>,
    /// Templates by what they are called: `routing_queue/${param.name}`.
    templates: Map<String, Value>,
}

/// A parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    #[serde(default, rename = "type")]
    kind: VariableType,
    default: Option<Value>,
    #[serde(default)]
    #[expect(dead_code, reason = "it is for those who read the file")]
    description: Option<String>,
}

/// Puts objects in the place of the instances of a bundle, and takes components out.
pub fn expand(bundle: &mut Bundle) -> Expanded {
    let mut expanded = Expanded::default();
    let components: BTreeMap<ObjectRef, Component> = take(bundle, COMPONENT)
        .into_iter()
        .map(|document| {
            let component = read(&document, &mut expanded.problems);
            (document.object, component)
        })
        .collect();
    for document in take(bundle, INSTANCE) {
        let mut report = Report {
            object: &document.object,
            problems: &mut expanded.problems,
        };
        let Some((name, component)) = component_of(&document, &components, &mut report) else {
            continue;
        };
        let Some(values) = values(&document, name, component, &mut report) else {
            continue;
        };
        for (key, template) in &component.templates {
            let origin = Origin {
                instance: document.object.clone(),
                component: name.clone(),
                pointer: step("/objects", key),
            };
            match make(key, template, &values) {
                Ok(made) => put(bundle, made, origin, &mut expanded),
                Err(message) => {
                    let place = format!("{key} of {name}: {message}");
                    expanded
                        .problems
                        .push(problem(&document.object, "/parameters", place));
                }
            }
        }
    }
    expanded.problems.sort();
    expanded
}

/// Takes the documents of a kind out of a bundle.
fn take(bundle: &mut Bundle, kind: &str) -> Vec<Portable> {
    let of_kind = bundle
        .documents
        .keys()
        .filter(|object| object.kind.as_str() == kind);
    let objects: Vec<ObjectRef> = of_kind.cloned().collect();
    let taken = objects
        .iter()
        .filter_map(|object| bundle.documents.remove(object));
    taken.map(|document| document.open()).collect()
}

/// Adds an object that was made, unless there is one already.
fn put(bundle: &mut Bundle, made: Portable, origin: Origin, expanded: &mut Expanded) {
    let object = made.object.clone();
    let other = match expanded.origins.get(&object) {
        Some(other) => Some(format!("{} makes", other.instance)),
        None => bundle
            .documents
            .contains_key(&object)
            .then(|| "a file of the bundle has".to_owned()),
    };
    if let Some(other) = other {
        let message = format!("makes {object}, which {other} too; choose another parameter");
        expanded
            .problems
            .push(problem(&origin.instance, "/parameters", message));
        return;
    }
    bundle.insert_by_hand(made);
    expanded.origins.insert(object, origin);
}

/// Reads a component; what is wrong with it is left out.
fn read(document: &Portable, problems: &mut Vec<Problem>) -> Component {
    let mut report = Report {
        object: &document.object,
        problems,
    };
    report.known(
        &document.body,
        "",
        &["description", "parameters", "objects"],
    );
    let mut parameters = BTreeMap::new();
    for (name, value) in report.mapping(&document.body, "parameters") {
        let pointer = step("/parameters", name);
        match Parameter::deserialize(value) {
            Ok(parameter) => {
                let unfit = parameter
                    .default
                    .as_ref()
                    .map(|value| parameter.kind.check(value));
                if let Some(Err(told)) = unfit {
                    report.error(&pointer, format!("the default of {name}: {told}"));
                }
                parameters.insert(name.clone(), parameter);
            }
            Err(error) => {
                report.error(&pointer, format!("the parameter {name}: {error}"));
                parameters.insert(name.clone(), Parameter::default());
            }
        }
    }
    let mut templates = Map::new();
    for (key, template) in report.mapping(&document.body, "objects") {
        let pointer = step("/objects", key);
        if key.parse::<ObjectRef>().is_err() {
            report.error(&pointer, format!("expected kind/name, found {key:?}"));
            continue;
        }
        if !template.is_object() || Slot::of(template).is_some() {
            report.error(
                &pointer,
                format!("expected the fields of {key}, found {template}"),
            );
            continue;
        }
        let mut undeclared = fill::used(key);
        undeclared.extend(fill::used_in(template));
        undeclared.retain(|name| !parameters.contains_key(name));
        for name in &undeclared {
            let known = parameters.keys().map(String::as_str);
            let message = format!("no parameter is called {name:?}{}", meant(name, known));
            report.error(&pointer, message);
        }
        if undeclared.is_empty() {
            templates.insert(key.clone(), template.clone());
        }
    }
    if !document.body.contains_key("objects") {
        report.error("", "a component needs objects".to_owned());
    }
    Component {
        parameters,
        templates,
    }
}

fn meant<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let near = nearest(name, known).map(|near| format!(" (did you mean {near:?}?)"));
    near.unwrap_or_default()
}

/// Finds the component of an instance.
fn component_of<'c>(
    document: &Portable,
    components: &'c BTreeMap<ObjectRef, Component>,
    report: &mut Report<'_>,
) -> Option<(&'c ObjectRef, &'c Component)> {
    report.known(
        &document.body,
        "",
        &["component", "parameters", "description"],
    );
    let Some(Slot::Ref(object)) = document.body.get("component").and_then(Slot::of) else {
        let message = format!("an instance names its component: {{$ref: \"{COMPONENT}/name\"}}");
        report.error("", message);
        return None;
    };
    let found = components.get_key_value(&object);
    if found.is_none() {
        let known: Vec<String> = components.keys().map(ToString::to_string).collect();
        let meant = meant(&object.to_string(), known.iter().map(String::as_str));
        report.error("/component", format!("there is no {object}{meant}"));
    }
    found
}

/// Returns the values of the parameters of an instance; nothing where one is missing or wrong.
fn values(
    document: &Portable,
    name: &ObjectRef,
    component: &Component,
    report: &mut Report<'_>,
) -> Option<BTreeMap<String, Value>> {
    let before = report.problems.len();
    let given = report.mapping(&document.body, "parameters");
    for (given, value) in given {
        let pointer = step("/parameters", given);
        match component.parameters.get(given) {
            Some(parameter) if Slot::of(value).is_none() => {
                if let Err(told) = parameter.kind.check(value) {
                    report.error(&pointer, format!("the parameter {given}: {told}"));
                }
            }
            // A variable of a target, a secret or a reference is put in as it is.
            Some(_) => {}
            None => {
                let known = component.parameters.keys().map(String::as_str);
                let message = format!("{name} has no parameter {given:?}{}", meant(given, known));
                report.error(&pointer, message);
            }
        }
    }
    let mut values = BTreeMap::new();
    for (parameter, spec) in &component.parameters {
        match given.get(parameter).or(spec.default.as_ref()) {
            Some(value) => {
                values.insert(parameter.clone(), value.clone());
            }
            None => report.error("", format!("{name} needs the parameter {parameter:?}")),
        }
    }
    (report.problems.len() == before).then_some(values)
}

/// Makes an object of a template.
fn make(key: &str, template: &Value, values: &BTreeMap<String, Value>) -> Result<Portable, String> {
    let filler = Filler::new(values);
    let object = filler.key(key)?;
    let object: ObjectRef = object
        .parse()
        .map_err(|_| format!("{object:?} is not kind/name"))?;
    let Value::Object(mut body) = filler.value(template)? else {
        return Err("is no mapping".to_owned());
    };
    let mut files = Files::new();
    match body.remove(FILES) {
        None => {}
        Some(Value::Object(texts)) => {
            for (name, text) in texts {
                let text = text
                    .as_str()
                    .ok_or_else(|| format!("the file {name} is no text"))?;
                files.insert(name, text.as_bytes().into());
            }
        }
        Some(_) => return Err(format!("{FILES} holds texts by name, such as flow.yaml")),
    }
    Ok(Portable {
        object,
        body,
        files,
    })
}

fn problem(object: &ObjectRef, pointer: &str, message: String) -> Problem {
    Problem {
        object: object.clone(),
        file: None,
        pointer: pointer.to_owned(),
        line: None,
        column: None,
        rule: "component",
        severity: Severity::Error,
        message,
        suggestion: None,
    }
}

/// Gathers what is wrong with one document.
struct Report<'r> {
    object: &'r ObjectRef,
    problems: &'r mut Vec<Problem>,
}

impl Report<'_> {
    fn error(&mut self, pointer: &str, message: String) {
        self.problems.push(problem(self.object, pointer, message));
    }

    /// Refuses fields that a document does not have.
    fn known(&mut self, body: &Map<String, Value>, pointer: &str, known: &[&str]) {
        for field in body.keys().filter(|field| !known.contains(&field.as_str())) {
            let meant = meant(field, known.iter().copied());
            let kind = self.object.kind.clone();
            self.error(
                &step(pointer, field),
                format!("a {kind} has no field {field:?}{meant}"),
            );
        }
    }

    /// Returns a field that is a mapping; empty where it is not there.
    fn mapping<'b>(&mut self, body: &'b Map<String, Value>, field: &str) -> &'b Map<String, Value> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        match body.get(field) {
            None => &EMPTY,
            Some(Value::Object(map)) => map,
            Some(value) => {
                let message = format!("expected a mapping of {field} by name, found {value}");
                self.error(&step("", field), message);
                &EMPTY
            }
        }
    }
}
