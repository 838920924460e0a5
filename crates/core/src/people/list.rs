//! A list of people, as it comes from a spreadsheet or from a personnel system.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{BOUND_TO, LIKE, PROFILE, home};
use crate::bundle::Bundle;
use crate::catalogue::nearest;
use crate::document::{Portable, Slot};
use crate::id::{Key, Kind, ObjectRef};
use crate::plan::Conflict;

/// One person of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The e-mail address, which tells who it is.
    pub email: String,
    /// The name that is shown.
    pub name: String,
    /// The routing profile.
    pub profile: Option<String>,
    /// The e-mail address of a user of the source: this one gets what that one has.
    pub like: Option<String>,
    /// The name of the division.
    pub division: Option<String>,
    /// The e-mail address of the manager.
    pub manager: Option<String>,
    /// The department.
    pub department: Option<String>,
    /// The job title.
    pub title: Option<String>,
    /// `active` or `inactive`.
    pub state: Option<String>,
    /// The telephone number at work.
    pub phone: Option<String>,
    /// The extension at work.
    pub extension: Option<String>,
}

const COLUMNS: [&str; 11] = [
    "email",
    "name",
    "profile",
    "like",
    "division",
    "manager",
    "department",
    "title",
    "state",
    "phone",
    "extension",
];

/// Says why a list of people cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct BadList {
    /// The line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Reads a list: a YAML sequence of mappings, or comma separated values with a head line.
///
/// # Errors
/// The text is neither, a column is unknown, or a person has no address or no name.
pub fn read_list(text: &str, yaml: bool) -> Result<Vec<Person>, BadList> {
    let people = if yaml { of_yaml(text)? } else { of_csv(text)? };
    for (line, person) in &people {
        let at = person.email.split_once('@');
        let whole = at.is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        let wrong = |message: String| {
            Err(BadList {
                line: *line,
                message,
            })
        };
        if !whole || person.email.contains(char::is_whitespace) {
            return wrong(format!("{:?} is no e-mail address", person.email));
        }
        if person.name.trim().is_empty() {
            return wrong(format!("{} has no name", person.email));
        }
        if let Some(state) = &person.state
            && !matches!(&**state, "active" | "inactive")
        {
            return wrong(format!(
                "{} has the state {state:?}; write active or inactive",
                person.email
            ));
        }
    }
    Ok(people.into_iter().map(|(_, person)| person).collect())
}

type Rows = Vec<(Option<u64>, Person)>;

fn of_yaml(text: &str) -> Result<Rows, BadList> {
    let people: Vec<Person> = serde_saphyr::from_str(text).map_err(|error| BadList {
        line: error.location().map(|place| place.line()),
        message: error
            .without_snippet()
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    })?;
    Ok(people.into_iter().map(|person| (None, person)).collect())
}

fn of_csv(text: &str) -> Result<Rows, BadList> {
    // A spreadsheet may begin a file with a mark of its byte order.
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let delimiter = match head.contains(';') && !head.contains(',') {
        true => b';',
        false => b',',
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let bad = |error: csv::Error| BadList {
        line: error.position().map(csv::Position::line),
        message: match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("it has {len} fields, and the head line has {expected_len}"),
            _ => error.to_string(),
        },
    };
    let columns: Vec<String> = reader
        .headers()
        .map_err(bad)?
        .iter()
        .map(str::to_lowercase)
        .collect();
    for column in &columns {
        if !COLUMNS.contains(&column.as_str()) {
            let meant = nearest(column, COLUMNS.into_iter())
                .map(|meant| format!(" (did you mean {meant}?)"))
                .unwrap_or_default();
            return Err(BadList {
                line: Some(1),
                message: format!(
                    "there is no column {column:?}{meant}; there are {}",
                    COLUMNS.join(", ")
                ),
            });
        }
    }
    for column in ["email", "name"] {
        if !columns.iter().any(|known| known == column) {
            return Err(BadList {
                line: Some(1),
                message: format!("the head line lacks the column {column}"),
            });
        }
    }
    let mut people = Rows::new();
    for row in reader.records() {
        let row = row.map_err(bad)?;
        let line = row.position().map(csv::Position::line);
        let filled = columns
            .iter()
            .zip(&row)
            .filter(|(_, text)| !text.is_empty());
        let mut fields: BTreeMap<&str, &str> = filled.map(|(c, text)| (c.as_str(), text)).collect();
        let mut take = |column: &str| fields.remove(column).map(str::to_owned);
        let person = Person {
            email: take("email").unwrap_or_default(),
            name: take("name").unwrap_or_default(),
            profile: take("profile"),
            like: take("like"),
            division: take("division"),
            manager: take("manager"),
            department: take("department"),
            title: take("title"),
            state: take("state"),
            phone: take("phone"),
            extension: take("extension"),
        };
        people.push((line, person));
    }
    Ok(people)
}

/// Puts the people of a list into a bundle, as users. Whoever is named twice, or has a document that a person
/// wrote, is told of and left out: which is meant only a person knows.
pub fn add_people(bundle: &mut Bundle, people: &[Person]) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    let mut named: BTreeMap<ObjectRef, usize> = BTreeMap::new();
    for person in people {
        *named.entry(user(&person.email)).or_default() += 1;
    }
    for person in people {
        let object = user(&person.email);
        match named.entry(object.clone()) {
            Entry::Occupied(times) if *times.get() > 1 => {
                let reason = format!(
                    "the list of people names this address {} times; addresses that differ only in case are the same",
                    times.remove()
                );
                if is_written(bundle, &object) {
                    bundle.documents.remove(&object);
                }
                conflicts.push(Conflict { object, reason });
            }
            Entry::Occupied(_) if is_written(bundle, &object) => {
                bundle.documents.remove(&object);
                let reason =
                    "the list of people names this address, and there is a document of it as well; keep one of the two"
                        .to_owned();
                conflicts.push(Conflict { object, reason });
            }
            Entry::Occupied(_) => {
                let body = body(bundle, person);
                bundle.insert_by_hand(Portable {
                    object,
                    body,
                    files: BTreeMap::new(),
                });
            }
            // It was told of.
            Entry::Vacant(_) => {}
        }
    }
    conflicts
}

/// Tells whether a person wrote a document of an object.
fn is_written(bundle: &Bundle, object: &ObjectRef) -> bool {
    bundle.documents.contains_key(object) && !bundle.was_read(object)
}

/// Names a user by the address.
pub fn user(email: &str) -> ObjectRef {
    ObjectRef::new(
        Kind::new("user"),
        Key::from_parts(&[email.trim().to_lowercase()]),
    )
}

fn body(bundle: &Bundle, person: &Person) -> Map<String, Value> {
    let Person {
        email,
        name,
        profile,
        like,
        division,
        manager,
        department,
        title,
        state,
        phone,
        extension,
    } = person;
    let mut body = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let refer = |object: ObjectRef| Slot::Ref(object).to_value();
    put("email", Some(email.as_str().into()));
    put("name", Some(name.as_str().into()));
    put("department", text(department));
    put("title", text(title));
    put("state", Some(state.as_deref().unwrap_or("active").into()));
    let bound = profile
        .as_ref()
        .map(|name| refer(ObjectRef::new(Kind::new(PROFILE), Key::from_parts(&[name]))));
    put(BOUND_TO, bound);
    put(LIKE, like.as_ref().map(|email| refer(user(email))));
    put("manager", manager.as_ref().map(|email| refer(user(email))));
    let division = match division {
        Some(name) => Some(division_of(bundle, name)),
        None => (profile.is_none() && like.is_none()).then(home),
    };
    put("division", division.map(refer));
    let address = |field: &str, number: &String| {
        let mut address = json!({"mediaType": "PHONE", "type": "WORK"});
        address[field] = number.as_str().into();
        address
    };
    let mut addresses: Vec<Value> = Vec::new();
    match (phone, extension) {
        (Some(phone), Some(extension)) => {
            let mut both = address("address", phone);
            both["extension"] = extension.as_str().into();
            addresses.push(both);
        }
        (Some(phone), None) => addresses.push(address("address", phone)),
        (None, Some(extension)) => addresses.push(address("extension", extension)),
        (None, None) => {}
    }
    put(
        "addresses",
        (!addresses.is_empty()).then(|| addresses.into()),
    );
    body
}

/// Returns the division of a name; the home division has a name of its own in every org.
fn division_of(bundle: &Bundle, name: &str) -> ObjectRef {
    let division = |key| ObjectRef::new(Kind::new("auth_division"), key);
    let home = home();
    let called = bundle
        .documents
        .get(&home)
        .and_then(|home| home.text("name"));
    match called.as_deref() == Some(name) || name == home.key.as_str() {
        true => home,
        false => division(Key::from_parts(&[name])),
    }
}
