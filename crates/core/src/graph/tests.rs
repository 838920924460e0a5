use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Direction, Graph, layout};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Files, Portable};
use crate::id::ObjectRef;
use crate::plan::FLOW_SOURCE;
use crate::render::{Detail, Drawing, graph_dot, graph_json, graph_screen, graph_svg};

fn graph(documents: &[(&str, Value)], flows: &[(&str, &str)]) -> Graph {
    Graph::new(Catalogue::builtin(), &bundle(documents, flows))
}

fn bundle(documents: &[(&str, Value)], flows: &[(&str, &str)]) -> Bundle {
    let mut bundle = Bundle::default();
    let documents = documents.iter().map(|(o, body)| (*o, body.clone(), None));
    let flows = flows.iter().map(|(o, source)| {
        let name = o.rsplit('/').next();
        (*o, json!({"name": name}), Some(*source))
    });
    for (object, body, source) in documents.chain(flows) {
        let object: ObjectRef = object.parse().expect("a reference");
        let Value::Object(body) = body else {
            panic!("{body} is no object")
        };
        let mut files = Files::new();
        if let Some(source) = source {
            files.insert(FLOW_SOURCE.to_owned(), source.as_bytes().into());
        }
        bundle.insert(Portable {
            object,
            body,
            files,
        });
    }
    bundle
}

fn reference(object: &str) -> Value {
    json!({ "$ref": object })
}

/// A queue and a flow that need each other, and what they need besides.
fn example() -> Graph {
    graph(
        &[
            ("auth_division/Sales", json!({"name": "Sales"})),
            (
                "routing_queue/Quotes \"<b>\" & a very long name that no box holds",
                json!({
                    "name": "Quotes \"<b>\" & a very long name that no box holds",
                    "division": reference("auth_division/Sales"),
                    "queueFlow": reference("flow/inqueuecall/Wait"),
                    "members": [
                        {"user": reference("user/jo@example.com")},
                        {"user": reference("user/al@example.com")},
                    ],
                }),
            ),
            (
                "user/jo@example.com",
                json!({"name": "Jo", "division": reference("auth_division/Sales")}),
            ),
            ("group/Alone", json!({"name": "Alone"})),
        ],
        &[(
            "flow/inqueuecall/Wait",
            "inqueueCall:\n  name: Wait\n  defaultLanguage: en-us\n  tasks:\n    - task:\n        \
             name: T\n        actions:\n          - transferToAcd:\n              name: Back\n              \
             targetQueue:\n                lit:\n                  \
             name: 'Quotes \"<b>\" & a very long name that no box holds'\n",
        )],
    )
}

fn objects(graph: &Graph, nodes: &BTreeSet<usize>) -> Vec<String> {
    let nodes = nodes.iter().map(|node| graph.nodes[*node].title.clone());
    nodes.collect()
}

fn place(graph: &Graph, object: &str) -> usize {
    let object = object.parse().expect("a reference");
    graph.place(&object).expect("it is in the graph")
}

#[test]
fn references_are_found_with_their_places_and_circles() {
    let json = serde_json::to_string_pretty(&graph_json(&example())).expect("JSON");
    insta::assert_snapshot!("json", json);
}

#[test]
fn what_is_needed_and_what_needs_it_are_reached() {
    let graph = example();
    let from = place(&graph, "user/jo@example.com");
    let needs = graph.reach([from], Direction::Needs);
    assert_eq!(objects(&graph, &needs), ["Sales", "Jo"]);
    let needed = graph.reach([from], Direction::NeededBy);
    let needed = objects(&graph, &needed);
    assert_eq!(
        (needed.len(), needed[0].as_str()),
        (3, "Wait"),
        "{needed:?}"
    );
    let part = graph.part(&needs);
    assert_eq!((part.nodes.len(), part.edges.len()), (2, 1));
}

#[test]
fn a_user_is_seen_with_what_they_belong_to_and_nobody_else() {
    let user = |name: &str| json!({"user": reference(&format!("user/{name}"))});
    let mut second = user("jo");
    second["ringNumber"] = json!(2);
    second["joined"] = json!(true);
    let documents = [
        ("user/jo", json!({"name": "Jo"})),
        (
            "routing_queue/A",
            json!({"name": "A", "members": [second, user("al")]}),
        ),
        (
            "routing_queue/B",
            json!({"name": "B", "members": [user("al")]}),
        ),
        (
            "group/C",
            json!({"name": "C", "owners": [reference("user/jo")],
            "members": [reference("user/al"), reference("user/jo")]}),
        ),
        (
            "team/D",
            json!({"name": "D", "members": {"$has": [reference("user/jo")]}}),
        ),
    ];
    let bundle = bundle(&documents, &[]);
    let jo: ObjectRef = "user/jo".parse().expect("a reference");
    let graph = Graph::around(Catalogue::builtin(), &bundle, &BTreeSet::from([jo]));
    let found = graph.edges.iter().map(|edge| {
        let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
        let said = edge.member.clone().map(Value::from);
        (
            from.title.as_str(),
            to.title.as_str(),
            edge.paths.join(" "),
            said,
        )
    });
    let said = |text: &str, value: Value| (text.to_owned(), Some(value));
    let [(c, of_c), (a, of_a), (d, of_d)] = [
        said("members[] owners[]", json!({})),
        said("members[].user", json!({"ringNumber": 2})),
        said("members[]", json!({})),
    ];
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            ("C", "Jo", c, of_c),
            ("A", "Jo", a, of_a),
            ("D", "Jo", d, of_d)
        ],
        "those of others are left out"
    );
    let held = graph.holders(&BTreeSet::from([place(&graph, "user/jo")]));
    assert_eq!(objects(&graph, &held), ["C", "A", "D"]);
    let all = Graph::new(Catalogue::builtin(), &bundle);
    assert_eq!(all.edges.len(), 6);
}

#[test]
fn a_station_is_seen_as_the_phone_that_it_comes_with() {
    let phone = "telephony_providers_edges_phone";
    let default = |name: &str| json!({"defaultStation": reference(&format!("station/{name}"))});
    let graph = graph(
        &[
            ("user/jane", json!({"station": default("Jane")})),
            ("user/tom", json!({"station": default("Desk 7")})),
            (
                &format!("{phone}/Jane"),
                json!({"webRtcUser": reference("user/jane")}),
            ),
            (&format!("{phone}/Desk 7"), json!({})),
        ],
        &[],
    );
    let (own, desk) = (format!("{phone}/Jane"), format!("{phone}/Desk 7"));
    let (own, desk) = (place(&graph, &own), place(&graph, &desk));
    let (jane, tom) = (place(&graph, "user/jane"), place(&graph, "user/tom"));
    let mut edges: Vec<(usize, usize)> = graph.edges.iter().map(|e| (e.from, e.to)).collect();
    edges.sort_unstable();
    let mut expected = vec![(own, jane), (tom, desk)];
    expected.sort_unstable();
    assert_eq!(edges, expected, "and there is no circle");
    assert_eq!(graph.nodes.len(), 4);
}

#[test]
fn an_object_may_refer_to_itself() {
    let body = json!({"name": "A", "queue": reference("routing_queue/A")});
    let graph = graph(&[("routing_queue/A", body)], &[]);
    assert_eq!(graph.cycles, [[0]]);
    let drawing = Drawing {
        title: "A",
        families: &[],
        about: None,
    };
    assert!(graph_svg(&graph, &drawing).contains("class=\"line cycle\""));
}

#[test]
fn columns_go_from_what_refers_to_what_is_referred_to() {
    let graph = example();
    let layout = layout(&graph);
    let circle: BTreeSet<usize> = graph.cycles.concat().into_iter().collect();
    for edge in &graph.edges {
        let (from, to) = (layout.nodes[edge.from], layout.nodes[edge.to]);
        if circle.contains(&edge.from) && circle.contains(&edge.to) {
            assert_eq!(from.column, to.column);
        } else {
            assert!(from.column < to.column, "{edge:?}");
        }
    }
    for (index, one) in layout.nodes.iter().enumerate() {
        for other in &layout.nodes[..index] {
            let apart = one.column != other.column || (one.y - other.y).abs() > 0.99;
            assert!(apart, "two boxes lie on each other: {layout:?}");
        }
    }
}

#[test]
fn a_graph_as_people_read_it() {
    let graph = example();
    insta::assert_snapshot!("screen", graph_screen(&graph, Detail::Objects).to_plain());
    insta::assert_snapshot!("dot", graph_dot(&graph));
}

#[test]
fn a_drawing_holds_names_as_text_and_fetches_nothing() {
    let graph = example();
    let families = ["authorization".to_owned(), "routing".to_owned()];
    let drawing = Drawing {
        title: "References of <gold>",
        families: &families,
        about: Some(0),
    };
    let svg = graph_svg(&graph, &drawing);
    assert!(!svg.contains("<b>") && !svg.contains("<gold>"), "{svg}");
    assert!(
        svg.contains("Quotes &quot;&lt;b&gt;&quot; &amp; a ve"),
        "{svg}"
    );
    let rest = svg.replace("http://www.w3.org/2000/svg", "");
    assert!(!rest.contains("http"), "{svg}");
    insta::assert_snapshot!("svg", svg);
}

#[test]
fn nothing_makes_an_empty_drawing() {
    let drawing = Drawing {
        title: "",
        families: &[],
        about: None,
    };
    let svg = graph_svg(&Graph::default(), &drawing);
    assert!(svg.ends_with("</svg>\n"));
}
