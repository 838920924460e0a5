//! `orgsmith compare`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use futures::future::try_join_all;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::matrix::{self, Matrix};
use orgsmith_core::render::{
    Detail, Rows, matrix_json, matrix_markdown, matrix_page, matrix_screen,
};
use orgsmith_core::select::Selection;

use super::road::MARKDOWN_LIMIT;
use crate::args::{Format, Selected};
use crate::error::{Exit, Failure};
use crate::output::text;
use crate::session::Session;
use crate::source::{Extent, Source, Wanted, selection, usage};

/// Compares any number of orgs and bundles, object by object.
///
/// Each row is an object, each column a source; equal letters in a row are equal contents, `–` is
/// not there, `?` was not read. The first source is the one that the others are held against: -v
/// shows the fields. `-o html` makes a page to filter and to choose from what is to be planned.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Orgs, bundle directories or zips; two or more.
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    /// Shows also what is the same everywhere.
    #[arg(long)]
    all: bool,
    /// Writes the result to a file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exits with 2 when anything differs.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    selected: Selected,
}

impl Compare {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let (out, catalogue) = (session.out, session.catalogue());
        out.fits(self.out.as_deref())?;
        let sources = self.sources(session)?;
        let selection = selection(catalogue, &self.selected)?;
        let reads = sources
            .iter()
            .map(|source| source.read_around(session, &selection, Extent::Kinds));
        let read = try_join_all(reads).await?;
        let wanted = if self.selected.select.is_empty() && self.selected.exclude.is_empty() {
            None
        } else {
            Some(chosen(catalogue, &selection, &read)?)
        };
        let asked = read
            .iter()
            .zip(&sources)
            .map(|(read, source)| asked(catalogue, source, &selection, &read.bundle));
        let asked: Vec<Selection> = asked.collect::<anyhow::Result<_>>()?;
        let columns: Vec<matrix::Source<'_>> = (self.sources.iter().zip(&sources))
            .zip(read.iter().zip(&asked))
            .map(|((name, source), (read, asked))| matrix::Source {
                name,
                is_org: matches!(source, Source::Org(_)),
                bundle: &read.bundle,
                asked,
            })
            .collect();
        let matrix = Matrix::new(
            catalogue,
            &columns,
            wanted.as_ref().map(|wanted| (wanted, &selection)),
        );
        self.show(session, &matrix)?;
        let mut partial = false;
        for (name, read) in self.sources.iter().zip(&read) {
            if read.is_partial() {
                out.warn(format!("{name} is not known in full; see its gaps"));
                partial = true;
            }
        }
        Ok(if partial {
            Exit::Partial
        } else if self.detailed_exitcode && matrix.differs() {
            Exit::Differences
        } else {
            Exit::Ok
        })
    }

    /// Reads the names of the sources, before anything is read of them.
    fn sources(&self, session: &Session<'_>) -> anyhow::Result<Vec<Source>> {
        let sources = self.sources.iter();
        let sources: Vec<Source> = sources
            .map(|text| Source::told(text, session))
            .collect::<anyhow::Result<_>>()?;
        if let [only] = &self.sources[..] {
            return Err(Failure::Usage(format!(
                "{only} alone cannot be compared; name two or more orgs or bundles"
            ))
            .into());
        }
        for (index, source) in sources.iter().enumerate() {
            if sources[..index].contains(source) {
                let name = &self.sources[index];
                return Err(Failure::Usage(format!("{name} is named twice")).into());
            }
        }
        Ok(sources)
    }

    fn show(&self, session: &Session<'_>, matrix: &Matrix) -> anyhow::Result<()> {
        let out = session.out;
        let rows = if self.all { Rows::All } else { Rows::NotSame };
        let detail = match out.verbose() {
            0 => Detail::Objects,
            1 => Detail::Fields,
            _ => Detail::Full,
        };
        let shown = match out.format() {
            Format::Text => text::ansi(matrix_screen(matrix, rows, detail).lines()),
            Format::Json => serde_json::to_string_pretty(&matrix_json(matrix, rows))?,
            Format::Markdown => matrix_markdown(matrix, rows, MARKDOWN_LIMIT),
            // On a page fields are folded, and so never in the way.
            Format::Html => matrix_page(
                session.catalogue(),
                matrix,
                rows,
                detail.max(Detail::Fields),
            ),
            // Refused with the command line.
            Format::Svg | Format::Dot | Format::Sarif | Format::Junit => String::new(),
        };
        out.data_into(self.out.as_deref(), &shown)
    }
}

/// Returns the objects that are selected in any of the sources.
fn chosen(
    catalogue: &Catalogue,
    selection: &Selection,
    read: &[Wanted],
) -> anyhow::Result<BTreeSet<ObjectRef>> {
    let bundles: Vec<&Bundle> = read.iter().map(|wanted| &wanted.bundle).collect();
    // A term that selects nothing in one source may select something in another.
    selection.check(&bundles).map_err(usage)?;
    let chosen = bundles
        .iter()
        .flat_map(|bundle| selection.kept(bundle, catalogue));
    Ok(chosen.cloned().collect())
}

/// Returns what was asked of a source: of a bundle its manifest says so.
fn asked(
    catalogue: &Catalogue,
    source: &Source,
    selection: &Selection,
    bundle: &Bundle,
) -> anyhow::Result<Selection> {
    match source {
        Source::Org(_) => Ok(selection.clone()),
        Source::Path(_) => Selection::from_texts(catalogue, &bundle.selection).map_err(usage),
    }
}
