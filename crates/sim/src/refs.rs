//! References inside a body: where they are and what they point to.

use serde_json::Value;

use crate::store::Fields;

/// Describes a reference from a kind to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ref {
    /// Where it is: names joined by dots, `[]` for every item of a list, `{}` for every value of
    /// a map. It ends at an id or at an object with an `id`.
    pub(crate) path: &'static str,
    pub(crate) to: Target,
    /// How an id that does not exist is refused.
    pub(crate) missing: (u16, &'static str),
    /// Whether it keeps its target from being deleted.
    pub(crate) holds: bool,
    /// Whether `*` stands for all objects of the kind.
    pub(crate) starrable: bool,
}

/// Names the kind that a reference points to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Kind(&'static str),
    /// A field beside the id tells the kind.
    ByField(&'static str, &'static [(&'static str, &'static str)]),
}

impl Ref {
    /// Describes a reference that is refused with 400 and keeps its target.
    pub(crate) const fn to(path: &'static str, kind: &'static str) -> Self {
        Self {
            path,
            to: Target::Kind(kind),
            missing: (400, "bad.request"),
            holds: true,
            starrable: false,
        }
    }

    pub(crate) const fn by_field(
        path: &'static str,
        field: &'static str,
        kinds: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            to: Target::ByField(field, kinds),
            ..Self::to(path, "")
        }
    }

    /// Sets how an id that does not exist is refused.
    pub(crate) const fn missing(mut self, status: u16, code: &'static str) -> Self {
        self.missing = (status, code);
        self
    }

    /// Lets the target be deleted.
    pub(crate) const fn weak(mut self) -> Self {
        self.holds = false;
        self
    }

    /// Lets `*` stand for all objects of the kind.
    pub(crate) const fn starrable(mut self) -> Self {
        self.starrable = true;
        self
    }

    /// Lists the references of this sort in a body: target kind (if the field beside it names
    /// one) and id.
    pub(crate) fn find<'f>(&self, fields: &'f Fields) -> Vec<(Option<&'static str>, &'f str)> {
        let mut found = Vec::new();
        let (first, rest) = split(self.path);
        if let Some(value) = fields.get(first.name) {
            walk(value, first.many, rest, &mut |value| {
                let id = id_of(value).filter(|id| !(self.starrable && *id == "*"));
                if let Some(id) = id {
                    found.push((self.target(value), id));
                }
            });
        }
        found
    }

    /// Visits the objects that hold the references of this sort.
    pub(crate) fn each_mut(
        &self,
        fields: &mut Fields,
        visit: &mut dyn FnMut(Option<&'static str>, &mut Fields),
    ) {
        let (first, rest) = split(self.path);
        if let Some(value) = fields.get_mut(first.name) {
            walk_mut(value, first.many, rest, &mut |value| {
                let target = self.target(value);
                if let Value::Object(reference) = value {
                    visit(target, reference);
                }
            });
        }
    }

    /// Tells whether the reference can point to a kind.
    pub(crate) fn can_be(&self, kind: &str) -> bool {
        match self.to {
            Target::Kind(name) => name == kind,
            Target::ByField(_, kinds) => kinds.iter().any(|(_, name)| *name == kind),
        }
    }

    fn target(&self, value: &Value) -> Option<&'static str> {
        match self.to {
            Target::Kind(name) => Some(name),
            Target::ByField(field, kinds) => {
                let word = value.get(field)?.as_str()?;
                kinds
                    .iter()
                    .find(|(w, _)| *w == word)
                    .map(|(_, kind)| *kind)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Many {
    One,
    List,
    Map,
}

struct Segment {
    name: &'static str,
    many: Many,
}

fn split(path: &'static str) -> (Segment, &'static str) {
    let (segment, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, many) = if let Some(name) = segment.strip_suffix("[]") {
        (name, Many::List)
    } else if let Some(name) = segment.strip_suffix("{}") {
        (name, Many::Map)
    } else {
        (segment, Many::One)
    };
    (Segment { name, many }, rest)
}

fn walk<'v>(value: &'v Value, many: Many, rest: &'static str, visit: &mut dyn FnMut(&'v Value)) {
    match (many, value) {
        (Many::List, Value::Array(items)) => {
            items
                .iter()
                .for_each(|item| walk(item, Many::One, rest, visit));
        }
        (Many::Map, Value::Object(items)) => {
            items
                .values()
                .for_each(|item| walk(item, Many::One, rest, visit));
        }
        (Many::One, value) if rest.is_empty() => visit(value),
        (Many::One, Value::Object(fields)) => {
            let (segment, rest) = split(rest);
            if let Some(inner) = fields.get(segment.name) {
                walk(inner, segment.many, rest, visit);
            }
        }
        _ => {}
    }
}

fn walk_mut(value: &mut Value, many: Many, rest: &'static str, visit: &mut dyn FnMut(&mut Value)) {
    match (many, value) {
        (Many::List, Value::Array(items)) => {
            items
                .iter_mut()
                .for_each(|item| walk_mut(item, Many::One, rest, visit));
        }
        (Many::Map, Value::Object(items)) => {
            items
                .values_mut()
                .for_each(|item| walk_mut(item, Many::One, rest, visit));
        }
        (Many::One, value) if rest.is_empty() => visit(value),
        (Many::One, Value::Object(fields)) => {
            let (segment, rest) = split(rest);
            if let Some(inner) = fields.get_mut(segment.name) {
                walk_mut(inner, segment.many, rest, visit);
            }
        }
        _ => {}
    }
}

/// Gives the id that a value is or holds.
pub(crate) fn id_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(id) => Some(id.as_str()),
        Value::Object(reference) => reference.get("id")?.as_str(),
        _ => None,
    }
    .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_in_objects_lists_and_maps() {
        let body = json!({
            "queueFlow": {"id": "f1", "name": "x"},
            "rings": [{"groups": [{"id": "g1", "type": "GROUP"}, {"id": "t1", "type": "TEAM"}]}],
            "scripts": {"CALL": {"id": "s1"}, "CHAT": {}},
            "owners": ["u1", "u2", ""],
        });
        let fields = body.as_object().unwrap();
        let find = |reference: Ref| reference.find(fields);
        assert_eq!(find(Ref::to("queueFlow", "flow")), [(Some("flow"), "f1")]);
        assert_eq!(
            find(Ref::to("scripts{}", "script")),
            [(Some("script"), "s1")]
        );
        assert_eq!(
            find(Ref::to("owners[]", "user")),
            [(Some("user"), "u1"), (Some("user"), "u2")]
        );
        let kinds = &[("GROUP", "group")];
        assert_eq!(
            find(Ref::by_field("rings[].groups[]", "type", kinds)),
            [(Some("group"), "g1"), (None, "t1")]
        );
        assert_eq!(find(Ref::to("absent.flow", "flow")), []);
    }
}
