//! `orgsmith graph`

use std::fs;

use insta::assert_snapshot;

use crate::lab::{Lab, example};

#[test]
fn a_graph_of_a_bundle_and_of_the_org_made_of_it_are_the_same() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let shown = lab.run(&["graph", "sketch"]).ends(0);
    assert_snapshot!("graph", shown);
    lab.run(&["apply", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    let of = ["--of", "skill/quotes", "-o", "json"];
    let bundle = lab.run(&[&["graph", "sketch"], &of[..]].concat()).ends(0);
    let org = lab.run(&[&["graph", "gold"], &of[..]].concat()).ends(0);
    assert_eq!(bundle.stdout, org.stdout);
    assert_snapshot!("graph_json", bundle.stdout);
}

#[test]
fn what_depends_on_an_object_is_found_the_other_way() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let of = ["graph", "sketch", "--of", "division/Sales"];
    let shown = lab.run(&of).ends(0);
    assert!(!shown.stdout.contains("Quotes"), "{shown}");
    let shown = lab.run(&[&of[..], &["--reverse"]].concat()).ends(0);
    assert!(
        shown.stdout.contains("Quotes") && shown.stdout.contains("Renewals"),
        "{shown}"
    );
    let none = ["--reverse", "--exclude", "division=Sales"];
    let shown = lab.run(&[&of[..], &none].concat()).ends(0);
    assert!(!shown.stdout.contains("Renewals"), "{shown}");
    let less = ["--reverse", "--exclude", "skill=Quotes"];
    let shown = lab.run(&[&of[..], &less].concat()).ends(0);
    assert!(
        !shown.stdout.contains("Quotes") && shown.stdout.contains("Renewals"),
        "{shown}"
    );
}

#[test]
fn a_drawing_shows_circles_and_fetches_nothing() {
    let lab = Lab::new();
    let gold = example("gold-org");
    let of = [
        "graph",
        &gold,
        "--of",
        "queue/Policy Service",
        "-o",
        "svg",
        "--out",
        "a.svg",
    ];
    lab.run(&of).ends(0);
    let svg = fs::read_to_string(lab.path("a.svg")).expect("a drawing");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("class=\"line cycle\"") && svg.contains("in a circle"));
    assert!(svg.contains("prefers-color-scheme: dark"));
    let rest = svg.replace("http://www.w3.org/2000/svg", "");
    assert!(!rest.contains("http"), "{rest}");
    let dot = lab.run(&["graph", &gold, "-o", "dot"]).ends(0);
    assert!(dot.stdout.starts_with("digraph orgsmith {"), "{dot}");
}

#[test]
fn a_drawing_of_too_much_says_how_to_narrow_it_down() {
    let lab = Lab::new();
    let gold = example("gold-org");
    let shown = lab.run(&["graph", &gold, "-o", "svg"]).ends(64);
    assert!(
        shown.stderr.contains("--of KIND/KEY") && shown.stdout.is_empty(),
        "{shown}"
    );
    lab.run(&["graph", &gold, "-o", "svg", "--force"]).ends(0);
}

#[test]
fn a_slip_in_a_name_is_told_with_what_may_be_meant() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let of = |text: &str| lab.run(&["graph", "sketch", "--of", text]).ends(64);
    assert_snapshot!("graph_object", of("routing_skill/Quoets"));
    assert_snapshot!("graph_kind", of("routing_skil/Quotes"));
    assert_snapshot!("graph_form", of("Quotes"));
    lab.run(&["graph", "sketsh"]).ends(64);
    lab.run(&["graph", "sketch", "-o", "html"]).ends(64);
}
