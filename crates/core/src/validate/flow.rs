//! Flow sources: there, readable, complete, and of the flow that the document says.

use std::collections::BTreeSet;

use super::{Problem, Report};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Portable, Slot};
use crate::flow::{self, FlowScan};
use crate::flow_names::FlowNames;
use crate::id::{Kind, ObjectRef};
use crate::plan::{FLOW_SOURCE, Severity};

/// Checks flow sources against a bundle.
pub(super) struct Sources<'b> {
    catalogue: &'b Catalogue,
    bundle: &'b Bundle,
    names: FlowNames<'b>,
    kinds: BTreeSet<&'b Kind>,
}

impl<'b> Sources<'b> {
    pub(super) fn new(catalogue: &'b Catalogue, bundle: &'b Bundle) -> Self {
        let objects = bundle.documents.iter();
        Self {
            catalogue,
            bundle,
            names: FlowNames::new(
                catalogue,
                objects.map(|(object, d)| (object, d.body.get("name"))),
            ),
            kinds: bundle.documents.keys().map(|object| &object.kind).collect(),
        }
    }

    pub(super) fn check(&self, document: &Portable, report: &mut Report<'_>) {
        let Some(bytes) = document.files.get(FLOW_SOURCE) else {
            let message =
                format!("its source is missing: add the file <name>.{FLOW_SOURCE} beside it");
            report.error("flow-source-missing", "", message);
            return;
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            in_file(
                report.error(
                    "flow-source-unreadable",
                    "",
                    "the source is not UTF-8 text".into(),
                ),
                None,
            );
            return;
        };
        match flow::scan(text) {
            Ok(scan) => self.check_scan(document, &scan, report),
            Err(error) => {
                let at = Some((error.line, error.column));
                in_file(
                    report.error("flow-source-unreadable", "", error.message),
                    at,
                );
            }
        }
    }

    fn check_scan(&self, document: &Portable, scan: &FlowScan, report: &mut Report<'_>) {
        for placeholder in &scan.placeholders {
            let message = format!("the placeholder {} is not filled in", placeholder.text);
            let at = Some((placeholder.line, placeholder.column));
            in_file(report.error("flow-placeholder", "", message), at);
        }
        let says = |field: &str| document.body.get(field).and_then(|value| value.as_str());
        let kind_of = says("type").and_then(flow::FlowType::parse);
        if kind_of.is_some_and(|flow_type| flow_type != scan.flow_type) {
            let message = format!(
                "the source is a flow of type {}, the document says {}",
                scan.flow_type.api(),
                says("type").unwrap_or_default()
            );
            in_file(report.error("flow-type-differs", "", message), None);
        }
        if says("name").is_some_and(|name| name != scan.name) {
            let message = format!(
                "the source is of the flow {:?}, the document says {:?}",
                scan.name,
                says("name").unwrap_or_default()
            );
            in_file(report.error("flow-name-differs", "", message), None);
        }
        self.check_division(document, scan, report);
        for reference in scan
            .references
            .iter()
            .filter(|reference| !reference.unfilled)
        {
            // Of a kind that is not in the bundle at all, the target may have it.
            if let Some(object) = self.names.find(&reference.target)
                && !object.key.is_builtin()
                && self.kinds.contains(&object.kind)
                && !self.bundle.documents.contains_key(&object)
            {
                let message =
                    format!("names {object}, which is not in the bundle; the target must have it");
                let found = report.add(Severity::Warning, "flow-names-nothing", "", message);
                in_file(found, Some((reference.line, reference.column)));
            }
        }
        for reference in &scan.references {
            let (kind, name) = (reference.target.kind(), reference.target.name());
            if self.catalogue.get(kind).is_err() {
                let message = format!(
                    "names the {kind} {name:?}, which is of no kind that is carried; the target must have it"
                );
                let found = report.add(Severity::Warning, "kind-not-carried", "", message);
                in_file(found, Some((reference.line, reference.column)));
            }
        }
        for dynamic in &scan.dynamic {
            let message = format!(
                "{} takes a computed name, which cannot be followed",
                dynamic.function
            );
            let found = report.add(Severity::Note, "flow-dynamic-reference", "", message);
            in_file(found, Some((dynamic.line, dynamic.column)));
        }
        for guid in &scan.guids {
            let message = format!("{} is an id of one org; name the object instead", guid.text);
            let found = report.add(Severity::Warning, "flow-hard-coded-id", "", message);
            in_file(found, Some((guid.line, guid.column)));
        }
    }

    /// A flow's division is said twice: by the document and by its source.
    fn check_division(&self, document: &Portable, scan: &FlowScan, report: &mut Report<'_>) {
        let Some(Slot::Ref(division)) = document.body.get("division").and_then(Slot::of) else {
            return;
        };
        let name = self.name_of(&division);
        if let (Some(name), Some(said)) = (name, scan.division.as_deref())
            && name != said
        {
            let message =
                format!("the source is in the division {said:?}, the document in {name:?}");
            in_file(
                report.add(Severity::Warning, "flow-division-differs", "", message),
                None,
            );
        }
    }

    fn name_of(&self, division: &ObjectRef) -> Option<&str> {
        self.bundle
            .documents
            .get(division)?
            .body
            .get("name")?
            .as_str()
    }
}

fn in_file(problem: &mut Problem, at: Option<(usize, usize)>) {
    problem.file = Some(FLOW_SOURCE.to_owned());
    problem.line = at.map(|(line, _)| line);
    problem.column = at.map(|(_, column)| column);
}
