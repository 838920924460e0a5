//! Targets that are not empty.

use std::collections::BTreeSet;

use orgsmith_client::Call;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::plan::{Action, pre_image};
use serde_json::json;

use crate::lab::{Lab, example, sketch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partly_filled_org_with_another_home_division_is_brought_in_line() {
    let lab = Lab::with_homes([("gold", "Home"), ("tenant", "Mandant West")]).await;
    lab.apply(&example("gold-org"), "gold").await;
    lab.apply(&example("tenant"), "tenant").await;
    let gold = lab.export("gold").await;
    let plan = lab.apply(&gold, "tenant").await;
    let updated: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Update)
        .map(|step| step.object.to_string())
        .collect();
    assert!(
        updated.iter().any(|object| object.starts_with("user/")),
        "{updated:?}"
    );
    assert!(
        updated
            .iter()
            .any(|object| object.starts_with("routing_queue/")),
        "{updated:?}"
    );
    let again = lab.plan(&gold, "tenant").await;
    assert!(again.is_empty(), "{:#?}", again.steps);
    let homes = lab.sim.objects("tenant", "division");
    assert!(
        homes.iter().any(|home| home["name"] == "Mandant West"),
        "the name is left alone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_is_restored_not_doubled() {
    let lab = Lab::with_orgs(["gold"]).await;
    let bundle = sketch();
    lab.apply(&bundle, "gold").await;
    let id = lab.id_of("gold", "user", "email", "ana@example.com");
    lab.sim
        .seed(
            "gold",
            "DELETE",
            &format!("/api/v2/users/{id}"),
            json!(null),
        )
        .expect("deleted");
    let plan = lab.apply(&bundle, "gold").await;
    assert!(
        plan.steps.iter().any(|step| step.action == Action::Adopt),
        "{:#?}",
        plan.steps
    );
    assert_eq!(lab.id_of("gold", "user", "email", "ana@example.com"), id);
    assert!(lab.plan(&bundle, "gold").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_moved_since_the_plan_is_left_alone() {
    let lab = Lab::with_orgs(["gold"]).await;
    let mut bundle = sketch();
    lab.apply(&bundle, "gold").await;
    crate::lab::edit(
        &mut bundle,
        "routing_queue/Billing",
        "description",
        json!("ours"),
    );
    let plan = lab.plan(&bundle, "gold").await;
    assert_eq!(plan.steps.len(), 1);
    let id = lab.id_of("gold", "queue", "name", "Billing");
    let mut live = lab
        .sim
        .objects("gold", "queue")
        .into_iter()
        .find(|queue| queue["id"] == json!(id))
        .expect("the queue");
    live["description"] = json!("theirs");
    let path = format!("/api/v2/routing/queues/{id}");
    lab.sim
        .seed("gold", "PUT", &path, live)
        .expect("somebody else's change");
    let finished = lab.run(&plan, "gold").await;
    assert_eq!(finished.outcome.of(orgsmith_engine::Cause::Moved), 1);
    let queue = lab
        .sim
        .objects("gold", "queue")
        .into_iter()
        .find(|queue| queue["id"] == json!(id));
    assert_eq!(queue.expect("the queue")["description"], "theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_in_one_org_exclude_each_other() {
    use orgsmith_store::state::Owner;
    let lab = Lab::with_orgs(["gold"]).await;
    let org = orgsmith_core::id::OrgName::new("gold");
    let other = Owner::new("somebody else");
    let now = orgsmith_engine::now_ms();
    lab.state
        .acquire(&org, &other, 60_000, now)
        .await
        .expect("a lock");
    let plan = lab.plan(&sketch(), "gold").await;
    let error = lab.try_run(&plan, "gold").await.expect_err("locked");
    assert!(error.to_string().contains("somebody else"), "{error}");
    assert_eq!(lab.writes("gold").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_a_process_that_died_is_not_waited_for() {
    use orgsmith_store::state::Owner;
    let lab = Lab::with_orgs(["gold"]).await;
    let org = orgsmith_core::id::OrgName::new("gold");
    let now = orgsmith_engine::now_ms();
    lab.state
        .acquire(&org, &Owner::new("the dead"), 60_000, now)
        .await
        .expect("a lock");
    let plan = lab.plan(&sketch(), "gold").await;
    assert!(lab.run(&plan, "gold").await.outcome.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_also_comes_by_a_group_arrives_as_both() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    let mut bundle = sketch();
    lab.apply(&bundle, "gold").await;
    // Ana is a member of the queue already when her group joins it.
    let groups = json!([{"$ref": "group/Backup"}]);
    crate::lab::edit(&mut bundle, "routing_queue/Billing", "memberGroups", groups);
    lab.apply(&bundle, "gold").await;
    let gold = lab.export("gold").await;
    lab.apply(&gold, "tenant").await;
    assert!(lab.plan(&gold, "tenant").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_row_and_the_object_that_is_read_have_one_pre_image() {
    let lab = Lab::with_orgs(["gold"]).await;
    lab.apply(&example("gold-org"), "gold").await;
    let (snapshot, org) = (lab.read("gold").await, lab.org("gold"));
    let mut compared = BTreeSet::new();
    for (kind, objects) in &snapshot.objects {
        let descriptor = Catalogue::builtin().get(kind.as_str()).expect("a kind");
        let Some(read) = &descriptor.read else {
            continue;
        };
        for object in objects {
            let (before, rest) = read.path.split_once('{').unwrap_or((&read.path, "}"));
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            let id = if descriptor.singleton {
                ""
            } else {
                object.id.as_str()
            };
            let mut call = Call::get(format!("{before}{id}{after}"));
            for (name, values) in &read.query {
                for value in values.split(',') {
                    call = call.query(name, value);
                }
            }
            let live = org.client.send(call).await.expect("an answer").body;
            assert_eq!(
                pre_image(descriptor, &live),
                pre_image(descriptor, &object.body()),
                "{kind}\nread {live:#}\nlisted {:#}",
                object.body()
            );
            compared.insert(kind.as_str());
        }
    }
    assert!(compared.len() > 20, "{compared:?}");
}
