//! Flow sources: there, readable, complete, and of the flow that the document says.

use std::collections::BTreeSet;

use super::{Problem, Report};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Portable, Slot};
use crate::flow::{self, FlowScan, FlowTarget, FlowType, i3};
use crate::flow_names::{self, FlowNames};
use crate::id::Kind;
use crate::plan::{FLOW_SOURCE, Severity};

/// Checks flow sources against a bundle.
pub(super) struct Sources<'b> {
    bundle: &'b Bundle,
    names: FlowNames<'b>,
    kinds: BTreeSet<&'b Kind>,
}

impl<'b> Sources<'b> {
    pub(super) fn new(catalogue: &'b Catalogue, bundle: &'b Bundle) -> Self {
        Self {
            bundle,
            names: FlowNames::new(catalogue, flow_names::of_bundle(bundle)),
            kinds: bundle.documents.keys().map(|object| &object.kind).collect(),
        }
    }

    pub(super) fn check(&self, document: &Portable, report: &mut Report<'_>) {
        let source = document.files.get(FLOW_SOURCE);
        let export = document.files.get(i3::FILE);
        match (source, export) {
            (Some(_), Some(_)) => {
                let message = format!(
                    "it has two sources, {FLOW_SOURCE} and {}; take one out",
                    i3::FILE
                );
                report.error("flow-source-twice", "", message);
            }
            (Some(source), None) => self.check_source(document, source, report),
            (None, Some(export)) => self.check_export(document, export, report),
            (None, None) => {
                let message =
                    format!("its source is missing: add the file <name>.{FLOW_SOURCE} beside it");
                report.error("flow-source-missing", "", message);
            }
        }
    }

    fn check_source(&self, document: &Portable, bytes: &[u8], report: &mut Report<'_>) {
        let unreadable = "flow-source-unreadable";
        let Ok(text) = std::str::from_utf8(bytes) else {
            let message = "the source is not UTF-8 text".to_owned();
            in_file(report.error(unreadable, "", message), FLOW_SOURCE, None);
            return;
        };
        match flow::scan(text) {
            Ok(scan) => self.check_scan(document, &scan, report),
            Err(error) => {
                let at = Some((error.line, error.column));
                let found = report.error(unreadable, "", error.message);
                in_file(found, FLOW_SOURCE, at);
            }
        }
    }

    fn check_export(&self, document: &Portable, bytes: &[u8], report: &mut Report<'_>) {
        let manifest = match i3::manifest(bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                let found = report.error("flow-source-unreadable", "", error.to_string());
                return in_file(found, i3::FILE, None);
            }
        };
        check_identity(
            document,
            manifest.flow_type,
            &manifest.name,
            i3::FILE,
            report,
        );
        for target in manifest.entries.iter().filter_map(|entry| entry.target()) {
            self.check_target(&target, i3::FILE, None, report);
        }
    }

    fn check_scan(&self, document: &Portable, scan: &FlowScan, report: &mut Report<'_>) {
        for placeholder in &scan.placeholders {
            let message = format!("the placeholder {} is not filled in", placeholder.text);
            let at = Some((placeholder.line, placeholder.column));
            in_file(
                report.error("flow-placeholder", "", message),
                FLOW_SOURCE,
                at,
            );
        }
        check_identity(document, scan.flow_type, &scan.name, FLOW_SOURCE, report);
        self.check_division(document, scan, report);
        for reference in &scan.references {
            if !reference.unfilled {
                let at = Some((reference.line, reference.column));
                self.check_target(&reference.target, FLOW_SOURCE, at, report);
            }
        }
        for dynamic in &scan.dynamic {
            let message = format!(
                "{} takes a computed name, which cannot be followed",
                dynamic.function
            );
            let found = report.add(Severity::Note, "flow-dynamic-reference", "", message);
            in_file(found, FLOW_SOURCE, Some((dynamic.line, dynamic.column)));
        }
        for guid in &scan.guids {
            let message = format!("{} is an id of one org; name the object instead", guid.text);
            let found = report.add(Severity::Warning, "flow-hard-coded-id", "", message);
            in_file(found, FLOW_SOURCE, Some((guid.line, guid.column)));
        }
    }

    /// Tells of a name that leads nowhere, or nowhere in the bundle.
    fn check_target(
        &self,
        target: &FlowTarget,
        file: &str,
        at: Option<(usize, usize)>,
        report: &mut Report<'_>,
    ) {
        let (kind, name) = (target.kind(), target.name());
        if !self.names.carries(target) {
            let message = format!(
                "names the {kind} {name:?}, which is of no kind that is carried; the target must have it"
            );
            let found = report.add(Severity::Warning, "kind-not-carried", "", message);
            in_file(found, file, at);
        }
        // Of a kind that is not in the bundle at all, the target may have it.
        if let Some(object) = self.names.find(target)
            && !object.key.is_builtin()
            && self.kinds.contains(&object.kind)
            && !self.bundle.documents.contains_key(&object)
        {
            let message =
                format!("names {object}, which is not in the bundle; the target must have it");
            let found = report.add(Severity::Warning, "flow-names-nothing", "", message);
            in_file(found, file, at);
        }
    }

    /// A flow's division is said twice: by the document and by its source.
    fn check_division(&self, document: &Portable, scan: &FlowScan, report: &mut Report<'_>) {
        let Some(Slot::Ref(division)) = document.body.get("division").and_then(Slot::of) else {
            return;
        };
        let division = self.bundle.documents.get(&division);
        let name = division.and_then(|division| division.text("name"));
        if let (Some(name), Some(said)) = (name, scan.division.as_deref())
            && name != said
        {
            let message =
                format!("the source is in the division {said:?}, the document in {name:?}");
            let found = report.add(Severity::Warning, "flow-division-differs", "", message);
            in_file(found, FLOW_SOURCE, None);
        }
    }
}

/// Compares what a source says of itself with what the document says.
fn check_identity(
    document: &Portable,
    flow_type: FlowType,
    name: &str,
    file: &str,
    report: &mut Report<'_>,
) {
    let says = |field: &str| document.body.get(field).and_then(|value| value.as_str());
    if let Some(said) = says("type")
        && FlowType::parse(said).is_some_and(|known| known != flow_type)
    {
        let message = format!(
            "the source is a flow of type {}, the document says {said}",
            flow_type.api()
        );
        in_file(report.error("flow-type-differs", "", message), file, None);
    }
    if let Some(said) = says("name")
        && said != name
    {
        let message = format!("the source is of the flow {name:?}, the document says {said:?}");
        in_file(report.error("flow-name-differs", "", message), file, None);
    }
}

fn in_file(problem: &mut Problem, file: &str, at: Option<(usize, usize)>) {
    problem.file = Some(file.to_owned());
    problem.line = at.map(|(line, _)| line);
    problem.column = at.map(|(_, column)| column);
}
