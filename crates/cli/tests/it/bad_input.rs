//! Bundles and plans that are wrong: told with place and remedy, and nothing is sent.

use std::io::Write;

use insta::assert_snapshot;
use zip::write::SimpleFileOptions;

use crate::lab::{Lab, Shown};

/// Writes one file into a bundle and plans with it.
fn with_file(lab: &Lab, file: &str, text: &str) -> Shown {
    lab.write(&format!("bad/{file}"), text);
    let shown = lab.run(&["plan", "bad", "--to", "gold"]).ends(1);
    assert_eq!(lab.sim.ledger().len(), 0, "nothing is sent: {shown}");
    shown
}

#[test]
fn an_unknown_kind() {
    let lab = Lab::new();
    assert_snapshot!(with_file(&lab, "routing_queu/Sales.yaml", "name: Sales\n"));
}

#[test]
fn malformed_yaml() {
    let lab = Lab::new();
    assert_snapshot!(with_file(
        &lab,
        "routing_skill/Sales.yaml",
        "name: [Sales\n"
    ));
}

#[test]
fn a_reference_to_nothing() {
    let lab = Lab::new();
    lab.write("bad/auth_division/Sales.yaml", "name: Sales\n");
    let text = "name: Quotes\ndivision:\n  $ref: auth_division/Sale\n";
    lab.write("bad/routing_skill/Quotes.yaml", text);
    // The target may have it, so it is known only when the target was read.
    assert_snapshot!(lab.run(&["plan", "bad", "--to", "gold"]));
}

#[test]
fn a_field_that_nobody_knows() {
    let lab = Lab::new();
    assert_snapshot!(with_file(
        &lab,
        "routing_skill/Sales.yaml",
        "name: Sales\nnmae: Sales\n"
    ));
}

#[test]
fn two_files_whose_names_differ_in_case_only() {
    let lab = Lab::new();
    lab.write("bad/routing_skill/Sales.yaml", "name: Sales\n");
    assert_snapshot!(with_file(&lab, "routing_skill/SALES.yaml", "name: SALES\n"));
}

#[test]
fn an_unfilled_placeholder_in_a_flow() {
    let lab = Lab::new();
    lab.write(
        "bad/flow/inboundcall/Main.yaml",
        "name: Main\ntype: INBOUNDCALL\n",
    );
    let flow =
        "inboundCall:\n  name: Main\n  defaultLanguage: en-us\n  description: for {{team_name}}\n";
    assert_snapshot!(with_file(&lab, "flow/inboundcall/Main.flow.yaml", flow));
}

#[test]
fn a_newer_bundle() {
    let lab = Lab::new();
    assert_snapshot!(with_file(&lab, "manifest.json", "{\"format\": 99}\n"));
}

fn zipped(lab: &Lab, name: &str, entries: &[(&str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, content) in entries {
        zip.start_file(*path, SimpleFileOptions::default())
            .expect("an entry");
        zip.write_all(content).expect("memory");
    }
    lab.write(name, zip.finish().expect("a zip").into_inner());
}

#[test]
fn hostile_and_broken_zips() {
    let lab = Lab::new();
    zipped(&lab, "escape.zip", &[("../../evil.yaml", b"name: evil\n")]);
    assert_snapshot!(
        "path_traversal",
        lab.run(&["plan", "escape.zip", "--to", "gold"]).ends(1)
    );
    lab.run(&["bundle", "unpack", "escape.zip", "out"]).ends(1);
    assert!(!lab.path("out").exists(), "nothing is unpacked");

    let zeros = vec![b' '; 80 << 20];
    zipped(&lab, "bomb.zip", &[("routing_skill/Bomb.yaml", &zeros)]);
    assert_snapshot!("bomb", lab.run(&["validate", "bomb.zip"]).ends(1));

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.add_symlink(
        "routing_skill/Link.yaml",
        "/etc/passwd",
        SimpleFileOptions::default(),
    )
    .expect("an entry");
    lab.write("link.zip", zip.finish().expect("a zip").into_inner());
    assert_snapshot!("symlink", lab.run(&["validate", "link.zip"]).ends(1));

    lab.write("broken.zip", "not a zip at all");
    assert_snapshot!("broken", lab.run(&["validate", "broken.zip"]).ends(1));
}

#[test]
fn a_digest_that_is_wrong() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["bundle", "pack", "sketch", "a.zip"]).ends(0);
    lab.run(&["bundle", "unpack", "a.zip", "out"]).ends(0);
    lab.run(&["bundle", "verify", "out"]).ends(0);
    lab.write(
        "out/routing_language/English.yaml",
        "name: English\nnotes: edited\n",
    );
    assert_snapshot!("edited", lab.run(&["bundle", "verify", "out"]).ends(1));
}

#[test]
fn plan_files_that_are_none() {
    let lab = Lab::new();
    lab.write("a.json", "{\"format\": 99}");
    assert_snapshot!(
        "newer_plan",
        lab.run(&["apply", "--plan", "a.json"]).ends(1)
    );
    lab.write("b.json", "{");
    assert_snapshot!(
        "broken_plan",
        lab.run(&["apply", "--plan", "b.json"]).ends(1)
    );
    lab.write("c.json", "{\"a\": 1}");
    assert_snapshot!("no_plan", lab.run(&["apply", "--plan", "c.json"]).ends(1));
    assert_snapshot!(
        "missing_plan",
        lab.run(&["apply", "--plan", "d.json"]).ends(1)
    );
}

#[test]
fn terms_that_cannot_be_read() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let shown = lab
        .run(&[
            "plan",
            "sketch",
            "--to",
            "gold",
            "--select",
            "kind=routing_skil",
        ])
        .ends(64);
    assert_snapshot!("bad_term", shown);
}

/// Nested a hundred thousand times: whoever recurses over it without a limit overflows the stack.
fn deep_json() -> String {
    format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))
}

/// A few lines that stand for ten thousand million values.
fn alias_bomb() -> String {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    bomb
}

#[test]
fn json_that_is_nested_without_end_is_refused_by_every_reader() {
    let lab = Lab::new();
    lab.sketch("bundle");
    lab.run(&["bundle", "pack", "bundle", "bundle.zip"]).ends(0);
    lab.run(&["plan", "bundle", "--to", "gold", "--out", "plan.json"])
        .ends(0);
    let plan = std::fs::read_to_string(lab.path("plan.json")).expect("a plan");
    // Where anything may stand, anything may be nested.
    let body = "\"body\":";
    assert!(plan.contains(body), "{plan}");
    lab.write(
        "plan.json",
        plan.replacen(body, &format!("{body}{},\"was\":", deep_json()), 1),
    );
    let before = lab.sim.ledger().len();
    let shown = lab.run(&["apply", "--plan", "plan.json", "--yes"]).ends(1);
    assert!(shown.stderr.contains("recursion limit"), "{shown}");
    lab.write(
        "bundle/manifest.json",
        format!("{{\"format\": {}}}", deep_json()),
    );
    lab.run(&["bundle", "verify", "bundle"]).ends(1);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let text = format!("{{\"orgsmith_backup\": 1, \"place\": {}}}\n", deep_json());
    packer.write_all(text.as_bytes()).expect("packed");
    lab.write("state.backup", packer.finish().expect("packed"));
    let shown = lab.run(&["state", "restore", "state.backup"]).ends(1);
    assert!(shown.stderr.contains("state.backup"), "{shown}");
    assert_eq!(lab.sim.ledger().len(), before);
}

#[test]
fn yaml_that_grows_or_nests_without_end_is_refused_by_every_reader() {
    let deep = format!("a: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    for text in [alias_bomb(), deep] {
        let lab = Lab::new();
        lab.sketch("bundle");
        let plan = ["plan", "bundle", "--to", "gold"];
        lab.private("secrets.yaml", &text);
        lab.write("people.yaml", &text);
        let more = |more: &[&'static str]| lab.run(&[&plan[..], more].concat());
        lab.run(&[
            "apply",
            "bundle",
            "--to",
            "gold",
            "--yes",
            "--secrets-file",
            "secrets.yaml",
        ]);
        assert_ne!(more(&["--people", "people.yaml"]).exit, 0);
        for file in [
            "routing_skill/Bad.yaml",
            "example/Bad.yaml",
            "component/Bad.yaml",
        ] {
            lab.write(&format!("bundle/{file}"), &text);
            more(&[]).ends(1);
            std::fs::remove_file(lab.path(&format!("bundle/{file}"))).expect("our own file");
        }
        lab.write("overlays/gold.yaml", &text);
        assert_ne!(more(&[]).exit, 0, "an overlay");
        std::fs::remove_file(lab.path("overlays/gold.yaml")).expect("our own file");
        lab.write("orgsmith.yaml", &text);
        assert_ne!(more(&[]).exit, 0, "a project file");
    }
}

#[cfg(unix)]
#[test]
fn what_may_be_confidential_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.sketch("bundle");
    let plan = ["plan", "bundle", "--to", "gold", "--out", "plan.json"];
    lab.run(&plan).ends(0);
    let apply = [
        "apply",
        "--plan",
        "plan.json",
        "--json-into",
        "events.jsonl",
    ];
    lab.run(&apply).ends(0);
    lab.run(&["state", "backup", "state.backup"]).ends(0);
    let mode = |name: &str| {
        let about = std::fs::metadata(lab.path(name)).expect("it is there");
        about.permissions().mode() & 0o777
    };
    for name in [
        "plan.json",
        "events.jsonl",
        "state.backup",
        ".orgsmith/state.db",
    ] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!(mode(".orgsmith"), 0o700);
}

#[test]
fn a_name_that_is_an_org_and_a_folder_is_the_org_and_that_is_said() {
    let lab = Lab::new();
    lab.run(&["export", "gold", "--out", "gold"]).ends(0);
    lab.write("gold/routing_skill/Extra.yaml", "name: Extra\n");
    let shown = lab.run(&["plan", "gold", "--to", "tenant"]).ends(0);
    assert!(shown.stderr.contains("write ./gold"), "{shown}");
    let shown = lab.run(&["plan", "./gold", "--to", "tenant"]).ends(0);
    assert!(!shown.stderr.contains("is taken as the org"), "{shown}");
    let told = format!("{}{}", shown.stdout, shown.stderr);
    assert!(told.contains("Extra"), "{shown}");
}
