//! Components: expanded before anything else, and errors that point to the instance.

use insta::assert_snapshot;

use crate::lab::{Lab, example};

#[test]
fn the_example_is_planned_and_applied_like_any_bundle() {
    let lab = Lab::new();
    let bundle = example("components");
    lab.run(&["validate", &bundle]).ends(0);
    lab.run(&["lint", &bundle, "--deny", "warning"]).ends(0);
    lab.run(&["clone", &bundle, "gold", "--yes"]).ends(0);
    let queues = lab.sim.objects("gold", "queue");
    let mut told: Vec<_> = queues
        .iter()
        .map(|queue| queue["description"].as_str().expect("a text"))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "Calls for Billing; after-call work of 30 s",
            "Calls for Claims; after-call work of 90 s",
        ]
    );
    let again = lab
        .run(&["plan", &bundle, "--to", "gold", "-o", "json"])
        .ends(0);
    let plan: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(plan["steps"], serde_json::json!([]), "{again}");
}

#[test]
fn errors_point_to_the_instance_and_to_the_template() {
    let lab = Lab::new();
    lab.write(
        "bad/component/Team.yaml",
        "parameters:\n  name: {}\n  acw_ms: {type: integer, default: 1}\nobjects:\n  \
         routing_queue/${param.name}:\n    name: ${param.name}\n    descripton: x\n  \
         flow/inqueuecall/${param.name}:\n    name: ${param.name}\n    type: INQUEUECALL\n    \
         $files:\n      flow.yaml: |\n        inqueueCall:\n          name: Other\n",
    );
    lab.write(
        "bad/instance/Claims.yaml",
        "component: {$ref: component/Team}\nparameters:\n  name: Claims\n",
    );
    assert_snapshot!("in_an_object", lab.run(&["validate", "bad"]).ends(1));
    lab.write(
        "bad/instance/Billing.yaml",
        "component: {$ref: component/Team}\nparameters:\n  name: Billing\n  acw_mss: 2\n",
    );
    assert_snapshot!(
        "in_an_instance",
        lab.run(&["plan", "bad", "--to", "gold"]).ends(1)
    );
    assert_eq!(lab.sim.ledger().len(), 0, "nothing is sent");
}
