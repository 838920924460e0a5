use serde_json::json;

use super::*;
use crate::document::Files;
use crate::validate::validate;

fn bundle(documents: &[(&str, Value)]) -> Bundle {
    let mut bundle = Bundle::default();
    for (object, body) in documents {
        let Value::Object(body) = body.clone() else {
            panic!("a body has fields");
        };
        bundle.insert(Portable {
            object: object.parse().expect("an object"),
            body,
            files: Files::new(),
        });
    }
    bundle
}

fn people() -> Bundle {
    bundle(&[
        (
            "user/ana@example.com",
            json!({
                "name": "Ana Groß", "email": "Ana@example.com", "department": "Claims",
                "title": "Agent", "certifications": ["AIC"], "acdAutoAnswer": false,
                "employerInfo": {"employeeId": "E-77"},
                "addresses": [
                    {"address": "+49891234567", "mediaType": "PHONE", "type": "WORK"},
                    {"extension": "4711", "mediaType": "PHONE", "type": "WORK2"},
                ],
            }),
        ),
        (
            "user/ben@example.com",
            json!({
                "name": "Ben Holm", "email": "ben@example.com", "department": "Claims",
                "manager": {"$ref": "user/ana@example.com"},
            }),
        ),
        (
            "routing_queue/Ana Groß",
            json!({
                "name": "Ana Groß",
                "description": "of Ana Groß (ana@example.com, 089/1234567), else help@example.com",
                "members": [
                    {"user": {"$ref": "user/ben@example.com"}},
                    {"user": {"$ref": "user/cleo@example.com"}},
                ],
            }),
        ),
        (
            "telephony_providers_edges_did_pool/+49891234567/+49891234599",
            json!({"startPhoneNumber": "+49891234567", "endPhoneNumber": "+49891234599"}),
        ),
    ])
}

fn privacy(policy: Policy, kinds: &[(&str, Policy)]) -> Privacy {
    let kinds = kinds
        .iter()
        .map(|(kind, policy)| (Kind::new(kind), *policy));
    let key = Secret::new("a key".to_owned());
    Privacy::new(policy, kinds.collect(), &key, "people.invalid")
}

fn text(bundle: &Bundle) -> String {
    let documents = bundle.documents.iter();
    let lines = documents.map(|(object, document)| format!("{object} {}\n", document.as_json()));
    lines.collect()
}

#[test]
fn the_same_person_has_the_same_pseudonym_everywhere_and_the_bundle_holds_together() {
    let catalogue = Catalogue::builtin();
    let mut bundle = people();
    let report = privacy(Policy::Pseudonymise, &[]).apply(catalogue, &mut bundle);
    let all = text(&bundle);
    for known in [
        "Groß", "ana@", "ben@", "Holm", "cleo", "Claims", "AIC", "E-77", "4711", "089",
    ] {
        assert!(!all.contains(known), "{known} in {all}");
    }
    let users = bundle
        .documents
        .iter()
        .filter(|(object, _)| object.kind.as_str() == "user");
    let users: Vec<(&ObjectRef, Portable)> = users.map(|(key, doc)| (key, doc.open())).collect();
    assert_eq!(users.len(), 2);
    let (ana, ben) = match users[0].1.body.contains_key("manager") {
        true => (&users[1], &users[0]),
        false => (&users[0], &users[1]),
    };
    assert_eq!(ben.1.body["manager"]["$ref"], json!(ana.0.to_string()));
    assert_eq!(ben.1.body["department"], ana.1.body["department"]);
    let addresses = ana.1.body["addresses"].as_array().expect("a list");
    assert_eq!(addresses.len(), 1, "what leads nowhere goes: {addresses:?}");
    let name = ana.1.body["name"].as_str().expect("a name");
    let queue = format!("routing_queue/{name}").parse().expect("an object");
    let queue = bundle
        .documents
        .get(&queue)
        .expect("renamed as the person")
        .open();
    let told = queue.body["description"].as_str().expect("a text");
    for said in [
        name,
        ana.1.body["email"].as_str().expect("an address"),
        "help@example.com",
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
    assert_eq!(
        queue.body["members"][0]["user"]["$ref"],
        json!(ben.0.to_string())
    );
    assert!(
        all.contains("+49891234599") && all.contains("\"+49891234567\""),
        "{all}"
    );
    assert_eq!(
        validate(catalogue, &bundle)
            .iter()
            .filter(|p| p.pointer == "/name")
            .count(),
        0
    );
    assert_eq!((report.people, report.mentioned), (2, 1));
    assert_eq!(report.addresses.len(), 1);
    assert!(report.conflicts.is_empty());
}

#[test]
fn doing_it_again_changes_nothing() {
    let catalogue = Catalogue::builtin();
    for policy in [Policy::Pseudonymise, Policy::Hash, Policy::Drop] {
        let mut once = people();
        privacy(policy, &[]).apply(catalogue, &mut once);
        let mut twice = once.clone();
        let report = privacy(policy, &[]).apply(catalogue, &mut twice);
        assert_eq!(text(&once), text(&twice), "{policy:?}");
        assert_eq!((report.people, report.mentioned), (0, 0), "{policy:?}");
    }
}

#[test]
fn what_is_dropped_is_all_that_an_object_can_be_without() {
    let catalogue = Catalogue::builtin();
    let mut bundle = people();
    let report = privacy(Policy::Drop, &[]).apply(catalogue, &mut bundle);
    let all = text(&bundle);
    for gone in ["department", "title", "addresses", "certifications", "Groß"] {
        assert!(!all.contains(gone), "{gone} in {all}");
    }
    assert!(
        all.contains("@people.invalid"),
        "a user is known by the address: {all}"
    );
    let kept: Vec<&str> = report.kept.iter().map(String::as_str).collect();
    assert_eq!(kept, ["user email", "user name"]);
}

#[test]
fn a_contact_is_the_person_of_its_address_and_loses_what_leads_nowhere() {
    let catalogue = Catalogue::builtin();
    for (policy, phones) in [(Policy::Pseudonymise, 1), (Policy::Drop, 0)] {
        let contact = json!({
            "firstName": "Ana", "lastName": "Groß", "workEmail": "ana@example.com",
            "workPhone": {"userInput": "089 1234567", "acceptsSMS": false},
            "homePhone": {"extension": "12"}, "address": {"city": "Graz"},
        });
        let mut bundle = people();
        let object = "externalcontacts_contact/Ana/Groß/ana@example.com";
        bundle
            .documents
            .extend(self::bundle(&[(object, contact)]).documents);
        privacy(policy, &[]).apply(catalogue, &mut bundle);
        let all = text(&bundle);
        for known in ["Groß", "ana@", "089", "homePhone", "Graz"] {
            assert!(!all.contains(known), "{known} in {all}");
        }
        assert_eq!(all.matches("workPhone").count(), phones, "{all}");
        let emails = |kind: &str, field: &str| {
            let mut of_kind = bundle
                .documents
                .iter()
                .filter(|(key, _)| key.kind.as_str() == kind);
            of_kind.find_map(|(_, document)| document.text(field))
        };
        let contact = emails("externalcontacts_contact", "workEmail").expect("part of the key");
        assert!(
            all.contains(&format!("user/{contact}")),
            "{contact} in {all}"
        );
    }
}

#[test]
fn a_kind_may_have_a_rule_of_its_own() {
    let catalogue = Catalogue::builtin();
    let mut bundle = people();
    let rules = privacy(Policy::Pseudonymise, &[("user", Policy::Keep)]);
    rules.apply(catalogue, &mut bundle);
    assert_eq!(text(&bundle), text(&people()));
    let rules = privacy(Policy::Keep, &[("user", Policy::Hash)]);
    rules.apply(catalogue, &mut bundle);
    assert!(!text(&bundle).contains("Person "), "a hash says nothing");
    assert!(!text(&bundle).contains("Groß"));
}

#[test]
fn two_people_of_one_name_are_told_apart_where_they_are_themselves() {
    let catalogue = Catalogue::builtin();
    let user = |email: &str| json!({"name": "Jo Berg", "email": email});
    let mut bundle = bundle(&[
        ("user/a@example.com", user("a@example.com")),
        ("user/b@example.com", user("b@example.com")),
        (
            "routing_skill/x",
            json!({"name": "x", "description": "ask Jo Berg"}),
        ),
    ]);
    privacy(Policy::Pseudonymise, &[]).apply(catalogue, &mut bundle);
    let mut names: Vec<String> = bundle
        .documents
        .values()
        .filter_map(|d| d.text("name"))
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!text(&bundle).contains("Jo Berg"));
}

#[test]
fn gaps_and_the_selection_name_nobody() {
    let catalogue = Catalogue::builtin();
    let mut bundle = people();
    bundle.selection = vec!["user=ana@example.com".to_owned()];
    bundle.gaps = ["ana@example.com", "dan@example.com"]
        .map(|email| crate::bundle::Gap {
            kind: Kind::new("user"),
            object: Some(email.to_owned()),
            reason: format!("{email} is odd"),
        })
        .to_vec();
    privacy(Policy::Pseudonymise, &[]).apply(catalogue, &mut bundle);
    let said = format!("{:?} {:?}", bundle.selection, bundle.gaps);
    assert!(!said.contains("example.com"), "{said}");
}
