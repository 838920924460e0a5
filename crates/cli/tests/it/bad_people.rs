//! People who cannot be had as they are asked for: each is named, the others come, and the command
//! ends with 3.

use orgsmith_sim::{Config, FaultAction, FaultRule, Limits};

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

#[cfg(target_os = "linux")]
#[test]
fn two_files_whose_names_differ_in_case_only() {
    let lab = Lab::new();
    write(
        &lab,
        [
            spelled("Odd@x.example", "Odd@x.example"),
            spelled("odd@x.example", "odd@x.example"),
            user("plain", ""),
        ],
    );
    let shown = partly(&lab);
    for says in [
        "user Odd@x.example  user/odd@x.example is the same user",
        "user odd@x.example  ",
    ] {
        assert!(shown.stderr.contains(says), "{shown}");
    }
    assert_eq!(people(&lab), ["plain"]);
    // What has to lie on every disk cannot hold both.
    let shown = lab.run(&["bundle", "pack", "crew", "crew.zip"]).ends(1);
    assert!(
        shown.stderr.contains("only in upper and lower case"),
        "{shown}"
    );
    // Where case counts these are two objects, and one needs another file.
    for name in ["Mail", "MAIL"] {
        lab.write(
            &format!("crew/routing_queue/{name}.yaml"),
            format!("name: {name}\n"),
        );
    }
    let shown = lab.run(&["plan", "crew", "--to", "tenant"]).ends(1);
    assert!(
        shown.stderr.contains("rename it to routing_queue/Mail%~"),
        "{shown}"
    );
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

#[test]
fn who_is_left_out_is_no_drift() {
    let lab = Lab::new();
    write(&lab, [user("odd", ""), user("plain", "")]);
    let apply = ["apply", "crew", "--to", "tenant", "--yes"];
    lab.run(&apply).ends(0);
    write(&lab, [user("odd", "profile: {$ref: routing_profile/No}\n")]);
    let shown = lab.run(&["drift", "tenant", "--against", "crew"]);
    assert!(!shown.stdout.contains("odd@x.example"), "{shown}");
}

#[test]
fn a_slip_in_an_export_that_somebody_edited() {
    let lab = Lab::new();
    let role = "name: Agent\ndescription: answers\npermissionPolicies:\n\
                - {domain: routing, entityName: queue, actionSet: [view]}\n";
    let grant =
        "grants:\n- {role: {$ref: auth_role/Agent}, division: {$ref: auth_division/~home}}\n";
    write(&lab, [("auth_role/Agent.yaml".into(), role.into())]);
    write(&lab, [user("odd", grant), user("plain", grant)]);
    let apply = ["apply", "crew", "--to", "gold", "--yes"];
    lab.run(&apply).ends(0);
    lab.run(&["export", "gold", "--out", "kept"]).ends(0);
    let file = "kept/user/odd@x.example.yaml";
    let text = std::fs::read_to_string(lab.path(file)).expect("the user");
    lab.write(file, text.replace("auth_role/Agent", "auth_role/Agnet"));
    let shown = lab.run(&["apply", "kept", "--to", "tenant", "--yes"]);
    let shown = shown.ends(3);
    let says = "user odd@x.example  it refers to auth_role/Agnet, which is not in the bundle (did you mean";
    assert!(shown.stderr.contains(says), "{shown}");
    assert_eq!(people(&lab), ["plain"]);
}

/// A crew of whom each wants something else that cannot be had, and three who can.
fn crew_of_all_sorts(lab: &Lab) {
    let role = |name: &str, domain: &str, entity: &str| {
        let policy = format!("{{domain: {domain}, entityName: {entity}, actionSet: [view]}}");
        (
            format!("auth_role/{name}.yaml"),
            format!("name: {name}\ndescription: {name}\npermissionPolicies:\n- {policy}\n"),
        )
    };
    let named = |kind: &str, name: &str| (format!("{kind}/{name}.yaml"), format!("name: {name}\n"));
    let team = |name: &str, members: &[&str]| {
        let members = members.iter();
        let members: String = members
            .map(|name| format!("- {{$ref: user/{name}@x.example}}\n"))
            .collect();
        (
            format!("team/{name}.yaml"),
            format!("name: {name}\nmembers:\n{members}"),
        )
    };
    let route = |domain: &str| {
        (
            format!("routing_email_route/{domain}/hello.yaml"),
            format!(
                "domain: {{$ref: routing_email_domain/{domain}}}\npattern: hello\nfromName: Us\n\
                 queue: {{$ref: routing_queue/Mail}}\n"
            ),
        )
    };
    let grant = |role: &str| {
        format!(
            "grants:\n- {{role: {{$ref: auth_role/{role}}}, division: {{$ref: auth_division/~home}}}}\n"
        )
    };
    let skills = |names: &[String]| {
        let items = names.iter();
        let items =
            items.map(|name| format!("- {{id: {{$ref: routing_skill/{name}}}, proficiency: 3}}\n"));
        format!("skills:\n{}", items.collect::<String>())
    };
    let of = |name: &str, kind: &str, key: &str| {
        format!("memberOf: {{{name}: [{{$ref: {kind}/{key}}}]}}\n")
    };
    let numbers: Vec<String> = (0..51).map(|number| format!("S{number}")).collect();
    write(lab, numbers.iter().map(|name| named("routing_skill", name)));
    write(
        lab,
        [
            role("Agent", "routing", "queue"),
            role("Judge", "quality", "evaluation"),
            named("routing_language", "English"),
            named("routing_queue", "Sales"),
            named("routing_queue", "Mail"),
            ("routing_profile/Agents.yaml".into(), skills(&numbers[..1])),
            (
                "routing_email_domain/own.example.yaml".into(),
                "id: own.example\nsubDomain: false\n".into(),
            ),
            route("own.example"),
            route("mail.example"),
            named("team", "A"),
            named("team", "B"),
            team("C", &["listed", "plain"]),
            team("D", &["listed"]),
        ],
    );
    write(
        lab,
        [
            user(
                "plain",
                &(grant("Agent") + &of("queues", "routing_queue", "Sales")),
            ),
            user("many", &skills(&numbers)),
            user("role", &grant("Agnet")),
            user("skill", &skills(&["S99".to_owned()])),
            user(
                "tongue",
                "languages:\n- {id: {$ref: routing_language/Englsh}, proficiency: 3}\n",
            ),
            user("queue", &of("queues", "routing_queue", "Salse")),
            user(
                "teams",
                "memberOf: {teams: [{$ref: team/A}, {$ref: team/B}]}\n",
            ),
            user("listed", ""),
            user("chief", "manager: {$ref: user/deputy@x.example}\n"),
            user("deputy", "manager: {$ref: user/chief@x.example}\n"),
            user("boss", "manager: {$ref: user/nobody@x.example}\n"),
            user("profile", "profile: {$ref: routing_profile/Agnets}\n"),
            user("judge", &grant("Judge")),
            user("row", ""),
            spelled("odd@x.example", "odd@x.example"),
            spelled("Odd@x.example%~98f8a7cf02", "Odd@x.example"),
        ],
    );
    lab.write(
        "new.csv",
        "email,name,profile,division\nfresh@x.example,fresh,Agents,\nROW@x.example,row,,\n\
         twice@x.example,twice,,\nTwice@x.example,twice,,\nlost@x.example,lost,,Nowhere\n",
    );
}

#[test]
fn all_of_it_at_once() {
    let mut config = Config::with_orgs(["tenant"]);
    config.limits = Limits::none();
    config.orgs[0].seats.missing = vec!["cloudCX3".to_owned()];
    let lab = Lab::of(config);
    crew_of_all_sorts(&lab);
    let clone = [
        "clone",
        "crew",
        "tenant",
        "--yes",
        "--people",
        "new.csv",
        "--select",
        "kind=user",
        "--select",
        "kind=team",
        "--select",
        "kind=routing_queue",
        "--select",
        "kind=routing_email_route",
    ];
    let shown = lab.run(&clone).ends(3);
    let told = conflicts(&shown.stderr);
    let expected = [
        "routing_email_route mail.example/hello  it refers to routing_email_domain/mail.example",
        "routing_queue Salse  the target lacks it",
        "user boss@x.example  it refers to user/nobody@x.example",
        "user chief@x.example  it is in a circle of managers",
        "user deputy@x.example  it is in a circle of managers",
        "user judge@x.example  what auth_role/Judge may do needs the licence cloudCX3, which tenant does not have",
        "user listed@x.example  it is in team/C and team/D",
        "user lost@x.example  it refers to auth_division/Nowhere",
        "user Odd@x.example  user/odd@x.example is the same user",
        "user odd@x.example  user/Odd@x.example is the same user",
        "user profile@x.example  it is bound to routing_profile/Agnets",
        "user role@x.example  it refers to auth_role/Agnet, which is not in the bundle (did you mean \"auth_role/Agent\"?)",
        "user row@x.example  the list of people names this address",
        "user skill@x.example  it refers to routing_skill/S99",
        "user teams@x.example  it is in team/A and team/B",
        "user tongue@x.example  it refers to routing_language/Englsh",
        "user twice@x.example  the list of people names this address 2 times",
    ];
    for says in expected {
        assert!(
            told.iter().any(|line| line.starts_with(says)),
            "{says}: {shown}"
        );
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    assert_eq!(people(&lab), ["fresh", "many", "plain", "queue"]);
    assert_eq!(in_teams(&lab), [both(("C", "plain"))]);
    assert!(shown.stdout.contains("0 differences"), "{shown}");
    let count = |family: &str| lab.sim.objects("tenant", family).len();
    assert_eq!(
        (count("queue"), count("skill"), count("email_route")),
        (2, 51, 1),
        "{shown}"
    );
    // The second run has nothing to do but to say so again.
    let again = lab.run(&clone).ends(3);
    assert!(again.stdout.contains("Nothing to do"), "{again}");
    assert_eq!(conflicts(&again.stderr), told);
}

/// Returns the lines of a plan that name conflicts.
fn conflicts(screen: &str) -> Vec<String> {
    let lines = screen
        .lines()
        .skip_while(|line| !line.starts_with("! Conflicts"));
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.trim().to_owned()).collect()
}
