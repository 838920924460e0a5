//! Telephone numbers: others in every org, decided once, kept, and told of.

use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::lab::Lab;

/// Two call routes with three numbers, and a user with an extension.
pub fn lab() -> Lab {
    let lab = Lab::new();
    let pool = |org: &str, from: &str, to: &str| {
        let path = "/api/v2/telephony/providers/edges/didpools";
        let body = json!({"name": from, "startPhoneNumber": from, "endPhoneNumber": to});
        lab.sim.seed(org, "POST", path, body).expect("a pool");
    };
    pool("gold", "+13175550100", "+13175550109");
    pool("tenant", "+15515550100", "+15515550104");
    let path = "/api/v2/telephony/providers/edges/extensionpools";
    let body = json!({"startNumber": "1000", "endNumber": "1999"});
    lab.sim.seed("tenant", "POST", path, body).expect("a pool");
    for (file, text) in [
        (
            "architect_ivr/Claims.yaml",
            "name: Claims\ndnis: [support-line, '+13175550101']\n",
        ),
        (
            "architect_ivr/Sales.yaml",
            "name: Sales\ndnis: ['+13175550109']\n",
        ),
        (
            "user/ana@x.example.yaml",
            "name: Ana\nemail: ana@x.example\nstate: active\ndivision: {$ref: auth_division/~home}\n\
             addresses:\n- {mediaType: PHONE, type: WORK, extension: agent-ext}\n",
        ),
    ] {
        lab.write(&format!("centre/{file}"), text);
    }
    lab.configure("numbers:\n  support-line: ['+13175550100', '+13175550101']\n  agent-ext: []\n");
    lab
}

fn dnis(lab: &Lab, name: &str) -> Vec<String> {
    let routes = lab.sim.objects("tenant", "ivr");
    let route = routes.iter().find(|route| route["name"] == name);
    let numbers = route.and_then(|route| route["dnis"].as_array());
    let mut numbers: Vec<String> = numbers
        .into_iter()
        .flatten()
        .filter_map(|number| number.as_str().map(str::to_owned))
        .collect();
    numbers.sort();
    numbers
}

pub fn ready(lab: &Lab) {
    lab.configure_org(
        "tenant",
        "    numbers:\n      support-line: {dids: '+15515550100-+15515550103'}\n      \
         '+13175550109': '+15515550104'\n      agent-ext: {extensions: 1000-1999}\n",
    );
}

/// The call routes lead to no flow, which a verification would object to.
pub const CLONE: [&str; 5] = ["clone", "centre", "tenant", "--yes", "--no-verify"];

#[test]
fn numbers_of_the_target_are_given_kept_and_told_of() {
    let lab = lab();
    ready(&lab);
    lab.run(&CLONE).ends(0);
    assert_eq!(dnis(&lab, "Claims"), ["+15515550100", "+15515550101"]);
    assert_eq!(dnis(&lab, "Sales"), ["+15515550104"]);
    let users = lab.sim.objects("tenant", "user");
    assert!(
        json!(users).to_string().contains("\"extension\":\"1000\""),
        "{users:?}"
    );
    let before = lab.writes("tenant");
    lab.run(&CLONE).ends(0);
    assert_eq!(
        lab.writes("tenant"),
        before,
        "a second clone gives the same numbers"
    );
    let audit = lab.run(&["audit", "--org", "tenant", "-o", "json"]).ends(0);
    let audit: Value = serde_json::from_str(&audit.stdout).expect("JSON");
    let told: Vec<String> = audit
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["object"], row["alias"], row["number"], row["reason"]
            )
        })
        .collect();
    let first = "\"architect_ivr/Claims\" \"support-line\" \"+15515550100\" \"the lowest that is free of +15515550100 to +15515550103\"";
    assert_eq!(told.len(), 4, "{told:#?}");
    assert_eq!(told[0], first);
    let text = lab.run(&["audit"]).ends(0);
    assert!(text.stdout.contains("the number of +13175550109"), "{text}");
}

#[test]
fn a_number_in_use_a_full_pool_and_a_wrong_number_have_outcomes_of_their_own() {
    let lab = lab();
    lab.configure_org(
        "tenant",
        "    numbers:\n      support-line: {dids: '+15515550100-+15515550100', fallback: '+15515550101'}\n      \
         '+13175550109': '+15515550104'\n",
    );
    let other = json!({"name": "Other", "dnis": ["+15515550104"]});
    lab.sim
        .seed("tenant", "POST", "/api/v2/architect/ivrs", other)
        .expect("a route");
    lab.write(
        "centre/architect_ivr/Wrong.yaml",
        "name: Wrong\ndnis: ['555 0100']\n",
    );
    let shown = lab
        .run(&[&CLONE[..], &["--exclude", "user"]].concat())
        .ends(3);
    for told in [
        "+13175550109 is +15515550104 in the target, which the call route \"Other\" has",
        "\"555 0100\", which is neither an E.164 number such as +13175550100 nor an alias",
    ] {
        assert!(shown.stderr.contains(told), "{told}: {shown}");
    }
    assert_eq!(
        dnis(&lab, "Claims"),
        ["+15515550100", "+15515550101"],
        "the second is the fallback"
    );
}

#[test]
fn a_call_route_loses_no_number_because_its_update_fails() {
    let lab = lab();
    ready(&lab);
    lab.run(&CLONE).ends(0);
    lab.write(
        "centre/architect_ivr/Claims.yaml",
        "name: Claims\ndescription: new\ndnis: [support-line]\n",
    );
    for action in [
        FaultAction::ResetBefore,
        FaultAction::Status {
            status: 409,
            retry_after_s: None,
        },
        FaultAction::Status {
            status: 500,
            retry_after_s: None,
        },
    ] {
        lab.sim
            .add_fault(FaultRule::new(action).on("PUT", "/api/v2/architect/ivrs/*"));
        lab.run(&CLONE);
        lab.sim.clear_faults();
        assert_eq!(dnis(&lab, "Claims"), ["+15515550100", "+15515550101"]);
    }
}

#[test]
fn slips_in_the_project_file_are_told() {
    let lab = lab();
    for (numbers, told) in [
        (
            "suport-line: '+15515550100'",
            "suport-line is neither a number such as +13175550100 nor an alias; there are agent-ext, support-line",
        ),
        (
            "support-line: '5515550100'",
            "\"5515550100\" is no E.164 number",
        ),
        (
            "support-line: {dids: '+15515550104-+15515550100'}",
            "the range ends before it begins",
        ),
        (
            "support-line: {fallback: '+15515550100'}",
            "give either `dids` or `extensions`",
        ),
    ] {
        let project = std::fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
        lab.configure_org("tenant", &format!("    numbers:\n      {numbers}\n"));
        let shown = lab.run(&CLONE).ends(1);
        assert!(shown.stderr.contains(told), "{told}: {shown}");
        lab.write("orgsmith.yaml", project);
    }
}
