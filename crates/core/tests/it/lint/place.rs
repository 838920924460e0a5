//! Whether every path of a kind file leads somewhere in the model as it is read.

use orgsmith_contract::{Field, Type};
use orgsmith_core::catalogue::{MEMBER_OF, Part, Reference};
use orgsmith_core::path::FieldPath;

use super::{Lint, calls, facts};

/// A model may hold itself; what lies deeper is not looked at.
pub const DEPTH: usize = 3;

pub fn check(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let parent = kind.parent.as_ref().map(|parent| &parent.field);
    for field in kind.fields.iter().filter(|field| Some(*field) != parent) {
        let path = FieldPath::parse(field);
        if !path.as_ref().is_ok_and(FieldPath::is_root) {
            lint.find(format!("fields {field}"), "is not one top-level field");
        } else if field_of(lint, field).is_none() {
            lint.find(
                format!("fields {field}"),
                format!("{} has no such field", kind.model),
            );
        }
    }
    let managed = [
        ("key.fields", &kind.key.fields),
        ("unordered", &kind.unordered),
        ("volatile", &kind.volatile),
        ("json", &kind.json),
        ("returned", &kind.returned),
        ("secrets", &kind.secrets),
        ("numbers", &kind.numbers),
        ("own_ids", &kind.own_ids),
    ];
    for (place, paths) in managed {
        for path in paths {
            let place = format!("{place} {path}");
            managed_root(lint, &place, path);
            if Some(path.root()) != parent.map(String::as_str) {
                must_resolve(lint, &place, path);
            }
        }
    }
    for (list, path) in kind.pii.all() {
        let place = format!("{list} {path}");
        managed_root(lint, &place, path);
        must_resolve(lint, &place, path);
        let is_text = !matches!(resolve(lint, path), Ok(Some(ty)) if ty != Type::String);
        if list != "pii.others" && !is_text {
            lint.find(&place, "is not a text, so nothing can be put in its place");
        }
        let needed = path.is_root() && field_of(lint, path.root()).is_some_and(|f| f.required);
        let known_by = kind
            .key
            .fields
            .iter()
            .any(|field| field.root() == path.root());
        if list == "pii.others" && (needed || known_by) {
            lint.find(&place, "cannot be dropped: no object is without it");
        }
    }
    for endpoint in &kind.endpoints {
        let (place, path) = (format!("endpoint {}", endpoint.path), &endpoint.path);
        managed_root(lint, &place, path);
        must_resolve(lint, &place, path);
    }
    for path in &kind.unordered {
        if matches!(resolve(lint, path), Ok(Some(ty)) if !matches!(ty, Type::Array(_))) {
            lint.find(format!("unordered {path}"), "is not a list");
        }
    }
    for path in &kind.numbers {
        if !matches!(resolve(lint, path), Ok(Some(Type::String))) {
            lint.find(format!("numbers {path}"), "is not a text");
        }
    }
    for path in &kind.key.fields {
        if kind.volatile.contains(path) {
            lint.find(format!("key.fields {path}"), "is volatile too");
        }
    }
    if let Some(path) = &kind.stamp {
        must_resolve(lint, &format!("stamp {path}"), path);
    }
    for (index, builtin) in kind.builtins.iter().enumerate() {
        for path in builtin.when.keys().chain(&builtin.key_field) {
            must_resolve(lint, &format!("builtin[{index}] {path}"), path);
        }
    }
    // What an object belongs to is no field of the API's.
    let own = |reference: &&Reference| reference.path.root() != MEMBER_OF;
    for reference in kind.references.iter().filter(own) {
        if Some(reference.path.root()) != parent.map(String::as_str) {
            check_reference(lint, reference);
        }
    }
    for path in &kind.returned {
        if !kind.volatile.contains(path) {
            lint.find(
                format!("returned {path}"),
                "is not among the volatile places",
            );
        }
    }
    loose_ids(lint);
}

/// Returns a field of the model as it is read.
pub fn field_of(lint: &Lint<'_>, name: &str) -> Option<&'static Field> {
    let own = lint.contract.model(&lint.kind.model)?.field(name);
    // A secret may be in what is sent alone.
    let secret = lint.kind.secrets.iter().any(|path| path.root() == name);
    own.or_else(|| {
        let create = lint.kind.create.as_ref().filter(|_| secret)?;
        super::body::body_model(lint, &create.method, &create.path)?.field(name)
    })
}

fn managed_root(lint: &mut Lint<'_>, place: &str, path: &FieldPath) {
    let kind = lint.kind;
    let managed = kind.fields.iter().any(|field| field == path.root())
        || kind.parts.iter().any(|part| part.field == path.root());
    // What a PUT sends back may have places that it does not take.
    let sent_back = place.starts_with("volatile") && kind.unmanaged.contains_key(path.root());
    if !managed && !sent_back {
        lint.find(place, "is in no managed field and in no part");
    }
}

fn must_resolve(lint: &mut Lint<'_>, place: &str, path: &FieldPath) {
    if let Err(message) = resolve(lint, path) {
        lint.find(place, message);
    }
}

/// Returns the type of a part's place in the document; absent where the contract says no more.
pub fn part_type(lint: &Lint<'_>, part: &Part) -> Option<Type> {
    if let Some(inverse) = &part.inverse {
        let holder = lint.catalogue.get(inverse.kind.as_str()).ok()?;
        let model = lint.contract.model(&holder.model)?;
        return Some(model.field(inverse.path.root())?.ty.clone());
    }
    let Some(list) = &part.list else {
        return Some(field_of(lint, &part.field)?.ty.clone());
    };
    let answer = lint.contract.operation(list.method(), &list.path)?;
    let answer = answer.response.as_ref()?;
    if part.single {
        // The field that holds the object, or all of the answer.
        let Some(field) = &list.rows else {
            return Some(answer.clone());
        };
        let whole = lint.contract.model(answer.model_name()?)?;
        return Some(whole.field(field)?.ty.clone());
    }
    calls::rows_in(lint.contract, answer, list.rows.as_deref())
        .map(|row| Type::Array(Box::new(row)))
}

/// Follows a path through the model as it is read, and through its parts.
///
/// Returns the type there; none where the contract says no more.
pub fn resolve(lint: &Lint<'_>, path: &FieldPath) -> Result<Option<Type>, String> {
    let root = path.root();
    let mut found = match lint.kind.parts.iter().find(|part| part.field == root) {
        Some(part) => part_type(lint, part),
        None => {
            let field = field_of(lint, root)
                .ok_or_else(|| format!("{} has no field {root}", lint.kind.model))?;
            Some(field.ty.clone())
        }
    };
    let mut at = root.to_owned();
    for segment in path.segments().skip(1) {
        // What a text of JSON says is in no contract.
        if lint.kind.json.iter().any(|text| text.to_string() == at) {
            return Ok(None);
        }
        at.push_str(match segment {
            "[]" | "{}" => "",
            _ => ".",
        });
        at.push_str(segment);
        found = match (segment, found) {
            (_, None | Some(Type::Object)) => return Ok(None),
            ("[]", Some(Type::Array(inner))) | ("{}", Some(Type::Map(inner))) => Some(*inner),
            ("[]", Some(ty)) => return Err(format!("{} is not a list", spell(&ty))),
            ("{}", Some(ty)) => return Err(format!("{} is not a map", spell(&ty))),
            (_, Some(Type::Map(inner))) => Some(*inner),
            (name, Some(Type::Model(model))) => {
                let field = lint
                    .contract
                    .model(&model)
                    .and_then(|model| model.field(name));
                let field = field.ok_or_else(|| format!("{model} has no field {name}"))?;
                Some(field.ty.clone())
            }
            (name, Some(ty)) => return Err(format!("{} has no field {name}", spell(&ty))),
        };
    }
    Ok(found)
}

/// Spells a type for a finding.
pub fn spell(ty: &Type) -> String {
    match ty {
        Type::String => "a string".into(),
        Type::Integer | Type::Number => "a number".into(),
        Type::Boolean => "true or false".into(),
        Type::DateTime | Type::Date => "a time".into(),
        Type::Object => "anything".into(),
        Type::Model(name) => name.clone(),
        Type::Array(inner) => format!("a list of {}", spell(inner)),
        Type::Map(inner) => format!("a map of {}", spell(inner)),
    }
}

fn check_reference(lint: &mut Lint<'_>, reference: &Reference) {
    let kind = lint.kind;
    let path = &reference.path;
    let place = format!("reference {path}");
    managed_root(lint, &place, path);
    for target in reference.kind.iter().chain(reference.kinds.values()) {
        if !lint.known.contains(target.as_str()) {
            lint.find(&place, format!("nobody knows the kind {target}"));
        }
    }
    if reference.kind.is_none() == reference.kinds.is_empty()
        || reference.kinds.is_empty() != reference.by.is_none()
    {
        lint.find(&place, "has either kind, or kinds and by");
    }
    if reference.bare && reference.by.is_some() && path.split_last_field().is_none() {
        lint.find(
            &place,
            "is bare, and nothing stands beside an id that is alone",
        );
    }
    if reference.keys && (reference.bare || reference.owns_element || reference.by.is_some()) {
        lint.find(&place, "keys go with kind and deferrable alone");
    }
    if reference.owns_element && !path.in_list() {
        lint.find(&place, "owns_element, and is in no list");
    }
    let in_part = kind.parts.iter().any(|part| part.field == path.root());
    if reference.deferrable && !in_part && kind.update.is_none() {
        lint.find(&place, "is deferrable, and nothing updates the kind");
    }
    let found = match resolve(lint, path) {
        Ok(found) => found,
        Err(message) => return lint.find(place, message),
    };
    if reference.keys {
        if !matches!(found, None | Some(Type::Map(_) | Type::Object)) {
            lint.find(&place, "is no map");
        }
        return;
    }
    if let (true, Some(by), Some((holder, _))) =
        (reference.bare, &reference.by, path.split_last_field())
    {
        let beside = FieldPath::parse(&format!("{holder}.{by}"));
        if let Err(message) = resolve(lint, &beside.expect("a field beside a field")) {
            lint.find(&place, message);
        }
    }
    let object = found.as_ref().and_then(|ty| match ty {
        Type::Model(name) => lint.contract.model(name),
        _ => None,
    });
    match (&found, reference.bare) {
        (None | Some(Type::Object), _) | (Some(Type::String), true) => {}
        (Some(ty), true) => lint.find(&place, format!("is bare, and holds {}", spell(ty))),
        (Some(ty), false) => {
            if object.is_none_or(|model| model.field("id").is_none()) {
                lint.find(&place, format!("{} has no id", spell(ty)));
            }
        }
    }
    if let (Some(by), Some(beside)) = (&reference.by, object) {
        match beside.field(by) {
            None => lint.find(&place, format!("there is no {by} beside it")),
            Some(field) => {
                for value in reference.kinds.keys() {
                    if !field.enum_values.is_empty() && !field.enum_values.contains(value) {
                        lint.find(&place, format!("{by} is never {value}"));
                    }
                }
            }
        }
    }
}

/// Finds ids of the source org that would travel: places that hold one and are no reference.
fn loose_ids(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let mut found = Vec::new();
    let parent = kind.parent.as_ref().map(|parent| &parent.field);
    for field in kind.fields.iter().filter(|field| Some(*field) != parent) {
        if let Some(ty) = field_of(lint, field).map(|field| &field.ty) {
            walk_ids(lint, field, ty, &mut Vec::new(), &mut found);
        }
    }
    for part in &kind.parts {
        let Some(ty) = part_type(lint, part) else {
            continue;
        };
        let (path, item) = match &ty {
            Type::Array(item) if !part.single => (format!("{}[]", part.field), &**item),
            ty => (part.field.clone(), ty),
        };
        let model = match item {
            Type::Model(name) => lint.contract.model(name),
            _ => None,
        };
        match model {
            Some(model) if !part.fields.is_empty() => {
                for name in &part.fields {
                    if let Some(field) = model.field(name) {
                        let path = format!("{path}.{name}");
                        walk_ids(lint, &path, &field.ty, &mut Vec::new(), &mut found);
                    }
                }
            }
            _ => walk_ids(lint, &path, item, &mut Vec::new(), &mut found),
        }
    }
    for path in found {
        lint.find(path, "holds an id of the org and is no reference");
    }
}

fn walk_ids<'t>(
    lint: &Lint<'_>,
    path: &str,
    ty: &'t Type,
    stack: &mut Vec<&'t str>,
    found: &mut Vec<String>,
) {
    let own = |place: &FieldPath| place.to_string() == path;
    if lint.kind.own_ids.iter().any(own)
        || is_volatile(lint, path)
        || is_key(lint, path)
        || reference_at(lint, path).is_some()
    {
        return;
    }
    match ty {
        Type::Array(inner) => walk_ids(lint, &format!("{path}[]"), inner, stack, found),
        Type::Map(inner) => walk_ids(lint, &format!("{path}{{}}"), inner, stack, found),
        Type::Model(name) => {
            let Some(model) = lint.contract.model(name) else {
                return;
            };
            if stack.iter().filter(|seen| *seen == name).count() >= DEPTH {
                return;
            }
            stack.push(name);
            for (name, field) in &model.fields {
                walk_ids(lint, &format!("{path}.{name}"), &field.ty, stack, found);
            }
            stack.pop();
        }
        Type::String => {
            let name = path.rsplit('.').next().unwrap_or(path);
            let name = name.trim_end_matches(['[', ']', '{', '}']);
            let an_id = name == "id" || name.ends_with("Id") || name.ends_with("Ids");
            if an_id && !facts::is_no_id(&format!("{}.{path}", lint.kind.kind)) {
                found.push(path.to_owned());
            }
        }
        _ => {}
    }
}

/// Tells whether nobody manages a place.
pub fn is_volatile(lint: &Lint<'_>, path: &str) -> bool {
    let mut volatile = lint.kind.volatile.iter();
    volatile.any(|place| place.to_string() == path)
}

fn is_key(lint: &Lint<'_>, path: &str) -> bool {
    let mut keys = lint.kind.key.fields.iter();
    keys.any(|place| place.to_string() == path)
}

/// Returns the reference at a place.
pub fn reference_at<'a>(lint: &Lint<'a>, path: &str) -> Option<&'a Reference> {
    let mut references = lint.kind.references.iter();
    references.find(|reference| reference.path.to_string() == path)
}
