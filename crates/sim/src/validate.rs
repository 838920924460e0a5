//! Requests against the contract.

use orgsmith_contract::{Direction, Location, Operation, ProblemKind, Type, contract};
use serde_json::{Value, json};

use crate::error::Refusal;
use crate::kind::Kind;

/// Refuses query parameters that the operation does not have, lacks, or has with other types.
pub(crate) fn check_query(
    operation: &Operation,
    query: &[(String, String)],
) -> Result<(), Refusal> {
    let refuse = |name: &str, message: String| {
        Refusal::new(400, "invalid.query.param.value", message)
            .detail("invalid.query.param.value", name)
    };
    for (name, value) in query {
        let Some(param) = operation.query(name) else {
            return Err(refuse(name, format!("Unknown query parameter {name}")));
        };
        let good = match &param.ty {
            Type::Integer => value.parse::<i64>().is_ok(),
            Type::Number => value.parse::<f64>().is_ok(),
            Type::Boolean => value == "true" || value == "false",
            _ => true,
        };
        if !good {
            return Err(refuse(
                name,
                format!("Value [{value}] is not valid for parameter {name}"),
            ));
        }
        // The documented defaults do not always stand in the documented enum (ASC, ascending).
        let is_default = param
            .default
            .as_ref()
            .and_then(Value::as_str)
            .is_some_and(|default| default.eq_ignore_ascii_case(value));
        let allowed = &param.enum_values;
        if !allowed.is_empty() && !allowed.contains(value) && !is_default {
            return Err(refuse(
                name,
                format!(
                    "Value [{value}] is not valid for field type [{name}]. Allowable values are: {}",
                    allowed.join(", ")
                ),
            ));
        }
    }
    let missing = operation.params.iter().find(|param| {
        param.location == Location::Query
            && param.required
            && !query.iter().any(|(name, _)| *name == param.name)
    });
    match missing {
        Some(param) => Err(refuse(
            &param.name,
            format!("The query parameter {} is required", param.name),
        )),
        None => Ok(()),
    }
}

/// Values that the service takes and the contract's list of values leaves out: path, place, value.
///
/// A group's update lists `ownerIds` where its creation and its answers say `owners`.
const SLIPS: [(&str, &str, &str); 1] = [("/api/v2/groups/{groupId}", "/visibility", "owners")];

/// Says how a body is judged.
pub(crate) struct Bodies<'k> {
    /// The kind that the operation writes, if it is a plain one.
    pub(crate) kind: Option<&'k Kind>,
    pub(crate) path: &'k str,
    /// The id in the path of an update.
    pub(crate) id: Option<&'k str>,
    /// Whether the world is being furnished: read-only fields are taken as they are.
    pub(crate) seed: bool,
    pub(crate) relax_read_only: bool,
}

/// Tells whether a service does without a field that the contract requires.
fn is_optional(kind: &Kind, field: &str) -> bool {
    let index = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let names: Vec<&str> = field
        .split('/')
        .map(|name| if index(name) { "[]" } else { name })
        .collect();
    kind.optional.contains(&names.join("/").as_str())
}

/// Refuses a body that the contract does not allow; takes out of it what is allowed but has no
/// meaning.
pub(crate) fn check_body(
    operation: &Operation,
    body: &mut Value,
    how: &Bodies<'_>,
) -> Result<(), Refusal> {
    let Some(ty) = &operation.body else {
        return match body {
            Value::Null => Ok(()),
            _ => Err(Refusal::bad_request("This operation takes no body.")),
        };
    };
    if body.is_null() {
        return match operation.body_required {
            true => Err(Refusal::bad_request("A body is required.")),
            false => Ok(()),
        };
    }
    // Seeds may choose the id, which no create model lets a client do.
    let seed_id = match body.as_object_mut() {
        Some(fields) if how.seed && operation.method == "POST" => fields.remove("id"),
        _ => None,
    };
    let mut read_only = Vec::new();
    let mut details = Vec::new();
    let mut first: Option<Refusal> = None;
    for found in contract().check(ty, body, Direction::Request) {
        let field = found.pointer.trim_start_matches('/');
        let code = match &found.problem {
            ProblemKind::Missing if how.kind.is_some_and(|kind| is_optional(kind, field)) => {
                continue;
            }
            // What is named by its id inside another object need not say the rest of its model.
            ProblemKind::Missing if is_reference(body, &found.pointer) => continue,
            ProblemKind::NotAllowed { .. }
                if SLIPS.iter().any(|(path, field, value)| {
                    *path == operation.path
                        && *field == found.pointer
                        && body.pointer(field).and_then(Value::as_str) == Some(value)
                }) =>
            {
                continue;
            }
            ProblemKind::ReadOnly if how.seed => continue,
            ProblemKind::ReadOnly if tolerated(body, &found.pointer, how) => {
                read_only.push(found.pointer.clone());
                continue;
            }
            ProblemKind::UnknownField | ProblemKind::ReadOnly => "invalid.property",
            ProblemKind::Missing => "required.field.missing",
            ProblemKind::WrongType { .. } | ProblemKind::NotAllowed { .. } => "invalid.value",
            _ => "constraint.validation",
        };
        let message = match &found.problem {
            ProblemKind::NotAllowed { allowed } => format!(
                "Value [{}] is not valid for field type [{field}]. Allowable values are: {}",
                body.pointer(&found.pointer)
                    .map(spelled)
                    .unwrap_or_default(),
                allowed.join(", ")
            ),
            _ => found.to_string(),
        };
        details.push(json!({"errorCode": code, "fieldName": field}));
        first.get_or_insert_with(|| Refusal::new(400, code, message));
    }
    for pointer in read_only.iter().rev() {
        take(body, pointer);
    }
    if let (Some(id), Some(fields)) = (seed_id, body.as_object_mut()) {
        fields.insert("id".into(), id);
    }
    match first {
        None => Ok(()),
        Some(mut refusal) => {
            refusal.more.details = details;
            Err(refusal)
        }
    }
}

/// Takes out of an answer what the contract's answer does not have, such as the details that a
/// list leaves to the reads of its objects.
pub(crate) fn trim_answer(operation: &Operation, body: &mut Value) {
    let Some(ty) = &operation.response else {
        return;
    };
    for found in contract().check(ty, body, Direction::Response) {
        if let (ProblemKind::UnknownField, Some((parent, field))) =
            (&found.problem, found.pointer.rsplit_once('/'))
            && let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            fields.remove(&field.replace("~1", "/").replace("~0", "~"));
        }
    }
}

fn spelled(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Tells whether a read-only field may be sent, although it changes nothing.
fn tolerated(body: &Value, pointer: &str, how: &Bodies<'_>) -> bool {
    if how.relax_read_only {
        return true;
    }
    let field = pointer.trim_start_matches('/');
    let is_reference = field.contains('/');
    let value = body.pointer(pointer).and_then(Value::as_str);
    match field.rsplit('/').next() {
        // The id of a model used as a reference is what is being set.
        Some("id") if is_reference => true,
        Some("id") => how.id.is_some() && value == how.id,
        Some("selfUri") if !is_reference => value == Some(how.path),
        _ => false,
    }
}

/// Tells whether a missing field is one of a model that is used as a reference, by its id alone.
fn is_reference(body: &Value, missing: &str) -> bool {
    missing
        .rsplit_once('/')
        .filter(|(parent, _)| !parent.is_empty())
        .and_then(|(parent, _)| body.pointer(parent)?.as_object())
        .is_some_and(|fields| fields.len() == 1 && fields.contains_key("id"))
}

/// Takes a field out, unless it is the id of a reference.
fn take(body: &mut Value, pointer: &str) {
    let Some((parent, field)) = pointer.rsplit_once('/') else {
        return;
    };
    if field == "id" && !parent.is_empty() {
        return;
    }
    if let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.remove(field);
    }
}
