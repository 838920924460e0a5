//! `orgsmith kinds`

use clap::Args;
use orgsmith_core::catalogue::{Catalogue, ClonePhase, Descriptor};

use crate::args::Format;
use crate::error::{Exit, Failure};
use crate::output::{BOLD, DIM, Out, Table, styled};

/// Lists the kinds of objects, or says what is known of one.
#[derive(Debug, Args)]
pub(crate) struct Kinds {
    /// A kind, such as routing_queue.
    kind: Option<String>,
}

impl Kinds {
    pub(crate) fn run(&self, out: &Out) -> anyhow::Result<Exit> {
        let catalogue = Catalogue::builtin();
        match &self.kind {
            None => list(catalogue, out)?,
            Some(kind) => {
                let kind = catalogue
                    .get(kind)
                    .map_err(|error| Failure::Usage(error.to_string()))?;
                one(kind, out)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn list(catalogue: &Catalogue, out: &Out) -> anyhow::Result<()> {
    if out.format() == Format::Json {
        let kinds: Vec<&Descriptor> = catalogue.iter().collect();
        return out.json(&kinds);
    }
    let mut table = Table::new(&[]);
    table.row(["KIND", "TITLE", "FAMILY", "A CLONE"].map(|head| styled(BOLD, head)));
    for kind in catalogue.iter() {
        table.row([
            kind.kind.to_string(),
            kind.title.clone(),
            kind.family.clone(),
            treatment(kind).to_owned(),
        ]);
    }
    out.data(table.text(""))
}

fn treatment(kind: &Descriptor) -> &'static str {
    match kind.clone {
        ClonePhase::Mapped => "maps it, never creates it",
        _ if kind.singleton => "sets it",
        _ => "creates and updates it",
    }
}

fn one(kind: &Descriptor, out: &Out) -> anyhow::Result<()> {
    if out.format() == Format::Json {
        return out.json(kind);
    }
    let mut text = format!(
        "{} ({}, {})\n",
        styled(BOLD, &kind.kind),
        kind.title,
        kind.family
    );
    text.push_str(&format!("A clone {}.\n", treatment(kind)));
    let mut references = Table::new(&[]);
    for reference in &kind.references {
        let to: Vec<&str> = reference
            .kind
            .iter()
            .chain(reference.kinds.values())
            .map(|kind| kind.as_str())
            .collect();
        references.row([reference.path.to_string(), to.join(", ")]);
    }
    if !references.is_empty() {
        text.push_str(&format!(
            "\n{}\n{}",
            styled(BOLD, "Refers to"),
            references.text("  ")
        ));
    }
    let mut calls = Table::new(&[]);
    for list in &kind.list {
        calls.row([
            "list".to_owned(),
            format!("{} {}", list.method(), list.path),
        ]);
    }
    if let Some(read) = &kind.read {
        calls.row(["read".to_owned(), format!("GET {}", read.path)]);
    }
    for (verb, write) in [
        ("create", &kind.create),
        ("update", &kind.update),
        ("restore", &kind.restore),
    ] {
        if let Some(write) = write {
            calls.row([verb.to_owned(), format!("{} {}", write.method, write.path)]);
        }
    }
    if let Some(delete) = &kind.delete {
        calls.row(["delete".to_owned(), format!("DELETE {}", delete.path)]);
    }
    text.push_str(&format!(
        "\n{}\n{}",
        styled(BOLD, "Calls"),
        calls.text("  ")
    ));
    for note in &kind.notes {
        text.push_str(&format!("\n{note}\n"));
    }
    text.push_str(&styled(DIM, "-o json shows everything that is known."));
    out.data(text)
}
