//! People who cannot be had as they are asked for: each is named, the others come, and the command
//! ends with 3.

use orgsmith_sim::{FaultAction, FaultRule};

use crate::lab::{Lab, Shown};

/// A user, with more lines.
fn user(name: &str, more: &str) -> (String, String) {
    (
        format!("user/{name}@x.example.yaml"),
        format!(
            "name: {name}\nemail: {name}@x.example\nstate: active\n\
             division: {{$ref: auth_division/~home}}\n{more}"
        ),
    )
}

fn write(lab: &Lab, files: impl IntoIterator<Item = (String, String)>) {
    for (file, text) in files {
        lab.write(&format!("crew/{file}"), text);
    }
}

/// Lists the users whom the target has.
fn people(lab: &Lab) -> Vec<String> {
    let users = lab.sim.objects("tenant", "user");
    let names = users.iter().filter_map(|user| user["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

/// Lists who is in which team of the target.
fn in_teams(lab: &Lab) -> Vec<(String, String)> {
    let name = |object: &serde_json::Value| object["name"].as_str().expect("a name").to_owned();
    let users = lab.sim.objects("tenant", "user");
    let teams = lab.sim.kept("tenant", "team");
    let mut found = Vec::new();
    for team in &teams {
        for id in team["$members"].as_array().into_iter().flatten() {
            let user = users.iter().find(|user| user["id"] == *id);
            found.push((name(team), name(user.expect("a user"))));
        }
    }
    found.sort();
    found
}

fn both((team, user): (&str, &str)) -> (String, String) {
    (team.to_owned(), user.to_owned())
}

/// Applies the crew; returns what was told.
fn partly(lab: &Lab) -> Shown {
    let shown = lab.run(&["apply", "crew", "--to", "tenant", "--yes"]);
    shown.ends(3)
}

#[test]
fn who_is_to_have_what_nobody_has() {
    for (more, says) in [
        (
            "grants:\n- {role: {$ref: auth_role/No}, division: {$ref: auth_division/~home}}\n",
            "user odd@x.example  it refers to auth_role/No, which neither",
        ),
        (
            "skills:\n- {id: {$ref: routing_skill/No}, proficiency: 3}\n",
            "user odd@x.example  it refers to routing_skill/No, which neither",
        ),
        (
            "languages:\n- {id: {$ref: routing_language/No}, proficiency: 3}\n",
            "user odd@x.example  it refers to routing_language/No, which neither",
        ),
        (
            "locations:\n- {id: {$ref: location/No}}\n",
            "user odd@x.example  it refers to location/No, which neither",
        ),
    ] {
        let lab = Lab::new();
        write(&lab, [user("odd", more), user("plain", "")]);
        let shown = partly(&lab);
        assert!(shown.stderr.contains(says), "{shown}");
        assert_eq!(people(&lab), ["plain"], "{says}");
    }
    // Who belongs to what nobody has comes, and what nobody has is named.
    for kind in ["routing_queue", "group", "team"] {
        let name = kind.trim_start_matches("routing_");
        let more = format!("memberOf: {{{name}s: [{{$ref: {kind}/No}}]}}\n");
        let lab = Lab::new();
        write(&lab, [user("odd", &more), user("plain", "")]);
        let shown = partly(&lab);
        let says = format!("{kind} No  the target lacks it");
        assert!(shown.stderr.contains(&says), "{shown}");
        assert_eq!(people(&lab), ["odd", "plain"], "{says}");
    }
}

#[test]
fn who_is_in_two_teams() {
    let team =
        |name: &str, more: &str| (format!("team/{name}.yaml"), format!("name: {name}\n{more}"));
    let both = "memberOf:\n  teams:\n  - {$ref: team/A}\n  - {$ref: team/B}\n";
    let one = "memberOf:\n  teams:\n  - {$ref: team/A}\n";
    let lab = Lab::new();
    write(
        &lab,
        [
            user("odd", both),
            user("plain", one),
            team("A", ""),
            team("B", ""),
        ],
    );
    let shown = partly(&lab);
    let says =
        "user odd@x.example  it is in team/A and team/B, and nobody is in more than one team";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(people(&lab), ["plain"]);
}

#[test]
fn who_is_listed_by_two_teams() {
    let team = |name: &str, people: &[&str]| {
        let people = people.iter();
        let members: String = people
            .map(|name| format!("- {{$ref: user/{name}@x.example}}\n"))
            .collect();
        let text = format!("name: {name}\nmembers:\n{members}");
        (format!("team/{name}.yaml"), text)
    };
    let lab = Lab::new();
    let teams = [team("A", &["odd", "plain"]), team("B", &["odd", "other"])];
    write(&lab, teams);
    write(
        &lab,
        [user("odd", ""), user("plain", ""), user("other", "")],
    );
    let shown = partly(&lab);
    let says =
        "user odd@x.example  it is in team/A and team/B, and nobody is in more than one team";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(people(&lab), ["other", "plain"]);
    // Once it is said which, and that another moves, there is nothing left.
    write(&lab, [team("A", &["odd"]), team("B", &["plain", "other"])]);
    lab.run(&["apply", "crew", "--to", "tenant", "--yes"])
        .ends(0);
    let again = ["plan", "crew", "--to", "tenant", "--detailed-exitcode"];
    lab.run(&again).ends(0);
    assert_eq!(
        in_teams(&lab),
        [("A", "odd"), ("B", "other"), ("B", "plain")].map(both)
    );
    // What was, is again, also for whoever moved.
    lab.run(&["rollback", &lab.last_run(), "--yes"]).ends(0);
    assert_eq!(in_teams(&lab), [("A", "plain"), ("B", "other")].map(both));
}

#[test]
fn who_is_in_no_division() {
    let lab = Lab::new();
    let (file, text) = user("odd", "");
    let text = text.replacen("division: {$ref: auth_division/~home}\n", "", 1);
    write(&lab, [(file, text.clone()), user("plain", "")]);
    let plan = lab.run(&["plan", "crew", "--to", "tenant"]).ends(0);
    let says = "user odd@x.example  the target lacks it, and a new user needs a division";
    assert!(plan.stdout.contains(says), "{plan}");
    assert_eq!(
        lab.writes("tenant"),
        0,
        "it is known before the first write"
    );
    partly(&lab);
    assert_eq!(people(&lab), ["plain"]);
    // One who is there already keeps the one that they have.
    let text = text.replace("odd", "plain") + "title: Agent\n";
    lab.write("more/user/plain@x.example.yaml", text);
    lab.run(&["apply", "more", "--to", "tenant", "--yes"])
        .ends(0);
}

#[test]
fn who_has_more_skills_than_a_call_takes() {
    let lab = Lab::new();
    let numbers = || (0..51).map(|number| format!("S{number}"));
    let skills: String = numbers()
        .map(|name| format!("- {{id: {{$ref: routing_skill/{name}}}, proficiency: 3}}\n"))
        .collect();
    let skill = |name: String| {
        (
            format!("routing_skill/{name}.yaml"),
            format!("name: {name}\n"),
        )
    };
    write(&lab, numbers().map(skill));
    write(
        &lab,
        [
            user("many", &format!("skills:\n{skills}")),
            user("plain", ""),
        ],
    );
    lab.run(&["apply", "crew", "--to", "tenant", "--yes"])
        .ends(0);
    let kept = lab.sim.kept("tenant", "user");
    let many = kept
        .iter()
        .find(|user| user["name"] == "many")
        .expect("the user");
    assert_eq!(
        many["$skills"].as_object().map(serde_json::Map::len),
        Some(51),
        "{many}"
    );
    lab.run(&["plan", "crew", "--to", "tenant", "--detailed-exitcode"])
        .ends(0);
}

#[test]
fn an_e_mail_domain_that_the_target_does_not_own() {
    // A user may have an address of any domain; what mails come by and go out by must be the org's.
    let lab = Lab::new();
    write(
        &lab,
        [
            user("plain", ""),
            (
                "routing_email_route/mail.example/hello.yaml".into(),
                "domain: {$ref: routing_email_domain/mail.example}\npattern: hello\nfromName: Us\n\
                 queue: {$ref: routing_queue/Mail}\n"
                    .into(),
            ),
            ("routing_queue/Mail.yaml".into(), "name: Mail\n".into()),
        ],
    );
    let shown = partly(&lab);
    let says = "routing_email_route mail.example/hello  it refers to routing_email_domain/mail.example, \
                which neither the source nor the target has";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(people(&lab), ["plain"]);
    assert_eq!(lab.sim.objects("tenant", "queue").len(), 1);
}

#[test]
fn an_e_mail_domain_that_is_another_orgs() {
    let lab = Lab::new();
    write(
        &lab,
        [
            user("plain", ""),
            (
                "routing_email_domain/acme.mypurecloud.com.yaml".into(),
                "id: acme.mypurecloud.com\nsubDomain: true\n".into(),
            ),
            (
                "routing_email_route/acme.mypurecloud.com/hello.yaml".into(),
                "domain: {$ref: routing_email_domain/acme.mypurecloud.com}\npattern: hello\nfromName: Us\n\
                 queue: {$ref: routing_queue/Mail}\n"
                    .into(),
            ),
            ("routing_queue/Mail.yaml".into(), "name: Mail\n".into()),
        ],
    );
    // A subdomain of Genesys Cloud belongs to one org in all the world, which only the API knows.
    let taken = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    let rule = FaultRule::new(taken).on("POST", "/api/v2/routing/email/domains");
    lab.sim.add_fault(rule);
    let shown = partly(&lab);
    let says = "refused: create routing_email_domain/acme.mypurecloud.com: POST /api/v2/routing/email/domains";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(people(&lab), ["plain"]);
    assert_eq!(lab.sim.objects("tenant", "queue").len(), 1);
    assert_eq!(lab.sim.objects("tenant", "email_route").len(), 0);
}

/// A user whose address is written otherwise; the second file of two whose names differ in case only has
/// another name.
fn spelled(file: &str, email: &str) -> (String, String) {
    (
        format!("user/{file}.yaml"),
        format!(
            "name: Odd\nemail: {email}\nstate: active\ndivision: {{$ref: auth_division/~home}}\n"
        ),
    )
}

#[test]
fn two_documents_of_one_address() {
    let lab = Lab::new();
    let manager = "manager: {$ref: user/ODD@x.example}\n";
    write(
        &lab,
        [
            spelled("Odd@x.example", "Odd@x.example"),
            spelled("odd@x.example%~2d6ffe7c35", "odd@x.example"),
            user("plain", manager),
        ],
    );
    let shown = partly(&lab);
    assert!(
        shown
            .stderr
            .contains("crew/user/odd@x.example%~2d6ffe7c35.yaml"),
        "{shown}"
    );
    for says in [
        "user Odd@x.example  user/odd@x.example is the same user: case does not count; keep one of the documents",
        "user odd@x.example  user/Odd@x.example is the same user",
    ] {
        assert!(shown.stderr.contains(says), "{shown}");
    }
    assert_eq!(people(&lab), ["plain"]);
    lab.run(&["validate", "crew"]).ends(1);
    // Who is not selected is no matter.
    lab.write("crew/routing_skill/Claims.yaml", "name: Claims\n");
    let skills = [
        "plan",
        "crew",
        "--to",
        "tenant",
        "--select",
        "kind=routing_skill",
    ];
    let shown = lab.run(&skills).ends(0);
    assert!(!shown.stdout.contains("case does not count"), "{shown}");
}

#[test]
fn a_document_and_a_row_of_one_address() {
    let lab = Lab::new();
    write(&lab, [spelled("odd@x.example", "odd@x.example")]);
    lab.write(
        "new.csv",
        "email,name\nODD@x.example,Odd\ntwice@x.example,Twice\nTwice@x.example,Twice\nplain@x.example,plain\n",
    );
    let apply = [
        "apply", "crew", "--to", "tenant", "--yes", "--people", "new.csv",
    ];
    let shown = lab.run(&apply).ends(3);
    for says in [
        "user odd@x.example  the list of people names this address, and there is a document of it as well",
        "user twice@x.example  the list of people names this address 2 times",
    ] {
        assert!(shown.stderr.contains(says), "{shown}");
    }
    assert_eq!(people(&lab), ["plain"]);
}

#[test]
fn who_is_left_out_is_not_deleted_as_somebody_whom_the_source_lacks() {
    let lab = Lab::new();
    write(&lab, [user("odd", ""), user("plain", "")]);
    let apply = ["apply", "crew", "--to", "tenant", "--yes"];
    lab.run(&apply).ends(0);
    let prune = [
        "sync", "crew", "--to", "tenant", "--yes", "--prune", "--force",
    ];
    write(&lab, [user("odd", "profile: {$ref: routing_profile/No}\n")]);
    let shown = lab.run(&prune).ends(3);
    assert!(
        shown.stderr.contains("user odd@x.example  it is bound to"),
        "{shown}"
    );
    write(
        &lab,
        [
            spelled("odd@x.example", "odd@x.example"),
            spelled("Odd@x.example%~98f8a7cf02", "Odd@x.example"),
        ],
    );
    lab.run(&prune).ends(3);
    let kept = lab.sim.objects("tenant", "user");
    let deleted = kept.iter().filter(|user| user["state"] == "deleted");
    assert_eq!(deleted.count(), 0, "{kept:#?}");
}
