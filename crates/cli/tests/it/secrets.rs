//! Where values of secrets come from, and that a value which changed is sent again.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Lab, PLANTED, Shown};
use crate::vault::{TOKEN, Vault};

/// Puts a credential into a folder; its fields are secrets of the names that are given.
pub fn credential(lab: &Lab, name: &str, [user, password]: [&str; 2]) {
    let text = format!(
        "name: {name}\ntype: {{name: basicAuth}}\ncredentialFields:\n  userName: {{$secret: {user:?}}}\n  password: {{$secret: {password:?}}}\n"
    );
    lab.write(
        &format!("sketch/integration_credential/basicAuth/{name}.yaml"),
        text,
    );
}

pub fn apply(lab: &Lab, more: &[&str]) -> Command {
    let mut arguments = vec!["apply", "sketch", "--to", "gold", "--yes"];
    arguments.extend(more);
    lab.command(&arguments)
}

/// Returns the values that the org holds, which only a look behind its API shows.
pub fn held(lab: &Lab) -> Vec<Value> {
    let credentials = lab.sim.kept("gold", "credential");
    credentials
        .into_iter()
        .map(|one| one["credentialFields"].clone())
        .collect()
}

fn plan(lab: &Lab, more: &[&str]) -> Shown {
    let mut arguments = vec!["plan", "sketch", "--to", "gold", "-v"];
    arguments.extend(more);
    lab.run(&arguments)
}

#[test]
fn a_value_that_changed_is_an_update_and_nothing_is_stored_that_shows_it() {
    let lab = Lab::new();
    credential(&lab, "CRM", ["crm/user", "crm/password"]);
    credential(&lab, "ERP", ["erp/user", "erp/password"]);
    let values = |password: &str| {
        let text =
            format!("crm/user: anna\ncrm/password: {password}\nerp/user: e\nerp/password: f\n");
        lab.private("secrets.yaml", &text);
    };
    let file = ["--secrets-file", "secrets.yaml"];
    values(PLANTED);
    lab.finish(apply(&lab, &file)).ends(0);
    let writes = lab.writes("gold");

    // The same values again are no difference, with and without them at hand.
    plan(&lab, &[&file[..], &["--detailed-exitcode"]].concat()).ends(0);
    plan(&lab, &["--detailed-exitcode"]).ends(0);

    values("planted-secret-value-2");
    let shown = plan(&lab, &[&file[..], &["--detailed-exitcode"]].concat()).ends(2);
    assert!(
        shown
            .stdout
            .contains("basicAuth/CRM  credentialFields (secret changed: \"crm/password\")"),
        "{shown}"
    );
    assert!(!shown.stdout.contains("ERP"), "{shown}");
    lab.finish(apply(&lab, &file)).ends(0);
    assert_eq!(lab.writes("gold"), writes + 1);
    let password = |value: &Value| value["password"].clone();
    let held: Vec<Value> = held(&lab).iter().map(password).collect();
    assert!(held.contains(&json!("planted-secret-value-2")), "{held:?}");
    plan(&lab, &[&file[..], &["--detailed-exitcode"]].concat()).ends(0);
    // What it was before is known to nobody.
    let shown = lab.run(&["rollback", &lab.last_run(), "--dry-run"]).ends(0);
    let kept = "the secret crm/password keeps the value that the run sent [not-undone]";
    assert!(shown.stdout.contains(kept), "{shown}");

    // Neither the state nor anything beside it holds a value.
    let folder = lab.path(".orgsmith");
    for entry in fs::read_dir(folder).expect("the state") {
        let bytes = fs::read(entry.expect("a file").path()).expect("a file");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("planted-secret"), "a secret is in the state");
    }
}

#[test]
fn a_secret_is_sent_again_when_somebody_asks_for_it() {
    let lab = Lab::new();
    credential(&lab, "CRM", ["crm/user", "shared"]);
    credential(&lab, "ERP", ["erp/user", "shared"]);
    lab.private("secrets.yaml", "crm/user: a\nerp/user: b\nshared: c\n");
    let file = ["--secrets-file", "secrets.yaml"];
    lab.finish(apply(&lab, &file)).ends(0);
    let writes = lab.writes("gold");
    let again = [&file[..], &["--write-secret", "shared"]].concat();
    lab.finish(apply(&lab, &again)).ends(0);
    // Everything that holds it gets it.
    assert_eq!(lab.writes("gold"), writes + 2);

    let slip = lab
        .finish(apply(&lab, &["--write-secret", "shred"]))
        .ends(64);
    assert!(slip.stderr.contains("did you mean \"shared\"?"), "{slip}");
    let saved = lab
        .run(&["apply", "--plan", "plan.json", "--write-secret", "shared"])
        .ends(64);
    assert!(saved.stderr.contains("`orgsmith plan`"), "{saved}");
    // The command that a plan proposes does the same.
    let shown = plan(&lab, &["--write-secret", "shared"]).ends(0);
    assert!(shown.stdout.contains("--write-secret shared"), "{shown}");
    assert_eq!(lab.writes("gold"), writes + 2);
}

#[test]
fn a_clone_proves_that_what_it_was_asked_to_send_again_is_sent() {
    let lab = Lab::new();
    credential(&lab, "CRM", ["crm/user", "crm/password"]);
    lab.private("secrets.yaml", "crm/user: a\ncrm/password: b\n");
    let run = |more: &[&str]| {
        let mut arguments = vec![
            "clone",
            "sketch",
            "gold",
            "tenant",
            "--yes",
            "--secrets-file",
            "secrets.yaml",
        ];
        arguments.extend(more);
        lab.run(&arguments).ends(0)
    };
    run(&[]);
    let writes = lab.writes("gold");
    run(&[]);
    assert_eq!(lab.writes("gold"), writes);
    run(&["--write-secret", "crm/password"]);
    assert_eq!(
        (lab.writes("gold"), lab.writes("tenant")),
        (writes + 1, writes + 1)
    );
}

#[cfg(unix)]
#[test]
fn values_come_from_every_place_and_all_that_is_wrong_is_told_at_once() {
    let lab = Lab::new();
    credential(&lab, "CRM", ["a/env", "b/file"]);
    credential(&lab, "ERP", ["c/command", "d/exchange"]);
    credential(&lab, "HR", ["d/exchange-2", "e/nowhere"]);
    credential(&lab, "WFM", ["f/broken", "g/unset"]);
    lab.configure(
        "secrets:\n  a/env: {env: FROM_ENV}\n  b/file: {file: value.txt}\n  c/command: {command: [sh, -c, 'echo from command']}\n  d/*: {exchange: [sh, exchange.sh]}\n  f/broken: {command: [sh, -c, 'echo planted-secret-value; exit 3']}\n  g/unset: {env: NOT_SET}\n",
    );
    lab.write("value.txt", "from file\n");
    lab.write("exchange.sh", "echo once >>asked; cat >question\necho '{\"d/exchange\": \"one\", \"d/exchange-2\": \"two\"}'\n");
    let with_env = || {
        let mut command = apply(&lab, &[]);
        command
            .env("FROM_ENV", "from env")
            .env("PATH", "/usr/bin:/bin");
        command
    };
    let missing = lab.finish(with_env()).ends(5);
    let told: Vec<&str> = missing
        .stderr
        .lines()
        .skip_while(|line| !line.starts_with("error"))
        .collect();
    insta::assert_snapshot!("all_that_is_wrong", told.join("\n"));
    assert_eq!(lab.writes("gold"), 0);

    let mut command = with_env();
    command
        .env("ORGSMITH_SECRET_E_NOWHERE", "e")
        .env("ORGSMITH_SECRET_F_BROKEN", "f")
        .env("NOT_SET", "g");
    fs::remove_file(lab.path("asked")).expect("it was asked");
    lab.finish(command).ends(0);
    let values = held(&lab);
    for wanted in [
        json!({"userName": "from env", "password": "from file"}),
        json!({"userName": "from command", "password": "one"}),
        json!({"userName": "two", "password": "e"}),
    ] {
        assert!(values.contains(&wanted), "{wanted} is not among {values:?}");
    }
    // One question for all that it knows, and one for the whole command.
    let question = fs::read_to_string(lab.path("question")).expect("a question");
    assert_eq!(question, r#"{"secrets":["d/exchange","d/exchange-2"]}"#);
    assert_eq!(
        fs::read_to_string(lab.path("asked")).expect("it was asked"),
        "once\n"
    );
}

fn with_vault(lab: &Lab, vault: &Vault, secrets: &str) {
    lab.configure(&format!(
        "vault: {{address: '{}'}}\nsecrets:\n{secrets}",
        vault.address
    ));
}

#[test]
fn values_come_from_vault_by_token_and_by_approle() {
    let vault = Vault::start();
    for more in [
        [("VAULT_TOKEN", TOKEN), ("HOME", "/nowhere")],
        [("VAULT_ROLE_ID", "role"), ("VAULT_SECRET_ID", PLANTED)],
    ] {
        let lab = Lab::new();
        credential(&lab, "CRM", ["crm/user", "crm/password"]);
        credential(&lab, "Old ERP", ["Old ERP/userName", "Old ERP/password"]);
        with_vault(
            &lab,
            &vault,
            "  crm/user: {vault: {path: crm, field: user}}\n  crm/password: {vault: {path: crm, field: password, version: 1}}\n  '*': {vault: {path: 'orgs/{object}', field: '{field}'}}\n",
        );
        vault.put("crm", json!({"user": "old", "password": PLANTED}));
        vault.put("crm", json!({"user": "anna", "password": "new"}));
        vault.put("orgs/Old ERP", json!({"userName": "erp", "password": 7}));
        // Vault restarts while it is asked.
        vault.seal(1);
        let before = vault.requests().len();
        let mut command = apply(&lab, &[]);
        command.envs(more);
        lab.finish(command).ends(0);
        let values = held(&lab);
        assert!(
            values.contains(&json!({"userName": "anna", "password": PLANTED})),
            "{values:?}"
        );
        assert!(
            values.contains(&json!({"userName": "erp", "password": "7"})),
            "{values:?}"
        );
        // Each secret once, though it was needed when asked, planned and sent.
        let mut asked: Vec<String> = vault.requests().split_off(before + 1);
        asked.retain(|line| line.starts_with("GET"));
        asked.sort();
        asked.dedup();
        assert_eq!(
            asked,
            [
                "GET /v1/secret/data/crm",
                "GET /v1/secret/data/crm?version=1",
                "GET /v1/secret/data/orgs/Old%20ERP"
            ]
        );
    }
}

#[test]
fn what_vault_refuses_is_told_with_the_path_and_what_to_do() {
    let vault = Vault::start();
    let lab = Lab::new();
    credential(&lab, "A", ["gone", "denied"]);
    credential(&lab, "B", ["deleted", "field"]);
    credential(&lab, "C", ["mount", "gone"]);
    with_vault(
        &lab,
        &vault,
        "  gone: {vault: {path: apps/gone, field: x}}\n  denied: {vault: {path: apps/denied, field: x}}\n  deleted: {vault: {path: apps/deleted, field: x}}\n  field: {vault: {path: apps/field, field: x}}\n  mount: {vault: {mount: kv, path: apps/a, field: x}}\n",
    );
    vault.deny("apps/denied");
    vault.put("apps/deleted", Value::Null);
    vault.put("apps/field", json!({"password": PLANTED, "user": "u"}));
    let told = |command: Command| {
        let shown = lab.finish(command).ends(5);
        let lines = shown
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("error"));
        lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace(&vault.address, "<vault>")
    };
    let mut command = apply(&lab, &[]);
    command.env("VAULT_TOKEN", TOKEN);
    insta::assert_snapshot!("vault_refuses", told(command));
    insta::assert_snapshot!("vault_without_token", told(apply(&lab, &[])));
    let mut command = apply(&lab, &[]);
    command
        .env("VAULT_ROLE_ID", "role")
        .env("VAULT_SECRET_ID", "other");
    insta::assert_snapshot!("vault_refuses_the_role", told(command));
    assert_eq!(lab.writes("gold"), 0);
}

#[test]
fn a_vault_elsewhere_is_asked_by_tls_only() {
    let lab = Lab::new();
    credential(&lab, "A", ["a", "a"]);
    lab.configure("vault: {address: 'http://vault.example.com:8200'}\nsecrets:\n  a: {vault: {path: x, field: x}}\n");
    let shown = lab.finish(apply(&lab, &[])).ends(5);
    assert!(
        shown.stderr.contains("would send secrets unencrypted"),
        "{shown}"
    );
}

#[cfg(not(feature = "aws"))]
#[test]
fn without_aws_it_is_said_how_to_get_it() {
    let lab = Lab::new();
    credential(&lab, "A", ["a", "a"]);
    lab.configure("secrets:\n  a: {aws: {id: prod/a}}\n");
    let shown = lab.finish(apply(&lab, &[])).ends(5);
    assert!(shown.stderr.contains("--features aws"), "{shown}");
}
