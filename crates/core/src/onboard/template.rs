//! Texts with places that are filled in, and the way into an answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::setup::Values;

/// A text with places: `Hello ${user.name}`; `$${` stands for `${`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// What can be filled in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `${user.division.name}`: a field of the user as the org has it.
    User(Pointer),
    /// `${org.name}`: the name of the org in the project file.
    OrgName,
    /// `${external.id}`: what the other system calls the user.
    ExternalId,
    /// `${secret.NAME}`: a secret by its name.
    Secret(String),
}

/// Says what is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// There is no end.
    #[error("{0:?}: `${{` without `}}`")]
    Open(String),
    /// Nothing is known by that name.
    #[error("`${{{0}}}` is not known; there are user.FIELD, org.name, external.id and secret.NAME")]
    Unknown(String),
}

/// How a value is written into a text, so that it stays one value there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    /// Inside a text of JSON.
    Json,
    /// In a URL, or in a form.
    Percent,
    Xml,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A place that is not closed, or that is not known.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                plain.push_str(&rest[..at - 1]);
                plain.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let end = inner
                .find('}')
                .ok_or_else(|| BadTemplate::Open(text.to_owned()))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Place(place(inner[..end].trim())?));
            rest = &inner[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Returns what is filled in.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(place) => Some(place),
            Piece::Text(_) => None,
        })
    }

    /// Returns the text before the first place.
    pub(super) fn head(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Returns the place, where the text is nothing else.
    pub(super) fn only(&self) -> Option<&Place> {
        match &self.0[..] {
            [Piece::Place(place)] => Some(place),
            _ => None,
        }
    }

    /// Fills everything in; what a user does not have is nothing.
    pub(super) fn fill(&self, values: &Values<'_>, encoding: Encoding) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Place(place) => encode(&words(&values.of(place)), encoding, &mut text),
            }
        }
        text
    }
}

fn place(name: &str) -> Result<Place, BadTemplate> {
    let unknown = || BadTemplate::Unknown(name.to_owned());
    match name.split_once('.') {
        Some(("user", field)) => {
            let pointer = Pointer::parse(field).filter(|pointer| !pointer.0.is_empty());
            pointer.map(Place::User).ok_or_else(unknown)
        }
        Some(("org", "name")) => Ok(Place::OrgName),
        Some(("external", "id")) => Ok(Place::ExternalId),
        Some(("secret", name)) if !name.is_empty() => Ok(Place::Secret(name.to_owned())),
        _ => Err(unknown()),
    }
}

/// Returns a value as it stands in a text.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn encode(value: &str, encoding: Encoding, out: &mut String) {
    match encoding {
        Encoding::Plain => out.push_str(value),
        Encoding::Json => {
            let quoted = Value::from(value).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
        Encoding::Percent => {
            for byte in value.bytes() {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        out.push(char::from(byte));
                    }
                    other => out.push_str(&format!("%{other:02X}")),
                }
            }
        }
        Encoding::Xml => {
            for c in value.chars() {
                match c {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&apos;"),
                    other => out.push(other),
                }
            }
        }
    }
}

/// Returns how a value may stand in a text that repeats it: as it is, as any request has it, and in
/// JSON that is in JSON.
pub(super) fn spellings(value: &str) -> BTreeSet<String> {
    let spelled = |value: &str, encoding| {
        let mut out = String::new();
        encode(value, encoding, &mut out);
        out
    };
    let encodings = [
        Encoding::Plain,
        Encoding::Json,
        Encoding::Percent,
        Encoding::Xml,
    ];
    let mut found: BTreeSet<String> = encodings.map(|one| spelled(value, one)).into();
    for _ in 0..2 {
        let quoted: Vec<String> = found
            .iter()
            .map(|one| spelled(one, Encoding::Json))
            .collect();
        found.extend(quoted);
    }
    found
}

/// The way to a value in a document: `$.data.status`, `data.items[0].id` or `/data/status`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads a pointer; `$` alone is the whole document.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix('/') {
            let parts = path.split('/');
            let parts = parts.map(|part| part.replace("~1", "/").replace("~0", "~"));
            return Some(Self(parts.collect()));
        }
        let path = match text.strip_prefix('$') {
            Some("") => return Some(Self(Vec::new())),
            Some(path) => path.strip_prefix('.').unwrap_or(path),
            None => text,
        };
        let mut parts = Vec::new();
        for (number, part) in path.split('.').enumerate() {
            let (name, indexes) = match part.split_once('[') {
                Some((name, indexes)) => (name, Some(indexes)),
                None => (part, None),
            };
            // `$[0].id` begins with an index.
            let begins = number == 0 && indexes.is_some();
            match name.trim_matches('"') {
                "" if begins => {}
                "" => return None,
                name => parts.push(name.to_owned()),
            }
            let Some(indexes) = indexes else { continue };
            for index in indexes.split('[') {
                let index = index.strip_suffix(']')?.trim_matches(['\'', '"']);
                if index.is_empty() {
                    return None;
                }
                parts.push(index.to_owned());
            }
        }
        Some(Self(parts))
    }

    /// Returns the first step of the way.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// Returns what is there.
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, part| match value {
            Value::Object(fields) => fields.get(part),
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Returns what is there as a text, where it is a text, a number or a truth.
    pub fn text(&self, document: &Value) -> Option<String> {
        match self.find(document)? {
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            value => Some(words(value)),
        }
    }
}

/// Lists the names of the secrets that templates fill in.
pub(super) fn secrets<'t>(templates: impl IntoIterator<Item = &'t Template>) -> BTreeSet<String> {
    let places = templates.into_iter().flat_map(Template::places);
    places
        .filter_map(|place| match place {
            Place::Secret(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn filled(text: &str, encoding: Encoding) -> String {
        let user = json!({"id": "u1", "name": "A \"B\" <C>&", "division": {"name": "Nord/Süd"}, "n": 3, "on": true});
        let secrets = BTreeMap::new();
        let values = Values {
            user: &user,
            org: "gold",
            external: Some("x-1"),
            secrets: &secrets,
        };
        Template::parse(text).unwrap().fill(&values, encoding)
    }

    #[test]
    fn a_value_stays_one_value_wherever_it_is_written() {
        assert_eq!(filled("${user.name}", Encoding::Json), r#"A \"B\" <C>&"#);
        assert_eq!(
            filled("/u/${user.division.name}", Encoding::Percent),
            "/u/Nord%2FS%C3%BCd"
        );
        assert_eq!(
            filled("<n>${user.name}</n>", Encoding::Xml),
            "<n>A &quot;B&quot; &lt;C&gt;&amp;</n>"
        );
        assert_eq!(
            filled(
                "${org.name} ${external.id} ${user.n} ${ user.on }${user.none}",
                Encoding::Plain
            ),
            "gold x-1 3 true"
        );
        assert_eq!(
            filled("$${user.name} $$", Encoding::Plain),
            "${user.name} $$"
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "${user}",
            "${user.}",
            "${usr.name}",
            "${org.id}",
            "${secret.}",
            "${}",
            "${user.a[}",
        ] {
            assert!(
                matches!(Template::parse(text), Err(BadTemplate::Unknown(_))),
                "{text}"
            );
        }
        assert!(matches!(
            Template::parse("a ${user.name"),
            Err(BadTemplate::Open(_))
        ));
    }

    #[test]
    fn pointers_of_three_forms_lead_to_the_same() {
        let document = json!({"data": [{"state": {"code": 7}}]});
        for text in [
            "$.data[0].state.code",
            "data[0].state.code",
            "/data/0/state/code",
            "$['data'][0].state.code",
        ] {
            let pointer = Pointer::parse(text).expect(text);
            assert_eq!(pointer.text(&document).as_deref(), Some("7"), "{text}");
        }
        assert_eq!(
            Pointer::parse("$").unwrap().find(&document),
            Some(&document)
        );
        assert_eq!(Pointer::parse("$.data").unwrap().text(&document), None);
        for text in ["", "$.", "a..b", "a[", "a[0", "a[]"] {
            assert!(Pointer::parse(text).is_none(), "{text}");
        }
    }
}
