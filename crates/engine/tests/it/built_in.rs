//! Objects that Genesys made: found by what they are, never created.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::catalogue::{Builtin, Catalogue, Descriptor};
use orgsmith_core::document::{Portable, Stored};
use orgsmith_core::id::ObjectRef;
use orgsmith_core::plan::{Options, Planner};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_sim::{Config, Limits};
use serde_json::{Value, json};

use crate::lab::{Lab, example, told};

/// Tells whether a rule means an object.
fn means(rule: &Builtin, stored: &Stored) -> bool {
    let body = stored.open().body;
    rule.when.iter().all(|(path, wanted)| {
        match (path.get(&body).and_then(Value::as_str), wanted.as_str()) {
            (Some(found), Some(wanted)) => match wanted.strip_suffix('*') {
                Some(begins) => found.starts_with(begins),
                None => found == wanted,
            },
            _ => path.get(&body) == Some(wanted),
        }
    })
}

fn is_built_in(kind: &Descriptor, stored: &Stored) -> bool {
    kind.builtins.iter().any(|rule| means(rule, stored))
}

/// Makes one object of the kind a built-in one, by every rule that means none.
fn provide(kind: &Descriptor, source: &mut Snapshot) {
    for rule in &kind.builtins {
        let objects = source.objects.get_mut(&kind.kind).expect("objects");
        if objects.iter().any(|stored| means(rule, stored)) {
            continue;
        }
        let plain = objects
            .iter()
            .position(|stored| !is_built_in(kind, stored))
            .unwrap_or_else(|| panic!("no ordinary {}", kind.kind));
        let mut captured = objects[plain].open();
        for (path, wanted) in &rule.when {
            captured.body[path.root()] = wanted.clone();
        }
        if let Some(path) = &rule.key_field {
            captured.body[path.root()] = "of-a-newer-release".into();
        }
        objects[plain] = Stored::from(captured);
    }
}

/// An org of an older release lacks what a newer one has from the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_target_lacks_is_named_and_never_created() {
    let mut config = Config::with_orgs(["a", "b"]);
    config.limits = Limits::none();
    let lab = Lab::configured(config).await;
    lab.apply(&example("every-kind"), "a").await;
    let there = lab.read("a").await;
    let kinds = Catalogue::builtin().iter();
    for kind in kinds.filter(|kind| !kind.builtins.is_empty()) {
        let mut source = there.clone();
        provide(kind, &mut source);
        let (mut bundle, names) = source.to_bundle(Catalogue::builtin(), &BTreeMap::new());
        let objects = source.objects[&kind.kind].iter();
        let built_in: BTreeSet<ObjectRef> = objects
            .filter(|stored| is_built_in(kind, stored))
            .filter_map(|stored| names.object(&kind.kind, stored.id.as_str()).cloned())
            .collect();
        assert!(built_in.len() >= kind.builtins.len(), "{}", kind.kind);
        bundle
            .documents
            .retain(|object, _| built_in.contains(object));
        bundle.built_in.retain(|object| built_in.contains(object));
        // Another object goes on.
        let name = format!("Beside {}", kind.kind);
        let Value::Object(body) = json!({ "name": name }) else {
            panic!("no object")
        };
        bundle.insert(Portable {
            object: format!("routing_skill/{name}").parse().expect("kind/key"),
            body,
            files: Default::default(),
        });
        // They are in a bundle on a disk as they are in memory.
        let folder = tempfile::tempdir().expect("a folder");
        orgsmith_store::bundle::write_dir(&bundle, folder.path()).expect("a bundle");
        let read = orgsmith_store::bundle::read(folder.path()).expect("a bundle");
        assert_eq!(read.bundle.built_in, bundle.built_in, "{}", kind.kind);

        let mut live = lab.read_for("b", &bundle).await;
        if let Some(objects) = live.objects.get_mut(&kind.kind) {
            objects.retain(|stored| !is_built_in(kind, stored));
        }
        let plan = Planner::new(Catalogue::builtin(), Options::default()).plan(&bundle, &live);
        for object in &built_in {
            let step = plan.steps.iter().find(|step| step.object == *object);
            assert!(step.is_none(), "{step:#?}");
            let conflicts = plan.conflicts.iter().map(|conflict| &conflict.object);
            let findings = plan.findings.iter().filter_map(|f| f.object.as_ref());
            let mut named = conflicts.chain(findings);
            assert!(named.any(|named| named == object), "{object} is not named");
        }
        let finished = lab.run(&plan, "b").await;
        assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
        let skills = lab.sim.objects("b", "skill");
        assert!(skills.iter().any(|skill| skill["name"] == name), "{name}");
    }
}
