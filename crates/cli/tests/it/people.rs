//! People: a reference user, people of a list, and what is different about them elsewhere.

use std::collections::BTreeMap;
use std::fs;

use insta::assert_snapshot;
use serde_json::json;

use crate::lab::{Lab, Shown};

/// Three people of two queues, a group and a team.
const CENTRE: [(&str, &str); 9] = [
    (
        "auth_division/Claims.yaml",
        "name: Claims\ndescription: claims\n",
    ),
    ("routing_skill/Billing.yaml", "name: Billing\n"),
    (
        "auth_role/Agent.yaml",
        "name: Agent\ndescription: answers\npermissionPolicies:\n- {domain: routing, entityName: queue, actionSet: [view]}\n",
    ),
    (
        "user/jane@gold.example.yaml",
        "name: Jane\nemail: jane@gold.example\nstate: active\ntitle: Agent\n\
         division: {$ref: auth_division/Claims}\n\
         manager: {$ref: user/tom@gold.example}\n\
         skills:\n- {id: {$ref: routing_skill/Billing}, proficiency: 4}\n\
         grants:\n- {role: {$ref: auth_role/Agent}, division: {$ref: auth_division/Claims}}\n",
    ),
    (
        "user/tom@gold.example.yaml",
        "name: Tom\nemail: tom@gold.example\nstate: active\ndivision: {$ref: auth_division/~home}\n",
    ),
    (
        "user/zoe@gold.example.yaml",
        "name: Zoe\nemail: zoe@gold.example\nstate: active\ndivision: {$ref: auth_division/~home}\n",
    ),
    (
        "routing_queue/Sales.yaml",
        "name: Sales\nbullseye: {rings: [{expansionCriteria: [{type: TIMEOUT_SECONDS, threshold: 10}]}, \
         {expansionCriteria: [{type: TIMEOUT_SECONDS, threshold: 10}]}]}\nmembers:\n\
         - {user: {$ref: user/jane@gold.example}, ringNumber: 2, joined: false}\n\
         - {user: {$ref: user/tom@gold.example}}\n\
         - {user: {$ref: user/zoe@gold.example}}\n",
    ),
    (
        "group/Backup.yaml",
        "name: Backup\ntype: official\nvisibility: public\nrulesVisible: true\nmembers:\n\
         - {$ref: user/jane@gold.example}\n- {$ref: user/zoe@gold.example}\n",
    ),
    (
        "team/North.yaml",
        "name: North\nmembers:\n- {$ref: user/jane@gold.example}\n- {$ref: user/zoe@gold.example}\n",
    ),
];

const ALONE: [&str; 6] = [
    "--select",
    "user=jane@gold.example",
    "--with-dependencies",
    "--yes",
    "-o",
    "json",
];

/// Two orgs, of which `gold` has the people.
fn lab() -> Lab {
    let lab = Lab::new();
    for (file, text) in CENTRE {
        lab.write(&format!("centre/{file}"), text);
    }
    lab.run(&["apply", "centre", "--to", "gold", "--yes"])
        .ends(0);
    lab
}

/// Returns who is a member of what in an org: the names, by the object's name.
fn members(lab: &Lab, org: &str, kind: &str) -> BTreeMap<String, Vec<String>> {
    let out = lab.path(&format!("{org}-{kind}"));
    lab.run(&[
        "export",
        org,
        "--select",
        kind,
        "--out",
        &out.display().to_string(),
    ])
    .ends(0);
    let mut found = BTreeMap::new();
    for file in fs::read_dir(out.join(kind)).into_iter().flatten().flatten() {
        let text = fs::read_to_string(file.path()).expect("a document");
        let who = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once("user/")?;
            Some(rest.trim_end_matches(['"', '}']).to_owned())
        });
        let name = file
            .path()
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        found.insert(name.unwrap_or_default(), who.collect());
    }
    found
}

fn emails(lab: &Lab, org: &str) -> Vec<String> {
    let users = lab.sim.objects(org, "user");
    let mut emails: Vec<String> = users
        .iter()
        .filter_map(|user| user["email"].as_str().map(str::to_owned))
        .collect();
    emails.sort();
    emails
}

fn clone(lab: &Lab, more: &[&str]) -> Shown {
    lab.run(&[&["clone", "gold", "tenant"], more].concat())
}

#[test]
fn a_reference_user_brings_what_it_needs_and_nobody_else() {
    let lab = lab();
    // Somebody who is in the queue there already stays.
    for (file, text) in [
        (
            "user/old@tenant.example.yaml",
            "name: Old\nemail: old@tenant.example\nstate: active\ndivision: {$ref: auth_division/~home}\n",
        ),
        (
            "routing_queue/Sales.yaml",
            "name: Sales\nmembers:\n- {user: {$ref: user/old@tenant.example}}\n",
        ),
    ] {
        lab.write(&format!("tenants/{file}"), text);
    }
    lab.run(&["apply", "tenants", "--to", "tenant", "--yes"])
        .ends(0);
    clone(&lab, &ALONE).ends(0);
    assert_eq!(
        emails(&lab, "tenant"),
        [
            "jane@gold.example",
            "old@tenant.example",
            "tom@gold.example"
        ],
        "her manager comes along, her colleague does not"
    );
    for (kind, name, who) in [
        (
            "routing_queue",
            "Sales",
            &["jane@gold.example", "old@tenant.example"][..],
        ),
        ("group", "Backup", &["jane@gold.example"]),
        ("team", "North", &["jane@gold.example"]),
    ] {
        assert_eq!(members(&lab, "tenant", kind)[name], who, "{kind}");
    }
    let jane = lab.run(&[
        "export",
        "tenant",
        "--select",
        "user=jane@gold.example",
        "--with-dependencies",
        "--out",
        "jane",
    ]);
    jane.ends(0);
    let text = fs::read_to_string(lab.path("jane/user/jane@gold.example.yaml")).expect("Jane");
    for says in [
        "ringNumber: 2",
        "joined: false",
        "proficiency: 4",
        "auth_role/Agent",
        "team/North",
    ] {
        assert!(text.contains(says), "{says} is not in\n{text}");
    }
    let before = lab.writes("tenant");
    clone(&lab, &ALONE).ends(0);
    assert_eq!(
        lab.writes("tenant"),
        before,
        "a second clone writes nothing"
    );
}

#[test]
fn a_bundle_brings_as_much_of_a_reference_user_as_the_org_it_is_of() {
    let lab = lab();
    lab.run(&["export", "gold", "--out", "whole"]).ends(0);
    let select = &ALONE[..3];
    let taken = |source: &str| {
        let to = ["plan", source, "--to", "tenant", "-o", "json"];
        let shown = lab.run(&[&to[..], select].concat()).ends(0);
        let plan: serde_json::Value = serde_json::from_str(&shown.stdout).expect("a plan");
        let steps = plan["steps"].as_array().expect("steps").iter();
        // Nobody's voicemail is read where nobody is named.
        let steps = steps.filter(|step| !step["id"].to_string().contains(":voicemail"));
        let mut steps: Vec<String> = steps.map(|step| step["id"].to_string()).collect();
        steps.sort();
        steps
    };
    let (org, bundle) = (taken("gold"), taken("whole"));
    assert_eq!(org, bundle);
    for object in ["routing_queue/Sales", "group/Backup", "team/North"] {
        assert!(
            bundle.iter().any(|step| step.contains(object)),
            "{bundle:?}"
        );
    }
    let apply = ["apply", "whole", "--to", "tenant", "--yes"];
    lab.run(&[&apply[..], select].concat()).ends(0);
    assert_eq!(
        members(&lab, "tenant", "routing_queue")["Sales"],
        ["jane@gold.example"]
    );
    assert_eq!(
        emails(&lab, "tenant"),
        ["jane@gold.example", "tom@gold.example"]
    );
}

#[test]
fn the_graph_of_a_user_shows_queues_groups_and_team_and_what_a_clone_takes_along() {
    let lab = lab();
    lab.run(&["export", "gold", "--out", "whole"]).ends(0);
    let part = [&["export", "gold", "--out", "part"], &ALONE[..3]].concat();
    lab.run(&part).ends(0);
    let (user, with) = (&ALONE[..2], &ALONE[..3]);
    let of = &["--of", "user/jane@gold.example"][..];
    let graph = |source: &str, which: &[&str], form: &str| {
        let shown = lab.run(&[&["graph", source, "-o", form], which].concat());
        shown.ends(0).stdout
    };
    assert_snapshot!("graph_of_a_user", graph("gold", user, "text"));
    for source in ["whole", "part"] {
        for which in [user, with, of] {
            let of_org = graph("gold", which, "json");
            assert_eq!(graph(source, which, "json"), of_org, "{source} {which:?}");
        }
    }
    // Of many who are selected no one is asked; the queues are read.
    for source in ["gold", "whole"] {
        let all = graph(source, &["--select", "user"], "json");
        assert!(
            all.contains("team/North") && all.contains("user/zoe"),
            "{all}"
        );
    }
    let drawn: serde_json::Value =
        serde_json::from_str(&graph("gold", with, "json")).expect("a graph");
    assert_eq!(drawn["edges"], {
        let reached: serde_json::Value =
            serde_json::from_str(&graph("gold", of, "json")).expect("a graph");
        reached["edges"].clone()
    });
    let nodes = drawn["nodes"].as_array().expect("objects").iter();
    let mut nodes: Vec<&str> = nodes.filter_map(|node| node["object"].as_str()).collect();
    nodes.sort_unstable();
    let mut taken = Vec::new();
    for kind in fs::read_dir(lab.path("part")).expect("a bundle").flatten() {
        for file in fs::read_dir(kind.path()).into_iter().flatten().flatten() {
            let (kind, file) = (kind.file_name(), file.file_name());
            let (kind, file) = (kind.to_string_lossy(), file.to_string_lossy());
            taken.push(format!("{kind}/{}", file.trim_end_matches(".yaml")));
        }
    }
    taken.sort();
    assert_eq!(nodes, taken, "what is drawn is what travels");
    let svg = graph("gold", user, "svg");
    assert!(
        svg.contains("has as a member") && svg.contains("ringNumber 2</text>"),
        "{svg}"
    );
    assert!(
        graph("gold", user, "dot")
            .contains("\"routing_queue/Sales\" -> \"user/jane@gold.example\"")
    );
}

/// Sets up a telephone in an org, whose station has its name.
fn telephone(lab: &Lab, org: &str, name: &str) {
    let make = |path: &str, body: serde_json::Value| {
        let made = lab.sim.seed(org, "POST", path, body);
        made.expect("an object")
    };
    let edges = "/api/v2/telephony/providers/edges";
    let address = json!({"city": "Indianapolis", "country": "US"});
    let location = json!({"name": format!("Hall of {name}"), "address": address});
    let location = make("/api/v2/locations", location);
    let site = json!({"name": format!("Site of {name}"), "location": {"id": location["id"]}});
    let site = make(&format!("{edges}/sites"), site);
    let base = json!({"name": format!("Model of {name}"), "lines": [{"name": "Line"}],
        "phoneMetaBase": {"id": "inin_webrtc_softphone.json"}});
    let base = make(&format!("{edges}/phonebasesettings"), base);
    let line = json!({"name": "Line", "lineBaseSettings": {"id": base["lines"][0]["id"]}});
    let phone = json!({"name": name, "site": {"id": site["id"]}, "lines": [line],
        "phoneBaseSettings": {"id": base["id"]}});
    make(&format!("{edges}/phones"), phone);
}

/// Returns what a user's default station in an org is called.
fn default_station(lab: &Lab, org: &str, email: &str) -> Option<String> {
    let out = lab.path(&format!("{org}-station"));
    let _ = fs::remove_dir_all(&out);
    let select = format!("user={email}");
    let out = out.display().to_string();
    let export = [
        "export",
        org,
        "--select",
        &select,
        "--with-dependencies",
        "--out",
        &out,
    ];
    lab.run(&export).ends(0);
    let file = lab.path(&format!("{org}-station/user/{email}.yaml"));
    let text = fs::read_to_string(file).expect("a user");
    let (_, rest) = text.split_once("defaultStation: {$ref: \"station/")?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[test]
fn the_default_station_of_a_user_travels_where_the_target_has_it() {
    let lab = lab();
    telephone(&lab, "gold", "Desk 7");
    lab.write(
        "seat/user/jane@gold.example.yaml",
        "name: Jane\nemail: jane@gold.example\n\
         station: {defaultStation: {$ref: station/Desk 7}}\n",
    );
    lab.run(&["apply", "seat", "--to", "gold", "--yes"]).ends(0);
    assert_eq!(
        default_station(&lab, "gold", "jane@gold.example").as_deref(),
        Some("Desk 7")
    );
    // It is not hers, so it does not come along: she comes all the same, and it is told.
    let shown = clone(&lab, &ALONE).ends(0);
    let says = "user jane@gold.example: station.defaultStation refers to station/Desk 7, which the target lacks";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(default_station(&lab, "tenant", "jane@gold.example"), None);
    // Once somebody has set it up, the next run gives it.
    telephone(&lab, "tenant", "Desk 7");
    clone(&lab, &ALONE).ends(0);
    assert_eq!(
        default_station(&lab, "tenant", "jane@gold.example").as_deref(),
        Some("Desk 7")
    );
    let before = lab.writes("tenant");
    clone(&lab, &ALONE).ends(0);
    assert_eq!(lab.writes("tenant"), before);
    // Another one takes its place.
    telephone(&lab, "tenant", "Desk 8");
    lab.write(
        "seat/user/jane@gold.example.yaml",
        "name: Jane\nemail: jane@gold.example\n\
         station: {defaultStation: {$ref: station/Desk 8}}\n",
    );
    lab.run(&["apply", "seat", "--to", "tenant", "--yes"])
        .ends(0);
    assert_eq!(
        default_station(&lab, "tenant", "jane@gold.example").as_deref(),
        Some("Desk 8")
    );
}

/// A phone in the browser of a user, and what it takes; its station is the user's.
const PHONE: [(&str, &str); 5] = [
    (
        "location/HQ.yaml",
        "name: HQ\naddress: {city: Indianapolis, country: US}\n",
    ),
    (
        "telephony_providers_edges_site/HQ.yaml",
        "name: HQ\nlocation: {$ref: location/HQ}\nmediaModel: Cloud\n",
    ),
    (
        "telephony_providers_edges_phonebasesettings/Browser.yaml",
        "name: Browser\nphoneMetaBase: {id: inin_webrtc_softphone.json}\n\
         lines:\n- {name: Line, lineMetaBase: {id: inin_webrtc_softphone_line_appearance.json}}\n",
    ),
    (
        "telephony_providers_edges_phone/Jane at home.yaml",
        "name: Jane at home\nsite: {$ref: telephony_providers_edges_site/HQ}\n\
         phoneBaseSettings: {$ref: telephony_providers_edges_phonebasesettings/Browser}\n\
         webRtcUser: {$ref: user/jane@gold.example}\n\
         lines:\n- name: Line of Jane\n  \
         lineBaseSettings: {$ref: telephony_providers_edges_linebasesettings/Browser/Line}\n",
    ),
    (
        "user/jane@gold.example.yaml",
        "name: Jane\nemail: jane@gold.example\n\
         station: {defaultStation: {$ref: station/Jane at home}}\n",
    ),
];

/// Two orgs, of which `gold` has the people, and Jane a phone in her browser.
fn lab_with_phone() -> Lab {
    lab_with_phone_of("Jane")
}

fn lab_with_phone_of(name: &str) -> Lab {
    let lab = lab();
    for (file, text) in PHONE {
        let named = |text: &str| text.replace("Jane", name);
        lab.write(&format!("phone/{}", named(file)), named(text));
    }
    let shown = lab.run(&["apply", "phone", "--to", "gold", "--yes"]);
    shown.ends(0);
    lab
}

/// Returns which phones an org has and who has them by default, by name.
fn phones(lab: &Lab, org: &str) -> BTreeMap<String, (String, Option<String>)> {
    let users = lab.sim.objects(org, "user");
    let user = |id: &serde_json::Value| users.iter().find(|user| user["id"] == *id);
    let email = |user: &serde_json::Value| user["email"].as_str().unwrap_or_default().to_owned();
    let phones = lab.sim.objects(org, "phone").into_iter();
    let found = phones.map(|phone| {
        let owner = user(&phone["webRtcUser"]["id"]).map(email);
        let name = phone["name"].as_str().unwrap_or_default().to_owned();
        let station = owner
            .as_deref()
            .and_then(|owner| default_station(lab, org, owner));
        (name, (owner.unwrap_or_default(), station))
    });
    found.collect()
}

#[test]
fn the_phone_in_somebodys_browser_comes_along_with_its_station() {
    let lab = lab_with_phone();
    let hers = |email: &str| {
        let station = Some("Jane at home".to_owned());
        BTreeMap::from([("Jane at home".to_owned(), (email.to_owned(), station))])
    };
    assert_eq!(phones(&lab, "gold"), hers("jane@gold.example"));
    let shown = clone(&lab, &ALONE);
    shown.ends(0);
    assert_eq!(phones(&lab, "tenant"), hers("jane@gold.example"));
    let phone = &lab.sim.objects("tenant", "phone")[0];
    let base = &lab.sim.objects("tenant", "phone_base")[0];
    assert_eq!(
        phone["lines"][0]["lineBaseSettings"]["id"],
        base["lines"][0]["id"]
    );
    let before = lab.writes("tenant");
    clone(&lab, &ALONE).ends(0);
    assert_eq!(lab.writes("tenant"), before);
    // A line that is called otherwise keeps its id, and so its station.
    let file = "phone/telephony_providers_edges_phone/Jane at home.yaml";
    let text = PHONE[3].1.replace("Line of Jane", "Hotline");
    lab.write(file, &text);
    lab.run(&["apply", "phone", "--to", "tenant", "--yes"])
        .ends(0);
    let now = &lab.sim.objects("tenant", "phone")[0];
    assert_eq!(now["lines"][0]["name"], "Hotline");
    assert_eq!(now["lines"][0]["id"], phone["lines"][0]["id"]);
}

#[test]
fn a_station_and_a_utilization_that_were_given_are_taken_back_by_a_rollback() {
    let lab = lab_with_phone();
    lab.run(&["rollback", &lab.last_run(), "--yes"]).ends(0);
    assert_eq!(phones(&lab, "gold"), BTreeMap::new());
    assert_eq!(default_station(&lab, "gold", "jane@gold.example"), None);
    telephone(&lab, "gold", "Desk 7");
    let given = "name: Tom\nemail: tom@gold.example\nstation: {defaultStation: {$ref: station/Desk 7}}\n\
         utilization: {utilization: {call: {maximumCapacity: 2, interruptableMediaTypes: [], includeNonAcd: false}}}\n";
    lab.write("seat/user/tom@gold.example.yaml", given);
    lab.run(&["apply", "seat", "--to", "gold", "--yes"]).ends(0);
    let of_tom = || default_station(&lab, "gold", "tom@gold.example");
    assert_eq!(of_tom().as_deref(), Some("Desk 7"));
    let text = || fs::read_to_string(lab.path("gold-station/user/tom@gold.example.yaml"));
    let has_own = || text().is_ok_and(|text| text.contains("maximumCapacity: 2"));
    assert!(has_own());
    lab.run(&["rollback", &lab.last_run(), "--yes"]).ends(0);
    assert_eq!(of_tom(), None);
    assert!(!has_own());
}

#[test]
fn a_clone_of_everything_carries_phones_and_stations() {
    let lab = lab_with_phone();
    clone(&lab, &["--yes"]).ends(0);
    assert_eq!(phones(&lab, "tenant"), phones(&lab, "gold"));
    let before = lab.writes("tenant");
    clone(&lab, &["--yes"]).ends(0);
    assert_eq!(lab.writes("tenant"), before);
}

#[test]
fn a_phone_called_otherwise_takes_its_station_along() {
    let lab = lab_with_phone_of("Jane Roe");
    let pseudonymise = ["export", "gold", "--out", "safe", "--pii", "pseudonymise"];
    lab.run(&pseudonymise).ends(0);
    lab.run(&["clone", "safe", "tenant", "--yes"]).ends(0);
    let found = phones(&lab, "tenant");
    let [(name, (owner, station))] = &found.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one phone");
    };
    assert!(
        !name.contains("Roe") && !owner.contains("jane"),
        "{name} {owner}"
    );
    assert_eq!(station.as_ref(), Some(name));
}

#[test]
fn nobodys_phone_is_taken_for_somebody_of_the_same_name() {
    let lab = lab_with_phone();
    let list = |email: &str| format!("email,name,like\n{email},Zoe,jane@gold.example\n");
    lab.write("first.csv", list("a1@tenant.example"));
    clone(&lab, &["--people", "first.csv", "--yes"]).ends(0);
    let before = phones(&lab, "tenant");
    lab.write("second.csv", list("a2@tenant.example"));
    let shown = clone(&lab, &["--people", "second.csv", "--yes"]).ends(3);
    let says = "in the target it is of user/a1@tenant.example, from whom nothing is taken";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(phones(&lab, "tenant"), before);
    assert!(emails(&lab, "tenant").contains(&"a2@tenant.example".to_owned()));
    let writes = lab.writes("tenant");
    clone(&lab, &["--people", "second.csv", "--yes"]).ends(3);
    assert_eq!(lab.writes("tenant"), writes);
}

/// In a bundle of a whole org the queues, groups and teams say who belongs to them, and no user does.
#[test]
fn who_is_like_somebody_of_a_whole_bundle_belongs_where_they_do() {
    let lab = lab();
    lab.run(&["export", "gold", "--out", "whole"]).ends(0);
    lab.write(
        "new.csv",
        "email,name,like\nana@tenant.example,Ana,jane@gold.example\n\
         bob@tenant.example,Bob,ana@tenant.example\n",
    );
    let people = ["clone", "whole", "tenant", "--people", "new.csv", "--yes"];
    let shown = lab.run(&people).ends(3);
    let says = "it is to be like user/ana@tenant.example, who is to be like user/jane@gold.example";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(
        emails(&lab, "tenant"),
        ["ana@tenant.example", "tom@gold.example"],
        "her manager comes along, who she is like does not"
    );
    let ana = ["ana@tenant.example"];
    assert_eq!(members(&lab, "tenant", "routing_queue")["Sales"], ana);
    assert_eq!(members(&lab, "tenant", "team")["North"], ana);
    assert_eq!(members(&lab, "tenant", "group")["Backup"], ana);
    let before = lab.writes("tenant");
    lab.run(&people).ends(3);
    assert_eq!(lab.writes("tenant"), before);
}

#[test]
fn who_is_like_somebody_gets_a_phone_as_they_have() {
    let lab = lab_with_phone();
    let list = "email,name,like\nana@tenant.example,Ana,jane@gold.example\n\
                ana2@tenant.example,Ana,jane@gold.example\n";
    lab.write("new.csv", list);
    let people = ["--people", "new.csv", "--yes"];
    clone(&lab, &people).ends(0);
    let own = |name: &str, email: &str| {
        let station = Some(name.to_owned());
        (name.to_owned(), (email.to_owned(), station))
    };
    let expected = BTreeMap::from([
        own("Ana", "ana@tenant.example"),
        own("Ana at home", "ana2@tenant.example"),
    ]);
    assert_eq!(phones(&lab, "tenant"), expected);
    let before = lab.writes("tenant");
    clone(&lab, &people).ends(0);
    assert_eq!(lab.writes("tenant"), before);
}

#[test]
fn people_of_a_list_are_like_somebody() {
    let lab = lab();
    let list = "email,name,like,division,department\n\
                ada@tenant.example,Ada,jane@gold.example,,Claims\n\
                bo@tenant.example,Bo,jane@gold.example,~home,\n\
                cy@tenant.example,Cy,nobody@gold.example,,\n";
    lab.write("people.csv", list);
    let shown = clone(&lab, &["--people", "people.csv", "--yes"]).ends(3);
    assert!(
        shown
            .stderr
            .contains("user/nobody@gold.example, who is not in the source"),
        "{shown}"
    );
    assert_eq!(
        emails(&lab, "tenant"),
        [
            "ada@tenant.example",
            "bo@tenant.example",
            "tom@gold.example"
        ]
    );
    assert_eq!(
        members(&lab, "tenant", "routing_queue")["Sales"],
        ["ada@tenant.example", "bo@tenant.example"]
    );
    let again = lab.run(&[
        "plan",
        "gold",
        "--to",
        "tenant",
        "--people",
        "people.csv",
        "--detailed-exitcode",
    ]);
    again.ends(0);
}

#[test]
fn people_of_a_list_are_bound_to_a_profile() {
    let lab = lab();
    lab.write(
        "centre/routing_profile/Agents.yaml",
        "skills:\n- {id: {$ref: routing_skill/Billing}, proficiency: 2}\n\
         grants:\n- {role: {$ref: auth_role/Agent}, division: {$ref: auth_division/Claims}}\n\
         memberOf: {queues: [{$ref: routing_queue/Sales}]}\n\
         utilization: {utilization: {call: {maximumCapacity: 2, interruptableMediaTypes: [], includeNonAcd: false}}}\n",
    );
    let list = "- {email: ada@tenant.example, name: Ada, profile: Agents, division: Claims}\n\
                - {email: bo@tenant.example, name: Bo, profile: Agnets}\n\
                - {email: ADA@tenant.example, name: Ada again, profile: Agents}\n";
    lab.write("people.yaml", list);
    let clone = [
        "clone",
        "centre",
        "tenant",
        "--people",
        "people.yaml",
        "--yes",
    ];
    let shown = lab.run(&clone).ends(3);
    for says in ["did you mean \"Agents\"?", "names this address 2 times"] {
        assert!(shown.stderr.contains(says), "{says}: {shown}");
    }
    // Both spellings are one person, and which is right nobody knows.
    lab.write("people.yaml", list.lines().next().expect("a line"));
    lab.run(&clone).ends(0);
    assert_eq!(emails(&lab, "tenant"), ["ada@tenant.example"]);
    assert_eq!(
        members(&lab, "tenant", "routing_queue")["Sales"],
        ["ada@tenant.example"]
    );
    lab.run(&[
        "plan",
        "centre",
        "--to",
        "tenant",
        "--people",
        "people.yaml",
        "--detailed-exitcode",
    ])
    .ends(0);
}

#[test]
fn people_are_called_otherwise_in_another_org() {
    let lab = lab();
    lab.configure_org(
        "tenant",
        "    rewrite:\n      emails:\n      - {domain: gold.example, to: tenant.example}\n      \
         - {from: jane@gold.example, to: joana@tenant.example}\n      names:\n      \
         - {pattern: '^(.+)$', to: '$1 (T)'}\n",
    );
    clone(&lab, &ALONE).ends(0);
    assert_eq!(
        emails(&lab, "tenant"),
        ["joana@tenant.example", "tom@tenant.example"]
    );
    assert_eq!(
        members(&lab, "tenant", "routing_queue")["Sales"],
        ["joana@tenant.example"]
    );
    let map = lab.run(&["map", "list", "-o", "json"]);
    assert!(map.stdout.contains("user/joana@tenant.example"), "{map}");
    let before = lab.writes("tenant");
    clone(&lab, &ALONE).ends(0);
    assert_eq!(lab.writes("tenant"), before);
}

#[test]
fn a_list_with_a_slip_is_refused_with_its_line() {
    let lab = Lab::new();
    lab.write("people.csv", "email,name\nada@x.example,Ada\nbo,Bo\n");
    let shown = clone(&lab, &["--people", "people.csv"]).ends(64);
    assert!(
        shown
            .stderr
            .contains("people.csv: line 3: \"bo\" is no e-mail address"),
        "{shown}"
    );
    assert_eq!(lab.writes("tenant"), 0);
}

/// The calls that created users in an org, by how they were made.
fn creations(lab: &Lab, org: &str) -> (usize, usize) {
    let made = |path: &str| {
        let ledger = lab.sim.ledger().into_iter();
        ledger
            .filter(|entry| entry.org.as_deref() == Some(org))
            .filter(|entry| entry.method == "POST" && entry.path == path && entry.status < 300)
            .count()
    };
    (made("/api/v2/users"), made("/api/v2/scim/v2/users"))
}

#[test]
fn users_are_created_by_scim_where_it_is_asked_for() {
    let lab = lab();
    let plan = ["plan", "gold", "--to", "tenant", "--scim", "-vv"];
    let plan = lab.run(&plan).ends(0);
    for says in [
        "by POST /api/v2/scim/v2/users together with user/jane@gold.example:link, user/jane@gold.example:skills",
        "--scim",
    ] {
        assert!(plan.stdout.contains(says), "{says}: {plan}");
    }
    // The others have nothing that a second call would be for.
    clone(&lab, &["--yes", "--scim"]).ends(0);
    assert_eq!(creations(&lab, "tenant"), (2, 1));
    let again = ["plan", "gold", "--to", "tenant", "--detailed-exitcode"];
    lab.run(&again).ends(0);

    let lab = self::lab();
    lab.configure("people: {create: scim}\n");
    clone(&lab, &["--yes"]).ends(0);
    assert_eq!(creations(&lab, "tenant"), (2, 1));
}

#[test]
fn managers_in_a_circle_are_named_and_the_others_go_on() {
    let lab = Lab::new();
    for (name, manager) in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "")] {
        let manager = match manager {
            "" => String::new(),
            manager => format!("manager: {{$ref: user/{manager}@x.example}}\n"),
        };
        lab.write(
            &format!("crew/user/{name}@x.example.yaml"),
            format!(
                "name: {name}\nemail: {name}@x.example\nstate: active\n\
                 division: {{$ref: auth_division/~home}}\n{manager}"
            ),
        );
    }
    let shown = lab
        .run(&["apply", "crew", "--to", "tenant", "--yes"])
        .ends(3);
    for says in [
        "user a@x.example  it is in a circle of managers, user/a@x.example → user/b@x.example → user/a@x.example",
        "user b@x.example  it is in a circle of managers",
    ] {
        assert!(shown.stderr.contains(says), "{says}: {shown}");
    }
    assert_eq!(emails(&lab, "tenant"), ["c@x.example", "d@x.example"]);
}
