//! The file of a new object, with a comment for every field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::kind::facts;
use crate::catalogue::{Catalogue, Descriptor, Driver, Reference, nearest};
use crate::document::Slot;
use crate::id::{Key, Kind, ObjectRef};
use crate::models::{Place, Places, Shape};
use crate::path::FieldPath;

/// How far objects in objects are written out.
const DEPTH: usize = 2;

/// Characters of a line of prose.
const WIDTH: usize = 96;

/// Says why an object of a kind cannot have a name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It has too few or too many parts.
    #[error(
        "a {title} is named by {form}, and {name:?} is not of that form; write a / inside a part as %2F"
    )]
    Form {
        /// What people call the kind.
        title: String,
        /// The parts: `<type>/<name>`.
        form: String,
        /// The name.
        name: String,
    },
    /// A part is none of the values that the API knows.
    #[error(
        "the {field} of a {title} is one of {}, not {given:?}{}",
        known.join(", "),
        nearest(given, known.iter().map(String::as_str)).map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
    )]
    Value {
        /// What people call the kind.
        title: String,
        /// The field.
        field: String,
        /// What was given.
        given: String,
        /// What there is, as a name has it.
        known: Vec<String>,
    },
}

/// Writes the file of an object of a name: what it needs, and everything else in comments.
///
/// `##` begins what is said, and `# ` a field that can be taken in by taking that away.
///
/// # Errors
/// The name has not the parts that a key of the kind has.
pub fn scaffold(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    key: &Key,
) -> Result<String, BadName> {
    let named = named(catalogue, descriptor, key)?;
    let mut writer = Writer {
        descriptor,
        places: Places::new(descriptor),
        text: String::new(),
    };
    writer.say("", &format!("{} ({})", descriptor.title, descriptor.kind));
    for note in &descriptor.notes {
        writer.say("", note);
    }
    if let Some(about) = files(descriptor.driver) {
        writer.say("", about);
    }
    writer.say(
        "",
        "A field that stays commented out is not managed: orgsmith neither compares nor changes it. \
         [] says that none is wanted.",
    );
    let needs_nothing = !writer.places.fields().any(|place| place.field.required);
    if named.is_empty() && needs_nothing {
        writer.text.push_str("{} # goes with the first field\n");
    }
    for (name, value) in &named {
        writer.text.push('\n');
        writer.field(name, Some(value));
    }
    let parent = descriptor.parent.iter().map(|parent| parent.field.as_str());
    let done: BTreeSet<&str> = named.keys().map(String::as_str).chain(parent).collect();
    let names: Vec<&str> = writer.places.fields().map(|place| place.name()).collect();
    for name in names.into_iter().filter(|name| !done.contains(name)) {
        writer.text.push('\n');
        writer.field(name, None);
    }
    Ok(writer.text)
}

/// Says which files an object has beside its document.
fn files(driver: Driver) -> Option<&'static str> {
    Some(match driver {
        Driver::Flow => {
            "The source is an Architect YAML file beside this one, which ends in .flow.yaml."
        }
        Driver::Script => {
            "The script itself is a file in a folder beside this one that has its name: script.json."
        }
        Driver::Prompt => {
            "Audio lies in a folder beside this file that has its name, such as en-us.wav."
        }
        Driver::Grammar => {
            "The files of its languages lie in a folder beside this one that has its name."
        }
        Driver::Asset => "The file itself lies in a folder beside this one that has its name.",
        Driver::Action => {
            "Of an action of the function integration, the code lies in a folder beside this file \
             that has its name: function.zip."
        }
        Driver::Crud | Driver::Credential | Driver::Datatable | Driver::Variation => return None,
    })
}

/// Returns the fields that a key says.
fn named(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    key: &Key,
) -> Result<Map<String, Value>, BadName> {
    let mut fields = Map::new();
    if descriptor.singleton || key.is_builtin() {
        return Ok(fields);
    }
    let parts = key.parts();
    let form = key_form(catalogue, descriptor);
    if parts.len() != form.len() || parts.iter().any(String::is_empty) {
        return Err(BadName::Form {
            title: descriptor.title.clone(),
            form: form.join("/"),
            name: key.as_str().to_owned(),
        });
    }
    let mut rest = &parts[..];
    let places: Vec<Place<'_>> = Places::new(descriptor).fields().collect();
    for path in &descriptor.key.fields {
        let target = refers_to(descriptor, path);
        let length = target.map_or(1, |(_, kind)| key_length(catalogue, kind));
        let (own, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        let value = match target {
            Some((_, kind)) => {
                let object = ObjectRef::new(kind.clone(), Key::from_parts(own));
                Slot::Ref(object).to_value()
            }
            None => {
                let place = places
                    .iter()
                    .find(|place| path.is_root() && place.name() == path.root());
                let known = place.map_or(&[][..], Place::values);
                let lower = descriptor.key.lower_case.contains(path);
                known_value(descriptor, path, &own.concat(), known, lower)?.into()
            }
        };
        // The `id` of a place that refers is collapsed with it.
        let place = target.map_or(path, |(reference, _)| &reference.path);
        put(&mut fields, place, value);
    }
    Ok(fields)
}

/// Returns the value that a part of a name means: one that is known, where the API lists them.
fn known_value(
    descriptor: &Descriptor,
    path: &FieldPath,
    given: &str,
    known: &[&str],
    lower: bool,
) -> Result<String, BadName> {
    let written = match lower {
        true => given.to_uppercase(),
        false => given.to_owned(),
    };
    if known.is_empty() || known.contains(&written.as_str()) {
        return Ok(written);
    }
    let named = |value: &&str| match lower {
        true => value.to_lowercase(),
        false => (*value).to_owned(),
    };
    Err(BadName::Value {
        title: descriptor.title.clone(),
        field: path.to_string(),
        given: given.to_owned(),
        known: known.iter().map(named).collect(),
    })
}

/// Returns the reference that a part of a key is, and its kind.
fn refers_to<'d>(
    descriptor: &'d Descriptor,
    path: &FieldPath,
) -> Option<(&'d Reference, &'d Kind)> {
    let mut references = descriptor.references.iter();
    let reference = references.find(|reference| path.is_at(&reference.path))?;
    let kind = reference
        .kind
        .as_ref()
        .or(reference.kinds.values().next())?;
    Some((reference, kind))
}

/// Names the parts of a key: `integration/category/name`.
fn key_form(catalogue: &Catalogue, descriptor: &Descriptor) -> Vec<String> {
    let mut form = Vec::new();
    for path in &descriptor.key.fields {
        let inner =
            refers_to(descriptor, path).and_then(|(_, kind)| catalogue.get(kind.as_str()).ok());
        match inner {
            Some(inner) if inner.kind != descriptor.kind => {
                let parts = key_form(catalogue, inner).into_iter();
                form.extend(parts.map(|part| format!("<{part} of the {}>", inner.title)));
            }
            _ => form.push(format!("<{}>", path.to_string().trim_end_matches("[]"))),
        }
    }
    for part in &mut form {
        // Of one in another only the innermost says something.
        *part = part.replace("<<", "<").replace("> of", " of");
    }
    form
}

fn key_length(catalogue: &Catalogue, kind: &Kind) -> usize {
    let descriptor = catalogue.get(kind.as_str());
    descriptor.map_or(1, |descriptor| key_form(catalogue, descriptor).len())
}

/// Puts a value at a path, and what holds it.
fn put(fields: &mut Map<String, Value>, path: &FieldPath, value: Value) {
    let mut steps: Vec<&str> = path.segments().collect();
    let mut made = value;
    while steps.len() > 1 {
        made = match steps.pop() {
            Some("[]") => Value::Array(vec![made]),
            Some(name) => Value::Object(Map::from_iter([(name.to_owned(), made)])),
            None => break,
        };
    }
    match (fields.get_mut(path.root()), made) {
        (Some(Value::Object(own)), Value::Object(more)) => own.extend(more),
        (_, made) => {
            fields.insert(path.root().to_owned(), made);
        }
    }
}

struct Writer<'k> {
    descriptor: &'k Descriptor,
    places: Places<'k>,
    text: String,
}

impl<'k> Writer<'k> {
    /// Writes prose.
    fn say(&mut self, indent: &str, text: &str) {
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                    self.text.push_str(&format!("## {indent}{line}\n"));
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.text.push_str(&format!("## {indent}{line}\n"));
        }
    }

    /// Writes a field of the document; without a value as a comment.
    fn field(&mut self, name: &str, value: Option<&Value>) {
        let place = self.places.fields().find(|place| place.name() == name);
        if let Some(facts) = place
            .as_ref()
            .and_then(|place| facts(self.descriptor, place))
        {
            self.say("", &facts);
        }
        match (value, place) {
            (Some(value), _) => self.text.push_str(&format!("{name}: {}\n", flow(value))),
            (None, Some(place)) if place.field.required => {
                self.say("", "A new one needs it.");
                let sample = self.sample(&place);
                self.text.push_str(&format!("{name}: {}\n", flow(&sample)));
            }
            (None, Some(place)) => self.place(&place, "", "", 0),
            (None, None) => {}
        }
    }

    /// Writes a place as a comment: `lead` stands before its name in the first line.
    fn place(&mut self, place: &Place<'k>, indent: &str, lead: &str, depth: usize) {
        let name = place.name();
        let shape = self.places.shape(place);
        if !place.values().is_empty()
            && matches!(shape, Shape::Text | Shape::Integer | Shape::List(_))
        {
            let word = if matches!(shape, Shape::List(_)) {
                "Any of"
            } else {
                "One of"
            };
            self.say(indent, &format!("{word} {}.", place.values().join(", ")));
        }
        let inner = format!("{indent}  ");
        match shape {
            Shape::Object(fields) if depth < DEPTH && !fields.is_empty() => {
                self.line(indent, lead, &format!("{name}:"));
                for field in &fields {
                    self.inner(field, &inner, "", depth);
                }
            }
            Shape::List(item) if depth < DEPTH => match self.places.shape(&item) {
                Shape::Object(fields) if !fields.is_empty() => {
                    self.line(indent, lead, &format!("{name}:"));
                    let inside = format!("{inner}  ");
                    for (index, field) in fields.iter().enumerate() {
                        let lead = if index == 0 { "- " } else { "" };
                        self.inner(field, &inside, lead, depth);
                    }
                }
                _ => {
                    let item = self.sample(&item);
                    let list = Value::Array(vec![item]);
                    self.line(indent, lead, &format!("{name}: {}", flow(&list)));
                }
            },
            _ => {
                let sample = self.sample(place);
                self.line(indent, lead, &format!("{name}: {}", flow(&sample)));
            }
        }
    }

    fn inner(&mut self, field: &Place<'k>, indent: &str, lead: &str, depth: usize) {
        self.place(field, indent, lead, depth + 1);
    }

    fn line(&mut self, indent: &str, lead: &str, text: &str) {
        let indent = &indent[lead.len().min(indent.len())..];
        self.text.push_str(&format!("# {indent}{lead}{text}\n"));
    }

    /// Returns a value that may stand at a place.
    fn sample(&self, place: &Place<'k>) -> Value {
        match self.places.shape(place) {
            Shape::Any | Shape::Map(_) | Shape::Keyed(..) | Shape::Object(_) => Map::new().into(),
            Shape::Text => {
                let least = place.limits().min_length.unwrap_or(0);
                let filler = "x".repeat(usize::try_from(least).unwrap_or(0));
                place
                    .values()
                    .first()
                    .map_or(filler, |value| (*value).to_owned())
                    .into()
            }
            Shape::Integer | Shape::Number => {
                let known = place
                    .values()
                    .first()
                    .and_then(|value| serde_json::from_str(value).ok());
                known.unwrap_or_else(|| whole(place.limits().minimum.unwrap_or(0.0)))
            }
            Shape::Boolean => false.into(),
            Shape::Time => "2026-01-31T08:00:00Z".into(),
            Shape::Date => "2026-01-31".into(),
            Shape::Secret => Slot::Secret("name".to_owned()).to_value(),
            Shape::Reference(reference) => sample_reference(reference),
            Shape::List(_) => Vec::<Value>::new().into(),
        }
    }
}

fn sample_reference(reference: &Reference) -> Value {
    let kind = reference.kind.as_ref().or(reference.kinds.values().next());
    let key = match kind {
        Some(kind) if kind.as_str() == "auth_division" => Key::builtin("home"),
        _ => Key::from_parts(&["…"]),
    };
    let kind = kind.cloned().unwrap_or_else(|| Kind::new("kind"));
    Slot::Ref(ObjectRef::new(kind, key)).to_value()
}

fn whole(number: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the least values of the contract are small"
    )]
    let whole = number.ceil() as i64;
    whole.into()
}

/// Writes a value in one line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(name, value)| format!("{name}: {}", flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}
