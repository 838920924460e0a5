//! What is written to standard error for programs.

use serde_json::Value;

use crate::lab::{Lab, Shown};

/// Reads every line as an object.
fn lines(shown: &Shown) -> Vec<Value> {
    let lines = shown.stderr.lines();
    let read = lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
    let lines: Vec<Value> = read.collect();
    for line in &lines {
        for field in ["timestamp", "level", "target"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
        let target = line["target"].as_str().unwrap_or_default();
        // What libraries tell may have none.
        assert!(
            line["message"].is_string() || !target.starts_with("orgsmith"),
            "no message in {line}"
        );
    }
    lines
}

#[test]
fn each_line_of_a_log_for_programs_is_an_object_and_holds_no_secret() {
    let lab = Lab::new();
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    let json = ["--log-format", "json"];
    let apply = ["apply", "image", "--to", "gold", "--yes", "--log", "trace"];
    let shown = lab.run(&[&apply[..], &json].concat()).ends(0);
    let told = lines(&shown);
    // What happens within a call says which.
    let spans = told.iter().filter_map(|line| line["spans"].as_array());
    let mut spans = spans.flatten();
    assert!(
        spans.any(|span| span["name"] == "call" && span["org"] == "gold"),
        "{shown}"
    );
    assert!(
        !shown.stderr.contains("gold-secret"),
        "a secret shows: {shown}"
    );

    // What is said without a log is such a line, too, and so is an error.
    let shown = lab.run(&[&["plan", "image", "--to", "gould"], &json[..]].concat());
    let told = lines(&shown);
    let last = told.last().expect("a line");
    assert_eq!(last["level"], "ERROR");
    assert_eq!(
        last["message"],
        "unknown org \"gould\" (did you mean \"gold\"?)"
    );
    assert!(last["hint"].is_string(), "{last}");
    let shown = lab.run(&["runs", "--log", "oh=no=good", "--log-format", "json"]);
    assert_eq!(lines(&shown).len(), 1);
}
