use serde_json::{Value, json};

use super::*;
use crate::catalogue::Catalogue;

fn object(text: &str) -> ObjectRef {
    text.parse().expect("kind/key")
}

fn bundle(documents: &[(&str, Value)]) -> Bundle {
    let mut bundle = Bundle::default();
    for (name, body) in documents {
        let Value::Object(body) = body.clone() else {
            panic!("{body} is no object")
        };
        bundle.insert(Portable {
            object: object(name),
            body,
            files: BTreeMap::new(),
        });
    }
    bundle
}

fn expanded(documents: &[(&str, Value)]) -> (Bundle, Vec<String>) {
    let mut bundle = bundle(documents);
    let conflicts = expand(Catalogue::builtin(), &mut bundle, &BTreeSet::new());
    let told = conflicts
        .into_iter()
        .map(|conflict| format!("{}: {}", conflict.object, conflict.reason));
    (bundle, told.collect())
}

fn body(bundle: &Bundle, name: &str) -> Value {
    match bundle.documents.get(&object(name)) {
        Some(document) => document.body.value(),
        None => Value::Null,
    }
}

fn skill(name: &str, proficiency: u32) -> Value {
    json!({"id": {"$ref": format!("routing_skill/{name}")}, "proficiency": proficiency})
}

fn agents() -> (&'static str, Value) {
    let queue = json!({"id": {"$ref": "routing_queue/Sales"}, "ringNumber": 2});
    (
        "routing_profile/Agents",
        json!({"skills": [skill("Billing", 3), skill("Claims", 4)],
            "memberOf": {"queues": [queue], "groups": [{"$ref": "group/All"}]}}),
    )
}

#[test]
fn a_profile_gives_what_a_person_does_not_say() {
    let user = json!({"name": "A", "email": "a@x.example", "profile": {"$ref": "routing_profile/Agents"},
        "skills": [skill("Billing", 5)]});
    let (bundle, told) = expanded(&[agents(), ("user/a@x.example", user)]);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(
        body(&bundle, "user/a@x.example"),
        json!({"name": "A", "email": "a@x.example", "division": {"$ref": "auth_division/~home"},
            "skills": [skill("Billing", 5), skill("Claims", 4)]})
    );
    assert_eq!(
        body(&bundle, "routing_queue/Sales"),
        json!({"members": {"$has": [{"user": {"$ref": "user/a@x.example"}, "ringNumber": 2}]}})
    );
    assert_eq!(
        body(&bundle, "group/All"),
        json!({"members": {"$has": [{"$ref": "user/a@x.example"}]}})
    );
    assert_eq!(body(&bundle, "routing_profile/Agents"), Value::Null);
}

#[test]
fn members_are_added_to_those_that_a_document_lists() {
    let user = json!({"memberOf": {"groups": [{"$ref": "group/All"}]}});
    let group = json!({"name": "All", "members": [{"$ref": "user/b@x.example"}]});
    let (bundle, _) = expanded(&[("user/a@x.example", user), ("group/All", group)]);
    let members = json!([{"$ref": "user/b@x.example"}, {"$ref": "user/a@x.example"}]);
    assert_eq!(body(&bundle, "group/All")["members"], members);
}

#[test]
fn who_is_like_another_gets_what_is_not_personal() {
    let jane = json!({"name": "Jane", "email": "jane@x.example", "department": "Claims",
        "addresses": [{"mediaType": "PHONE"}], "skills": [skill("Billing", 2)],
        "memberOf": {"teams": [{"$ref": "team/One"}]}});
    let mut bundle = bundle(&[("user/jane@x.example", jane)]);
    let people = read_list("email,name,like\nnew@x.example,New,Jane@x.example\n", false);
    let conflicts = add_people(&mut bundle, &people.expect("a list"));
    assert_eq!(conflicts, []);
    let models = BTreeSet::from([object("user/jane@x.example")]);
    assert_eq!(expand(Catalogue::builtin(), &mut bundle, &models), []);
    assert_eq!(
        body(&bundle, "user/new@x.example"),
        json!({"name": "New", "email": "new@x.example", "state": "active", "department": "Claims",
            "division": {"$ref": "auth_division/~home"}, "skills": [skill("Billing", 2)]})
    );
    let members = body(&bundle, "team/One")["members"]["$has"].clone();
    assert_eq!(members, json!([{"$ref": "user/new@x.example"}]));
    // She was only the model.
    assert_eq!(body(&bundle, "user/jane@x.example"), Value::Null);
}

#[test]
fn who_cannot_be_expanded_is_told_of_and_the_others_go_on() {
    let bound = |profile: &str| json!({"profile": {"$ref": format!("routing_profile/{profile}")}});
    let teams = json!({"memberOf": {"teams": [{"$ref": "team/A"}, {"$ref": "team/B"}]}});
    let (bundle, told) = expanded(&[
        agents(),
        ("routing_profile/Bad", json!({"skils": []})),
        ("user/1@x.example", bound("Agnets")),
        ("user/2@x.example", bound("Bad")),
        ("user/3@x.example", teams),
        ("user/4@x.example", json!({"memberOf": {"squads": []}})),
        (
            "user/5@x.example",
            json!({"like": {"$ref": "user/9@x.example"}}),
        ),
        ("user/6@x.example", bound("Agents")),
    ]);
    let expected = [
        "bound to routing_profile/Agnets, which is not in the source (did you mean \"Agents\"?)",
        "has a field \"skils\" that is not of a routing profile (did you mean \"skills\"?)",
        "it is in team/A and team/B, and nobody is in more than one team",
        "memberOf has no \"squads\"; there are groups, queues, teams",
        "it is to be like user/9@x.example, who is not in the source",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}");
    }
    let users = bundle
        .documents
        .keys()
        .filter(|o| o.kind.as_str() == "user");
    assert_eq!(users.collect::<Vec<_>>(), [&object("user/6@x.example")]);
}

#[test]
fn a_list_is_read_from_either_form() {
    let csv = "\u{feff}Email;Name;Profile;Phone\na@x.example;Ann, A.;Agents;+13175550100\n";
    let yaml =
        "- email: a@x.example\n  name: Ann, A.\n  profile: Agents\n  phone: '+13175550100'\n";
    let people = read_list(csv, false).expect("a list");
    assert_eq!(people, read_list(yaml, true).expect("a list"));
    assert_eq!(people[0].name, "Ann, A.");
}

#[test]
fn a_slip_in_a_list_is_told_with_its_line() {
    let error = |text: &str| read_list(text, false).unwrap_err().to_string();
    assert_eq!(
        error("email,name,profil\n"),
        format!(
            "line 1: there is no column \"profil\" (did you mean profile?); there are {}",
            "email, name, profile, like, division, manager, department, title, state, phone, extension"
        )
    );
    assert_eq!(
        error("email\n"),
        "line 1: the head line lacks the column name"
    );
    assert_eq!(
        error("email,name\na@x.example,A\nnobody,B\n"),
        "line 3: \"nobody\" is no e-mail address"
    );
    assert_eq!(
        error("email,name\na@x.example,A,B\n"),
        "line 2: it has 3 fields, and the head line has 2"
    );
}

#[test]
fn two_spellings_of_an_address_are_one_person() {
    let people = read_list(
        "email,name\nA@x.example,A\na@X.example,B\nc@x.example,C\n",
        false,
    );
    let mut bundle = Bundle::default();
    let conflicts = add_people(&mut bundle, &people.expect("a list"));
    assert_eq!(conflicts.len(), 1);
    assert!(conflicts[0].reason.contains("2 times"), "{conflicts:?}");
    assert_eq!(bundle.documents.len(), 1);
}

#[test]
fn addresses_and_names_are_rewritten_wherever_they_stand() {
    let rules = Rewrites {
        emails: vec![
            EmailRule::Domain {
                from: "gold.example".into(),
                to: "br.example".into(),
            },
            EmailRule::Address {
                from: "Jane@gold.example".into(),
                to: "joana@br.example".into(),
            },
            EmailRule::Domain {
                from: "other.example".into(),
                to: "x.example".into(),
            },
        ],
        names: vec![NameRule::pattern("^Gold (.+)$", "Brazil $1").expect("a pattern")],
    };
    let jane = json!({"email": "Jane@gold.example", "name": "Gold Jane",
        "manager": {"$ref": "user/tom@gold.example"}});
    let queue = json!({"members": [{"user": {"$ref": "user/jane@gold.example"}}],
        "x": {"$ref:user/tom@gold.example": "see ${ref.user/jane@gold.example}"}});
    let mut bundle = bundle(&[("user/jane@gold.example", jane), ("routing_queue/Q", queue)]);
    let done = rules.apply(&mut bundle);
    assert_eq!(
        body(&bundle, "user/joana@br.example"),
        json!({"email": "joana@br.example", "name": "Brazil Jane", "manager": {"$ref": "user/tom@br.example"}})
    );
    assert_eq!(
        body(&bundle, "routing_queue/Q"),
        json!({"members": [{"user": {"$ref": "user/joana@br.example"}}],
            "x": {"$ref:user/tom@br.example": "see ${ref.user/joana@br.example}"}})
    );
    assert_eq!(done.renamed.len(), 1);
    let unused = rules.unused(&done, &BTreeSet::new());
    let told: Vec<&str> = unused.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("other.example"));
}

#[test]
fn two_people_never_become_one() {
    let rules = Rewrites {
        emails: vec![EmailRule::Domain {
            from: "gold.example".into(),
            to: "br.example".into(),
        }],
        names: Vec::new(),
    };
    let user = |email: &str| json!({"email": email});
    let mut bundle = bundle(&[
        ("user/a@gold.example", user("a@gold.example")),
        ("user/a@br.example", user("a@br.example")),
        ("user/b@gold.example", user("b@gold.example")),
    ]);
    let done = rules.apply(&mut bundle);
    assert_eq!(done.conflicts.len(), 2, "{:?}", done.conflicts);
    assert_eq!(bundle.documents.len(), 1);
}
