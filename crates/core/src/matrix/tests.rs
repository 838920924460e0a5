use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Cell, Matrix, Source, State};
use crate::bundle::{Bundle, Gap, Origin};
use crate::catalogue::Catalogue;
use crate::document::{Files, Portable};
use crate::id::Kind;
use crate::plan::FLOW_SOURCE;
use crate::render::{
    Detail, Rows, matrix_json, matrix_markdown, matrix_page, matrix_screen, plan_commands,
};
use crate::select::Selection;

/// Makes a bundle of documents.
fn bundle(name: &str, documents: &[(&str, Value)]) -> Bundle {
    let mut bundle = Bundle {
        source: Origin {
            org_name: name.to_owned(),
            region: None,
        },
        ..Bundle::default()
    };
    for (object, body) in documents {
        add(&mut bundle, object, body.clone(), Files::new());
    }
    bundle
}

fn add(bundle: &mut Bundle, object: &str, body: Value, files: Files) {
    let object: crate::id::ObjectRef = object.parse().expect("a reference");
    let Value::Object(body) = body else {
        panic!("{body} is no object")
    };
    bundle.insert(Portable {
        object,
        body,
        files,
    });
}

fn gap(kind: &str, object: Option<&str>, reason: &str) -> Gap {
    Gap {
        kind: Kind::new(kind),
        object: object.map(str::to_owned),
        reason: reason.to_owned(),
    }
}

/// Compares bundles as if they were orgs of their names.
fn compared(bundles: &[&Bundle]) -> Matrix {
    let asked = Selection::default();
    let sources: Vec<Source<'_>> = bundles
        .iter()
        .map(|bundle| Source {
            name: &bundle.source.org_name,
            is_org: true,
            bundle,
            asked: &asked,
        })
        .collect();
    Matrix::new(Catalogue::builtin(), &sources, None)
}

/// Says what each cell of each row is, in a few letters.
fn told(matrix: &Matrix) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Has { group, .. } => super::letter(*group),
        Cell::Missing => "-".to_owned(),
        Cell::Unread(_) => "?".to_owned(),
    };
    let rows = matrix.rows.iter().map(|row| {
        let cells: String = row.cells.iter().map(cell).collect();
        format!("{} {cells} {}", row.object, row.state.name())
    });
    rows.collect()
}

/// Three orgs in which something of everything is found.
fn three() -> [Bundle; 3] {
    let skill = |name: &str| json!({"name": name});
    let queue = |seconds: u32, text: &str| {
        let call = json!({"alertingTimeoutSeconds": seconds});
        json!({"name": "Sales", "description": text, "mediaSettings": {"call": call}})
    };
    let hostile = "routing_skill/<script>alert('x')<%2Fscript>, & co|";
    let gold = bundle(
        "gold",
        &[
            ("routing_queue/Sales", queue(8, "Sells")),
            ("routing_skill/Billing", skill("Billing")),
            ("routing_skill/Quotes", skill("Quotes")),
            (hostile, skill("<script>alert('x')</script>, & co|")),
            ("routing_wrapupcode/Paid", skill("Paid")),
        ],
    );
    let tenant = bundle(
        "tenant",
        &[
            ("routing_queue/Sales", queue(12, "Sells")),
            ("routing_skill/Billing", skill("Billing")),
            ("routing_skill/Quotes", skill("Quotes")),
            ("routing_skill/Renewals", skill("Renewals")),
        ],
    );
    let mut emea = bundle(
        "emea",
        &[
            ("routing_queue/Sales", queue(8, "Sells")),
            ("routing_skill/Billing", skill("Billing")),
        ],
    );
    emea.gaps = vec![
        gap("routing_wrapupcode", None, "403: permission is missing"),
        gap("routing_skill", Some("Quotes"), "500 three times"),
    ];
    [gold, tenant, emea]
}

#[test]
fn two_that_agree_and_one_that_differs_are_told_apart() {
    let [gold, tenant, emea] = three();
    assert_eq!(
        told(&compared(&[&gold, &tenant, &emea])),
        [
            "routing_queue/Sales ABA differs",
            "routing_skill/<script>alert('x')<%2Fscript>, & co| A-- missing",
            "routing_skill/Billing AAA same",
            "routing_skill/Quotes AA? unread",
            "routing_skill/Renewals -A- missing",
            "routing_wrapupcode/Paid A-? missing",
        ]
    );
}

#[test]
fn a_field_that_only_one_has_is_a_difference_and_not_always_a_plan() {
    let short = bundle("short", &[("routing_skill/A", json!({"name": "A"}))]);
    let body = json!({"name": "A", "version": "1"});
    let long = bundle("long", &[("routing_skill/A", body)]);
    let matrix = compared(&[&short, &long]);
    assert_eq!(told(&matrix), ["routing_skill/A AB differs"]);
    assert_eq!(plan_commands(&matrix), Vec::<String>::new());
    let matrix = compared(&[&long, &short]);
    let change = &matrix.rows[0].groups[1].changes[0];
    assert_eq!((change.path.as_str(), &change.new), ("version", &None));
    assert_eq!(matrix.to_plan(1).count(), 1);
}

#[test]
fn an_empty_list_is_the_same_as_none() {
    let with = bundle(
        "with",
        &[("group/A", json!({"name": "A", "addresses": []}))],
    );
    let without = bundle("without", &[("group/A", json!({"name": "A"}))]);
    assert!(!compared(&[&with, &without]).differs());
    assert!(!compared(&[&without, &with]).differs());
}

#[test]
fn flows_that_are_written_differently_and_say_the_same_agree() {
    let flow = |name: &str, source: &str| {
        let mut bundle = bundle(name, &[]);
        let files = Files::from([(FLOW_SOURCE.to_owned(), source.as_bytes().into())]);
        let body = json!({"name": "Main", "type": "INBOUNDCALL"});
        add(&mut bundle, "flow/inboundcall/Main", body, files);
        bundle
    };
    let one = flow("one", "inboundCall:\n  name: Main\n  description: Hello\n");
    let other = flow(
        "other",
        "inboundCall:\n  description: \"Hello\"\n  name: Main\n",
    );
    let third = flow(
        "third",
        "inboundCall:\n  name: Main\n  description: Good bye\n",
    );
    assert_eq!(
        told(&compared(&[&one, &other, &third])),
        ["flow/inboundcall/Main AAB differs"]
    );
}

#[test]
fn what_a_bundle_was_not_asked_for_is_not_missing() {
    let catalogue = Catalogue::builtin();
    let skill = |name: &str| json!({"name": name});
    let gold = bundle(
        "gold",
        &[
            ("routing_language/English", skill("English")),
            ("routing_skill/A1", skill("A1")),
            ("routing_skill/A2", skill("A2")),
            ("routing_skill/B", skill("B")),
        ],
    );
    let part = bundle("part", &[("routing_skill/A1", skill("A1"))]);
    let everything = Selection::default();
    let asked = Selection::parse(catalogue, &["skill=A*"], &[]).expect("a selection");
    let source = |bundle, is_org, asked| Source {
        name: "x",
        is_org,
        bundle,
        asked,
    };
    let sources = [
        source(&gold, true, &everything),
        source(&part, false, &asked),
    ];
    assert_eq!(
        told(&Matrix::new(catalogue, &sources, None)),
        [
            "routing_language/English A? unread",
            "routing_skill/A1 AA same",
            "routing_skill/A2 A- missing",
            "routing_skill/B A? unread",
        ]
    );
}

#[test]
fn an_object_that_could_not_be_read_and_has_no_name_may_be_any() {
    let gold = bundle("gold", &[("routing_skill/A", json!({"name": "A"}))]);
    let mut other = bundle("other", &[]);
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    other.gaps.push(gap("routing_skill", Some(id), "500"));
    let matrix = compared(&[&gold, &other]);
    assert_eq!(told(&matrix), ["routing_skill/A A? unread"]);
    let Cell::Unread(reason) = &matrix.rows[0].cells[1] else {
        panic!("{matrix:?}")
    };
    assert!(reason.contains(id), "{reason}");
}

#[test]
fn states_are_counted_by_kind() {
    let [gold, tenant, emea] = three();
    let matrix = compared(&[&gold, &tenant, &emea]);
    let counts = matrix.counts();
    let skills = &counts[&Kind::new("routing_skill")];
    assert_eq!(skills.get(&State::Missing), Some(&2));
    assert_eq!(skills.get(&State::Unread), Some(&1));
    assert_eq!(skills.get(&State::Differs), None);
}

#[test]
fn a_comparison_as_people_read_it() {
    let [gold, tenant, emea] = three();
    let matrix = compared(&[&gold, &tenant, &emea]);
    let screen = matrix_screen(&matrix, Rows::NotSame, Detail::Fields);
    insta::assert_snapshot!("screen", screen.to_plain());
    let all = matrix_screen(&matrix, Rows::All, Detail::Objects).to_plain();
    assert!(all.contains("= Billing"), "{all}");
    insta::assert_snapshot!("markdown", matrix_markdown(&matrix, Rows::NotSame, 4000));
    let short = matrix_markdown(&matrix, Rows::NotSame, 700);
    assert!(short.len() <= 700 && !short.contains("Renewals"), "{short}");
}

#[test]
fn a_comparison_as_programs_read_it() {
    let [gold, tenant, emea] = three();
    let matrix = compared(&[&gold, &tenant, &emea]);
    let json = serde_json::to_string_pretty(&matrix_json(&matrix, Rows::NotSame));
    insta::assert_snapshot!("json", json.expect("JSON"));
}

#[test]
fn the_page_shows_names_and_runs_none_of_them() {
    let [gold, tenant, emea] = three();
    let matrix = compared(&[&gold, &tenant, &emea]);
    let page = matrix_page(Catalogue::builtin(), &matrix, Rows::NotSame, Detail::Fields);
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;, &amp; co|"));
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own");
    for fetched in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(fetched), "{fetched}: {page}");
    }
    // In a term a comma would begin the next value.
    assert!(
        page.contains("data-name=\"&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;? &amp; co|\"")
    );
}

#[test]
fn a_command_names_what_the_first_has_and_another_lacks() {
    let [gold, tenant, emea] = three();
    let matrix = compared(&[&gold, &tenant, &emea]);
    assert_eq!(
        plan_commands(&matrix),
        [
            "orgsmith plan gold --to tenant --select kind=routing_queue,routing_wrapupcode \
             --select 'kind=routing_skill,name=<script>alert('\\''x'\\'')</script>? & co|'",
            "orgsmith plan gold --to emea \
             --select 'kind=routing_skill,name=<script>alert('\\''x'\\'')</script>? & co|'",
        ]
    );
    // What was compared of a kind may not be all of it.
    let part = Matrix {
        part: Some(Vec::new()),
        ..matrix
    };
    assert!(plan_commands(&part)[0].contains("--select kind=routing_queue,name=Sales "));
}

#[test]
fn of_a_part_with_many_objects_the_selection_is_repeated() {
    let names: Vec<String> = (10..30).map(|n| format!("routing_skill/S{n}")).collect();
    let documents: Vec<(&str, Value)> = names
        .iter()
        .map(|name| (name.as_str(), json!({"name": "S"})))
        .collect();
    let (gold, tenant) = (bundle("gold", &documents), bundle("tenant", &[]));
    let everything = Selection::default();
    let source = |bundle, name| Source {
        name,
        is_org: true,
        bundle,
        asked: &everything,
    };
    let sources = [source(&gold, "gold"), source(&tenant, "tenant")];
    let selection = Selection::parse(Catalogue::builtin(), &["skill=S1*"], &["name=S11"]);
    let selection = selection.expect("a selection").with_dependencies(true);
    let wanted = gold.documents.keys().cloned().collect();
    let matrix = Matrix::new(Catalogue::builtin(), &sources, Some((&wanted, &selection)));
    assert_eq!(
        plan_commands(&matrix),
        [
            "orgsmith plan gold --to tenant --select 'skill=S1*' --exclude name=S11 \
             --with-dependencies"
        ]
    );
}

#[test]
fn a_gap_in_an_object_that_is_not_asked_for_is_not_told() {
    let catalogue = Catalogue::builtin();
    let mut gold = bundle(
        "gold",
        &[
            ("routing_skill/A", json!({"name": "A"})),
            ("routing_skill/B", json!({"name": "B"})),
        ],
    );
    gold.gaps = vec![
        gap("routing_skill", Some("A"), "of A"),
        gap("routing_skill", Some("B"), "of B"),
        gap("routing_skill", None, "of all"),
    ];
    let asked = Selection::parse(catalogue, &["name=A".to_owned()], &[]).expect("a selection");
    let wanted = BTreeSet::from(["routing_skill/A".parse().expect("an object")]);
    let source = Source {
        name: "gold",
        is_org: true,
        bundle: &gold,
        asked: &asked,
    };
    let sources = [source];
    let matrix = Matrix::new(catalogue, &sources, Some((&wanted, &asked)));
    let told: Vec<&str> = matrix.columns[0]
        .gaps
        .iter()
        .map(|gap| &*gap.reason)
        .collect();
    assert_eq!(told, ["of A", "of all"]);
}
