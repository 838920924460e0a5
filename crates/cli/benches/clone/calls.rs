//! API calls of an export and of a clone, against the least that the API allows.

use std::collections::BTreeMap;

use anyhow::ensure;
use orgsmith_cli::minimum::{self, Term, total};
use orgsmith_sim::{Entry, Jobs, Limits};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::lab::{Lab, SOURCE, Size, TARGET, Taken};
use crate::table::{Table, surplus};

/// Requests that wait for a change.
const WAITS: [&str; 3] = [
    "getFlowsJob",
    "getFlowsDatatableImportJob",
    "getArchitectPromptResource",
];

/// A part of the job: what was called for it, and the least.
struct Part {
    name: &'static str,
    entries: Vec<Entry>,
    least: Vec<Term>,
}

pub fn measure(runtime: &Runtime, size: &Size, verbose: bool) -> anyhow::Result<()> {
    let lab = runtime.block_on(Lab::new(size, Limits::none()))?;
    let jobs = Jobs::default();
    let source = lab.sim.dump(SOURCE);
    let before = lab.sim.dump(TARGET);

    let export = lab.run(&["export", SOURCE, "--out", "bundle"])?;
    let read = calls(&lab.sim.ledger());
    let seen = lab.sim.ledger().len();
    let arguments = ["clone", SOURCE, TARGET, "--yes", "--parallelism", "40"];
    // The minimum is that of a clone and its proof; whether the org works is another question.
    let secrets = ["--secrets-file", "secrets.json", "--no-verify"];
    let clone = lab.run(&[&arguments[..], &secrets].concat())?;
    let after = lab.sim.dump(TARGET);
    same_size(&source, &after)?;

    let ledger = calls(&lab.sim.ledger()[seen..]);
    let of = |org: &str| -> Vec<Entry> {
        let of = ledger
            .iter()
            .filter(|entry| entry.org.as_deref() == Some(org));
        of.cloned().collect()
    };
    let target = of(TARGET);
    let first = target.iter().position(writes).unwrap_or(target.len());
    let last = target
        .iter()
        .rposition(|entry| writes(entry) || waits(entry));
    let end = last.map_or(first, |last| last + 1);

    let part = |name, entries: &[Entry], least| Part {
        name,
        entries: entries.to_vec(),
        least,
    };
    let whole = minimum::export(&source, jobs);
    let written = minimum::writes(&before, &after, jobs);
    let parts = [
        part("export", &read, whole.clone()),
        part("clone: source", &of(SOURCE), whole),
        part(
            "clone: empty target",
            &target[..first],
            minimum::target(&before, &source, jobs),
        ),
        part("clone: writes", &target[first..end], written),
        part(
            "clone: proof",
            &target[end..],
            minimum::target(&after, &source, jobs),
        ),
    ];
    let mut table = Table::new(["", "calls", "least", "surplus", "seconds", "peak MB"]);
    let mut sum = (0, 0);
    for part in &parts {
        let (calls, least) = (part.entries.len() as u64, total(&part.least));
        let taken = (part.name == "export").then_some(&export);
        if taken.is_none() {
            sum = (sum.0 + calls, sum.1 + least);
        }
        row(&mut table, part.name, calls, least, taken);
    }
    row(&mut table, "clone: all", sum.0, sum.1, Some(&clone));
    let objects: usize = size_of(&source).values().sum();
    table.print(&format!("Calls: {}, {objects} objects", size.name));
    // Reading the source is the same in both.
    for part in parts.iter().filter(|part| part.name != "clone: source") {
        operations(part, verbose);
    }
    Ok(())
}

fn row(table: &mut Table, name: &str, calls: u64, least: u64, taken: Option<&Taken>) {
    let seconds = taken.map_or_else(String::new, |t| format!("{:.1}", t.time.as_secs_f64()));
    let peak = taken.map_or_else(String::new, |t| t.peak_mb.to_string());
    table.row([
        name.to_owned(),
        calls.to_string(),
        least.to_string(),
        surplus(calls, least),
        seconds,
        peak,
    ]);
}

/// Leaves out what is no call of the API: minting tokens, up- and downloads.
pub fn calls(ledger: &[Entry]) -> Vec<Entry> {
    let call = |entry: &&Entry| entry.path.starts_with("/api/v2/");
    ledger.iter().filter(call).cloned().collect()
}

pub fn writes(entry: &Entry) -> bool {
    entry.may_change()
}

fn waits(entry: &Entry) -> bool {
    entry
        .operation
        .is_some_and(|operation| WAITS.contains(&operation))
}

/// Shows the terms of the sum beside what was called for them; those alone that differ, unless all
/// are asked for.
fn operations(part: &Part, verbose: bool) {
    let Part {
        name,
        entries,
        least,
    } = part;
    let mut called: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        *called.entry(entry.operation.unwrap_or("?")).or_default() += 1;
    }
    // Two terms may be served by one operation: they share a row.
    let mut rows: Vec<(Vec<&str>, Vec<&str>, u64)> = Vec::new();
    for term in least {
        let shares = |row: &(Vec<&str>, Vec<&str>, u64)| {
            row.1
                .iter()
                .any(|operation| term.operations.contains(operation))
        };
        let (shared, mut kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(shares);
        let mut row = (vec![term.what], term.operations.to_vec(), term.calls);
        for (what, operations, calls) in shared {
            row.0.extend(what);
            row.1.extend(operations);
            row.2 += calls;
        }
        row.0.sort_unstable();
        row.0.dedup();
        row.1.sort_unstable();
        row.1.dedup();
        kept.push(row);
        rows = kept;
    }
    let mut table = Table::new(["term", "calls", "least", "over", "operations"]);
    let mut shown = 0;
    for (what, operations, least) in rows {
        let calls: u64 = operations.iter().filter_map(|o| called.remove(o)).sum();
        let over = calls.cast_signed() - least.cast_signed();
        if over != 0 || (verbose && least > 0) {
            shown += 1;
            let over = format!("{over:+}");
            let operations = operations.join(" ");
            table.row([
                what.join(", "),
                calls.to_string(),
                least.to_string(),
                over,
                operations,
            ]);
        }
    }
    for (operation, calls) in called {
        shown += 1;
        let none = "in no term".to_owned();
        table.row([
            none,
            calls.to_string(),
            "0".into(),
            format!("{calls:+}"),
            operation.into(),
        ]);
    }
    if shown > 0 {
        table.print(&format!("{name}: by term"));
    }
    let refused = entries.iter().filter(|entry| entry.status >= 400);
    let mut refusals: BTreeMap<(u16, &str), u64> = BTreeMap::new();
    for entry in refused {
        *refusals
            .entry((entry.status, entry.operation.unwrap_or("?")))
            .or_default() += 1;
    }
    for ((status, operation), count) in refusals {
        println!("  {count} times {status} by {operation}");
    }
}

/// Counts the objects of a dump by the simulator's kinds.
fn size_of(dump: &Value) -> BTreeMap<&str, usize> {
    let kinds = dump.as_object().into_iter().flatten();
    let count = |(kind, objects): (_, &Value)| -> (&str, usize) {
        let kind: &String = kind;
        (kind, objects.as_array().map_or(0, Vec::len))
    };
    kinds.map(count).collect()
}

/// A clone that lacks something would be cheap.
fn same_size(source: &Value, target: &Value) -> anyhow::Result<()> {
    let (source, target) = (size_of(source), size_of(target));
    ensure!(
        source == target,
        "the clone differs:\n{source:?}\n{target:?}"
    );
    Ok(())
}
