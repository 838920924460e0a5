//! Knowledge bases with many documents.

use std::collections::BTreeMap;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::Kind;
use orgsmith_core::select::Selection;
use orgsmith_engine::{Events, Scope, collect, collect_selected};
use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::lab::Lab;

const BASES: &str = "/api/v2/knowledge/knowledgebases";

/// Makes a base with documents that are drafts, published, and published and changed since.
fn base(lab: &Lab, name: &str, documents: usize) {
    let seed = |method: &str, path: &str, body: Value| {
        let answer = lab.sim.seed("a", method, path, body);
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        answer["id"].as_str().unwrap_or_default().to_owned()
    };
    let text = |text: String| json!({"blocks": [{"type": "Paragraph", "paragraph": {"blocks": [{"type": "Text", "text": {"text": text}}]}}]});
    let base = seed(
        "POST",
        BASES,
        json!({"name": name, "coreLanguage": "en-US"}),
    );
    let base = format!("{BASES}/{base}");
    let category = json!({"name": "Bills"});
    let category = seed("POST", &format!("{base}/categories"), category);
    let label = json!({"name": "New", "color": "#00ff00"});
    let label = seed("POST", &format!("{base}/labels"), label);
    for n in 0..documents {
        let title = format!("{name} {n:03}");
        let document = json!({"title": title, "categoryId": category, "labelIds": [label], "externalId": format!("{name}-{n}")});
        let document = seed("POST", &format!("{base}/documents"), document);
        let document = format!("{base}/documents/{document}");
        let mut variation = String::new();
        for number in 0..1 + n % 3 {
            let body = json!({"name": format!("V{number}"), "priority": number + 1, "contexts": [], "body": text(format!("{title} \"{number}\"\n"))});
            variation = seed("POST", &format!("{document}/variations"), body);
        }
        if n % 2 == 0 {
            seed("POST", &format!("{document}/versions"), json!({}));
        }
        if n % 4 == 0 {
            let change = json!({"body": text(format!("{title}, changed")), "contexts": []});
            seed(
                "PATCH",
                &format!("{document}/variations/{variation}"),
                change,
            );
        }
    }
}

fn kinds() -> Vec<Kind> {
    let kinds = Catalogue::builtin().iter().map(|kind| kind.kind.clone());
    kinds
        .filter(|kind| kind.as_str().starts_with("knowledge_"))
        .collect()
}

/// Exports the knowledge of an org; returns the calls by what they are for, too.
async fn export(lab: &Lab, as_target: bool) -> (Bundle, BTreeMap<&'static str, usize>) {
    let before = lab.sim.ledger().len();
    let scope = Scope {
        kinds: kinds().into_iter().collect(),
        deleted: as_target,
        ..Scope::default()
    };
    let catalogue = Catalogue::builtin();
    let read = collect(&lab.org("a"), catalogue, &scope, &Events::none()).await;
    let read = read.expect("an org that can be reached");
    let (bundle, _) = read.to_bundle(catalogue, &BTreeMap::new());
    assert_eq!(bundle.gaps, []);
    (bundle, calls(lab, before))
}

fn calls(lab: &Lab, from: usize) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for entry in &lab.sim.ledger()[from..] {
        let what = match entry.path.rsplit('/').next().unwrap_or_default() {
            "variations" => "variations",
            "jobs" => "jobs",
            _ if entry.path.contains("/export/jobs/") => "polls",
            _ if entry.path.starts_with(BASES) => "lists",
            _ => continue,
        };
        *counts.entry(what).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_comes_as_one_file_and_is_what_the_lists_say() {
    let lab = Lab::with_orgs(["a"]).await;
    base(&lab, "Help", 200);
    base(&lab, "Small", 3);
    let (by_file, counts) = export(&lab, false).await;
    let variations = by_file
        .documents
        .keys()
        .filter(|object| object.kind.as_str() == "knowledge_document_variation");
    assert_eq!(variations.count(), 67 + 2 * 67 + 3 * 66 + 6);
    assert_eq!(counts["jobs"], 1);
    assert!(counts["polls"] <= 4, "{counts:?}");
    // The small base is asked as before.
    assert_eq!(counts["variations"], 3);
    assert!(counts["lists"] <= 12, "{counts:?}");

    // An org that may be written to is asked for all that a change sends back.
    let (as_target, counts) = export(&lab, true).await;
    assert_eq!((counts.get("jobs"), counts["variations"]), (None, 203));
    assert_eq!(as_target.documents, by_file.documents);

    // A client that may not start the job reads the same by lists.
    let refused = FaultAction::Status {
        status: 403,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refused).on("POST", "*/export/jobs"));
    let (by_lists, counts) = export(&lab, false).await;
    assert_eq!((counts["jobs"], counts["variations"]), (1, 203));
    assert_eq!(by_lists.documents, by_file.documents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selected_base_costs_one_job_too() {
    let lab = Lab::with_orgs(["a"]).await;
    base(&lab, "Help", 40);
    let terms = kinds()
        .iter()
        .map(|kind| format!("kind={kind}"))
        .collect::<Vec<_>>();
    let catalogue = Catalogue::builtin();
    let selection = Selection::parse(catalogue, &terms, &[]).expect("kinds");
    let before = lab.sim.ledger().len();
    let org = lab.org("a");
    let (pins, events) = (BTreeMap::new(), Events::none());
    let read = collect_selected(&org, catalogue, &selection, &pins, &events, None).await;
    let (selected, _) = read.expect("an org").to_bundle(catalogue, &pins);
    let counts = calls(&lab, before);
    assert_eq!((counts["jobs"], counts.get("variations")), (1, None));
    let (whole, _) = export(&lab, true).await;
    assert_eq!(selected.documents, whole.documents);
}
