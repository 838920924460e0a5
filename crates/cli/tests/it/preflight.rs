//! `preflight`, and the same check inside a clone.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use insta::assert_snapshot;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::permissions::{Purpose, Role};
use orgsmith_core::select::Selection;
use orgsmith_sim::{Beyond, Billing, ClientSpec, Config, FaultAction, FaultRule, Seats};
use serde_json::Value;

use crate::lab::Lab;

/// An org `tenant` that pays for this many seats, and a bundle of users who need one each.
fn lab(seats: Seats, users: usize) -> Lab {
    with(users, |config| config.orgs[0].seats = seats)
}

fn with(users: usize, change: impl FnOnce(&mut Config)) -> Lab {
    let mut config = Config::with_orgs(["tenant"]);
    config.limits = orgsmith_sim::Limits::none();
    change(&mut config);
    let lab = Lab::of(config);
    crowd(&lab, users);
    lab
}

fn crowd(lab: &Lab, users: usize) {
    lab.sketch("crowd");
    lab.write(
        "crowd/auth_role/Agent.yaml",
        "name: Agent\npermissionPolicies:\n  - {domain: routing, entityName: queue, actionSet: [view]}\n",
    );
    for number in 0..users {
        lab.write(
            &format!("crowd/user/u{number}@example.com.yaml"),
            format!(
                "name: User {number}\nemail: u{number}@example.com\nstate: active\n\
                 division: {{$ref: auth_division/Sales}}\ngrants:\n  \
                 - {{division: {{$ref: auth_division/Sales}}, role: {{$ref: auth_role/Agent}}}}\n"
            ),
        );
    }
}

fn paid(cx1: u64) -> Seats {
    Seats {
        paid: [("cloudCX1".to_owned(), cx1)].into(),
        ..Seats::default()
    }
}

/// Takes one post and says what it was.
struct Listener {
    url: String,
    heard: JoinHandle<(String, Value)>,
}

impl Listener {
    fn answering(status: &'static str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = socket.accept().expect("a caller");
            let mut text = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let read = stream.read(&mut chunk).expect("a request");
                text.extend_from_slice(&chunk[..read]);
                let said = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = said.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.to_lowercase();
                let length = length
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .and_then(|length| length.parse::<usize>().ok());
                if read == 0 || Some(body.len()) == length {
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes());
                    let body = serde_json::from_str(body).expect("JSON");
                    return (head.to_owned(), body);
                }
            }
        });
        Self {
            url: format!("http://{address}/hook?key=secret-of-the-hook"),
            heard,
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Returns required, available and verdict of a row.
#[track_caller]
fn amounts(table: &Value, check: &str) -> (Option<u64>, Option<u64>, String) {
    let rows = table["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["check"] == check);
    let row = row.unwrap_or_else(|| panic!("no row {check} in {table:#}"));
    (
        row["required"].as_u64(),
        row["available"].as_u64(),
        row["verdict"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn too_few_seats_end_with_5_before_the_first_write_and_somebody_is_told() {
    let lab = lab(paid(100), 130);
    let shown = lab.run(&["preflight", "crowd", "--to", "tenant"]).ends(5);
    assert_snapshot!("short", shown.stdout);
    assert!(shown.stderr.contains("--ignore-shortfall"), "{shown}");
    let table = lab.run(&["preflight", "crowd", "--to", "tenant", "-o", "json"]);
    let table = json(&table.ends(5).stdout);
    let short = (Some(130), Some(100), "short".to_owned());
    assert_eq!(amounts(&table, "licence:cloudCX1"), short);
    let markdown = lab.run(&["preflight", "crowd", "--to", "tenant", "-o", "markdown"]);
    let markdown = markdown.ends(5).stdout;
    assert!(markdown.contains("| seats of cloudCX1 | 130 | 100 | **short** |"));

    let listener = Listener::answering("204 No Content");
    let clone = ["clone", "crowd", "tenant", "--yes", "--alert-url"];
    let before = lab.sim.ledger().len();
    let shown = lab.run(&[&clone[..], &[&listener.url]].concat()).ends(5);
    assert!(
        shown.stderr.contains("short of seats of cloudCX1"),
        "{shown}"
    );
    assert!(
        !format!("{shown}").contains("secret-of-the-hook"),
        "{shown}"
    );
    assert_eq!(lab.writes("tenant"), 0);
    let (head, told) = listener.heard.join().expect("a post");
    assert!(head.starts_with("POST /hook?key="), "{head}");
    assert_eq!(
        (&told["event"], &told["org"]),
        (&"shortfall".into(), &"tenant".into())
    );
    assert_eq!(amounts(&told, "licence:cloudCX1"), short);
    assert_eq!(told["rows"].as_array().map(Vec::len), Some(1));
    // Reading the target, and at most a dozen calls for the check itself.
    let asked = lab.sim.ledger().len() - before;
    assert!(asked < 50, "{asked} calls");
    assert!(
        table["calls"].as_u64().is_some_and(|calls| calls <= 12),
        "{table:#}"
    );
}

#[test]
fn a_shortfall_can_be_ignored_loudly_and_an_alert_that_fails_changes_nothing() {
    let lab = lab(paid(2), 3);
    let listener = Listener::answering("500 Oops");
    let clone = ["clone", "crowd", "tenant", "--yes", "--ignore-shortfall"];
    let with_alert = [&clone[..], &["--alert-url", &listener.url]].concat();
    let shown = lab.run(&with_alert).ends(0);
    for words in [
        "--ignore-shortfall",
        "could not be posted to --alert-url: 127.0.0.1 answers status 500",
    ] {
        assert!(shown.stderr.contains(words), "{shown}");
    }
    assert!(!shown.stderr.contains("secret-of-the-hook"), "{shown}");
    let (_, told) = listener.heard.join().expect("a post");
    assert_eq!(told["ignored"], true);
    // Bought or not, they are there now and take no further seat.
    let again = lab.run(&["preflight", "crowd", "--to", "tenant"]).ends(0);
    assert!(!again.stdout.contains("cloudCX1"), "{again}");
}

#[test]
fn where_seats_block_what_is_ignored_is_refused_by_the_org() {
    let seats = Seats {
        beyond: Beyond::Block,
        ..paid(2)
    };
    let lab = lab(seats, 3);
    let shown = lab
        .run(&["clone", "crowd", "tenant", "--yes", "--ignore-shortfall"])
        .ends(3);
    assert!(
        shown.stderr.contains("no seat of license cloudCX1 left"),
        "{shown}"
    );
}

#[test]
fn hidden_contracts_are_unknown_and_the_clone_goes_on() {
    for billing in [Billing::Forbidden, Billing::Absent] {
        let lab = lab(Seats { billing, ..paid(1) }, 3);
        let table = lab.run(&["preflight", "crowd", "--to", "tenant", "-o", "json"]);
        let table = json(&table.ends(0).stdout);
        let unknown = (Some(3), None, "unknown".to_owned());
        assert_eq!(amounts(&table, "licence:cloudCX1"), unknown);
        let by_hand = [
            "preflight",
            "crowd",
            "--to",
            "tenant",
            "--seats",
            "cloudCX1=2",
        ];
        let by_hand = lab.run(&by_hand).ends(5);
        assert!(by_hand.stdout.contains("as given by --seats"), "{by_hand}");
        let shown = lab
            .run(&["clone", "crowd", "tenant", "--yes", "-v"])
            .ends(0);
        assert!(shown.stderr.contains("hides its contracts"), "{shown}");
        assert!(shown.stdout.contains("0 differences"), "{shown}");
    }
}

#[test]
fn a_limit_that_the_plan_passes_is_a_shortfall() {
    let lab = with(0, |config| {
        let most = &mut config.orgs[0].max_objects;
        most.insert("skill".to_owned(), 1);
    });
    let shown = lab.run(&["clone", "crowd", "tenant", "--yes"]).ends(5);
    assert!(
        shown.stderr.contains("routing_skill") && shown.stderr.contains("limit 1"),
        "{shown}"
    );
    assert_eq!(lab.writes("tenant"), 0);
    let table = lab.run(&["preflight", "crowd", "--to", "tenant", "-o", "json"]);
    let table = json(&table.ends(5).stdout);
    let short = (Some(2), Some(1), "short".to_owned());
    assert_eq!(amounts(&table, "objects:routing_skill"), short);
}

#[test]
fn a_permission_that_lacks_for_the_plan_is_a_shortfall_and_one_for_the_check_is_unknown() {
    let catalogue = Catalogue::builtin();
    let selection = Selection::parse(
        catalogue,
        &["kind=routing_skill", "kind=routing_language"],
        &[],
    );
    let kinds = selection.expect("kinds").kinds(catalogue);
    let names = |purpose| {
        Role::new(catalogue, purpose, &kinds)
            .needs
            .into_keys()
            .collect()
    };
    let lab = with(0, |config| {
        for (name, purpose) in [("reader", Purpose::Export), ("writer", Purpose::Apply)] {
            let mut client = ClientSpec::new(&format!("{name}-client"), &format!("{name}-secret"));
            client.permissions = names(purpose);
            client
                .permissions
                .push("authorization:division:view".to_owned());
            config.orgs[0].clients.push(client);
        }
    });
    let division = serde_json::json!({"name": "Sales", "description": "Sells"});
    lab.sim
        .seed(
            "tenant",
            "POST",
            "/api/v2/authorization/divisions",
            division,
        )
        .expect("a division");
    let reader = lab.run(&[
        "clone",
        "crowd",
        "reader",
        "--yes",
        "--exclude",
        "auth_role",
    ]);
    let reader = reader.ends(5);
    assert!(reader.stderr.contains("it lacks routing:"), "{reader}");
    assert_eq!(lab.writes("tenant"), 0);
    let writer = lab.run(&[
        "clone",
        "crowd",
        "writer",
        "--yes",
        "-v",
        "--exclude",
        "auth_role",
    ]);
    let writer = writer.ends(0);
    assert!(
        writer.stderr.contains("limits:organization:view"),
        "{writer}"
    );
}

#[test]
fn products_of_an_org_as_source_are_compared() {
    let lab = Lab::of({
        let mut config = Config::with_orgs(["gold", "tenant"]);
        config.orgs[1].missing_products = vec!["outbound".to_owned()];
        config
    });
    let skill = serde_json::json!({"name": "Quotes"});
    lab.sim
        .seed("gold", "POST", "/api/v2/routing/skills", skill)
        .expect("a skill");
    let shown = lab.run(&["preflight", "gold", "--to", "tenant"]).ends(0);
    assert!(
        shown.stdout.contains("the source also has outbound"),
        "{shown}"
    );
}

#[test]
fn a_target_that_does_not_answer_about_permissions_leaves_it_to_the_source() {
    let mut config = Config::with_orgs(["gold", "tenant"]);
    config.limits = orgsmith_sim::Limits::none();
    config.orgs[1].seats = paid(1);
    let lab = Lab::of(config);
    crowd(&lab, 3);
    lab.run(&["apply", "crowd", "--to", "gold", "--yes"])
        .ends(0);
    lab.sim.add_fault(FaultRule {
        org: Some("tenant".to_owned()),
        path: Some("/api/v2/license/infer/permissions".to_owned()),
        ..FaultRule::new(FaultAction::Status {
            status: 404,
            retry_after_s: None,
        })
    });
    let shown = lab.run(&["preflight", "gold", "--to", "tenant"]).ends(5);
    assert!(
        shown.stdout.contains("as the source says of its roles"),
        "{shown}"
    );
}

#[test]
fn a_whole_org_that_cannot_fit_is_not_even_read() {
    let mut config = Config::with_orgs(["gold", "tenant"]);
    let of_all = [("collaborate".to_owned(), 10)];
    config.orgs[1].seats.paid = of_all.into();
    let lab = Lab::of(config);
    let generate = "users=250".parse().expect("what to generate");
    lab.sim.generate("gold", &generate).expect("an org");
    let listener = Listener::answering("200 OK");
    let clone = ["clone", "gold", "tenant", "--yes", "--alert-url"];
    let shown = lab.run(&[&clone[..], &[&listener.url]].concat()).ends(5);
    assert!(
        shown.stderr.contains("nothing else was looked at"),
        "{shown}"
    );
    let (_, told) = listener.heard.join().expect("a post");
    assert_eq!(amounts(&told, "licence:collaborate").1, Some(10));
    let calls = lab.sim.ledger();
    let calls = calls.iter().filter(|entry| entry.path.starts_with("/api/"));
    let calls: Vec<&str> = calls.map(|entry| entry.path.as_str()).collect();
    assert!(calls.len() <= 8, "{calls:?}");
    // Somebody may want only what fits.
    let some = [
        "clone",
        "gold",
        "tenant",
        "--yes",
        "--select",
        "routing_skill",
        "--with-dependencies",
    ];
    lab.run(&some).ends(0);
}

#[test]
fn seats_by_hand_are_read_strictly() {
    let lab = Lab::new();
    for wrong in ["cloudCX1", "=3", "cloudCX1=some"] {
        let arguments = ["preflight", "gold", "--to", "tenant", "--seats", wrong];
        let shown = lab.run(&arguments).ends(64);
        assert!(shown.stderr.contains("LICENCE=N"), "{shown}");
    }
}

#[test]
fn a_role_that_the_client_may_not_give_is_found_before_the_first_write() {
    let catalogue = Catalogue::builtin();
    let terms = ["kind=auth_role", "kind=user", "kind=auth_division"];
    let kinds = Selection::parse(catalogue, &terms, &[])
        .expect("kinds")
        .kinds(catalogue);
    let lab = with(0, |config| {
        let mut client = ClientSpec::new("giver-client", "giver-secret");
        client.permissions = Role::new(catalogue, Purpose::Apply, &kinds)
            .needs
            .into_keys()
            .collect();
        config.orgs[0].clients.push(client);
    });
    lab.write(
        "gift/auth_role/Judge.yaml",
        "name: Judge\ndescription: judges\npermissionPolicies:\n\
         - {domain: quality, entityName: evaluation, actionSet: [view, edit]}\n",
    );
    lab.write(
        "gift/user/ana@x.example.yaml",
        "name: Ana\nemail: ana@x.example\nstate: active\ndivision: {$ref: auth_division/~home}\n\
         grants:\n- {role: {$ref: auth_role/Judge}, division: {$ref: auth_division/~home}}\n",
    );
    let shown = lab.run(&["clone", "gift", "giver", "--yes"]).ends(5);
    let told =
        "it may not give what it does not hold: quality:evaluation:edit (of auth_role/Judge)";
    assert!(shown.stderr.contains(told), "{shown}");
    assert_eq!(lab.writes("tenant"), 0);
    lab.run(&["clone", "gift", "tenant", "--yes"]).ends(0);
}

/// A role that needs `cloudCX3`, whoever has it, and what it costs those who want it.
fn judges(lab: &Lab, who: &[(&str, &str)]) {
    lab.write(
        "gift/auth_role/Judge.yaml",
        "name: Judge\ndescription: judges\npermissionPolicies:\n\
         - {domain: quality, entityName: evaluation, actionSet: [view]}\n",
    );
    lab.write(
        "gift/auth_role/Agent.yaml",
        "name: Agent\ndescription: answers\npermissionPolicies:\n\
         - {domain: routing, entityName: queue, actionSet: [view]}\n",
    );
    for (name, role) in who {
        lab.write(
            &format!("gift/user/{name}@x.example.yaml"),
            format!(
                "name: {name}\nemail: {name}@x.example\nstate: active\ndivision: {{$ref: auth_division/~home}}\n\
                 grants:\n- {{role: {{$ref: auth_role/{role}}}, division: {{$ref: auth_division/~home}}}}\n"
            ),
        );
    }
    lab.write(
        "gift/routing_queue/Sales.yaml",
        "name: Sales\nmembers:\n- user: {$ref: user/ana@x.example}\n- user: {$ref: user/bo@x.example}\n",
    );
}

#[test]
fn who_needs_a_licence_that_the_org_does_not_have_is_left_out_and_the_others_go_on() {
    let seats = Seats {
        missing: vec!["cloudCX3".to_owned()],
        ..Seats::default()
    };
    let lab = with(0, |config| config.orgs[0].seats = seats);
    judges(&lab, &[("ana", "Judge"), ("bo", "Agent")]);
    let clone = ["clone", "gift", "tenant", "--yes"];
    let says = "user ana@x.example  what auth_role/Judge may do needs the licence cloudCX3, which tenant does not have";
    let dry = lab.run(&["clone", "gift", "tenant", "--dry-run"]).ends(0);
    assert!(dry.stdout.contains(says), "{dry}");
    let table = lab.run(&["preflight", "gift", "--to", "tenant", "-o", "json"]);
    let table = json(&table.ends(0).stdout);
    let left = (Some(1), Some(0), "unknown".to_owned());
    assert_eq!(amounts(&table, "licence:cloudCX3"), left);
    assert_eq!(lab.writes("tenant"), 0);
    let shown = lab.run(&clone).ends(3);
    assert!(shown.stderr.contains(says), "{shown}");
    let names = || {
        let users = lab.sim.objects("tenant", "user").into_iter();
        let names = users.filter_map(|user| user["name"].as_str().map(str::to_owned));
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(), ["bo"]);
    assert!(shown.stdout.contains("0 differences"), "{shown}");
    // The second run has nothing to do but to say so again.
    let again = lab.run(&clone).ends(3);
    assert!(again.stdout.contains("Nothing to do"), "{again}");
    // A person who knows better is believed.
    let by_hand = [&clone[..], &["--seats", "cloudCX3=1"]].concat();
    lab.run(&by_hand).ends(0);
    assert_eq!(names(), ["bo", "ana"]);
}

#[test]
fn of_several_orgs_only_the_one_without_the_licence_goes_without() {
    let mut config = Config::with_orgs(["tenant", "branch"]);
    config.limits = orgsmith_sim::Limits::none();
    config.orgs[0].seats.missing = vec!["cloudCX3".to_owned()];
    let lab = Lab::of(config);
    judges(&lab, &[("ana", "Judge"), ("bo", "Agent")]);
    lab.run(&["clone", "gift", "tenant", "branch", "--yes"])
        .ends(3);
    let users = |org: &str| lab.sim.objects(org, "user").len();
    assert_eq!((users("tenant"), users("branch")), (1, 2));
}

#[test]
fn seats_that_are_short_end_with_5_also_where_another_licence_is_not_there() {
    let seats = Seats {
        missing: vec!["cloudCX3".to_owned()],
        ..paid(1)
    };
    let lab = with(0, |config| config.orgs[0].seats = seats);
    judges(&lab, &[("ana", "Judge"), ("bo", "Agent"), ("cy", "Agent")]);
    let shown = lab.run(&["clone", "gift", "tenant", "--yes"]).ends(5);
    let told = "tenant is short of seats of cloudCX1";
    assert!(shown.stderr.contains(told), "{shown}");
    assert_eq!(lab.writes("tenant"), 0);
}

#[test]
fn where_licences_are_not_told_nobody_is_left_out() {
    let seats = Seats {
        missing: vec!["cloudCX3".to_owned()],
        ..Seats::default()
    };
    let lab = with(0, |config| config.orgs[0].seats = seats);
    judges(&lab, &[("ana", "Judge"), ("bo", "Agent")]);
    let rule = FaultRule::new(FaultAction::Status {
        status: 403,
        retry_after_s: None,
    });
    lab.sim
        .add_fault(rule.on("GET", "/api/v2/license/definitions"));
    let shown = lab.run(&["clone", "gift", "tenant", "--yes"]).ends(0);
    assert!(!shown.stderr.contains("needs the licence"), "{shown}");
}
