use serde_json::{Value, json};

use super::*;
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::permissions::Held;
use crate::plan::{Options, Plan, Planner, Rate};
use crate::testing::Org;

fn reference(object: &str) -> Value {
    json!({ "$ref": object })
}

fn person(email: &str, roles: &[&str]) -> Value {
    let grants = roles.iter().map(|role| {
        json!({"role": reference(&format!("auth_role/{role}")), "division": reference("auth_division/~home")})
    });
    json!({"name": email, "email": email, "state": "active", "division": reference("auth_division/~home"),
           "grants": grants.collect::<Vec<_>>()})
}

fn role(domain: &str) -> Value {
    json!({"permissions": [], "permissionPolicies": [
        {"domain": domain, "entityName": "queue", "actionSet": ["view", "edit"]}]})
}

/// A source with an agent, a coach, one who is away, and a queue.
fn source() -> Org {
    let mut org = Org::new("source", "Home");
    org.add("auth_role/Agent", role("routing"));
    org.add("auth_role/Coach", role("quality"));
    org.add("user/ann@x.test", person("ann@x.test", &["Agent"]));
    org.add("user/bob@x.test", person("bob@x.test", &["Agent", "Coach"]));
    let mut away = person("cid@x.test", &["Agent"]);
    away["state"] = "inactive".into();
    org.add("user/cid@x.test", away);
    org
}

fn planned(source: &Org, target: &Org) -> (Bundle, Plan) {
    let catalogue = Catalogue::builtin();
    let (bundle, _) = source.snapshot().to_bundle(catalogue, &BTreeMap::new());
    let options = Options {
        rate: Rate {
            tokens: 1,
            per_minute: 300,
        },
        prune: false,
        pins: BTreeMap::new(),
        ..Options::default()
    };
    let plan = Planner::new(catalogue, options).plan(&bundle, &target.snapshot());
    (bundle, plan)
}

fn demand(source: &Org, target: &Org) -> Demand {
    let (bundle, plan) = planned(source, target);
    Demand::new(Catalogue::builtin(), &bundle, &plan)
}

fn set<const N: usize>(names: [&str; N]) -> std::collections::BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// Answers every question: whoever may do something in `quality` needs the third licence.
fn answered(demand: &Demand) -> Facts {
    let inferred = demand.questions().into_iter().map(|question| {
        let is_coach = match &question {
            Question::Permissions(names) => names.iter().any(|name| name.starts_with("quality:")),
            Question::Roles(_) => false,
        };
        let licence = if is_coach { "cloudCX3" } else { "cloudCX1" };
        (question, Ok(set(["collaborate", licence])))
    });
    Facts {
        inferred: inferred.collect(),
        licences: Some(Ok(set(["collaborate", "cloudCX1", "cloudCX3"]))),
        charges: Some(Ok(charges(&[
            ("Genesys Cloud CX 1", 10, 3),
            ("cloudCX3", 1, 1),
            ("Genesys Collaborate", 2, 0),
        ]))),
        calls: 4,
        ..Facts::default()
    }
}

fn charges(of: &[(&str, u64, u64)]) -> Vec<Charge> {
    let charges = of.iter().map(|(name, paid, used)| {
        json!({"product": {"name": name, "sku": "GC-1"}, "prepaidQuantity": paid, "actualQuantity": used})
    });
    Charge::read(&json!({"charges": charges.collect::<Vec<_>>()}))
}

fn table(demand: &Demand, facts: &Facts) -> Table {
    Table::new(demand, facts, &Manual::new())
}

#[track_caller]
fn row<'t>(table: &'t Table, check: &Check) -> &'t Row {
    let found = table.rows.iter().find(|row| row.check == *check);
    found.unwrap_or_else(|| panic!("no row {check:?} in {:#?}", table.rows))
}

fn stands(table: &Table, licence: &str) -> (Option<u64>, Option<u64>, Verdict) {
    let row = row(table, &Check::Licence(licence.to_owned()));
    (row.required, row.available, row.verdict)
}

fn refused(status: u16, method: &str, path: &str) -> Unread {
    Unread::new(method, path, Some(status), format!("status {status}"))
}

#[test]
fn seats_are_those_of_the_active_users_that_come_and_of_what_their_roles_need_together() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    // Two sets of roles, none of which is there yet.
    assert_eq!(demand.questions().len(), 2);
    assert!(
        demand
            .questions()
            .iter()
            .all(|question| matches!(question, Question::Permissions(_)))
    );
    let table = table(&demand, &answered(&demand));
    assert_eq!(stands(&table, "cloudCX1"), (Some(1), Some(7), Verdict::Ok));
    assert_eq!(
        stands(&table, "cloudCX3"),
        (Some(1), Some(0), Verdict::Short)
    );
    assert_eq!(
        stands(&table, "collaborate"),
        (Some(2), Some(2), Verdict::Ok)
    );
    assert_eq!(table.verdict(), Verdict::Short);
    let short: Vec<String> = table.of(Verdict::Short).map(|row| row.check.id()).collect();
    assert_eq!(short, ["licence:cloudCX3"]);
    assert!(
        !row(&table, &Check::Licence("cloudCX3".into()))
            .advice
            .is_empty()
    );
}

#[test]
fn roles_that_are_there_and_stay_are_asked_about_by_id_and_known_holders_take_no_seat() {
    let source = source();
    let mut target = Org::new("target", "Home");
    target.add("auth_role/Agent", role("routing"));
    target.add("auth_role/Coach", role("quality"));
    target.add("user/ann@x.test", person("ann@x.test", &[]));
    let demand = demand(&source, &target);
    let asked = demand.questions();
    let both = [target.id("auth_role/Agent"), target.id("auth_role/Coach")];
    let agent = [target.id("auth_role/Agent")];
    assert_eq!(
        asked,
        [Question::Roles(both.into()), Question::Roles(agent.into())].into()
    );
    assert!(demand.has_known_users());
    let mut facts = answered(&demand);
    let rows = [json!({"id": target.id("user/ann@x.test"), "licenses": ["cloudCX1", 7]})];
    facts.holders = Some(Ok(holders(&rows)));
    let known = table(&demand, &facts);
    assert_eq!(stands(&known, "cloudCX1").0, Some(1));
    assert_eq!(stands(&known, "collaborate").0, Some(2));
    // Where that is not told, everybody counts, and the reason says so.
    facts.holders = Some(Err(refused(500, "GET", "/api/v2/license/users")));
    let table = table(&demand, &facts);
    assert_eq!(stands(&table, "cloudCX1").0, Some(2));
    let row = row(&table, &Check::Licence("cloudCX1".into()));
    assert!(
        row.reason.contains("/api/v2/license/users"),
        "{}",
        row.reason
    );
}

#[test]
fn roles_of_a_group_are_roles_of_its_members() {
    let mut source = Org::new("source", "Home");
    source.add("auth_role/Agent", role("routing"));
    source.add("user/ann@x.test", person("ann@x.test", &[]));
    let grants = json!([{"role": reference("auth_role/Agent"), "division": reference("auth_division/~home")}]);
    source.add(
        "group/Agents",
        json!({"type": "official", "visibility": "public", "rulesVisible": true, "rolesEnabled": true,
               "members": [reference("user/ann@x.test")], "grants": grants}),
    );
    let demand = demand(&source, &Org::new("target", "Home"));
    let wanted = Question::Permissions(set(["routing:queue:view", "routing:queue:edit"]));
    assert_eq!(demand.questions(), [wanted].into());
}

#[test]
fn nothing_is_asked_where_nobody_comes() {
    let source = source();
    let demand = demand(&source, &source);
    assert!(demand.questions().is_empty() && demand.namespaces().is_empty());
    let table = table(&demand, &Facts::default());
    assert_eq!(table.verdict(), Verdict::Ok);
}

#[test]
fn what_is_hidden_is_unknown_and_a_figure_by_hand_decides() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    let mut facts = answered(&demand);
    facts.charges = Some(Err(refused(403, "GET", "/api/v2/billing/contracts")));
    let hidden = table(&demand, &facts);
    assert_eq!(
        stands(&hidden, "cloudCX1"),
        (Some(1), None, Verdict::Unknown)
    );
    let found = row(&hidden, &Check::Licence("cloudCX1".into()));
    for word in ["billing:subscription:view", "--seats cloudCX1=N"] {
        assert!(found.advice.contains(word), "{}", found.advice);
    }
    assert_eq!(hidden.verdict(), Verdict::Unknown);
    let definitions = refused(403, "GET", "/api/v2/license/definitions");
    facts.licences = Some(Err(definitions));
    let blind = table(&demand, &facts);
    let found = row(&blind, &Check::Licence("cloudCX1".into()));
    for word in ["billing:subscription:view", "authorization:license:view"] {
        assert!(found.advice.contains(word), "{}", found.advice);
    }
    let manual = Manual::from([("cloudCX1".to_owned(), 0), ("collaborate".to_owned(), 9)]);
    let told = Table::new(&demand, &facts, &manual);
    assert_eq!(
        stands(&told, "cloudCX1"),
        (Some(1), Some(0), Verdict::Short)
    );
    assert_eq!(stands(&told, "collaborate").2, Verdict::Ok);
    assert_eq!(stands(&told, "cloudCX3").2, Verdict::Unknown);
}

#[test]
fn a_charge_that_names_no_licence_and_a_licence_that_the_org_lacks_are_told_apart() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    let mut facts = answered(&demand);
    facts.charges = Some(Ok(charges(&[("Something else", 9, 0)])));
    let other = table(&demand, &facts);
    assert_eq!(
        stands(&other, "cloudCX1"),
        (Some(1), None, Verdict::Unknown)
    );
    facts.licences = Some(Ok(set(["cloudCX3"])));
    let lacking = table(&demand, &facts);
    assert_eq!(
        stands(&lacking, "cloudCX1"),
        (Some(1), Some(0), Verdict::Short)
    );
}

#[test]
fn a_figure_for_a_licence_that_the_org_does_not_have_is_told() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    let facts = answered(&demand);
    let manual = Manual::from([("cloudCX2".to_owned(), 9), ("cloudCX1".to_owned(), 9)]);
    let told = Table::new(&demand, &facts, &manual);
    assert_eq!(stands(&told, "cloudCX1"), (Some(1), Some(9), Verdict::Ok));
    assert_eq!(
        stands(&told, "cloudCX2"),
        (Some(0), Some(9), Verdict::Unknown)
    );
    let found = row(&told, &Check::Licence("cloudCX2".into()));
    assert!(
        found
            .reason
            .contains("no licence of that name (did you mean"),
        "{}",
        found.reason
    );
}

#[test]
fn what_a_profile_gives_of_a_medium_is_held_against_the_org() {
    let media = |calls: u64| json!({"utilization": {"call": {"maximumCapacity": calls, "interruptableMediaTypes": [], "includeNonAcd": false}}});
    let mut source = source();
    let mut ann = person("ann@x.test", &["Agent"]);
    ann["utilization"] = media(3);
    source.add("user/ann@x.test", ann);
    let target = Org::new("target", "Home");
    let (bundle, plan) = planned(&source, &target);
    // The plan may bring the org's own, and then that holds.
    for (own, verdict) in [
        (Some(1), Verdict::Unknown),
        (Some(3), Verdict::Ok),
        (None, Verdict::Unknown),
    ] {
        let mut bundle = bundle.clone();
        bundle
            .documents
            .retain(|object, _| object.kind.as_str() != "routing_utilization");
        if let Some(own) = own {
            let Value::Object(body) = media(own) else {
                panic!("an object")
            };
            bundle.insert(crate::document::Portable {
                object: "routing_utilization/~settings".parse().expect("kind/key"),
                body,
                files: Default::default(),
            });
        }
        let demand = Demand::new(Catalogue::builtin(), &bundle, &plan);
        assert_eq!(demand.has_capacity(), own.is_none());
        let mut facts = answered(&demand);
        facts.capacity = own.is_none().then(|| Ok(capacities(&media(2))));
        let table = table(&demand, &facts);
        let found = row(&table, &Check::Capacity);
        assert_eq!(found.verdict, verdict, "{own:?}: {}", found.reason);
        if own.is_none() {
            let told = "3 call for user/ann@x.test, and 2 for the org";
            assert!(found.reason.contains(told), "{}", found.reason);
        }
    }
    let demand = Demand::new(Catalogue::builtin(), &bundle, &plan);
    let mut facts = answered(&demand);
    facts.capacity = Some(Err(refused(403, "GET", "/api/v2/routing/utilization")));
    let hidden = table(&demand, &facts);
    let found = row(&hidden, &Check::Capacity);
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(
        found.advice.contains("routing:utilization:view"),
        "{}",
        found.advice
    );
}

#[test]
fn more_used_than_paid_for_is_no_seat_and_damaged_charges_are_none() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    let mut facts = answered(&demand);
    facts.charges = Some(Ok(charges(&[("CLOUD-CX1", 1, 5)])));
    assert_eq!(stands(&table(&demand, &facts), "cloudCX1").1, Some(0));
    let odd = json!({"charges": [{"product": null}, 3, {"product": {"name": "cloudCX1"}, "prepaidQuantity": "many"}]});
    assert_eq!(Charge::read(&odd), []);
    assert_eq!(Charge::read(&json!("nonsense")), []);
}

#[test]
fn an_inference_that_is_refused_is_unknown_with_its_users() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    let mut facts = answered(&demand);
    let path = "/api/v2/license/infer/permissions";
    for answer in facts.inferred.values_mut() {
        *answer = Err(refused(403, "POST", path));
    }
    let table = table(&demand, &facts);
    let found = row(&table, &Check::Licences);
    assert_eq!((found.required, found.verdict), (Some(2), Verdict::Unknown));
    assert!(found.reason.contains(path), "{}", found.reason);
    assert!(
        found.advice.contains("authorization:license:view"),
        "{}",
        found.advice
    );
}

#[test]
fn what_the_source_says_of_its_roles_counts_but_a_licence_of_its_own_stops_nobody() {
    let demand = demand(&source(), &Org::new("target", "Home"));
    let mut facts = answered(&demand);
    facts.by_source = demand.questions();
    for question in demand.questions() {
        assert!(demand.roles_of(&question).count() > 0, "{question:?}");
    }
    let told = table(&demand, &facts);
    assert_eq!(stands(&told, "cloudCX3").2, Verdict::Short);
    let found = row(&told, &Check::Licence("cloudCX3".into()));
    assert!(
        found.reason.contains("as the source says"),
        "{}",
        found.reason
    );
    facts.licences = Some(Ok(set(["collaborate"])));
    let other = table(&demand, &facts);
    assert_eq!(
        stands(&other, "cloudCX1"),
        (Some(1), None, Verdict::Unknown)
    );
}

#[test]
fn at_a_glance_only_what_is_certain_is_short() {
    let rows: Vec<Value> = (0..5)
        .map(|id| json!({"id": id.to_string(), "licenses": ["cloudCX1", "other"]}))
        .collect();
    let held = holders(&rows);
    let glance = |inactive: u64, paid: u64| {
        let charges = charges(&[("cloudCX1", paid, paid)]);
        Table::at_a_glance("gold", "tenant", &held, inactive, &charges, 3)
    };
    let short = glance(0, 4).expect("five into four");
    assert_eq!(
        stands(&short, "cloudCX1"),
        (Some(5), Some(4), Verdict::Short)
    );
    assert_eq!(short.rows.len(), 1);
    // Those who hold it may be the inactive, and users may be there already.
    assert_eq!(glance(1, 4), None);
    assert_eq!(glance(0, 5), None);
}

#[test]
fn many_sets_of_roles_are_asked_about_role_by_role() {
    let mut source = Org::new("source", "Home");
    let names: Vec<String> = (0..8).map(|number| format!("Role {number}")).collect();
    for name in &names {
        source.add(&format!("auth_role/{name}"), role("routing"));
    }
    for number in 0..200_usize {
        let of = names.iter().enumerate();
        let of = of.filter(|(bit, _)| number >> bit & 1 == 1);
        let of: Vec<&str> = of.map(|(_, name)| name.as_str()).collect();
        let email = format!("u{number}@x.test");
        source.add(&format!("user/{email}"), person(&email, &of));
    }
    let demand = demand(&source, &Org::new("target", "Home"));
    // All eight give the same permissions; the ninth question is for who has no role.
    assert!(demand.questions().len() <= 9, "{:?}", demand.questions());
    let table = table(&demand, &answered(&demand));
    let found = row(&table, &Check::Licence("cloudCX1".into()));
    assert_eq!(found.required, Some(200));
    assert!(found.reason.contains("role by role"), "{}", found.reason);
}

#[test]
fn limits_are_held_against_what_is_there_and_what_comes() {
    let mut source = source();
    let member = |email: &str| json!({"user": reference(&format!("user/{email}"))});
    source.add(
        "routing_queue/Sales",
        json!({"division": reference("auth_division/~home"), "members": [member("ann@x.test"), member("bob@x.test")]}),
    );
    source.add(
        "routing_skill/Quotes",
        json!({"division": reference("auth_division/~home")}),
    );
    let mut target = Org::new("target", "Home");
    target.add(
        "routing_queue/Other",
        json!({"division": reference("auth_division/~home")}),
    );
    let demand = demand(&source, &target);
    for namespace in ["routing", "skills", "authorization", "directory"] {
        assert!(demand.namespaces().contains(namespace), "{namespace}");
    }
    let mut facts = answered(&demand);
    let limit = |key: &str, value: u64| json!({"key": key, "value": value});
    let routing =
        json!({"entities": [limit("queues.max", 1), limit("queue.members.max", 1), {"key": 4}]});
    facts.limits.insert("routing", Ok(limits_of(&routing)));
    facts.limits.insert(
        "skills",
        Ok(limits_of(&json!({"entities": [limit("skills.max", 7)]}))),
    );
    let denied = refused(
        403,
        "GET",
        "/api/v2/organizations/limits/namespaces/{namespaceName}",
    );
    facts.limits.insert("authorization", Err(denied));
    facts.limits.insert("directory", Ok(BTreeMap::new()));
    let table = table(&demand, &facts);
    let amounts = |check: &Check| {
        let row = row(&table, check);
        (row.required, row.available, row.verdict)
    };
    let queues = Check::Objects(Kind::new("routing_queue"));
    assert_eq!(amounts(&queues), (Some(1), Some(0), Verdict::Short));
    let skills = Check::Objects(Kind::new("routing_skill"));
    assert_eq!(amounts(&skills), (Some(1), Some(7), Verdict::Ok));
    assert_eq!(
        amounts(&Check::QueueMembers),
        (Some(2), Some(1), Verdict::Short)
    );
    assert!(
        row(&table, &Check::QueueMembers)
            .reason
            .contains("routing_queue/Sales")
    );
    let limits: Vec<&Row> = table
        .rows
        .iter()
        .filter(|row| row.check == Check::Limits)
        .collect();
    assert!(limits[0].advice.contains(LIMITS_PERMISSION), "{limits:#?}");
    assert!(limits[1].reason.contains("user"), "{limits:#?}");
    assert!(limits.iter().all(|row| row.verdict == Verdict::Unknown));
}

fn subject(policies: Value) -> Held {
    let role = json!({"policies": policies});
    Held::read(&json!({"grants": [{"division": {"id": "*"}, "role": role}]}))
}

#[test]
fn permissions_are_those_of_the_calls_of_the_plan() {
    let catalogue = Catalogue::builtin();
    let (bundle, plan) = planned(&source(), &Org::new("target", "Home"));
    let demand = Demand::new(catalogue, &bundle, &plan);
    let with = |lacks| {
        let facts = Facts {
            lacks: Some(lacks),
            ..Facts::default()
        };
        table(&demand, &facts)
    };
    let all = json!([{"domain": "*", "entityName": "*", "actions": ["*"]}]);
    let whole = with(Ok(subject(all.clone()).lacks(catalogue, &plan)));
    let found = row(&whole, &Check::Permissions);
    assert_eq!(
        (found.verdict, found.required),
        (Verdict::Ok, found.available)
    );
    let some = json!([{"domain": "authorization", "entityName": "*", "actions": ["*"]}]);
    let weak = with(Ok(subject(some).lacks(catalogue, &plan)));
    let found = row(&weak, &Check::Permissions);
    assert_eq!(found.verdict, Verdict::Short);
    assert!(
        found.reason.contains("directory:user:add (user)"),
        "{}",
        found.reason
    );
    // No queue is written, so nothing about queues is asked for.
    assert!(!found.reason.contains("routing:queue"), "{}", found.reason);
    let role = json!({"policies": all});
    let home = json!({"grants": [{"division": {"id": "1", "name": "Home"}, "role": role}]});
    let partly = with(Ok(Held::read(&home).lacks(catalogue, &plan)));
    let found = row(&partly, &Check::Permissions);
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(found.reason.contains("only in Home"), "{}", found.reason);
    let untold = with(Err(refused(
        404,
        "GET",
        "/api/v2/authorization/subjects/me",
    )));
    assert_eq!(row(&untold, &Check::Permissions).verdict, Verdict::Unknown);
}

#[test]
fn products_numbers_and_conflicts_stop_nobody() {
    let mut source = Org::new("source", "Home");
    source.add(
        "routing_skill/Quotes",
        json!({"division": reference("auth_division/~home")}),
    );
    let mut target = Org::new("target", "Home");
    let pool =
        json!({"startPhoneNumber": "+4930100", "endPhoneNumber": "+4930109", "provider": "X"});
    target.add(
        "telephony_providers_edges_did_pool/%2B4930100/%2B4930109",
        pool,
    );
    source.add(
        "architect_ivr/Hotline",
        json!({"division": reference("auth_division/~home"), "dnis": ["+4930100", "+4930101"]}),
    );
    let demand = demand(&source, &target);
    assert!(demand.has_numbers());
    let facts = Facts {
        products: Some(Ok([set(["routing", "outbound"]), set(["routing"])])),
        free_numbers: Some(Ok(1)),
        ..Facts::default()
    };
    let table = table(&demand, &facts);
    assert_eq!(table.verdict(), Verdict::Unknown);
    let products = row(&table, &Check::Products);
    assert_eq!((products.required, products.available), (Some(2), Some(1)));
    assert!(products.reason.contains("outbound"));
    let numbers = row(&table, &Check::Numbers);
    assert_eq!((numbers.required, numbers.available), (Some(2), Some(1)));
    assert_eq!(numbers.verdict, Verdict::Unknown);
}
