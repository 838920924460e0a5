//! `orgsmith bundle` and `orgsmith validate`

use std::fs;

use insta::assert_snapshot;

use crate::lab::{Lab, example};

#[test]
fn packing_is_deterministic_and_unpacking_gives_it_back() {
    let lab = Lab::new();
    let gold = example("gold-org");
    lab.run(&["bundle", "pack", &gold, "a.zip"]).ends(0);
    lab.run(&["bundle", "unpack", "a.zip", "tree"]).ends(0);
    lab.run(&["bundle", "pack", "tree", "b.zip"]).ends(0);
    assert!(
        fs::read(lab.path("a.zip")).expect("a zip") == fs::read(lab.path("b.zip")).expect("a zip")
    );
    lab.run(&["bundle", "verify", "tree"]).ends(0);
}

#[test]
fn unpacking_never_writes_into_a_folder_of_something_else() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["bundle", "pack", "sketch", "a.zip"]).ends(0);
    lab.write("mine/notes.txt", "mine");
    assert_snapshot!(
        "not_a_bundle",
        lab.run(&["bundle", "unpack", "a.zip", "mine"]).ends(1)
    );
    lab.run(&["export", "gold", "--out", "mine"]).ends(64);
    assert_eq!(lab.sim.ledger().len(), 0, "the org is not read in vain");
    assert_eq!(fs::read_dir(lab.path("mine")).expect("a folder").count(), 1);
}

#[test]
fn the_examples_are_valid() {
    let lab = Lab::new();
    lab.run(&["validate", &example("gold-org")]).ends(0);
    lab.run(&["validate", &example("tenant")]).ends(0);
}

/// Makes an age identity; returns its public key.
fn age_key(lab: &Lab, name: &str) -> String {
    let made = lab.run(&["bundle", "keygen", "age", name]).ends(0);
    made.stdout.trim().to_owned()
}

#[test]
fn an_encrypted_bundle_is_a_source_of_every_command_and_is_opened_in_memory_only() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let (ours, _) = (age_key(&lab, "ours.key"), age_key(&lab, "other.key"));
    lab.run(&["bundle", "pack", "sketch", "plain.zip"]).ends(0);
    let encrypt = |from: &str, more: &[&str]| {
        lab.run(&[&["bundle", "encrypt", from, "--out", "b.zip.age"], more].concat())
    };
    assert_snapshot!("encrypt_for_nobody", encrypt("sketch", &[]).ends(64));
    encrypt("sketch", &["--recipient", &ours]).ends(0);
    let sealed = fs::read(lab.path("b.zip.age")).expect("a file");
    assert!(!sealed.windows(7).any(|bytes| bytes == b"routing"));
    assert_snapshot!(
        "encrypted_twice",
        encrypt("b.zip.age", &["--recipient", &ours]).ends(1)
    );

    let unpacked = lab.run(&["bundle", "unpack", "b.zip.age", "tree"]).ends(1);
    assert!(unpacked.stderr.contains("bundle decrypt"), "{unpacked}");
    assert!(!lab.path("tree").exists());

    let before = names(&lab);
    let mine = ["--identity", "ours.key"];
    let with = |arguments: &[&str], more: &[&str]| lab.run(&[arguments, more].concat());
    assert_snapshot!("no_identity", with(&["validate", "b.zip.age"], &[]).ends(1));
    let other = ["--identity", "other.key"];
    assert_snapshot!(
        "identity_of_another",
        with(&["validate", "b.zip.age"], &other).ends(1)
    );
    let no_key = ["--identity", "orgsmith.yaml"];
    assert_snapshot!(
        "no_identity_at_all",
        with(&["validate", "b.zip.age"], &no_key).ends(1)
    );
    for command in [
        &["validate", "b.zip.age"][..],
        &["lint", "b.zip.age"],
        &["graph", "b.zip.age"],
        &["compare", "b.zip.age", "plain.zip"],
        &["diff", "b.zip.age", "plain.zip"],
        &["plan", "b.zip.age", "--to", "gold"],
        &["bundle", "verify", "b.zip.age"],
    ] {
        with(command, &mine).ends(0);
    }
    let mut by_variable = lab.command(&["validate", "b.zip.age"]);
    by_variable.env("ORGSMITH_IDENTITY", "ours.key");
    lab.finish(by_variable).ends(0);
    let after: Vec<String> = names(&lab);
    assert_eq!(before, after, "nothing was left behind");

    lab.configure("bundles:\n  identity: ours.key\n");
    lab.run(&["validate", "b.zip.age"]).ends(0);
    lab.run(&["clone", "b.zip.age", "gold", "--yes"]).ends(0);
    let again = ["plan", "sketch", "--to", "gold", "--detailed-exitcode"];
    lab.run(&again).ends(0);
    lab.run(&["bundle", "decrypt", "b.zip.age", "--out", "back.zip"])
        .ends(0);
    assert!(
        fs::read(lab.path("back.zip")).expect("a zip")
            == fs::read(lab.path("plain.zip")).expect("a zip")
    );
    assert_private(&lab, "back.zip");
    assert_private(&lab, "ours.key");

    for (name, damaged) in [
        ("damaged", changed_at_the_end(&sealed)),
        ("cut_off", sealed[..sealed.len() - 40].to_vec()),
    ] {
        lab.write("b.zip.age", damaged);
        let shown = lab.run(&["plan", "b.zip.age", "--to", "gold"]).ends(1);
        assert_snapshot!(name, shown);
        let to = ["--out", "never.zip"];
        lab.run(&[&["bundle", "decrypt", "b.zip.age"][..], &to].concat())
            .ends(1);
        assert!(!lab.path("never.zip").exists());
    }
}

#[test]
fn what_was_written_by_hand_is_not_exported_over_and_may_be_a_base() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let before = lab.sim.ledger().len();
    let refused = lab.run(&["export", "gold", "--out", "sketch"]).ends(64);
    assert!(refused.stderr.contains("--base sketch"), "{refused}");
    assert_eq!(lab.sim.ledger().len(), before, "nothing was asked");
    lab.run(&["export", "gold", "--out", "read", "--base", "sketch"])
        .ends(0);
}

#[test]
fn an_export_can_be_encrypted_and_is_a_base_as_any_other() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["clone", "sketch", "gold", "--yes"]).ends(0);
    let ours = age_key(&lab, "ours.key");
    let plain = ["export", "gold", "--out", "gold.zip", "--recipient", &ours];
    assert_snapshot!("not_encrypted", lab.run(&plain).ends(64));
    lab.configure(&format!(
        "bundles:\n  identity: ours.key\n  recipients: [{ours}]\n"
    ));
    for _ in 0..2 {
        lab.run(&["export", "gold", "--out", "gold.zip.age"])
            .ends(0);
    }
    lab.run(&["export", "gold", "--out", "gold.zip"]).ends(0);
    lab.run(&["bundle", "decrypt", "gold.zip.age", "--out", "back.zip"])
        .ends(0);
    assert!(
        fs::read(lab.path("back.zip")).expect("a zip")
            == fs::read(lab.path("gold.zip")).expect("a zip")
    );
}

#[test]
fn a_signature_is_of_one_bundle_and_of_one_key() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let keygen = |name: &str, more: &[&str]| {
        lab.run(&[&["bundle", "keygen", "minisign", name], more].concat())
    };
    assert_snapshot!("key_without_password", keygen("sign.key", &[]).ends(64));
    keygen("sign.key", &["--no-password"]).ends(0);
    keygen("other.key", &["--no-password"]).ends(0);
    assert_private(&lab, "sign.key");
    let kept = fs::read(lab.path("sign.key")).expect("a key");
    keygen("sign.key", &["--no-password"]).ends(1);
    assert!(fs::read(lab.path("sign.key")).expect("a key") == kept);

    let sign = |path: &str| lab.run(&["bundle", "sign", path, "--key", "sign.key"]);
    let verify = |path: &str, more: &[&str]| {
        let key = ["--public-key", "sign.key.pub"];
        lab.run(&[&["bundle", "verify", path][..], &key, more].concat())
    };
    assert_snapshot!("sign_without_manifest", sign("sketch").ends(1));
    lab.run(&["bundle", "pack", "sketch", "b.zip"]).ends(0);
    lab.run(&["bundle", "unpack", "b.zip", "tree"]).ends(0);
    sign("b.zip").ends(0);
    sign("tree").ends(0);
    assert!(lab.path("tree/manifest.json.minisig").exists());
    verify("b.zip", &[]).ends(0);
    verify("tree", &[]).ends(0);
    lab.run(&["validate", "tree"]).ends(0);
    let other = ["--public-key", "other.key.pub"];
    let others = lab
        .run(&[&["bundle", "verify", "b.zip"][..], &other].concat())
        .ends(5);
    assert!(others.stderr.contains("made with another key"), "{others}");
    let crossed = ["--signature", "tree/manifest.json.minisig"];
    assert_snapshot!("signature_of_another", verify("b.zip", &crossed).ends(5));
    let secret = ["--public-key", "ours.key"];
    age_key(&lab, "ours.key");
    let no_key = lab
        .run(&[&["bundle", "verify", "b.zip"][..], &secret].concat())
        .ends(1);
    assert_snapshot!("no_public_key", no_key);

    // Who may not read a bundle can still tell whose it is.
    let recipient = age_key(&lab, "reader.key");
    let encrypt = [
        "bundle",
        "encrypt",
        "b.zip",
        "--out",
        "b.age",
        "--recipient",
    ];
    lab.run(&[&encrypt[..], &[recipient.as_str()]].concat())
        .ends(0);
    sign("b.age").ends(0);
    verify("b.age", &[]).ends(0);

    lab.write("tree/routing_skill/Added.yaml", "name: Added\n");
    assert_snapshot!("not_as_signed", verify("tree", &[]).ends(1));
    let zip = fs::read(lab.path("b.zip")).expect("a zip");
    lab.write("b.zip", changed_at_the_end(&zip));
    let changed = verify("b.zip", &[]).ends(5);
    assert!(
        changed.stderr.contains("is not what was signed"),
        "{changed}"
    );
}

#[test]
fn a_key_with_a_password_asks_for_it() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["bundle", "pack", "sketch", "b.zip"]).ends(0);
    let run = |arguments: &[&str], password: &str| {
        let mut command = lab.command(arguments);
        command.env("ORGSMITH_SIGN_PASSWORD", password);
        lab.finish(command)
    };
    let sign = ["bundle", "sign", "b.zip", "--key", "sign.key"];
    run(&["bundle", "keygen", "minisign", "sign.key"], "open sesame").ends(0);
    assert_snapshot!("sign_without_password", lab.run(&sign).ends(1));
    run(&sign, "open barley").ends(1);
    assert!(!lab.path("b.zip.minisig").exists());
    run(&sign, "open sesame").ends(0);
    let key = ["bundle", "verify", "b.zip", "--public-key", "sign.key.pub"];
    lab.run(&key).ends(0);
}

#[test]
fn a_project_that_asks_for_a_signature_plans_nothing_without_it() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["bundle", "pack", "sketch", "b.zip"]).ends(0);
    lab.run(&["bundle", "unpack", "b.zip", "tree"]).ends(0);
    let made = lab
        .run(&["bundle", "keygen", "minisign", "sign.key", "--no-password"])
        .ends(0);
    lab.configure("bundles:\n  signed_by: sign.key.pub\n");
    let plan = |path: &str| lab.run(&["plan", path, "--to", "gold"]);
    assert_snapshot!("unsigned", plan("b.zip").ends(5));
    lab.run(&["clone", "b.zip", "gold", "--yes"]).ends(5);
    assert!(lab.sim.ledger().is_empty(), "nothing is asked of the org");
    // What is only looked at need not be signed.
    lab.run(&["diff", "b.zip", "tree"]).ends(0);
    for path in ["b.zip", "tree"] {
        lab.run(&["bundle", "sign", path, "--key", "sign.key"])
            .ends(0);
        plan(path).ends(0);
    }
    let text = fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
    lab.write(
        "orgsmith.yaml",
        text.replace("sign.key.pub", made.stdout.trim()),
    );
    plan("b.zip").ends(0);
    lab.write("tree/routing_skill/Quotes.yaml", "name: Quotes\n");
    plan("tree").ends(1);
}

fn names(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.path("")).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect();
    names.sort();
    // The state of runs, which a plan may begin.
    names.retain(|name| name != ".orgsmith");
    names
}

fn changed_at_the_end(content: &[u8]) -> Vec<u8> {
    let mut changed = content.to_vec();
    let end = changed.len() - 1;
    changed[end] ^= 1;
    changed
}

fn assert_private(lab: &Lab, name: &str) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(lab.path(name)).expect("a file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}
