//! Flow sources: what they name, how names change, how exports compare.

mod canonical;
mod fixtures;
mod forms;
mod overlay;
mod properties;
mod renaming;

use orgsmith_core::flow::{FlowScan, FlowTarget, scan};

/// A flow of a type whose startup task holds some actions, given at no indentation.
fn flow(root: &str, actions: &str) -> String {
    let indent = |line: &str| {
        if line.is_empty() {
            String::new()
        } else {
            format!("          {line}\n")
        }
    };
    let actions: String = actions.trim_matches('\n').lines().map(indent).collect();
    format!(
        "{root}:\n  name: Test\n  tasks:\n    - task:\n        name: Start\n        actions:\n{actions}"
    )
}

/// The target in one line: `routing_queue Sales`, `flow inqueuecall/Wait`.
fn show(target: &FlowTarget) -> String {
    match target {
        FlowTarget::Object { kind, name } => format!("{} {name}", kind.kind()),
        FlowTarget::DataAction { category, name } => {
            format!("integration_action {category}/{name}")
        }
        FlowTarget::Flow {
            flow_type: Some(flow_type),
            name,
        } => format!("flow {flow_type}/{name}"),
        FlowTarget::Flow {
            flow_type: None,
            name,
        } => format!("flow ?/{name}"),
    }
}

/// Everything that a scan finds, one finding per line.
fn list(scan: &FlowScan) -> String {
    let mut lines = vec![format!(
        "{} {:?} in {:?}",
        scan.flow_type, scan.name, scan.division
    )];
    for found in &scan.references {
        let unfilled = if found.unfilled { " (unfilled)" } else { "" };
        lines.push(format!(
            "{}:{} {}{unfilled}",
            found.line,
            found.column,
            show(&found.target)
        ));
    }
    for found in &scan.dynamic {
        lines.push(format!(
            "{}:{} dynamic {}: {}",
            found.line, found.column, found.function, found.text
        ));
    }
    for (what, literals) in [
        ("unknown", &scan.unknown),
        ("guid", &scan.guids),
        ("url", &scan.urls),
    ] {
        for found in literals {
            lines.push(format!(
                "{}:{} {what} {}",
                found.line, found.column, found.text
            ));
        }
    }
    for found in &scan.placeholders {
        lines.push(format!(
            "{}:{} placeholder {}",
            found.line, found.column, found.text
        ));
    }
    lines.join("\n")
}

fn listed(text: &str) -> String {
    match scan(text) {
        Ok(scan) => list(&scan),
        Err(error) => format!("error: {error}"),
    }
}
