//! Finds the objects that the source of a flow names, in the org that it is brought to.

use serde_json::{Value, json};

use crate::api::dependencies::type_of;
use crate::cx::Cx;
use crate::flowyaml::{Source, Use, What, by_api};
use crate::kind::Kind;
use crate::routes::registry;
use crate::store::Object;

/// What is known of the objects that a source names.
pub(super) struct Resolved {
    /// Those that are there: kind, id, name, and the type of dependency tracking.
    pub(super) uses: Vec<Value>,
    /// The flows that are not.
    pub(super) missing_flows: Vec<(&'static str, String)>,
    /// What is said of everything else that is not.
    pub(super) problems: Vec<String>,
    /// What is said of objects of kinds that the simulator does not have.
    pub(super) unknown: Vec<String>,
}

pub(super) fn resolve(cx: &Cx<'_>, source: &Source) -> Resolved {
    let mut resolved = Resolved {
        uses: Vec::new(),
        missing_flows: Vec::new(),
        problems: Vec::new(),
        unknown: Vec::new(),
    };
    for used in &source.uses {
        if let What::Object(path) = used.what
            && kind_at(path).is_none()
        {
            resolved.unknown.push(format!(
                "The simulator has no {path}: '{}' was not looked for.",
                used.name
            ));
            continue;
        }
        let is_itself = matches!(used.what, What::Flow(flow) if flow == source.flow_type.api)
            && used.name == source.name;
        match find(cx, used) {
            _ if is_itself => {}
            Ok((kind, object)) => resolved.uses.push(json!({
                "kind": kind.name,
                "id": object.id,
                "name": object.text("name"),
                "type": type_of(kind, &object.fields),
            })),
            Err(problem) => match used.what {
                What::Flow(flow) => resolved.missing_flows.push((flow, used.name.clone())),
                _ => resolved.problems.push(problem),
            },
        }
    }
    resolved
}

/// Says that a flow is not there.
pub(super) fn no_flow(flow_type: &str, name: &str) -> String {
    format!("Could not find the {} flow '{name}'.", spoken(flow_type))
}

fn spoken(flow_type: &str) -> &str {
    by_api(flow_type).map_or(flow_type, |found| found.root)
}

fn kind_at(path: &str) -> Option<&'static Kind> {
    registry().kinds().find(|kind| kind.path == path)
}

fn find<'c>(cx: &'c Cx<'_>, used: &Use) -> Result<(&'static Kind, &'c Object), String> {
    match &used.what {
        What::Object(path) => {
            let noun = noun(path);
            let kind = kind_at(path).ok_or_else(|| missing(noun, &used.name))?;
            one(cx, kind, noun, used, |_| true).map(|object| (kind, object))
        }
        What::Flow(flow) => {
            let kind = super::kind();
            one(cx, kind, "flow", used, |object| {
                object.text("type") == *flow
            })
            .map(|object| (kind, object))
        }
        What::Action { category } => {
            let kind = kind_at("/api/v2/integrations/actions");
            let noun = match category {
                Some(category) => format!("data action in the category '{category}'"),
                None => "data action".to_owned(),
            };
            let kind = kind.ok_or_else(|| missing(&noun, &used.name))?;
            let fits = |object: &Object| {
                category
                    .as_deref()
                    .is_none_or(|category| object.text("category") == category)
            };
            one(cx, kind, &noun, used, fits).map(|object| (kind, object))
        }
    }
}

/// Finds the only object with the id or the exact name.
fn one<'c>(
    cx: &'c Cx<'_>,
    kind: &'static Kind,
    noun: &str,
    used: &Use,
    fits: impl Fn(&Object) -> bool,
) -> Result<&'c Object, String> {
    let lives = |object: &&Object| {
        object.text("state") != "deleted" && object.readable_at <= cx.now && fits(object)
    };
    if let Some(id) = &used.id
        && let Some(object) = cx.org.store.get(kind.name, id).filter(lives)
    {
        return Ok(object);
    }
    let named = |object: &&Object| object.text("name") == used.name;
    let mut found: Vec<&Object> = match kind.key {
        ["name"] => cx
            .org
            .store
            .with_key(kind.name, &used.name.to_lowercase())
            .filter_map(|id| cx.org.store.get(kind.name, id))
            .filter(lives)
            .filter(named)
            .collect(),
        _ => {
            let all = cx.org.store.all(kind.name);
            all.filter(lives).filter(named).collect()
        }
    };
    match (found.pop(), found.is_empty()) {
        (Some(object), true) => Ok(object),
        (Some(_), false) => Err(format!("There are several {noun}s '{}'.", used.name)),
        (None, _) => Err(missing(noun, &used.name)),
    }
}

fn missing(noun: &str, name: &str) -> String {
    format!("Could not find the {noun} '{name}'.")
}

fn noun(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        "queues" => "queue",
        "languages" => "language skill",
        "skills" => "ACD skill",
        "schedulegroups" => "schedule group",
        "schedules" => "schedule",
        "emergencygroups" => "emergency group",
        "wrapupcodes" => "wrap-up code",
        "contactlists" => "contact list",
        "groups" => "group",
        "users" => "user",
        "prompts" => "prompt",
        "datatables" => "data table",
        "scripts" => "script",
        _ => "object",
    }
}
