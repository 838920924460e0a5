//! The project file, credentials, and `org check`.

#[cfg(target_os = "linux")]
use std::io::Write;
#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::permissions::{Purpose, Role};
use orgsmith_core::select::Selection;
use orgsmith_sim::{ClientSpec, Config, FaultAction, FaultRule};

use crate::lab::{Lab, PLANTED};

#[test]
fn org_check_says_which_credential_and_what_it_may() {
    let lab = Lab::new();
    assert_snapshot!("org_check", lab.run(&["org", "check", "gold"]).ends(0));
    let weak = lab.run(&["org", "check", "weak"]).ends(0);
    assert!(
        weak.stdout.contains("lacks") && weak.stdout.contains("routing:queue:add"),
        "{weak}"
    );
}

#[test]
fn org_check_for_a_purpose_compares_with_the_least_role() {
    let catalogue = Catalogue::builtin();
    let selection = Selection::parse(catalogue, &["kind=routing_wrapupcode"], &[]).expect("a kind");
    let role = Role::new(catalogue, Purpose::Export, &selection.kinds(catalogue));
    let client = |name: &str| {
        let mut client = ClientSpec::new(&format!("{name}-client"), &format!("{name}-secret"));
        client.permissions = role.needs.keys().cloned().collect();
        client
    };
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].clients.push(client("exact"));
    config.orgs[0]
        .clients
        .push(client("home").divisions(["Home"]));
    let lab = Lab::of(config);
    let check = |org: &str, purpose: &str| {
        let kind = "kind=routing_wrapupcode";
        lab.run(&["org", "check", org, "--for", purpose, "--select", kind])
    };
    let exact = check("exact", "export").ends(0);
    assert!(exact.stdout.contains("all that export needs"), "{exact}");
    assert!(!exact.stdout.contains("more than needed"), "{exact}");
    let lacks = check("exact", "apply").ends(4);
    assert!(lacks.stdout.contains("routing:wrapupCode:add"), "{lacks}");
    let wide = check("gold", "export").ends(0);
    assert!(wide.stdout.contains("more than needed"), "{wide}");
    assert!(wide.stderr.contains("may do more than it needs"), "{wide}");
    let home = check("home", "export").ends(0);
    assert!(
        home.stdout.contains("routing:wrapupCode:view only in Home"),
        "{home}"
    );
}

#[test]
fn the_least_role_is_printed_for_people_and_for_the_api() {
    let lab = Lab::new();
    let kind = ["--select", "kind=routing_wrapupcode"];
    let print = |arguments: &[&str]| {
        lab.run(&[&["permissions", "--for"], arguments, &kind].concat())
            .ends(0)
    };
    assert_snapshot!("permissions", print(&["apply"]));
    assert_snapshot!("permissions_markdown", print(&["export", "-o", "markdown"]));
    let body = print(&["sync", "-o", "json"]).stdout;
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    lab.sim
        .seed("gold", "POST", "/api/v2/authorization/roles", body)
        .expect("a role as it is printed");
    lab.sketch("wanted");
    let of_source = lab
        .run(&["permissions", "--for", "apply", "wanted"])
        .ends(0);
    assert!(
        of_source.stdout.contains("routing:skill:manage"),
        "{of_source}"
    );
    assert!(!of_source.stdout.contains("routing:queue:"), "{of_source}");
}

#[test]
fn credentials_come_from_where_the_project_says() {
    let lab = Lab::new();
    let url = lab.sim.base_url();
    lab.private(
        "pair.json",
        r#"{"client_id": "gold-client", "client_secret": "gold-secret"}"#,
    );
    lab.private(
        ".gc/config.toml",
        "[main]\nenvironment = \"mypurecloud.com\"\nclient_credentials = \"gold-client\"\nclient_secret = \"gold-secret\"\n",
    );
    lab.configure(&format!(
        "  by-env: {{base_url: '{url}', credential: {{env: {{id: MY_ID, secret: MY_SECRET}}}}}}\n  \
           by-command: {{base_url: '{url}', credential: {{command: [cat, pair.json]}}}}\n  \
           by-profile: {{base_url: '{url}', credential: {{gc_profile: main}}}}\n  \
           by-default: {{base_url: '{url}'}}\n"
    ));
    let with = |org: &str| {
        let mut command = lab.command(&["org", "check", org]);
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MY_ID", "gold-client")
            .env("MY_SECRET", "gold-secret")
            .env("GENESYSCLOUD_OAUTHCLIENT_ID", "gold-client")
            .env("GENESYSCLOUD_OAUTHCLIENT_SECRET", "gold-secret");
        let shown = lab.finish(command).ends(0);
        assert!(!format!("{shown}").contains("gold-secret"), "{shown}");
        let line = shown
            .stdout
            .lines()
            .find(|line| line.contains("credential"));
        line.map(|line| line.trim().to_owned()).unwrap_or_default()
    };
    let found: Vec<String> = ["by-env", "by-command", "by-profile", "by-default"]
        .map(with)
        .into();
    assert_snapshot!("credentials", found.join("\n"));
    assert_snapshot!(
        "no_credential",
        lab.run(&["org", "check", "by-default"]).ends(4)
    );
    assert_snapshot!(
        "half_a_credential",
        lab.run(&["org", "check", "by-env"]).ends(4)
    );
}

#[cfg(unix)]
#[test]
fn a_credential_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(lab.path("gold.yaml"), open).expect("our own file");
    let shown = lab.run(&["org", "check", "gold"]).ends(0);
    assert!(shown.stderr.contains("chmod 600"), "{shown}");
}

#[test]
fn a_project_file_with_a_slip() {
    let lab = Lab::new();
    lab.configure("  third:\n    regoin: eu-west-1\n");
    assert_snapshot!("slip", lab.run(&["org", "check"]).ends(1));
}

#[test]
fn an_unknown_org_or_region_is_told_with_the_known_ones() {
    let lab = Lab::new();
    assert_snapshot!(
        "unknown_org",
        lab.run(&["export", "glod", "--out", "x"]).ends(64)
    );
    assert_snapshot!(
        "unknown_target",
        lab.run(&["plan", "gold", "--to", "tennant"]).ends(64)
    );
    lab.configure("  far: {region: eu-wset-1}\n");
    assert_snapshot!(
        "unknown_region",
        lab.run(&["export", "far", "--out", "x"]).ends(1)
    );
    let mut command = lab.command(&["export", "glod", "--out", "x"]);
    command.current_dir("/");
    assert_snapshot!("no_project", lab.finish(command).ends(64));
}

#[test]
fn a_wrong_secret_ends_with_4() {
    let lab = Lab::new();
    lab.private(
        "gold.yaml",
        "client_id: gold-client\nclient_secret: wrong-secret\n",
    );
    let shown = lab.run(&["export", "gold", "--out", "x"]).ends(4);
    assert!(!format!("{shown}").contains("wrong-secret"));
    assert!(!lab.path("x").exists());
    assert!(
        shown
            .stderr
            .contains("the login host refuses the credentials"),
        "{shown}"
    );
    assert_snapshot!(
        "wrong_secret_check",
        lab.run(&["org", "check", "gold"]).ends(4)
    );
}

#[test]
fn an_unreachable_host_ends_with_1() {
    let lab = Lab::new();
    lab.configure("  gone: {base_url: 'http://127.0.0.1:1', credential: {file: gold.yaml}}\n");
    let shown = lab.run(&["export", "gone", "--out", "x"]).ends(1);
    assert!(shown.stderr.contains("base_url"), "{shown}");
    assert!(!lab.path("x").exists());
}

#[test]
fn a_missing_permission_is_a_gap_and_the_rest_is_kept() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["apply", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    let shown = lab
        .run(&[
            "export",
            "weak",
            "--out",
            "part",
            "--select",
            "kind=skill,queue",
        ])
        .ends(3);
    assert_snapshot!("missing_permission", shown);
    assert!(lab.path("part/routing_skill/Quotes.yaml").exists());
}

#[test]
fn writing_without_permission_ends_with_4() {
    let lab = Lab::new();
    lab.write("one/routing_skill/Quotes.yaml", "name: Quotes\n");
    let shown = lab.run(&["apply", "one", "--to", "weak", "--yes"]).ends(4);
    assert_snapshot!("may_not_write", shown);
}

#[test]
fn a_404_in_mid_export_is_a_gap_and_the_rest_is_kept() {
    let lab = Lab::new();
    let queue = serde_json::json!({ "name": "Billing" });
    lab.sim
        .seed("gold", "POST", "/api/v2/routing/queues", queue)
        .expect("a queue");
    let gone = FaultAction::Status {
        status: 404,
        retry_after_s: None,
    };
    lab.sim.add_fault(
        FaultRule::new(gone)
            .on("GET", "/api/v2/routing/queues/*")
            .times(1),
    );
    let shown = lab
        .run(&["export", "gold", "--out", "x", "--select", "kind=queue"])
        .ends(3);
    assert_snapshot!("gone_in_between", shown);
    assert!(lab.path("x/manifest.json").exists());
}

#[test]
fn a_protected_org_is_not_written_to_without_its_name() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.configure(&format!(
        "  prod: {{base_url: '{}', credential: {{file: gold.yaml}}, protected: true}}\n",
        lab.sim.base_url()
    ));
    lab.run(&["plan", "sketch", "--to", "prod", "--out", "plan.json"])
        .ends(0);
    lab.run(&["apply", "--plan", "plan.json"]).ends(64);
    let yes = ["apply", "sketch", "--to", "prod", "--yes"];
    let shown = lab.run(&yes).ends(64);
    assert!(shown.stderr.contains("prod is protected"), "{shown}");
    assert!(shown.stderr.contains("--confirm prod"), "{shown}");
    let other = [&yes[..], &["--confirm", "gold"]].concat();
    lab.run(&other).ends(64);
    assert_eq!(lab.writes("gold"), 0);
    let confirmed = ["apply", "--plan", "plan.json", "--yes", "--confirm", "prod"];
    lab.run(&confirmed).ends(0);
    assert!(lab.writes("gold") > 0);
}

/// Runs a command in a terminal, and types an answer there; returns how it ended and what was shown.
#[cfg(target_os = "linux")]
fn typed(lab: &Lab, arguments: &[&str], answer: &str) -> (i32, String) {
    let program = [env!("CARGO_BIN_EXE_orgsmith")];
    let line: Vec<&str> = program.iter().chain(arguments).copied().collect();
    let mut terminal = Command::new("script")
        .args(["-qec", &line.join(" "), "/dev/null"])
        .current_dir(lab.path("."))
        .env("HOME", lab.path("."))
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, which every Debian has");
    let mut keyboard = terminal.stdin.take().expect("a keyboard");
    writeln!(keyboard, "{answer}").expect("typed");
    let output = terminal.wait_with_output().expect("it ends");
    drop(keyboard);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), shown)
}

#[cfg(target_os = "linux")]
#[test]
fn a_protected_org_and_a_deletion_take_the_name_of_the_org_and_nothing_else() {
    let lab = Lab::new();
    lab.write("one/routing_skill/Billing.yaml", "name: Billing\n");
    lab.configure(&format!(
        "  prod: {{base_url: '{}', credential: {{file: gold.yaml}}, protected: true}}\n",
        lab.sim.base_url()
    ));
    let apply = ["apply", "one", "--to", "prod"];
    for wrong in ["yes", "Prod", "gold", ""] {
        let (exit, shown) = typed(&lab, &apply, wrong);
        assert_eq!(exit, 5, "{wrong:?}: {shown}");
        assert!(
            shown.contains("prod is protected. Type its name"),
            "{shown}"
        );
        assert_eq!(lab.writes("gold"), 0, "{wrong:?}");
    }
    let (exit, shown) = typed(&lab, &apply, "prod");
    assert_eq!((exit, lab.writes("gold")), (0, 1), "{shown}");

    // An org that is not protected takes a yes, but for a deletion.
    lab.write("two/routing_skill/Sales.yaml", "name: Sales\n");
    let sync = ["sync", "two", "--to", "gold", "--prune", "--force"];
    let (exit, shown) = typed(&lab, &sync, "yes");
    assert_eq!((exit, lab.writes("gold")), (5, 1), "{shown}");
    assert!(shown.contains("This deletes objects"), "{shown}");
    let (exit, shown) = typed(&lab, &sync, "gold");
    assert_eq!((exit, lab.writes("gold")), (0, 3), "{shown}");
}

#[test]
fn values_of_secrets_come_from_where_the_project_says() {
    let lab = Lab::new();
    let text = "name: Payments\ntype: {name: userDefined}\ncredentialFields:\n  \
                one: {$secret: s/one}\n  two: {$secret: s/two}\n  three: {$secret: s/three}\n  four: {$secret: s/four}\n";
    lab.write("one/integration_credential/userDefined/Payments.yaml", text);
    lab.private("three.txt", &format!("{PLANTED}\n"));
    lab.configure(
        "secrets:\n  s/two: {env: TWO}\n  s/three: {file: three.txt}\n  s/four: {command: [cat, three.txt]}\n",
    );
    let missing = lab.run(&["apply", "one", "--to", "gold", "--yes"]);
    assert!(
        missing.stderr.contains("ORGSMITH_SECRET_S_ONE"),
        "{missing}"
    );
    let mut command = lab.command(&["apply", "one", "--to", "gold", "--yes"]);
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ORGSMITH_SECRET_S_ONE", PLANTED)
        .env("TWO", PLANTED);
    lab.finish(command).ends(0);
}
