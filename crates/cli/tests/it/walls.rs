//! The walls between the rooms: who may depend on whom. ARCHITECTURE.md says why.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What a room may use.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("core", &[]),
    ("client", &[]),
    ("contract", &[]),
    ("store", &["core"]),
    ("engine", &["core", "client", "store"]),
    ("sim", &["contract"]),
    ("server", &["core", "store", "engine"]),
    (
        "cli",
        &["core", "client", "store", "engine", "server", "sim"],
    ),
];

/// What any room's tests may use besides.
const ALLOWED_IN_TESTS: [&str; 2] = ["sim", "contract"];

const PREFIX: &str = "orgsmith-";

/// Returns every edge that the walls do not allow, in words.
fn forbidden(metadata: &Value) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into();
    let mut found = Vec::new();
    let mut rooms = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(room) = package["name"]
            .as_str()
            .and_then(|name| name.strip_prefix(PREFIX))
        else {
            continue;
        };
        rooms.insert(room);
        let Some(may_use) = allowed.get(room) else {
            found.push(format!("{room} is a room that the walls do not know"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(used) = dependency["name"]
                .as_str()
                .and_then(|name| name.strip_prefix(PREFIX))
            else {
                continue;
            };
            let in_tests = dependency["kind"].as_str() == Some("dev");
            let allowed = may_use.contains(&used) || in_tests && ALLOWED_IN_TESTS.contains(&used);
            if !allowed {
                found.push(format!("{room} must not use {used}"));
            }
        }
    }
    found.extend(
        allowed
            .keys()
            .filter(|room| !rooms.contains(*room))
            .map(|room| format!("{room} is not in the workspace")),
    );
    found
}

fn workspace() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn no_room_uses_another_through_a_wall() {
    assert_eq!(forbidden(&workspace()), Vec::<String>::new());
}

#[test]
fn a_forbidden_edge_is_found() {
    let mut metadata = workspace();
    let packages = metadata["packages"].as_array_mut().expect("packages");
    let core = packages
        .iter_mut()
        .find(|package| package["name"] == "orgsmith-core")
        .expect("core");
    let dependencies = core["dependencies"].as_array_mut().expect("dependencies");
    dependencies.push(serde_json::json!({ "name": "orgsmith-client", "kind": null }));
    dependencies.push(serde_json::json!({ "name": "orgsmith-engine", "kind": "dev" }));
    dependencies.push(serde_json::json!({ "name": "orgsmith-sim", "kind": "dev" }));
    assert_eq!(
        forbidden(&metadata),
        ["core must not use client", "core must not use engine"]
    );
}

#[test]
fn a_new_room_needs_walls() {
    let mut metadata = workspace();
    let packages = metadata["packages"].as_array_mut().expect("packages");
    packages.push(serde_json::json!({ "name": "orgsmith-attic", "dependencies": [] }));
    assert_eq!(
        forbidden(&metadata),
        ["attic is a room that the walls do not know"]
    );
}
