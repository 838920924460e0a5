//! Flows and bodies that people who never saw this project have written, cloned from org to org.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orgsmith_client::Call;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::{Files, Packed, Portable};
use orgsmith_core::flow::{self, i3};
use orgsmith_core::id::{Key, Kind, ObjectRef};
use orgsmith_core::plan::FLOW_SOURCE;
use orgsmith_core::validate::validate;
use serde_json::{Value, json};

use crate::blueprints::{
    Named, Source, fill, fixtures, import, is_yaml, named_by_export, named_by_yaml, placeholders,
};
use crate::lab::Lab;

/// Lists what every flow of an org uses, as dependency tracking knows it: types and names.
async fn consumed(lab: &Lab, org: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let client = lab.org(org).client;
    let mut found = BTreeMap::new();
    for shown in lab.sim.objects(org, "flow") {
        let sort = text(&shown["type"]);
        let known = flow::FlowType::parse(&sort).and_then(flow::FlowType::dependency);
        let call = Call::get("/api/v2/architect/dependencytracking/consumedresources")
            .query("id", text(&shown["id"]))
            .query("version", text(&shown["publishedVersion"]["id"]))
            .query("objectType", known.expect("a type"));
        let answer = client.send(call).await.expect("resources").body;
        let used = answer["entities"].as_array().expect("a list").iter();
        let used = used.map(|used| format!("{} {}", text(&used["type"]), text(&used["name"])));
        found.insert(format!("{sort} {}", text(&shown["name"])), used.collect());
    }
    found
}

/// Clones `gold` to `tenant`, whose home division has another name, and checks that all is there.
async fn expect_clone(
    lab: &Lab,
    flow_file: &str,
    named: &BTreeMap<String, Vec<Named>>,
) -> (Bundle, Vec<String>) {
    let gold = lab.export("gold").await;
    let gaps: Vec<String> = gold.gaps.iter().map(ToString::to_string).collect();
    assert!(gaps.is_empty(), "{gaps:#?}");
    let plan = lab.apply(&gold, "tenant").await;
    let again = lab.plan(&gold, "tenant").await;
    assert!(again.is_empty(), "{:#?}", again.steps);
    let resources = consumed(lab, "gold").await;
    assert_eq!(consumed(lab, "tenant").await, resources);
    for (flow, named) in named {
        for (kind, _, name) in named {
            // Dependency tracking knows no divisions and no scripts.
            let absent = ["auth_division", "script"].contains(kind);
            let used = resources[flow]
                .iter()
                .any(|used| used.ends_with(&format!(" {name}")));
            assert!(used || absent, "{flow} uses no {kind} {name}");
        }
    }

    let copy = lab.export("tenant").await;
    for (object, document) in &gold.documents {
        let arrived = &copy.documents[object];
        if object.kind.as_str() != "flow" {
            continue;
        }
        let text = |document: &Packed| {
            String::from_utf8(document.files[flow_file].to_vec()).expect("text")
        };
        let (sent, arrived) = (text(document), text(arrived));
        let expected: String = sent
            .split_inclusive('\n')
            .map(|line| match line.trim_end() {
                "  division: Home" => line.replace("Home", "Zentrale"),
                "  division: \"Home\"" => line.replace("Home", "Zentrale"),
                _ => line.to_owned(),
            })
            .collect();
        assert_eq!(arrived, expected, "{object}");
    }
    // A finding is told by its rule, its object, and the place with which its message begins.
    let said = plan.findings.iter().map(|finding| {
        let object = finding.object.as_ref().map(ToString::to_string);
        let place = finding.message.split(": ").next().unwrap_or_default();
        format!("{} {place} {}", object.unwrap_or_default(), finding.rule)
    });
    (gold, said.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blueprints_arrive_byte_for_byte_with_everything_that_they_name() {
    let files = fixtures();
    if files.is_empty() {
        return;
    }
    let lab = Lab::with_homes([("gold", "Home"), ("tenant", "Zentrale")]).await;
    let mut source = Source::new(&lab, "gold", &files);
    let flows: Vec<String> = files
        .iter()
        .filter(|(file, _)| is_yaml(file))
        .map(|(file, text)| fill(file, text))
        .collect();
    let with_names = |text: &String| (text.clone(), named_by_yaml(text));
    source.publish(flows.iter().map(with_names).collect()).await;
    let named = flows.iter().map(|text| {
        let scan = flow::scan(text).expect("a flow");
        (
            format!("{} {}", scan.flow_type.api(), scan.name),
            named_by_yaml(text),
        )
    });
    let named = named.collect();

    // The campaign of the blueprint, with its call analysis and its list. The edge group is of a
    // kind that the simulator lacks; no campaign is made switched on, it is turned on afterwards.
    let mut analysis = source.json("callAnalysisResponse.json");
    let connect = lab.id_of("gold", "flow", "name", "Proactive callback connect");
    analysis["responses"]["disposition.classification.callable.person"]["data"] = connect.into();
    let analysis = source.send("POST", "outbound/callanalysisresponsesets", analysis);
    let list = (
        "outbound_contact_list",
        String::new(),
        "Proactive callbacks".to_owned(),
    );
    let list = source.make(list).expect("the list");
    let mut campaign = source.json("campaign.json");
    campaign["contactList"]["id"] = list.into();
    campaign["callAnalysisResponseSet"]["id"] = analysis.into();
    campaign["campaignStatus"] = "off".into();
    let caller = source.json("config.json")["CallerID"].clone();
    campaign["callerName"] = caller["name"].clone();
    campaign["callerAddress"] = caller["number"].clone();
    campaign
        .as_object_mut()
        .expect("an object")
        .remove("edgeGroup");
    let campaign = source.send("POST", "outbound/campaigns", campaign);
    source.send(
        "POST",
        &format!("outbound/campaigns/{campaign}/start"),
        Value::Null,
    );

    let (gold, said) = expect_clone(&lab, FLOW_SOURCE, &named).await;
    let sent: BTreeSet<&[u8]> = flows.iter().map(String::as_bytes).collect();
    let exported: BTreeSet<&[u8]> = gold
        .documents
        .values()
        .filter_map(|document| document.files.get(FLOW_SOURCE))
        .map(|bytes| &**bytes)
        .collect();
    assert_eq!(exported, sent, "the export gives what was put in");
    let email = "flow/inboundemail/EmailAWSComprehendFlow";
    let absent: [String; 0] = [];
    let dynamic = format!("{email} flow.yaml:96 dynamic-reference");
    assert_eq!(said, [&[dynamic][..], &absent].concat());
    // Whoever has only the bundle is told the same; none of it is an error.
    let problems = validate(Catalogue::builtin(), &gold);
    let judged = problems.iter().map(|p| {
        let (file, line) = p.file.as_ref().zip(p.line).expect("a place in a source");
        format!("{} {file}:{line} {}", p.object, p.rule)
    });
    let dynamic = format!("{email} flow.yaml:96 flow-dynamic-reference");
    let judged: BTreeSet<String> = judged.collect();
    assert_eq!(
        judged,
        [&[dynamic][..], &absent].concat().into_iter().collect()
    );
    let campaign = &lab.sim.objects("tenant", "campaign")[0];
    assert_eq!(campaign["campaignStatus"], "off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfilled_template_is_refused_with_the_place_of_each_placeholder() {
    let files = fixtures();
    if files.is_empty() {
        return;
    }
    let lab = Lab::with_orgs(["tenant"]).await;
    let client = lab.org("tenant").client;
    let mut bundle = Bundle::default();
    let mut expected = BTreeMap::new();
    for (file, source) in files.iter().filter(|(file, _)| is_yaml(file)) {
        let open = placeholders(source);
        let Some(first) = open.first().cloned() else {
            continue;
        };
        let said = import(&client, source).await.expect_err(file);
        assert!(said.contains("is not filled in"), "{file}: {said}");

        let scan = flow::scan(source).expect("a flow");
        let key = Key::from_parts(&[scan.flow_type.folder(), &scan.name]);
        let object = ObjectRef::new(Kind::new("flow"), key);
        let body = json!({"name": scan.name, "type": scan.flow_type.api()});
        let document = Portable {
            object: object.clone(),
            body: body.as_object().expect("an object").clone(),
            files: [(FLOW_SOURCE.to_owned(), source.as_bytes().into())].into(),
        };
        bundle.insert(document);
        expected.insert(object, (first, open));
    }

    let problems = validate(Catalogue::builtin(), &bundle);
    for (object, (_, open)) in &expected {
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        for problem in &problems {
            if problem.object == *object && problem.rule == "flow-placeholder" {
                assert_eq!(problem.file.as_deref(), Some(FLOW_SOURCE));
                let text = problem.message.split(' ').nth(2).expect("a placeholder");
                let at = problem.line.zip(problem.column).expect("a place");
                found.push((at.0, at.1, text.to_owned()));
            }
        }
        found.sort();
        assert_eq!(found, *open, "{object}");
    }
    // An exported data action is a template, too.
    let action: Value =
        serde_json::from_str(&files["Add-contact-to-contact-list.custom.json"]).expect("JSON");
    let object: ObjectRef = "integration_action/any/Add".parse().expect("a reference");
    let document = Portable {
        object: object.clone(),
        body: action.as_object().expect("an object").clone(),
        files: Files::new(),
    };
    let alone = Bundle {
        documents: [(object, document.into())].into(),
        ..Bundle::default()
    };
    let problems = validate(Catalogue::builtin(), &alone);
    let found: Vec<(&str, String)> = problems
        .iter()
        .filter(|problem| problem.rule == "placeholder")
        .map(|problem| (problem.pointer.as_str(), problem.to_string()))
        .collect();
    let told = |name: &str| format!("the placeholder {name} is not filled in");
    assert_eq!(
        found,
        [
            ("/category", told("<integrationName>")),
            ("/integrationId", told("<integrationId>"))
        ]
    );
    // Whoever plans in spite of it is told the first place, and nothing is written.
    let plan = lab.plan(&bundle, "tenant").await;
    assert!(plan.is_empty(), "{:#?}", plan.steps);
    let conflicts: Vec<(String, String)> = plan
        .conflicts
        .iter()
        .map(|conflict| (conflict.object.to_string(), conflict.reason.clone()))
        .collect();
    let told: Vec<(String, String)> = expected
        .iter()
        .map(|(object, ((line, column, text), _))| {
            let place = format!("{FLOW_SOURCE}:{line}:{column}");
            let reason = format!("{place}: the placeholder {text} is not filled in");
            (object.to_string(), reason)
        })
        .collect();
    assert_eq!(conflicts, told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flows_that_come_only_as_architect_files_arrive_as_they_are() {
    let files = fixtures();
    if files.is_empty() {
        return;
    }
    let homes = [("gold", "Home"), ("tenant", "Zentrale"), ("third", "Home")];
    let lab = Lab::with_homes(homes).await;
    let mut source = Source::new(&lab, "gold", &files);
    let exports: Vec<(&String, Vec<Named>)> = files
        .iter()
        .filter(|(file, _)| file.contains(".i3"))
        .map(|(_, text)| (text, named_by_export(text)))
        .collect();
    let flows = exports
        .iter()
        .map(|(text, named)| ((*text).clone(), named.clone()));
    source.publish(flows.collect()).await;
    let named = exports.iter().map(|(text, named)| {
        let manifest = i3::manifest(text.as_bytes()).expect("an export");
        (
            format!("{} {}", manifest.flow_type.api(), manifest.name),
            named.clone(),
        )
    });

    // Such a file does not say its division.
    let elsewhere = ("auth_division", String::new(), "New Home".to_owned());
    let elsewhere = source.make(elsewhere).expect("a division");
    let moved = lab.id_of("gold", "flow", "name", "Blacklist");
    let path = format!("authorization/divisions/{elsewhere}/objects/FLOW");
    source.send("POST", &path, json!([moved]));

    let (gold, said) = expect_clone(&lab, i3::FILE, &named.collect()).await;
    let sent: BTreeSet<&[u8]> = exports.iter().map(|(text, _)| text.as_bytes()).collect();
    let exported: BTreeSet<&[u8]> = gold
        .documents
        .values()
        .filter_map(|document| document.files.get(i3::FILE))
        .map(|bytes| &**bytes)
        .collect();
    assert_eq!(exported, sent, "the export gives what was put in");
    assert_eq!(said.len(), exports.len(), "{said:#?}");
    assert!(
        said.iter().all(|said| said.ends_with(" ids-in-source")),
        "{said:#?}"
    );
    assert_eq!(validate(Catalogue::builtin(), &gold), []);
    let flows = lab.sim.objects("tenant", "flow");
    let moved = flows.iter().find(|flow| flow["name"] == "Blacklist");
    assert_eq!(moved.expect("the flow")["division"]["name"], "New Home");

    // A file of the bundle like any other, and what it uses must be there.
    let zip = Path::new(env!("CARGO_TARGET_TMPDIR")).join("architect-files.zip");
    orgsmith_store::bundle::write_zip(&gold, &zip).expect("written");
    let mut read = orgsmith_store::bundle::read(&zip).expect("a bundle").bundle;
    std::fs::remove_file(zip).expect("removed");
    assert_eq!(read.documents, gold.documents);
    let queue: ObjectRef = "routing_queue/Brian - Care".parse().expect("a reference");
    read.documents.remove(&queue).expect("the queue");
    let plan = lab.plan(&read, "third").await;
    let told: Vec<String> = plan
        .conflicts
        .iter()
        .map(|c| c.object.to_string())
        .collect();
    assert_eq!(
        told,
        [
            "flow/inqueuecall/Proactive callbacks",
            "flow/outboundcall/Brian - virtual hold"
        ]
    );
    assert!(plan.conflicts[0].reason.contains(&queue.to_string()));
}
