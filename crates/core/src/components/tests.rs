use serde_json::{Value, json};

use super::{Expanded, expand};
use crate::bundle::Bundle;
use crate::document::{Files, Portable};
use crate::id::ObjectRef;

fn bundle(documents: &[(&str, Value)]) -> Bundle {
    let mut bundle = Bundle::default();
    for (object, body) in documents {
        bundle.insert(Portable {
            object: object.parse().expect("a reference"),
            body: body.as_object().cloned().expect("a mapping"),
            files: Files::new(),
        });
    }
    bundle
}

fn team() -> Value {
    json!({
        "parameters": {
            "name": {},
            "acw_ms": {"type": "integer", "default": 10000},
            "members": {"type": "list", "default": []},
        },
        "objects": {
            "routing_skill/${param.name}": {"name": "${param.name}"},
            "routing_queue/${param.name}": {
                "name": "${param.name}",
                "description": "Waits ${param.acw_ms} ms; ${input.x} and $!{y} are not ours",
                "acwSettings": {"timeoutMs": {"$param": "acw_ms"}},
                "members": {"$param": "members"},
                "queueFlow": {"$ref": "flow/inqueuecall/${param.name}"},
            },
            "flow/inqueuecall/${param.name}": {
                "name": "${param.name}",
                "type": "INQUEUECALL",
                "$files": {"flow.yaml": "inqueueCall:\n  name: ${param.name}\n"},
            },
        },
    })
}

fn instance(parameters: Value) -> Value {
    json!({"component": {"$ref": "component/Team"}, "parameters": parameters})
}

fn told(expanded: &Expanded) -> Vec<String> {
    let problems = expanded.problems.iter();
    problems
        .map(|problem| format!("{} {}: {problem}", problem.object, problem.pointer))
        .collect()
}

#[test]
fn each_instance_becomes_the_objects_of_its_component() {
    let member = json!([{"user": {"$ref": "user/ana@a.example"}}]);
    let mut bundle = bundle(&[
        ("component/Team", team()),
        (
            "instance/Billing",
            instance(json!({"name": "Billing/Payments", "members": member})),
        ),
        (
            "instance/Claims",
            instance(json!({"name": "Claims", "acw_ms": 500})),
        ),
    ]);
    let expanded = expand(&mut bundle);
    assert_eq!(told(&expanded), Vec::<String>::new());
    let objects: Vec<String> = bundle.documents.keys().map(ToString::to_string).collect();
    assert_eq!(
        objects,
        [
            "flow/inqueuecall/Billing%2FPayments",
            "flow/inqueuecall/Claims",
            "routing_queue/Billing%2FPayments",
            "routing_queue/Claims",
            "routing_skill/Billing%2FPayments",
            "routing_skill/Claims",
        ]
    );
    let open =
        |object: &str| bundle.documents[&object.parse::<ObjectRef>().expect("a reference")].open();
    assert_eq!(
        Value::Object(open("routing_queue/Billing%2FPayments").body),
        json!({
            "name": "Billing/Payments",
            "description": "Waits 10000 ms; ${input.x} and $!{y} are not ours",
            "acwSettings": {"timeoutMs": 10000},
            "members": member,
            "queueFlow": {"$ref": "flow/inqueuecall/Billing%2FPayments"},
        })
    );
    let flow = open("flow/inqueuecall/Claims");
    assert_eq!(&*flow.files["flow.yaml"], b"inqueueCall:\n  name: Claims\n");
    assert!(!flow.body.contains_key("$files"));
    let origin = &expanded.origins[&"routing_queue/Claims".parse().expect("a reference")];
    assert_eq!(origin.instance.to_string(), "instance/Claims");
    assert_eq!(origin.pointer, "/objects/routing_queue~1${param.name}");
}

#[test]
fn what_is_wrong_points_to_the_instance_or_to_the_component() {
    let mut bad = team();
    bad["objects"]["routing_skill/${param.nam}"] = json!({"name": "x"});
    bad["parameters"]["acw_ms"]["default"] = json!("soon");
    bad["parameters"]["members"]["type"] = json!("lists");
    bad["object"] = json!({});
    bad["objects"]["skill"] = json!({});
    let mut bundle = bundle(&[
        ("component/Team", team()),
        ("component/Bad", bad),
        ("routing_skill/Taken", json!({"name": "Taken"})),
        (
            "instance/A",
            json!({"component": {"$ref": "component/Taem"}}),
        ),
        (
            "instance/B",
            instance(json!({"nam": "B", "acw_ms": "soon"})),
        ),
        ("instance/C", instance(json!({"name": "Taken"}))),
        ("instance/D", instance(json!({"name": "Twice"}))),
        ("instance/E", instance(json!({"name": "Twice"}))),
        ("instance/F", json!({"component": "Team"})),
        ("instance/G", instance(json!({"name": {"$var": "name"}}))),
    ]);
    let expanded = expand(&mut bundle);
    insta::assert_snapshot!(told(&expanded).join("\n"), @r#"
component/Bad /object: a component has no field "object" (did you mean "objects"?)
component/Bad /objects/routing_skill~1${param.nam}: no parameter is called "nam" (did you mean "name"?)
component/Bad /objects/skill: expected kind/name, found "skill"
component/Bad /parameters/acw_ms: the default of acw_ms: it is "soon", and should be a whole number
component/Bad /parameters/members: the parameter members: unknown variant `lists`, expected one of `string`, `number`, `integer`, `boolean`, `url`, `host`, `email`, `phone`, `list`, `object`
instance/A /component: there is no component/Taem (did you mean "component/Team"?)
instance/B : component/Team needs the parameter "name"
instance/B /parameters/acw_ms: the parameter acw_ms: it is "soon", and should be a whole number
instance/B /parameters/nam: component/Team has no parameter "nam" (did you mean "name"?)
instance/C /parameters: makes routing_skill/Taken, which a file of the bundle has too; choose another parameter
instance/E /parameters: makes flow/inqueuecall/Twice, which instance/D makes too; choose another parameter
instance/E /parameters: makes routing_queue/Twice, which instance/D makes too; choose another parameter
instance/E /parameters: makes routing_skill/Twice, which instance/D makes too; choose another parameter
instance/F : an instance names its component: {$ref: "component/name"}
instance/G /parameters: flow/inqueuecall/${param.name} of component/Team: the parameter name is {"$var":"name"}, which cannot stand inside a text; write {$param: name}
instance/G /parameters: routing_queue/${param.name} of component/Team: the parameter name is {"$var":"name"}, which cannot stand inside a text; write {$param: name}
instance/G /parameters: routing_skill/${param.name} of component/Team: the parameter name is {"$var":"name"}, which cannot stand inside a text; write {$param: name}
"#);
    assert!(
        bundle
            .documents
            .keys()
            .all(|object| !["component", "instance"].contains(&object.kind.as_str()))
    );
}

#[test]
fn a_variable_of_a_target_may_be_a_whole_value() {
    let mut bundle = bundle(&[
        ("component/Team", team()),
        (
            "instance/A",
            instance(json!({"name": "A", "acw_ms": {"$var": "acw"}})),
        ),
    ]);
    let expanded = expand(&mut bundle);
    // It stands inside a text as well, and there it is none.
    assert_eq!(expanded.problems.len(), 1, "{:?}", told(&expanded));
}
