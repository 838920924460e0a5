//! An org with odd objects: nulls, unknown values, references to nothing, names that are none.
//!
//! Nothing of it may end an export, each odd object must stand in the bundle or in a gap, and what
//! is left must go on to an empty org.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Brake, check, foreign_ids};
use orgsmith_core::document::Slot;
use orgsmith_core::id::{ObjectRef, own_id};
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::Step;
use orgsmith_core::snapshot::Names;
use orgsmith_core::validate::validate;
use orgsmith_sim::{Config, Generate, Limits, Oddity};
use orgsmith_store::bundle;
use serde_json::{Map, Value};

use crate::lab::{Lab, example, told};

/// Starts an odd org with something of every kind, and an empty one.
async fn lab(seed: u64, percent: usize) -> Lab {
    let mut config = Config::with_orgs(["odd", "empty"]);
    config.limits = Limits::none();
    let lab = Lab::configured(config).await;
    lab.apply(&example("every-kind"), "odd").await;
    let wanted: Generate = format!("seed={seed},odd={percent}").parse().expect("words");
    lab.sim.generate("odd", &wanted).expect("an org");
    lab
}

/// Exports the odd org; says which of its documents are of odd objects.
async fn export(lab: &Lab, seed: u64) -> (Bundle, BTreeSet<ObjectRef>) {
    let oddities = lab.sim.oddities("odd");
    assert!(!oddities.is_empty());
    let snapshot = lab.read("odd").await;
    let (bundle, names) = snapshot.to_bundle(Catalogue::builtin(), &BTreeMap::new());
    let lost: Vec<&Oddity> = oddities
        .iter()
        .filter(|odd| !is_told(odd, &bundle, &names) && !is_in_no_list(lab, odd, &names))
        .collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:#?}");
    let odd: BTreeSet<&str> = oddities.iter().map(|odd| odd.id.as_str()).collect();
    let odd = names
        .iter()
        .filter(|(id, _)| odd.contains(own_id(id)))
        .map(|(_, object)| object.clone())
        .collect();
    (bundle, odd)
}

/// Tells whether no list shows an odd object: a version of a form that is not published, a greeting of
/// somebody whom no list shows, and a response whose library is gone.
fn is_in_no_list(lab: &Lab, odd: &Oddity, names: &Names) -> bool {
    let objects = lab.sim.objects("odd", odd.kind);
    let mut own = objects
        .iter()
        .filter(|object| object["id"] == odd.id.as_str());
    own.any(|object| {
        let owner = object["owner"]["id"].as_str();
        let known = |owner: &str| names.iter().any(|(id, _)| id == owner);
        let libraries = object["libraries"].as_array();
        let mut libraries = libraries.into_iter().flatten();
        let is_lost = match odd.kind {
            "greeting" => !owner.is_some_and(known),
            "response" => !libraries.any(|library| library["id"].as_str().is_some_and(known)),
            _ => false,
        };
        object["published"] == false || is_lost
    })
}

/// Tells whether an odd object stands in the bundle, or in a gap.
fn is_told(odd: &Oddity, bundle: &Bundle, names: &Names) -> bool {
    // What comes with another object is no document; references may name it.
    let is_brought = |object: &ObjectRef| {
        let kind = Catalogue::builtin().get(object.kind.as_str());
        kind.is_ok_and(|kind| kind.comes_with.is_some())
    };
    let exported = names.iter().any(|(id, object)| {
        let there = bundle.documents.contains_key(object) || is_brought(object);
        own_id(id) == odd.id && there
    });
    let in_gap = bundle.gaps.iter().any(|gap| {
        let object = gap.object.as_deref().unwrap_or_default();
        gap.reason.contains(&odd.id) || object.contains(&odd.id)
    });
    // Users are listed by their state: one of an unknown state is in no list, and nobody can know.
    let unlisted = odd.kind == "user" && odd.how.ends_with(" at /state");
    exported || in_gap || unlisted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_org_is_exported_and_what_is_left_goes_on() {
    for (seed, percent) in [(1, 5), (2, 5), (3, 5)] {
        let lab = lab(seed, percent).await;
        let (bundle, odd) = export(&lab, seed).await;
        reads_back(&bundle);
        validate(Catalogue::builtin(), &bundle);

        let plan = lab.plan(&bundle, "empty").await;
        let finished = lab.run(&plan, "empty").await;
        assert!(
            finished.outcome.error.is_none(),
            "{}",
            told(&plan, &finished)
        );
        let state = |step: &Step| finished.outcome.states.get(&step.id);
        let refused: BTreeSet<&ObjectRef> = plan
            .steps
            .iter()
            .filter(|step| matches!(state(step), Some(StepState::Refused { .. })))
            .map(|step| &step.object)
            .collect();
        // An object may be refused for what it is, or for what it has lost.
        let excused: BTreeSet<ObjectRef> = odd
            .iter()
            .cloned()
            .chain(
                plan.conflicts
                    .iter()
                    .map(|conflict| conflict.object.clone()),
            )
            .chain(
                bundle
                    .documents
                    .keys()
                    .filter(|object| has_gap(&bundle, object))
                    .cloned(),
            )
            .collect();
        // Where two names differ in their case alone, the target takes the first that comes.
        let is_namesake = |object: &ObjectRef| {
            let lower = |object: &ObjectRef| object.to_string().to_lowercase();
            odd.iter().any(|odd| lower(odd) == lower(object))
        };
        let wrong: Vec<&&ObjectRef> = refused
            .iter()
            .filter(|object| {
                let document = &bundle.documents[**object];
                !excused.contains(**object)
                    && !is_namesake(object)
                    && refers(&document.open().body).is_disjoint(&excused)
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "seed {seed}: {wrong:#?}\n{}",
            told(&plan, &finished)
        );
        let done = plan
            .steps
            .iter()
            .filter(|step| state(step).is_some_and(StepState::is_done));
        let (done, all) = (done.count(), plan.steps.len());
        assert!(
            done * 2 > all,
            "seed {seed}: {done} of {all} steps are done"
        );
    }
}

fn has_gap(bundle: &Bundle, object: &ObjectRef) -> bool {
    let mut gaps = bundle.gaps.iter();
    gaps.any(|gap| gap.kind == object.kind && gap.object.as_deref() == Some(object.key.as_str()))
}

/// Lists what a body refers to.
fn refers(body: &Map<String, Value>) -> BTreeSet<ObjectRef> {
    fn walk(value: &Value, found: &mut BTreeSet<ObjectRef>) {
        match (Slot::of(value), value) {
            (Some(Slot::Ref(object)), _) => {
                found.insert(object);
            }
            (_, Value::Array(items)) => items.iter().for_each(|item| walk(item, found)),
            (_, Value::Object(map)) => map.values().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    body.values().for_each(|value| walk(value, &mut found));
    found
}

/// Where every object is odd there is not much to carry over, but nothing breaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_of_nothing_but_odd_objects_is_exported_and_planned() {
    for (seed, percent) in [(4, 40), (5, 100), (6, 100)] {
        let lab = lab(seed, percent).await;
        let (bundle, _) = export(&lab, seed).await;
        reads_back(&bundle);
        validate(Catalogue::builtin(), &bundle);
        let plan = lab.plan(&bundle, "empty").await;
        let (from, to) = (lab.read("odd").await, lab.read("empty").await);
        check(plan, foreign_ids(from.ids(), &to), Brake::On).unwrap_or_else(|no| panic!("{no}"));
        lab.plan(&bundle, "odd").await;
    }
}

/// Checks that a bundle is the same after it was on a disk, as files and in one.
fn reads_back(bundle: &Bundle) {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, zip) = (
        folder.path().join("bundle"),
        folder.path().join("bundle.zip"),
    );
    bundle::write_dir(bundle, &dir).unwrap_or_else(|error| panic!("{error:?}"));
    bundle::write_zip(bundle, &zip).unwrap_or_else(|error| panic!("{error:?}"));
    for path in [dir, zip] {
        let read = bundle::read(&path).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(read.bundle.documents, bundle.documents);
        assert_eq!(read.bundle.gaps, bundle.gaps);
    }
}
