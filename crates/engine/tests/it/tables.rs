//! Tables with many rows.

use std::collections::BTreeSet;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::id::Kind;
use orgsmith_engine::{Events, Scope, collect};
use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::lab::Lab;

const TABLE: &str = "architect_datatable/Shops";

/// Returns a table whose rows hold what a file of values must quote.
fn table(rows: usize) -> Bundle {
    let column = |name: &str, ty: &str, order: u32| json!({"title": name, "type": ty, "$id": format!("/properties/{name}"), "displayOrder": order});
    let notes = ["", "plain", " a, \"b\" ", "two\r\nlines\n", "ü日"];
    let rows: Vec<Value> = (0..rows)
        .map(|n| {
            json!({
                "key": format!("{n:05}"), "Note": notes[n % notes.len()], "Open": n % 2 == 0,
                "Count": n as i64 - 50, "Share": n as f64 / 8.0,
            })
        })
        .collect();
    let body = json!({
        "name": "Shops", "division": {"$ref": "auth_division/~home"}, "rows": rows,
        "schema": {
            "$schema": "http://json-schema.org/draft-04/schema#", "type": "object",
            "additionalProperties": false, "required": ["key"],
            "properties": {
                "key": column("key", "string", 0), "Note": column("Note", "string", 1),
                "Open": column("Open", "boolean", 2), "Count": column("Count", "integer", 3),
                "Share": column("Share", "number", 4),
            },
        },
    });
    let mut bundle = Bundle::default();
    bundle.source.org_name = "sketch".to_owned();
    bundle.insert(Portable {
        object: TABLE.parse().expect("a reference"),
        body: body.as_object().cloned().expect("an object"),
        files: Default::default(),
    });
    orgsmith_core::validate::normalise(Catalogue::builtin(), &mut bundle);
    bundle
}

/// Exports the tables of an org; returns the rows of the only one, and the calls for them.
async fn export(lab: &Lab) -> (Value, Vec<String>) {
    let before = lab.sim.ledger().len();
    let scope = Scope {
        kinds: ["architect_datatable", "auth_division"]
            .map(Kind::new)
            .into(),
        ..Scope::default()
    };
    let catalogue = Catalogue::builtin();
    let read = collect(&lab.org("a"), catalogue, &scope, &Events::none()).await;
    let read = read.expect("an org that can be reached");
    let (bundle, _) = read.to_bundle(catalogue, &Default::default());
    assert_eq!(bundle.gaps, []);
    let rows = bundle.documents[&TABLE.parse().expect("a reference")].field("rows");
    let ledger = lab.sim.ledger();
    let calls = ledger[before..].iter().map(|entry| {
        let path = entry.path.split('/').map(|part| match part.len() {
            36 => "{id}",
            _ => part,
        });
        format!("{} {}", entry.method, path.collect::<Vec<_>>().join("/"))
    });
    let of_rows = |call: &String| call.ends_with("/rows") || call.contains("/export/jobs");
    (rows.expect("its rows"), calls.filter(of_rows).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_are_read_as_one_file_and_are_the_same() {
    let lab = Lab::with_orgs(["a"]).await;
    let whole = table(5000);
    lab.apply(&whole, "a").await;
    let (rows, calls) = export(&lab).await;
    let wanted = whole.documents[&TABLE.parse().expect("a reference")].field("rows");
    assert!(Some(&rows) == wanted.as_ref(), "the rows differ");
    // One page, the job, and what is asked of it until it ends: not fifty pages.
    let kinds: BTreeSet<&str> = calls.iter().map(String::as_str).collect();
    let base = "/api/v2/flows/datatables/{id}";
    let (page, job) = (
        format!("GET {base}/rows"),
        format!("POST {base}/export/jobs"),
    );
    let poll = format!("GET {base}/export/jobs/{{id}}");
    assert_eq!(kinds, BTreeSet::from([&*page, &*job, &*poll]));
    assert!(calls.len() <= 6, "{calls:?}");
    assert!(lab.plan(&whole, "a").await.is_empty());

    // Where the job is refused, pages have the same.
    let refused = FaultAction::Status {
        status: 403,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refused).on("POST", "*/export/jobs"));
    let (by_pages, calls) = export(&lab).await;
    assert!(by_pages == rows, "the rows differ");
    let pages = calls.iter().filter(|call| **call == page).count();
    assert!(pages > 50, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_rows_cost_no_job() {
    let lab = Lab::with_orgs(["a"]).await;
    lab.apply(&table(150), "a").await;
    let (_, calls) = export(&lab).await;
    assert_eq!(calls, ["GET /api/v2/flows/datatables/{id}/rows"; 2]);
}
