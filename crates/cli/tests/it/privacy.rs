//! `export --pii`

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use insta::assert_snapshot;
use orgsmith_core::catalogue::{Catalogue, Pii};
use orgsmith_core::path::FieldPath;
use serde_json::Value;

use crate::lab::{Lab, example};

/// What nobody may find in an export.
struct Known {
    addresses: BTreeSet<String>,
    names: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

/// Gives an org the gold image, or a few objects, and somebody whom several objects speak of.
fn gold(lab: &Lab, whole: bool) -> Known {
    lab.gold_secrets("secrets.yaml");
    if whole {
        copy(Path::new(&example("gold-org")), &lab.path("image"));
    } else {
        lab.write(
            "image/user/robert.achebe@northwind.example.com.yaml",
            "name: Robert Achebe\nemail: robert.achebe@northwind.example.com\nstate: active\n\
             title: Director\ndivision: {$ref: \"auth_division/~home\"}\n",
        );
        lab.write(
            "image/integration_credential/basicAuth/NM Policy API.yaml",
            "name: NM Policy API\ntype: {name: basicAuth}\ncredentialFields:\n  \
             password: {$secret: \"policy-api/password\"}\n  \
             userName: {$secret: \"policy-api/user\"}\n",
        );
    }
    let queue = "name: Claims of Zoë\ndivision: {$ref: \"auth_division/~home\"}\nmembers:\n  \
                 - user: {$ref: \"user/zoe.oneill@northwind.example.com\"}\n  \
                 - user: {$ref: \"user/robert.achebe@northwind.example.com\"}\n";
    lab.write("image/routing_queue/Claims of Zoë.yaml", queue);
    lab.write(
        "image/user/zoe.oneill@northwind.example.com.yaml",
        "name: Zoë O'Neill\nemail: zoe.oneill@northwind.example.com\nstate: active\n\
         department: Claims\ndivision: {$ref: \"auth_division/~home\"}\n\
         manager: {$ref: \"user/robert.achebe@northwind.example.com\"}\naddresses:\n  \
         - {address: \"+13175550271\", mediaType: PHONE, type: WORK}\n  \
         - {address: \"+4915112345678\", mediaType: PHONE, type: MOBILE}\n",
    );
    lab.write(
        "image/routing_skill/Zoë O'Neill.yaml",
        "name: \"Zoë O'Neill\"\ndivision: {$ref: \"auth_division/~home\"}\n",
    );
    lab.write(
        "image/responsemanagement_library/Hand-over.yaml",
        "name: Hand-over\ndivision: {$ref: \"auth_division/~home\"}\n",
    );
    lab.write(
        "image/responsemanagement_response/Hand-over/Hand-over.yaml",
        "name: Hand-over\ninteractionType: chat\n\
         libraries:\n  - {$ref: \"responsemanagement_library/Hand-over\"}\n\
         texts:\n  - contentType: text/plain\n    \
         content: \"Ask O'Neill, Zoë <ZOE.oneill@northwind.example.com>, 0151 12345678 or \
         (317) 555-0271, or Robert Achebe; else claims@northwind.example.com\"\n",
    );
    let apply = ["apply", "image", "--to", "gold", "--yes"];
    lab.run(&[&apply[..], &["--secrets-file", "secrets.yaml"]].concat())
        .ends(0);

    let mut known = Known {
        addresses: BTreeSet::new(),
        names: BTreeSet::new(),
        numbers: ["13175550271", "4915112345678"].map(str::to_owned).into(),
    };
    for entry in fs::read_dir(lab.path("image/user")).expect("users") {
        let text = fs::read_to_string(entry.expect("a user").path()).expect("a user");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a field").trim_matches('"').to_owned()
        };
        known.addresses.insert(field("email: "));
        known.names.insert(field("name: "));
    }
    known
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let (from, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .expect("an entry");
        match from.is_dir() {
            true => copy(&from, &to.join(name)),
            false => fs::copy(&from, to.join(name)).map(|_| ()).expect("a file"),
        }
    }
}

/// Returns every byte of a zip, with the names of its files.
fn unpacked(lab: &Lab, name: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(lab.path(name)).expect("a zip");
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let files = (0..zip.len()).map(|at| {
        let mut file = zip.by_index(at).expect("a file");
        let name = file.name().expect("UTF-8").into_owned();
        let mut content = name.clone().into_bytes();
        file.read_to_end(&mut content).expect("its content");
        (name, content)
    });
    files.collect()
}

/// Lists who is found in a zip, and where.
fn found(lab: &Lab, name: &str, known: &Known) -> Vec<String> {
    let mut found = Vec::new();
    for (file, content) in unpacked(lab, name) {
        let text = String::from_utf8_lossy(&content).to_lowercase();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let words = known.addresses.iter().chain(&known.names);
        let words = words.filter(|word| text.contains(&word.to_lowercase()));
        let numbers = known
            .numbers
            .iter()
            .filter(|number| digits.contains(*number));
        found.extend(words.chain(numbers).map(|what| format!("{what} in {file}")));
    }
    found
}

#[test]
fn nobody_of_the_gold_org_is_found_in_its_export_and_the_clone_of_it_is_whole() {
    let lab = Lab::new();
    let known = gold(&lab, true);
    assert!(known.addresses.len() > 30);
    lab.configure("secrets:\n  pseudonyms: {file: pseudonyms.key}\n");
    lab.private("pseudonyms.key", "0b7c4f7a2f8d4b1c9e5a");
    lab.run(&["export", "gold", "--out", "open.zip"]).ends(0);
    assert!(
        found(&lab, "open.zip", &known).len() > 100,
        "they are there"
    );

    let export = |out: &str| {
        let arguments = ["export", "gold", "--out", out, "--pii", "pseudonymise"];
        lab.run(&arguments).ends(0)
    };
    let told = export("a.zip");
    assert_snapshot!("told_of_people", told.stderr);
    assert_eq!(found(&lab, "a.zip", &known), Vec::<String>::new());
    export("b.zip");
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a zip");
    assert!(bytes("a.zip") == bytes("b.zip"), "one key, one pseudonym");

    let texts = unpacked(&lab, "a.zip");
    let text = |name: &str| {
        let file = texts.iter().find(|(file, _)| file.contains(name));
        String::from_utf8(file.expect(name).1.clone()).expect("text")
    };
    let response = text("responsemanagement_response/");
    assert!(
        response.contains("claims@northwind.example.com"),
        "{response}"
    );
    let skill = texts
        .iter()
        .find(|(file, _)| file.starts_with("routing_skill/Person "));
    let (skill, _) = skill.expect("a skill that is called as a person was");
    let person = skill
        .trim_start_matches("routing_skill/")
        .trim_end_matches(".yaml");
    assert!(response.contains(person), "{person} in {response}");

    lab.run(&["validate", "a.zip"]).ends(0);
    let carry = ["--yes", "--secrets-file", "secrets.yaml"];
    lab.run(&[&["clone", "a.zip", "tenant"][..], &carry].concat())
        .ends(0);
    let again = ["plan", "a.zip", "--to", "tenant", "--detailed-exitcode"];
    let planned = lab.run(&again).ends(0);
    assert!(planned.stdout.contains("nothing to do"), "{planned}");
}

#[test]
fn each_way_leaves_nobody_and_a_kind_may_have_its_own() {
    let lab = Lab::new();
    let known = gold(&lab, false);
    for how in ["drop", "hash"] {
        let out = format!("{how}.zip");
        let shown = lab
            .run(&["export", "gold", "--out", &out, "--pii", how])
            .ends(0);
        assert_eq!(found(&lab, &out, &known), Vec::<String>::new(), "{how}");
        lab.run(&["validate", &out]).ends(0);
        assert!(shown.stderr.contains("of this export alone"), "{shown}");
    }
    let fields = |name: &str| {
        let users = unpacked(&lab, name).into_iter();
        let mut users = users.filter(|(file, _)| file.starts_with("user/"));
        users.any(|(_, content)| String::from_utf8_lossy(&content).contains("department"))
    };
    assert!(!fields("drop.zip") && fields("hash.zip"));

    lab.configure("privacy:\n  pii: pseudonymise\n  kinds: {user: keep}\n");
    lab.run(&["export", "gold", "--out", "kept.zip"]).ends(0);
    lab.run(&["export", "gold", "--out", "open.zip", "--pii", "keep"])
        .ends(0);
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a zip");
    assert!(bytes("kept.zip") == bytes("open.zip"));
}

#[test]
fn a_base_keeps_its_places_of_secrets_and_its_pseudonyms() {
    let lab = Lab::new();
    let known = gold(&lab, false);
    lab.configure(
        "privacy: {pii: pseudonymise, domain: staff.invalid}\n\
         secrets: {pseudonyms: {file: pseudonyms.key}}\n",
    );
    lab.private("pseudonyms.key", "0b7c4f7a2f8d4b1c9e5a");
    // The image names its secrets as the org cannot.
    lab.run(&["export", "gold", "--out", "a.zip", "--base", "image"])
        .ends(0);
    assert_eq!(found(&lab, "a.zip", &known), Vec::<String>::new());
    let texts = unpacked(&lab, "a.zip");
    let says = |text: &str| {
        let mut files = texts.iter();
        files.any(|(_, content)| String::from_utf8_lossy(content).contains(text))
    };
    assert!(says("{$secret: \"policy-api/password\"}"));
    assert!(says("@staff.invalid"));
    lab.run(&["export", "gold", "--out", "b.zip", "--base", "a.zip"])
        .ends(0);
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a zip");
    assert!(bytes("a.zip") == bytes("b.zip"));
}

#[test]
fn a_selection_names_people_as_the_org_does() {
    let lab = Lab::new();
    let known = gold(&lab, false);
    let queue = ["--select", "routing_queue=Claims*"];
    let out = ["export", "gold", "--out", "a.zip", "--pii", "pseudonymise"];
    lab.run(&[&out[..], &queue].concat()).ends(0);
    // Its members are not exported, and are named all the same.
    assert_eq!(found(&lab, "a.zip", &known), Vec::<String>::new());
    let texts = unpacked(&lab, "a.zip");
    let members = texts
        .iter()
        .filter(|(_, content)| String::from_utf8_lossy(content).contains("user/person-"));
    assert!(members.count() > 0);
    let person = ["--select", "user=zoe.oneill@northwind.example.com"];
    lab.run(&[&out[..], &person].concat()).ends(0);
    assert_eq!(found(&lab, "a.zip", &known), Vec::<String>::new());
    let texts = unpacked(&lab, "a.zip");
    assert_eq!(
        texts
            .iter()
            .filter(|(file, _)| file.starts_with("user/"))
            .count(),
        1
    );
    let manifest = texts.iter().find(|(file, _)| file == "manifest.json");
    let (_, manifest) = manifest.expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest["manifest.json".len()..]).expect("JSON");
    assert_eq!(manifest["entities"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_page_lists_every_field_of_a_person() {
    let fields = |paths: &[FieldPath]| {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        paths.join(", ")
    };
    let kinds = Catalogue::builtin()
        .iter()
        .filter(|kind| !kind.pii.is_empty());
    let rows: Vec<String> = kinds
        .map(|kind| {
            let Pii {
                names,
                contacts,
                texts,
                others,
            } = &kind.pii;
            let cells = [names, contacts, texts, others].map(|paths| fields(paths));
            format!("| `{}` | {} |\n", kind.kind, cells.join(" | "))
        })
        .collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/privacy.md");
    let page = fs::read_to_string(page).expect("the page");
    let table = rows.concat();
    assert!(page.contains(&table), "docs/privacy.md lacks\n{table}");
}

#[test]
fn a_slip_in_the_section_is_told() {
    let lab = Lab::new();
    for (section, name) in [
        ("privacy: {kinds: {usr: drop}}\n", "no_such_kind"),
        (
            "privacy: {kinds: {routing_skill: drop}}\n",
            "kind_of_nobody",
        ),
        ("privacy: {domain: nowhere}\n", "no_domain"),
        ("privacy: {pii: mask}\n", "no_such_way"),
    ] {
        let lab = Lab::new();
        lab.configure(section);
        assert_snapshot!(name, lab.run(&["export", "gold", "--out", "a.zip"]).ends(1));
    }
    lab.configure("secrets: {pseudonyms: {file: nowhere.key}}\n");
    let export = ["export", "gold", "--out", "a.zip", "--pii", "hash"];
    assert_snapshot!("no_key", lab.run(&export).ends(5));
    assert!(!lab.path("a.zip").exists());
}
