//! Writing, reading, packing and checking bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orgsmith_core::bundle::{Bundle, Gap, Origin, Written};
use orgsmith_core::document::{Files, Portable};
use orgsmith_core::id::{Key, Kind, ObjectRef};
use orgsmith_store::bundle::{self, Error, Loaded, What};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let place = root.join(path);
    fs::create_dir_all(place.parent().expect("a parent")).expect("create");
    fs::write(place, content).expect("write");
}

fn document(kind: &str, key: &[&str], body: Value, files: &[(&str, &[u8])]) -> Portable {
    let Value::Object(body) = body else {
        panic!("a body is a mapping")
    };
    let files = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), Arc::from(*content)));
    Portable {
        object: ObjectRef::new(Kind::new(kind), Key::from_parts(key)),
        body,
        files: files.collect(),
    }
}

fn bundle_of(documents: impl IntoIterator<Item = Portable>) -> Bundle {
    let documents = documents
        .into_iter()
        .map(|document| (document.object.clone(), document.into()));
    Bundle {
        source: Origin {
            org_name: "acme-test".into(),
            region: Some("eu-central-1".into()),
        },
        selection: vec!["kind=routing_queue".into()],
        documents: documents.collect(),
        gaps: vec![Gap {
            kind: Kind::new("user"),
            object: None,
            reason: "the client lacks directory:user:view".into(),
        }],
        written: Written::read(),
        built_in: BTreeSet::new(),
    }
}

pub fn example() -> Bundle {
    bundle_of([
        document(
            "architect_user_prompt",
            &["Welcome"],
            json!({"description": "Says hello", "resources": [{"language": "en-us"}]}),
            &[
                ("en-us.wav", b"RIFF\x00\x01"),
                ("de-de.wav", b"RIFF\x00\x02"),
            ],
        ),
        document(
            "flow",
            &["inboundcall", "Main"],
            json!({"description": "The front door\nof the house\n", "division": {"$ref": "auth_division/~home"}}),
            &[("flow.yaml", b"inboundCall:\n  name: Main   \n")],
        ),
        document("flow", &["inboundcall", "Main.flow"], json!({"x": 1}), &[]),
        document(
            "integration_credential",
            &["CRM"],
            json!({"fields": {"key": {"$secret": "crm/api-key"}}, "url": "${input.base}/x"}),
            &[],
        ),
        document(
            "routing_queue",
            &["A/B: \"50%\"?"],
            json!({"alerting": 8.5, "skills": [{"id": {"$ref": "routing_skill/Billing"}}], "none": [], "deep": {}}),
            &[],
        ),
        document("routing_queue", &["BILLING"], json!({"on": true}), &[]),
        document("routing_queue", &["Billing"], json!({"on": false}), &[]),
        document("routing_queue", &["con"], json!({}), &[]),
        document(
            "routing_queue",
            &["~tilde"],
            json!({"n": 18446744073709551615_u64}),
            &[],
        ),
        document(
            "routing_queue",
            &[&"long ü name ".repeat(40)],
            json!({"n": -1}),
            &[("x.txt", b"x")],
        ),
    ])
}

fn read(path: &Path) -> Loaded {
    bundle::read(path).unwrap_or_else(|error| panic!("{error}"))
}

pub fn problems(path: &Path) -> Vec<String> {
    match bundle::read(path) {
        Err(Error::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
        Ok(_) => Vec::new(),
    }
}

pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("list") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_string_lossy();
                found.insert(name.into_owned(), fs::read(&path).expect("read"));
            }
        }
    }
    found
}

#[test]
fn a_bundle_comes_back_from_a_directory_and_from_a_zip() {
    let temp = dir();
    let (folder, zip) = (temp.path().join("out/acme"), temp.path().join("acme.zip"));
    let written = bundle::write_dir(&example(), &folder).expect("written");
    let digest = bundle::write_zip(&example(), &zip).expect("written");
    assert_eq!(written.digest, digest);
    assert_eq!(bundle::digest(&example()).expect("a digest"), digest);
    assert_eq!(written.kept, Vec::<String>::new());
    for path in [&folder, &zip] {
        let loaded = read(path);
        assert_eq!(loaded.bundle, example());
        assert_eq!(loaded.digest, digest);
        assert_eq!(loaded.notes, []);
        let verification = bundle::verify(path, None).expect("verified");
        assert_eq!(
            (verification.digest, verification.problems),
            (Some(digest.clone()), vec![])
        );
    }
    assert_eq!(
        fs::read_dir(temp.path().join("out")).expect("list").count(),
        1
    );
}

#[test]
fn paths_are_those_of_format_1() {
    let temp = dir();
    bundle::write_dir(&example(), &temp.path().join("b")).expect("written");
    let tree = tree(&temp.path().join("b"));
    let paths: Vec<_> = tree.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "architect_user_prompt/Welcome.yaml",
            "architect_user_prompt/Welcome/de-de.wav",
            "architect_user_prompt/Welcome/en-us.wav",
            "flow/inboundcall/Main%2Eflow.yaml",
            "flow/inboundcall/Main.flow.yaml",
            "flow/inboundcall/Main.yaml",
            "integration_credential/CRM.yaml",
            "manifest.json",
            "routing_queue/%63on.yaml",
            "routing_queue/%7Etilde.yaml",
            "routing_queue/A%2FB%3A %2250%25%22%3F.yaml",
            "routing_queue/BILLING.yaml",
            "routing_queue/Billing%~3ac8bbca9a.yaml",
            paths[13],
            paths[14],
        ]
    );
    assert!(paths[13].starts_with("routing_queue/long ü name long") && paths[13].len() < 240);
    assert!(paths[13].ends_with(".yaml") && paths[14].ends_with("/x.txt"));
    assert_eq!(
        String::from_utf8_lossy(&tree["flow/inboundcall/Main.yaml"]),
        "description: |\n  The front door\n  of the house\ndivision: {$ref: \"auth_division/~home\"}\n"
    );
}

#[test]
fn the_same_bundle_gives_the_same_bytes() {
    let temp = dir();
    let at = |name: &str| temp.path().join(name);
    bundle::write_dir(&example(), &at("a")).expect("written");
    bundle::write_dir(&example(), &at("b")).expect("written");
    assert_eq!(tree(&at("a")), tree(&at("b")));
    bundle::write_zip(&example(), &at("a.zip")).expect("written");
    bundle::write_zip(&example(), &at("b.zip")).expect("written");
    bundle::pack(&at("a"), &at("c.zip")).expect("packed");
    let bytes = |name: &str| fs::read(at(name)).expect("read");
    assert!(bytes("a.zip") == bytes("b.zip") && bytes("a.zip") == bytes("c.zip"));
    bundle::unpack(&at("a.zip"), &at("d")).expect("unpacked");
    assert_eq!(tree(&at("a")), tree(&at("d")));
}

#[test]
fn packing_keeps_comments_and_overlays() {
    let temp = dir();
    let at = |name: &str| temp.path().join(name);
    put(
        &at("src"),
        "routing_skill/Billing.yaml",
        "# ours\nstate: active\n",
    );
    put(&at("src"), "overlays/prod.yaml", "vars: {}\n");
    put(&at("src"), "README.md", "not ours");
    put(&at("src"), ".git/config.yaml", "not: ours");
    let packed = bundle::pack(&at("src"), &at("b.zip")).expect("packed");
    let unpacked = bundle::unpack(&at("b.zip"), &at("dst")).expect("unpacked");
    assert_eq!(unpacked.digest, packed);
    assert_eq!(read(&at("src")).digest, packed);
    let tree = tree(&at("dst"));
    let paths: Vec<_> = tree.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "manifest.json",
            "overlays/prod.yaml",
            "routing_skill/Billing.yaml"
        ]
    );
    assert_eq!(
        tree["routing_skill/Billing.yaml"],
        b"# ours\nstate: active\n"
    );
    assert!(
        bundle::verify(&at("dst"), None)
            .expect("verified")
            .problems
            .is_empty()
    );
}

#[test]
fn a_tree_written_by_hand_is_a_bundle() {
    let temp = dir();
    put(temp.path(), "flow/inboundcall/Main.yaml", "name: Main\n");
    put(
        temp.path(),
        "flow/inboundcall/Main.flow.yaml",
        "inboundCall: {}\n",
    );
    put(temp.path(), "architect_user_prompt/Hi.yaml", "{}\n");
    put(temp.path(), "architect_user_prompt/Hi/en-us.wav", "RIFF");
    put(
        temp.path(),
        "architect_user_prompt/README.md",
        "about prompts",
    );
    put(temp.path(), "orgsmith.yaml", "orgs: {}\n");
    let loaded = read(temp.path());
    let flow: ObjectRef = "flow/inboundcall/Main".parse().expect("a reference");
    let prompt: ObjectRef = "architect_user_prompt/Hi".parse().expect("a reference");
    assert_eq!(
        loaded.bundle.documents.keys().collect::<Vec<_>>(),
        [&prompt, &flow]
    );
    let files = |object| {
        loaded.bundle.documents[object]
            .files
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&flow), ["flow.yaml"]);
    assert_eq!(files(&prompt), ["en-us.wav"]);
    assert_eq!(
        loaded.source.file_of(&flow),
        Some("flow/inboundcall/Main.yaml")
    );
    assert_eq!(
        loaded.source.sidecar_of(&flow, "flow.yaml"),
        Some("flow/inboundcall/Main.flow.yaml")
    );
    let at = loaded.source.locate(&flow, "/name").expect("it is there");
    assert_eq!(at.to_string(), "1:7");
    let notes: Vec<_> = loaded.notes.iter().map(|note| note.file.as_str()).collect();
    assert_eq!(
        notes,
        [
            "architect_user_prompt/README.md",
            "manifest.json",
            "orgsmith.yaml"
        ]
    );
}

#[test]
fn an_edited_bundle_is_read_as_it_is_and_verified_as_stale() {
    let temp = dir();
    let root = temp.path().join("b");
    bundle::write_dir(&example(), &root).expect("written");
    put(&root, "routing_queue/BILLING.yaml", "on: false\n");
    put(&root, "routing_queue/New.yaml", "on: true\n");
    fs::remove_file(root.join("integration_credential/CRM.yaml")).expect("removed");
    let loaded = read(&root);
    assert_ne!(loaded.digest, bundle::digest(&example()).expect("a digest"));
    let new: ObjectRef = "routing_queue/New".parse().expect("a reference");
    assert_eq!(loaded.bundle.documents[&new].open().body["on"], true);
    let stale = [
        ("integration_credential/CRM.yaml", What::Missing),
        ("routing_queue/BILLING.yaml", What::Edited),
        ("routing_queue/New.yaml", What::Added),
    ];
    let notes = |problems: Vec<bundle::Problem>| {
        problems
            .into_iter()
            .map(|note| (note.file, note.what))
            .collect::<Vec<_>>()
    };
    let stale = stale.map(|(file, what)| (file.to_owned(), what));
    assert_eq!(notes(loaded.notes), stale);
    assert_eq!(
        notes(bundle::verify(&root, None).expect("verified").problems),
        stale
    );
}

#[test]
fn a_new_export_replaces_what_was_ours_and_nothing_else() {
    let temp = dir();
    let root = temp.path().join("b");
    bundle::write_dir(&example(), &root).expect("written");
    put(&root, ".git/HEAD", "ref");
    put(&root, "README.md", "mine");
    put(&root, "overlays/prod.yaml", "vars: {}\n");
    put(&root, "routing_queue/Mine.yaml", "on: true\n");
    let mut smaller = example();
    smaller
        .documents
        .retain(|object, _| object.kind.as_str() != "architect_user_prompt");
    let billing: ObjectRef = "routing_queue/BILLING".parse().expect("a reference");
    smaller.documents.remove(&billing);
    let written = bundle::write_dir(&smaller, &root).expect("written");
    assert_eq!(written.kept, ["routing_queue/Mine.yaml"]);
    let tree = tree(&root);
    assert!(!root.join("architect_user_prompt").exists());
    assert!(tree.contains_key("routing_queue/Billing.yaml"));
    assert!(
        !tree
            .keys()
            .any(|path| path.contains("BILLING") || path.contains("orgsmith-"))
    );
    for kept in [
        ".git/HEAD",
        "README.md",
        "overlays/prod.yaml",
        "routing_queue/Mine.yaml",
    ] {
        assert!(tree.contains_key(kept), "{kept}");
    }
    fs::remove_file(root.join("routing_queue/Mine.yaml")).expect("removed");
    assert_eq!(read(&root).bundle, smaller);
    assert_eq!(read(&root).notes, []);
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let temp = dir();
    put(temp.path(), "thesis/chapter.txt", "years of work");
    let error = bundle::write_dir(&example(), temp.path()).expect_err("it is no bundle");
    assert!(matches!(error, Error::NotABundle { .. }), "{error}");
    assert_eq!(tree(temp.path()).len(), 1);

    let newer = dir();
    put(
        newer.path(),
        "manifest.json",
        r#"{"format": 2, "shape": "unknown"}"#,
    );
    for error in [
        bundle::write_dir(&example(), newer.path()).map(|_| ()),
        bundle::read(newer.path()).map(|_| ()),
    ] {
        assert_eq!(
            error.expect_err("it is newer").to_string(),
            "made by a newer orgsmith: bundle format 2, this one reads 1"
        );
    }

    let fresh = dir();
    put(fresh.path(), ".git/HEAD", "ref");
    put(fresh.path(), "README.md", "mine");
    bundle::write_dir(&example(), fresh.path()).expect("a fresh repository may hold a bundle");
}

#[test]
fn problems_say_where_and_what_to_do() {
    let temp = dir();
    let root = temp.path();
    put(
        root,
        "routing_queue/A.yaml",
        "name: A\nskills:\n  - id: {$ref: Billing}\n",
    );
    put(root, "routing_queue/B.yaml", "a: 1\na: 2\n");
    put(root, "routing_queue/C.yaml", b"ok: 1\nx: \xff\n");
    put(root, "routing_queue/D.yaml", "a:\n  b: ~\n");
    put(root, "routing_queue/E.yaml", "- a\n");
    put(root, "routing_queue/F.yml", "a: 1\n");
    put(root, "routing_queue/G|H.yaml", "a: 1\n");
    put(root, "Queues/I.yaml", "a: 1\n");
    put(root, "flow/inboundcall/J.flow.yaml", "a: 1\n");
    put(root, "routing_skill/long%~0123456789.yaml", "a: 1\n");
    assert_eq!(
        problems(root),
        [
            "Queues/I.yaml: the path is not kind/key.yaml: a kind is written like routing_queue",
            "flow/inboundcall/J.flow.yaml (flow/inboundcall/J): belongs to flow/inboundcall/J.yaml, which is not there; add it, or delete this file",
            "routing_queue/A.yaml:3:16 (routing_queue/A): $ref needs kind/key, such as routing_skill/Billing, not \"Billing\"",
            "routing_queue/B.yaml:2:1 (routing_queue/B): the key \"a\" stands twice, first in line 1; delete one of the two",
            "routing_queue/C.yaml:2:4 (routing_queue/C): not UTF-8; save the file as UTF-8",
            "routing_queue/D.yaml:2:6 (routing_queue/D): null is not a value here; leave the field out to leave it alone, or write [] for none",
            "routing_queue/E.yaml:1:1 (routing_queue/E): the file must hold a mapping (name: value)",
            "routing_queue/F.yml: the path is not kind/key.yaml: the ending must be .yaml, in small letters",
            "routing_queue/G|H.yaml: the name cannot stand on every file system as it is; rename it to routing_queue/G%7CH.yaml",
            "routing_skill/long%~0123456789.yaml: the name is shortened and manifest.json does not list it; bring manifest.json back",
        ]
    );
    let verification = bundle::verify(root, None).expect("verified");
    assert_eq!(
        (verification.digest, verification.problems.len()),
        (None, 10)
    );
}

#[test]
fn files_whose_names_differ_in_case_only_are_read_and_not_packed() {
    let temp = dir();
    let root = temp.path();
    put(root, "routing_skill/x.yaml", "a: 1\n");
    put(root, "routing_skill/X.yaml", "a: 1\n");
    let told = "routing_skill/x.yaml: differs from routing_skill/X.yaml only in upper and lower case, which many file systems cannot hold; rename it to routing_skill/x%~2d711642b7.yaml";
    let loaded = bundle::read(root).expect("both");
    assert_eq!(loaded.bundle.documents.len(), 2);
    let notes: Vec<String> = loaded.notes.iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note == told), "{notes:?}");
    let refused = bundle::pack(root, &root.join("a.zip")).expect_err("refused");
    assert_eq!(refused.to_string(), told);
    fs::rename(
        root.join("routing_skill/x.yaml"),
        root.join("routing_skill/x%~2d711642b7.yaml"),
    )
    .expect("renamed");
    bundle::pack(root, &root.join("a.zip")).expect("packed");
}

#[test]
fn a_manifest_that_is_not_one_says_where() {
    let temp = dir();
    put(
        temp.path(),
        "manifest.json",
        "{\n  \"format\": 1,\n  nope\n}",
    );
    assert_eq!(
        problems(temp.path()),
        [
            "manifest.json:3:3: not a manifest: key must be a string; delete the file to read the tree without it"
        ]
    );
}

#[test]
fn a_null_or_a_foreign_key_is_not_written() {
    let temp = dir();
    let mut bad = bundle_of([document(
        "routing_queue",
        &["A"],
        json!({"a": {"b": [null]}}),
        &[],
    )]);
    let odd = ObjectRef::new(Kind::new("routing_queue"), Key::from_encoded("50%"));
    bad.insert(Portable {
        object: odd,
        body: Map::new(),
        files: Files::new(),
    });
    let error = bundle::write_dir(&bad, &temp.path().join("b"))
        .expect_err("it is refused")
        .to_string();
    assert!(
        error.contains("routing_queue/A.yaml (routing_queue/A): null"),
        "{error}"
    );
    assert!(
        error.contains("(routing_queue/50%): the key is not encoded"),
        "{error}"
    );
    assert!(!temp.path().join("b").exists());
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

/// The example without the object whose long path some systems cannot check out.
fn short_example() -> Bundle {
    let mut bundle = example();
    bundle
        .documents
        .retain(|object, _| object.to_string().len() < 200);
    bundle
}

#[test]
fn format_1_still_loads() {
    for (name, bundle) in [("example", short_example()), ("example.zip", example())] {
        let loaded = read(&fixtures().join(name));
        assert_eq!(loaded.bundle, bundle, "{name}");
        assert_eq!(loaded.notes, [], "{name}");
        assert_eq!(
            loaded.digest,
            bundle::digest(&bundle).expect("a digest"),
            "{name}"
        );
    }
    let hand = read(&fixtures().join("by-hand"));
    let names: Vec<_> = hand
        .bundle
        .documents
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "flow/inboundcall/Main",
            "routing_queue/Billing",
            "routing_skill/Billing"
        ]
    );
}

/// Writes the fixture of format 1 anew, for a person who changes the format on purpose.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture() {
    bundle::write_dir(&short_example(), &fixtures().join("example")).expect("written");
    bundle::write_zip(&example(), &fixtures().join("example.zip")).expect("written");
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-cA-C]{1,3}",
        "\\PC{0,12}",
        "[. ~%:/\\\\]{0,4}",
        "[a-z]{190,260}",
        Just("aux".to_owned())
    ]
}

fn any_bundle() -> impl Strategy<Value = Bundle> {
    let files = prop::collection::btree_map(part(), prop::collection::vec(any::<u8>(), 0..8), 0..3);
    let text = prop_oneof!["\\PC{0,20}", "[a-z \n]{0,30}"];
    let body = prop::collection::btree_map("[a-zA-Z]{1,8}", text, 0..4);
    let key = prop::collection::vec(part(), 1..4);
    let one = ("[ab]", key, body, files);
    prop::collection::vec(one, 0..12).prop_map(|list| {
        bundle_of(list.into_iter().map(|(kind, key, body, files)| {
            Portable {
                object: ObjectRef::new(Kind::new(&kind), Key::from_parts(&key)),
                body: body
                    .into_iter()
                    .map(|(name, text)| (name, Value::from(text)))
                    .collect(),
                files: files
                    .into_iter()
                    .map(|(name, content)| (name, content.into()))
                    .collect(),
            }
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_bundle_comes_back_with_the_same_digest(bundle in any_bundle()) {
        let temp = dir();
        let (folder, zip) = (temp.path().join("b"), temp.path().join("b.zip"));
        let written = bundle::write_dir(&bundle, &folder).expect("written").digest;
        prop_assert_eq!(&bundle::write_zip(&bundle, &zip).expect("written"), &written);
        for path in [&folder, &zip] {
            let loaded = bundle::read(path).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&loaded.bundle, &bundle);
            prop_assert_eq!(&loaded.digest, &written);
            prop_assert_eq!(loaded.notes, []);
        }
    }
}
