//! What holds for every kind of the catalogue, shown on `examples/every-kind`.
//!
//! A new kind is covered by having an example there, and must have one. To look at some kinds alone:
//! `ORGSMITH_KINDS=outbound_,team cargo test -p orgsmith-engine --test it kinds`.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_contract::{Field, Type, contract};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::{Catalogue, ClonePhase, Descriptor, Driver};
use orgsmith_core::document::Slot;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::plan::{Action, MORE, Options, Plan, Planner};
use orgsmith_core::select::{Read, Selection};
use orgsmith_engine::{Events, Scope, collect};
use orgsmith_sim::{Config, Limits};
use serde_json::{Value, json};

use crate::lab::{Lab, example, told};

/// Returns the examples: of all kinds, or of those that are asked for and what they refer to.
fn every_kind() -> Bundle {
    let mut bundle = example("every-kind");
    if let Ok(wanted) = std::env::var("ORGSMITH_KINDS") {
        let terms: Vec<String> = bundle
            .documents
            .keys()
            .filter(|object| {
                let kind = object.kind.as_str();
                wanted
                    .split(',')
                    .any(|name| kind == name || (name.ends_with('_') && kind.starts_with(name)))
            })
            .map(|object| format!("kind={}", object.kind))
            .collect();
        let selection = Selection::parse(Catalogue::builtin(), &terms, &[])
            .expect("kinds")
            .with_dependencies(true);
        bundle = selection
            .apply(bundle, Catalogue::builtin())
            .expect("a selection");
        bundle.selection.clear();
    }
    bundle
}

/// Tells whether a kind is one that the tests look at.
fn is_asked_for(kind: &str) -> bool {
    std::env::var("ORGSMITH_KINDS").map_or(true, |wanted| {
        wanted
            .split(',')
            .any(|name| kind == name || (name.ends_with('_') && kind.starts_with(name)))
    })
}

/// Starts two orgs that may be asked as often as the tests like.
async fn lab() -> Lab {
    let mut config = Config::with_orgs(["a", "b"]);
    config.limits = Limits::none();
    Lab::configured(config).await
}

fn descriptor(object: &ObjectRef) -> &'static Descriptor {
    Catalogue::builtin()
        .get(object.kind.as_str())
        .expect("an example is of a known kind")
}

/// Spells the steps of a plan that should have none.
fn spelled(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| {
        let changes: Vec<String> = step
            .changes
            .iter()
            .map(|change| {
                let spell = |value: &Option<Value>| {
                    value.as_ref().map_or_else(String::new, Value::to_string)
                };
                format!(
                    "\n    {}: {} -> {}",
                    change.path,
                    spell(&change.old),
                    spell(&change.new)
                )
            })
            .collect();
        format!("{} {}{}", step.id, step.reason, changes.join(""))
    });
    let conflicts = plan
        .conflicts
        .iter()
        .map(|conflict| format!("{}: {}", conflict.object, conflict.reason));
    steps.chain(conflicts).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_kind_has_an_example() {
    let bundle = example("every-kind");
    let has: BTreeSet<&str> = bundle
        .documents
        .keys()
        .map(|object| object.kind.as_str())
        .collect();
    let lacks: Vec<&str> = Catalogue::builtin()
        .iter()
        .filter(|kind| kind.clone != ClonePhase::Mapped)
        .map(|kind| kind.kind.as_str())
        .filter(|kind| !has.contains(kind))
        .collect();
    assert!(lacks.is_empty(), "no example of {}", lacks.join(", "));
    let problems: Vec<String> = orgsmith_core::validate::validate(Catalogue::builtin(), &bundle)
        .into_iter()
        .filter(|problem| problem.severity == orgsmith_core::plan::Severity::Error)
        .map(|problem| format!("{} {}: {problem}", problem.object, problem.pointer))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Tells of fields that only the target of a plan has; of two equal orgs there are none.
fn more(plan: &Plan) -> String {
    let more = plan.findings.iter().filter(|finding| finding.rule == MORE);
    let lines = more.map(|f| format!("{}: {}", f.object.as_ref().expect("an object"), f.message));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every example arrives in an empty org; what the server fills in is no difference; what arrived
/// is exported whole; and it goes on to a second org, where a second clone has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_arrive_and_travel_on() {
    let lab = lab().await;
    let bundle = every_kind();
    let plan = lab.plan(&bundle, "a").await;
    assert!(plan.conflicts.is_empty(), "{}", spelled(&plan));
    let finished = lab.run(&plan, "a").await;
    assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    let again = lab.plan(&bundle, "a").await;
    assert!(
        again.is_empty() && again.conflicts.is_empty(),
        "{}",
        spelled(&again)
    );

    let first = lab.export("a").await;
    let gaps: Vec<String> = first.gaps.iter().map(ToString::to_string).collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    let lost: Vec<String> = bundle
        .documents
        .keys()
        .filter(|object| !first.documents.contains_key(*object))
        .map(ToString::to_string)
        .collect();
    assert!(lost.is_empty(), "not exported: {}", lost.join(", "));

    let plan = lab.plan(&first, "a").await;
    assert!(
        plan.is_empty(),
        "an org differs from itself:\n{}",
        spelled(&plan)
    );
    assert_eq!(more(&plan), "", "an org has more than itself");
    let plan = lab.plan(&first, "b").await;
    assert!(plan.conflicts.is_empty(), "{}", spelled(&plan));
    let finished = lab.run(&plan, "b").await;
    assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    let before = lab.writes("b").len();
    let again = lab.plan(&first, "b").await;
    assert!(again.is_empty(), "{}", spelled(&again));
    assert_eq!(more(&again), "", "a clone has more than its source");
    lab.run(&again, "b").await;
    let only_jobs = lab
        .writes("b")
        .into_iter()
        .skip(before)
        .all(|entry| entry.path.contains("/export/jobs"));
    assert!(only_jobs, "a second clone writes nothing");

    let second = lab.export("b").await;
    for (object, document) in &first.documents {
        assert_eq!(second.documents.get(object), Some(document), "{object}");
    }
}

/// One changed field is one update that says exactly that field, and then there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_changed_field_is_one_update_of_that_field() {
    let lab = lab().await;
    let bundle = every_kind();
    lab.apply(&bundle, "a").await;
    let mut org = lab.export("a").await;
    // Of each kind, an object that a change was tried on; nothing once one could be changed.
    let mut untouched: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut failures = Vec::new();
    for object in bundle.documents.keys() {
        let descriptor = descriptor(object);
        if !is_asked_for(object.kind.as_str())
            || !can_change(descriptor)
            || only_refers(descriptor, &org, object)
        {
            continue;
        }
        let (mut changed, mut refused) = (0, Vec::new());
        for (path, value) in mutations(descriptor, &org, object) {
            let mut desired = Bundle::default();
            let mut document = org.documents[object].open();
            let place = changed_place(&path, &document.body[&path], &value);
            document.body.insert(path.clone(), value);
            desired.insert(document);
            let plan = plan_one(&lab, &desired, object).await;
            // What is published is made a draft first, and published again afterwards.
            let writes = || {
                plan.steps.iter().filter(|step| {
                    let id = step.id.as_str();
                    !id.ends_with(":publish") && !id.ends_with(":open") && !id.ends_with(":live")
                })
            };
            let updates: Vec<_> = writes().filter(|s| s.object == *object).collect();
            let [step] = updates[..] else {
                failures.push(format!(
                    "{object}: {path}: {} steps\n{}",
                    updates.len(),
                    spelled(&plan)
                ));
                continue;
            };
            let says: BTreeSet<&str> = step
                .changes
                .iter()
                .map(|change| change.path.as_str())
                .collect();
            if step.action != Action::Update
                || says != BTreeSet::from([place.as_str()])
                || writes().count() != 1
            {
                failures.push(format!("{object}: {path}:\n{}", spelled(&plan)));
                continue;
            }
            // What the service does not take is no value to go on with.
            let finished = lab.run(&plan, "a").await;
            if !finished.outcome.is_complete() {
                refused.push(told(&plan, &finished));
                continue;
            }
            let again = plan_one(&lab, &desired, object).await;
            if !again.is_empty() {
                failures.push(format!(
                    "{object}: {path} is not done:\n{}",
                    spelled(&again)
                ));
                continue;
            }
            org.documents.extend(desired.documents);
            changed += 1;
        }
        let seen = untouched
            .entry(object.kind.as_str())
            .or_insert_with(|| Some(format!("{object} {}", refused.join("\n"))));
        if changed > 0 {
            *seen = None;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let untouched: Vec<String> = untouched.into_values().flatten().collect();
    assert!(
        untouched.is_empty(),
        "no field of these could be changed: {}",
        untouched.join(", ")
    );
}

/// Plans one object against org `a`, of which no more is read than that takes.
async fn plan_one(lab: &Lab, desired: &Bundle, object: &ObjectRef) -> Plan {
    let catalogue = Catalogue::builtin();
    let term = format!("kind={}", object.kind);
    let selection = Selection::parse(catalogue, &[term], &[]).expect("a kind");
    let mut scope = Scope {
        in_full: Some(BTreeSet::from([object.clone()])),
        ..Scope::default()
    };
    for (kind, read) in selection.kinds(catalogue) {
        if read == Read::Names {
            scope.names.insert(kind.clone());
        }
        scope.kinds.insert(kind);
    }
    let live = collect(&lab.org("a"), catalogue, &scope, &Events::none())
        .await
        .expect("an org that can be reached");
    Planner::new(catalogue, Options::default()).plan(desired, &live)
}

/// Returns the one place inside a field where two values differ; a list is a value as a whole.
fn changed_place(path: &str, old: &Value, new: &Value) -> String {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return path.to_owned();
    };
    let differs = |name: &&String| old.get(*name) != new.get(*name);
    match new.keys().filter(differs).collect::<Vec<_>>()[..] {
        [name] if !name.starts_with('$') && old.contains_key(name) => {
            changed_place(&format!("{path}.{name}"), &old[name], &new[name])
        }
        _ => path.to_owned(),
    }
}

/// Tells whether an update can change an object of the kind at all.
pub(super) fn can_change(descriptor: &Descriptor) -> bool {
    let Some(update) = &descriptor.update else {
        return false;
    };
    descriptor.driver != Driver::Flow
        && descriptor.clone != ClonePhase::Mapped
        && descriptor.fields.iter().any(|field| {
            !update.omit.contains(field)
                && !descriptor.immutable.contains(field)
                && !descriptor.secrets.iter().any(|path| path.root() == *field)
                && !descriptor
                    .key
                    .fields
                    .iter()
                    .any(|path| path.root() == field)
        })
}

/// Returns other values for the plain fields of an object that an update takes.
pub(super) fn mutations(
    descriptor: &Descriptor,
    org: &Bundle,
    object: &ObjectRef,
) -> Vec<(String, Value)> {
    let update = descriptor.update.as_ref().expect("it can change");
    let Some(document) = org.documents.get(object) else {
        return Vec::new();
    };
    let model = contract().model(&descriptor.model);
    descriptor
        .fields
        .iter()
        .filter(|field| {
            !update.omit.contains(field)
                && !descriptor.immutable.contains(field)
                && !descriptor.secrets.iter().any(|path| path.root() == *field)
                && !descriptor
                    .key
                    .fields
                    .iter()
                    .any(|path| path.root() == **field)
                && !descriptor.parts.iter().any(|part| part.field == **field)
        })
        .filter_map(|field| {
            let about = model.and_then(|model| model.field(field));
            let value = other(&document.field(field)?, about)?;
            Some((field.clone(), value))
        })
        .collect()
}

/// Returns another value of the same sort, where one can be thought of.
fn other(value: &Value, about: Option<&Field>) -> Option<Value> {
    match value {
        Value::Bool(yes) => Some(json!(!yes)),
        Value::Number(n) => Some(json!(n.as_i64()? + 1)),
        Value::String(text) => match about {
            Some(field) if !field.enum_values.is_empty() => field
                .enum_values
                .iter()
                .find(|value| *value != text)
                .map(|value| json!(value)),
            Some(field) if field.ty != Type::String => None,
            _ => Some(json!(format!("{text} too"))),
        },
        Value::Array(items) if items.len() > 1 && items.iter().all(Value::is_string) => {
            Some(json!(items[1..]))
        }
        Value::Array(items) => {
            let changed = items.iter().enumerate().find_map(|(at, item)| {
                let mut whole = items.clone();
                whole[at] = item.is_object().then(|| other(item, None))??;
                Some(Value::Array(whole))
            });
            let plain = items.len() > 1 && items.iter().all(|item| Slot::of(item).is_none());
            changed.or_else(|| plain.then(|| json!(items[..items.len() - 1])))
        }
        Value::Object(_) if *value == json!({"$ref": "auth_division/Example"}) => {
            Some(json!({"$ref": "auth_division/~home"}))
        }
        Value::Object(map) if Slot::of(value).is_none() => map.iter().find_map(|(name, inner)| {
            let changed = match inner {
                Value::Bool(yes) => json!(!yes),
                Value::Number(n) => json!(n.as_i64()? + 1),
                Value::Object(_) | Value::Array(_) => other(inner, inside(about, name))?,
                Value::String(_) if inside(about, name).is_some_and(is_enum) => {
                    other(inner, inside(about, name))?
                }
                Value::String(text) if name.ends_with("Template") => json!(format!("{text} too")),
                Value::String(text) if name.ends_with("Domain") => json!(format!("too.{text}")),
                _ => return None,
            };
            let mut whole = map.clone();
            whole.insert(name.clone(), changed);
            Some(Value::Object(whole))
        }),
        _ => None,
    }
}

/// Returns what the contract says of a field inside another.
fn inside(about: Option<&Field>, name: &str) -> Option<&'static Field> {
    contract().model(about?.ty.model_name()?)?.field(name)
}

fn is_enum(field: &Field) -> bool {
    !field.enum_values.is_empty()
}

/// Tells whether all that an update could change is what an object refers to, and its secrets: there
/// is no other value of those to try.
pub(super) fn only_refers(descriptor: &Descriptor, org: &Bundle, object: &ObjectRef) -> bool {
    let body = org
        .documents
        .get(object)
        .map(|document| document.open().body);
    body.into_iter().flatten().all(|(field, value)| {
        let key = descriptor
            .key
            .fields
            .iter()
            .any(|path| path.root() == field);
        key || descriptor.immutable.contains(&field) || Slot::of(&value).is_some()
    })
}

/// What a document leaves out is left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_out_is_left_alone() {
    let lab = lab().await;
    let bundle = every_kind();
    lab.apply(&bundle, "a").await;
    let mut desired = lab.export("a").await;
    for (object, document) in &mut desired.documents {
        let descriptor = descriptor(object);
        let keys: BTreeSet<&str> = descriptor
            .key
            .fields
            .iter()
            .map(|path| path.root())
            .collect();
        let mut open = document.open();
        open.body.retain(|field, _| keys.contains(field.as_str()));
        *document = open.into();
    }
    let plan = lab.plan(&desired, "a").await;
    assert!(plan.is_empty(), "{}", spelled(&plan));
}

/// An empty list takes everything away: one update of that field, and then there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_list_takes_everything_away() {
    let lab = lab().await;
    let bundle = every_kind();
    lab.apply(&bundle, "a").await;
    let org = lab.export("a").await;
    let (mut failures, mut emptied) = (Vec::new(), BTreeSet::new());
    for object in bundle.documents.keys() {
        let Some(document) = org.documents.get(object).map(|document| document.open()) else {
            continue;
        };
        let is_full = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        let full = document.body.iter().filter(|(_, value)| is_full(value));
        for (field, _) in full.filter(|_| is_asked_for(object.kind.as_str())) {
            let mut desired = Bundle::default();
            let mut wanted = document.clone();
            wanted.body.insert(field.clone(), json!([]));
            desired.insert(wanted);
            let plan = plan_one(&lab, &desired, object).await;
            // What cannot be changed is said to differ, and never to be equal.
            if !plan.conflicts.is_empty() {
                continue;
            }
            let changes = plan.steps.iter().flat_map(|step| &step.changes);
            let other = changes.filter(|change| {
                let root = change.path.split(['.', '[']).next();
                root != Some(field.as_str())
            });
            if plan.is_empty() || other.count() > 0 {
                failures.push(format!("{object}: {field}: []:\n{}", spelled(&plan)));
                continue;
            }
            // What the service needs some of it refuses to empty.
            let finished = lab.run(&plan, "a").await;
            if !finished.outcome.is_complete() {
                continue;
            }
            let again = plan_one(&lab, &desired, object).await;
            if !again.is_empty() {
                failures.push(format!(
                    "{object}: {field} is still there:\n{}",
                    spelled(&again)
                ));
                continue;
            }
            emptied.insert(object.kind.as_str());
            let mut back = Bundle::default();
            back.insert(document.clone());
            let plan = plan_one(&lab, &back, object).await;
            lab.run(&plan, "a").await;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let enough = std::env::var("ORGSMITH_KINDS").is_ok() || emptied.len() > 20;
    assert!(enough, "only of {emptied:?} a list could be emptied");
}

/// Where the API keeps no order, another order is no difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_order_is_a_difference_only_where_the_api_keeps_one() {
    let lab = lab().await;
    let bundle = every_kind();
    lab.apply(&bundle, "a").await;
    let org = lab.export("a").await;
    let mut turned = org.clone();
    let mut lists = BTreeMap::new();
    for (object, document) in &mut turned.documents {
        let mut open = document.open();
        let mut body = Value::Object(open.body);
        for path in &descriptor(object).unordered {
            path.retain(&mut body, &mut |value| {
                if let Value::Array(items) = value {
                    items.reverse();
                    *lists.entry(object.clone()).or_insert(0) += items.len();
                }
                true
            });
        }
        open.body = body.as_object().cloned().expect("an object");
        *document = open.into();
    }
    orgsmith_core::validate::normalise(Catalogue::builtin(), &mut turned);
    let plan = lab.plan(&turned, "a").await;
    assert!(plan.is_empty(), "{}", spelled(&plan));
    assert!(std::env::var("ORGSMITH_KINDS").is_ok() || lists.values().any(|items| *items > 0));
}
