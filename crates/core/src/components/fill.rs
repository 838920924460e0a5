//! Values in the place of parameters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::id::Key;
use crate::overlay::{inside_text, places};

const BEGIN: &str = "${param.";

/// The name of a whole value: `{$param: name}`.
const WHOLE: &str = "$param";

/// Returns the name of the parameter that a value is, if it is one.
fn whole(value: &Value) -> Option<&str> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.get(WHOLE)?.as_str()
}

/// Returns the parameters that a text names.
pub(super) fn used(text: &str) -> BTreeSet<String> {
    places(text, BEGIN)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Returns the parameters that a template names.
pub(super) fn used_in(template: &Value) -> BTreeSet<String> {
    if let Some(name) = whole(template) {
        return BTreeSet::from([name.to_owned()]);
    }
    match template {
        Value::String(text) => used(text),
        Value::Array(items) => items.iter().flat_map(used_in).collect(),
        Value::Object(map) => {
            let mut found: BTreeSet<String> = map.values().flat_map(used_in).collect();
            found.extend(map.keys().flat_map(|key| used(key)));
            found
        }
        _ => BTreeSet::new(),
    }
}

/// Puts values in the place of parameters.
pub(super) struct Filler<'v> {
    values: &'v BTreeMap<String, Value>,
}

impl<'v> Filler<'v> {
    pub(super) fn new(values: &'v BTreeMap<String, Value>) -> Self {
        Self { values }
    }

    /// Fills a name of the form kind/key: a slash in a value is none of the key.
    pub(super) fn key(&self, text: &str) -> Result<String, String> {
        self.fill(text, &|value| Key::from_parts(&[value]).as_str().to_owned())
    }

    fn text(&self, text: &str) -> Result<String, String> {
        self.fill(text, &str::to_owned)
    }

    fn fill(&self, text: &str, write: &dyn Fn(&str) -> String) -> Result<String, String> {
        let mut out = String::new();
        let mut done = 0;
        for (place, name) in places(text, BEGIN) {
            out.push_str(&text[done..place.start]);
            out.push_str(&write(&self.scalar(name)?));
            done = place.end;
        }
        out.push_str(&text[done..]);
        Ok(out)
    }

    /// Returns a parameter as it stands inside a text.
    fn scalar(&self, name: &str) -> Result<String, String> {
        let value = self.get(name)?;
        inside_text(value).ok_or_else(|| {
            format!(
                "the parameter {name} is {value}, which cannot stand inside a text; write {{{WHOLE}: {name}}}"
            )
        })
    }

    fn get(&self, name: &str) -> Result<&'v Value, String> {
        let value = self.values.get(name);
        value.ok_or_else(|| format!("no parameter is called {name:?}"))
    }

    /// Fills a template.
    pub(super) fn value(&self, template: &Value) -> Result<Value, String> {
        if let Some(name) = whole(template) {
            return self.get(name).cloned();
        }
        Ok(match template {
            Value::String(text) => self.text(text)?.into(),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let mut filled = Map::new();
                for (name, value) in map {
                    let value = match (name.as_str(), value) {
                        ("$ref", Value::String(text)) => self.key(text)?.into(),
                        (_, value) => self.value(value)?,
                    };
                    let name = match name.starts_with("$ref:") {
                        true => self.key(name)?,
                        false => self.text(name)?,
                    };
                    filled.insert(name, value);
                }
                filled.into()
            }
            value => value.clone(),
        })
    }
}
