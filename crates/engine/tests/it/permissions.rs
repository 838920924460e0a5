//! The least role: enough for everything, and not one permission more.
//!
//! The simulator asks for permissions as the API contract says, and knows no kind file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orgsmith_contract::{Permissions, contract};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{Kind, ObjectRef};
use orgsmith_core::journal::StepState;
use orgsmith_core::permissions::{Purpose, Role, Use};
use orgsmith_core::plan::{Options, Plan, Planner};
use orgsmith_core::select::{Read, Selection};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_engine::{Events, Org, Scope, collect};
use orgsmith_sim::{ClientSpec, Config, Limits, OrgSpec};
use orgsmith_store::state::Memory;
use serde_json::Value;

use crate::functions;
use crate::kinds as every;
use crate::lab::{Lab, example, told};

/// Returns how much is read of which kinds, where these are wanted whole.
fn kinds<'k>(wanted: impl IntoIterator<Item = &'k Kind>) -> BTreeMap<Kind, Read> {
    let terms = wanted.into_iter().map(|kind| format!("kind={kind}"));
    let terms: Vec<String> = terms.collect();
    Selection::parse(Catalogue::builtin(), &terms, &[])
        .expect("kinds")
        .kinds(Catalogue::builtin())
}

/// Returns the role for every kind, those that are read on request as well.
fn role(purpose: Purpose) -> Role {
    let all = Catalogue::builtin().iter().map(|kind| &kind.kind);
    Role::new(Catalogue::builtin(), purpose, &kinds(all))
}

/// Makes a client of the permissions of a role, without one of them.
fn client(name: &str, role: &Role, without: Option<&str>) -> ClientSpec {
    let mut client = ClientSpec::new(&format!("{name}-client"), &format!("{name}-secret"));
    let names = role
        .needs
        .keys()
        .filter(|name| Some(name.as_str()) != without);
    client.permissions = names.cloned().collect();
    client
}

/// Describes an org with a client that may do everything.
fn org(name: &str) -> OrgSpec {
    OrgSpec::named(name).client(ClientSpec::new(
        &format!("{name}-client"),
        &format!("{name}-secret"),
    ))
}

async fn lab(orgs: Vec<OrgSpec>) -> Lab {
    Lab::configured(Config {
        orgs,
        limits: Limits::none(),
        ..Config::default()
    })
    .await
}

async fn read(org: &Org, kinds: &BTreeMap<Kind, Read>, deleted: bool) -> Snapshot {
    let names = kinds.iter().filter(|(_, read)| **read == Read::Names);
    let scope = Scope {
        kinds: kinds.keys().cloned().collect(),
        names: names.map(|(kind, _)| kind.clone()).collect(),
        deleted,
        ..Scope::default()
    };
    collect(org, Catalogue::builtin(), &scope, &Events::none())
        .await
        .expect("an org that can be reached")
}

fn plan(desired: &Bundle, live: &Snapshot) -> Plan {
    Planner::new(Catalogue::builtin(), Options::default()).plan(desired, live)
}

fn bundle(snapshot: &Snapshot) -> Bundle {
    snapshot.to_bundle(Catalogue::builtin(), &BTreeMap::new()).0
}

/// Returns the part of a bundle that has some kinds, and what it refers to.
fn part(whole: &Bundle, wanted: &BTreeSet<&Kind>) -> Option<Bundle> {
    let present = wanted
        .iter()
        .filter(|kind| whole.documents.keys().any(|object| object.kind == ***kind));
    let terms: Vec<String> = present.map(|kind| format!("kind={kind}")).collect();
    if terms.is_empty() {
        return None;
    }
    let selection = Selection::parse(Catalogue::builtin(), &terms, &[])
        .expect("kinds")
        .with_dependencies(true);
    let mut part = selection
        .apply(whole.clone(), Catalogue::builtin())
        .expect("a selection");
    part.selection.clear();
    Some(part)
}

/// Returns an example of every kind, and an action that runs code, which no export can have.
fn whole() -> Bundle {
    let mut whole = example("every-kind");
    let function = functions::bundle(Some(&functions::zip("code")));
    whole.documents.extend(function.documents);
    whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_role_is_enough_to_export_and_to_clone() {
    let (exporting, applying) = (role(Purpose::Export), role(Purpose::Apply));
    for name in ["every-kind", "gold-org"] {
        let source = org("a").client(client("reader", &exporting, None));
        let target = org("b").client(client("writer", &applying, None));
        let lab = lab(vec![source, target]).await;
        lab.apply(&example(name), "a").await;
        let all = kinds(Catalogue::builtin().iter().map(|kind| &kind.kind));
        let found = read(&lab.org_by("a", "reader"), &all, false).await;
        let gaps: Vec<String> = found.gaps.iter().map(ToString::to_string).collect();
        assert!(gaps.is_empty(), "{name}: {}", gaps.join("\n"));

        let writer = lab.org_by("b", "writer");
        let live = read(&writer, &all, true).await;
        let gaps: Vec<String> = live.gaps.iter().map(ToString::to_string).collect();
        assert!(gaps.is_empty(), "{name}: {}", gaps.join("\n"));
        let plan = plan(&bundle(&found), &live);
        assert!(plan.conflicts.is_empty(), "{name}");
        let finished = lab.run_by(&plan, &writer, Arc::new(Memory::new())).await;
        let finished = finished.expect("a run");
        assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    }
}

/// An export lacks the kinds that a missing permission is for, says which one it was, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_permission_of_an_export_is_needed_by_its_kinds_alone() {
    let role = role(Purpose::Export);
    let mut source = org("a");
    for (index, permission) in role.needs.keys().enumerate() {
        source = source.client(client(&format!("lacks-{index}"), &role, Some(permission)));
    }
    let lab = lab(vec![source]).await;
    lab.apply(&whole(), "a").await;
    let mut problems = Vec::new();
    for (index, (permission, of)) in role.needs.iter().enumerate() {
        let weak = lab.org_by("a", &format!("lacks-{index}"));
        let found = read(&weak, &kinds(of.keys()), false).await;
        if found.gaps.is_empty() {
            problems.push(format!("{permission}: nothing lacks without it"));
        }
        for gap in &found.gaps {
            if !of.contains_key(&gap.kind) || !gap.reason.contains(permission.as_str()) {
                problems.push(format!("{permission}: {gap}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A clone is refused the steps that a missing permission is for, says which one it was, and does
/// everything that does not build on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_permission_of_a_clone_is_needed_by_its_kinds_alone() {
    let role = role(Purpose::Apply);
    let whole = whole();
    let writing: Vec<(&String, BTreeSet<&Kind>)> = role
        .needs
        .iter()
        .map(|(permission, of)| {
            let of = of.iter().filter(|(_, uses)| uses.contains(&Use::Write));
            (permission, of.map(|(kind, _)| kind).collect())
        })
        .filter(|(_, of): &(_, BTreeSet<&Kind>)| !of.is_empty())
        .collect();
    let target = |(index, (permission, _)): (usize, &(&String, _))| {
        let weak = client(&format!("lacks-{index}"), &role, Some(permission));
        org(&format!("o{index}")).client(weak)
    };
    let lab = lab(writing.iter().enumerate().map(target).collect()).await;
    let (mut problems, mut refused) = (Vec::new(), 0);
    for (index, (permission, of)) in writing.iter().enumerate() {
        let Some(desired) = part(&whole, of) else {
            continue;
        };
        let name = format!("o{index}");
        let read_of = kinds(desired.documents.keys().map(|object| &object.kind));
        let plan = plan(&desired, &read(&lab.org(&name), &read_of, true).await);
        let weak = lab.org_by(&name, &format!("lacks-{index}"));
        let finished = lab.run_by(&plan, &weak, Arc::new(Memory::new())).await;
        let finished = finished.expect("a run");
        let outcome = &finished.outcome;
        refused += usize::from(!outcome.is_complete());
        for step in &plan.steps {
            match outcome.states.get(&step.id) {
                Some(StepState::Done { .. } | StepState::Skipped { .. }) => {}
                Some(StepState::Refused { reason })
                    if of.contains(&step.object.kind) && reason.contains(permission.as_str()) => {}
                other => problems.push(format!("{permission}: {}: {other:?}", step.id)),
            }
        }
        // A step may also find that it cannot look at the object any more.
        let named = outcome.states.values().any(|state| match state {
            StepState::Refused { reason } | StepState::Skipped { reason } => {
                reason.contains(permission.as_str())
            }
            _ => false,
        });
        if !named && !outcome.is_complete() {
            let told = told(&plan, &finished);
            problems.push(format!("{permission}: not done, and no word of it: {told}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // What only an update asks for is not seen here; that it is needed is told by the contract.
    assert!(refused > 0, "no permission was missed");
}

/// An org takes the role as it is printed, and shows the policies that were meant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_takes_the_role_as_it_is_printed() {
    let lab = lab(vec![org("a")]).await;
    for purpose in [Purpose::Export, Purpose::Apply, Purpose::Sync] {
        let body = role(purpose).body();
        let call = orgsmith_client::Call::post("/api/v2/authorization/roles").json(body.clone());
        let reply = lab.org("a").client.send(call).await.expect("a new role");
        assert_eq!(reply.body["permissionPolicies"], body["permissionPolicies"]);
    }
}

/// Tells whether another permission of the role opens the call that deletes objects of a kind.
fn is_opened_otherwise(kind: &Kind, role: &Role, permission: &str) -> bool {
    let kind = Catalogue::builtin().get(kind.as_str()).expect("a kind");
    let delete = kind.delete.as_ref().expect("what deletes one");
    let operation = contract().operation("DELETE", &delete.path);
    match &operation.expect("an operation").permissions {
        Permissions::Any(names) => names
            .iter()
            .any(|name| name != permission && role.needs.contains_key(name)),
        _ => false,
    }
}

/// Makes documents that change one field of some objects, where the org takes either value.
fn toggle(
    now: &Bundle,
    values: &BTreeMap<ObjectRef, (String, [Value; 2])>,
    of: &BTreeSet<&Kind>,
) -> Bundle {
    let mut desired = Bundle::default();
    for (object, (path, [one, other])) in values.iter().filter(|(o, _)| of.contains(&o.kind)) {
        let mut document = now.documents[object].open();
        let next = if document.body.get(path) == Some(one) {
            other
        } else {
            one
        };
        document.body.insert(path.clone(), next.clone());
        desired.insert(document);
    }
    desired
}

/// What an org has is neither changed nor deleted without the permission for it, which is named; what
/// another permission is for is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_permission_is_needed_by_its_kinds_alone_where_the_org_has_everything() {
    let catalogue = Catalogue::builtin();
    let role = role(Purpose::Sync);
    let mut spec = org("a");
    for (index, permission) in role.needs.keys().enumerate() {
        spec = spec.client(client(&format!("lacks-{index}"), &role, Some(permission)));
    }
    let lab = lab(vec![spec]).await;
    lab.apply(&example("every-kind"), "a").await;
    let (strong, mut now) = (lab.org("a"), lab.export("a").await);
    // Which of the changes the org takes is seen by whoever may do everything.
    let mut values: BTreeMap<ObjectRef, (String, [Value; 2])> = BTreeMap::new();
    for object in example("every-kind").documents.keys() {
        let kind = catalogue.get(object.kind.as_str()).expect("a kind");
        if !every::can_change(kind) || every::only_refers(kind, &now, object) {
            continue;
        }
        for (path, value) in every::mutations(kind, &now, object) {
            let mut document = now.documents[object].open();
            let old = document.body.insert(path.clone(), value.clone());
            let mut desired = Bundle::default();
            desired.insert(document);
            let read_of = kinds([&object.kind]);
            let plan = plan(&desired, &read(&strong, &read_of, true).await);
            let finished = lab.run_forced(&plan, &strong).await;
            let taken = finished.outcome.is_complete() && !plan.steps.is_empty();
            if let (true, Some(old)) = (taken, old) {
                now.documents.extend(desired.documents);
                values.insert(object.clone(), (path, [old, value]));
                break;
            }
        }
    }
    let (mut problems, mut unchanged, mut kept) = (Vec::new(), 0, 0);
    for (index, (permission, of)) in role.needs.iter().enumerate() {
        let weak = lab.org_by("a", &format!("lacks-{index}"));
        for to_delete in [false, true] {
            let wanted = if to_delete { Use::Delete } else { Use::Write };
            let of: BTreeSet<&Kind> = of
                .iter()
                .filter(|(_, uses)| uses.contains(&wanted))
                .map(|(kind, _)| kind)
                .collect();
            if of.is_empty() {
                continue;
            }
            let (mut desired, mut options) = (Bundle::default(), Options::default());
            if to_delete {
                let own = values.keys().filter(|object| of.contains(&object.kind));
                let own = own.filter(|o| !is_opened_otherwise(&o.kind, &role, permission));
                options.delete = own.cloned().collect();
            } else {
                desired = toggle(&now, &values, &of);
            }
            let live = read(&strong, &kinds(of.iter().copied()), true).await;
            let plan = Planner::new(catalogue, options).plan(&desired, &live);
            let finished = lab.run_forced(&plan, &weak).await;
            for step in &plan.steps {
                match finished.outcome.states.get(&step.id) {
                    Some(StepState::Refused { reason })
                        if of.contains(&step.object.kind)
                            && reason.contains(permission.as_str()) =>
                    {
                        *(if to_delete { &mut kept } else { &mut unchanged }) += 1;
                    }
                    Some(StepState::Skipped { .. }) => {}
                    Some(StepState::Done { .. }) if !to_delete => {
                        let document = desired.documents.get(&step.object);
                        let document = document.map(|d| (step.object.clone(), d.clone()));
                        now.documents.extend(document);
                    }
                    other => problems.push(format!("{permission}: {}: {other:?}", step.id)),
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(
        unchanged > 50 && kept > 50,
        "{unchanged} updates and {kept} deletions were refused"
    );
    let left = lab.export("a").await;
    let gone = now
        .documents
        .keys()
        .filter(|o| !left.documents.contains_key(*o));
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&ObjectRef>::new());
}
