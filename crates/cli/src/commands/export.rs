//! `orgsmith export`

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{Kind, ObjectRef};
use orgsmith_core::snapshot::undeclared;
use orgsmith_store::bundle;
use serde_json::json;

use crate::args::{Format, Selected};
use crate::error::{Exit, Failure, count};
use crate::output::{Align, BOLD, Table, YELLOW, styled};
use crate::session::Session;
use crate::source::{Source, Wanted};

/// Writes an org to a bundle: a directory of YAML files, or a zip.
///
/// Nothing half-written is left behind. What could not be read is listed as a gap, here and in the
/// bundle's manifest; the exit code is then 3.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The org, as orgsmith.yaml names it; `env` for the one of the GENESYSCLOUD_* variables.
    org: String,
    /// The directory or the .zip to write.
    #[arg(long, value_name = "DIR|FILE.zip")]
    out: PathBuf,
    #[command(flatten)]
    selected: Selected,
}

impl Export {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let Source::Org(_) = Source::parse(&self.org, session)? else {
            return Err(Failure::Usage(format!(
                "{} is a bundle already; `orgsmith bundle pack` makes a zip of a directory",
                self.org
            ))
            .into());
        };
        let zip = self.out.extension().is_some_and(|ending| ending == "zip");
        if !zip {
            self.refuse_early()?;
        }
        let wanted = Source::Org(self.org.clone())
            .read(session, &self.selected)
            .await?;
        let bundle = &wanted.bundle;
        let doing = || format!("writing the bundle {}", self.out.display());
        let digest = if zip {
            bundle::write_zip(bundle, &self.out).with_context(doing)?
        } else {
            bundle::write_dir(bundle, &self.out)
                .with_context(doing)?
                .digest
        };
        let result = json!({
            "event": "result", "org": self.org, "out": self.out, "digest": digest,
            "objects": counts(bundle), "gaps": bundle.gaps, "calls": wanted.calls,
        });
        out.record(&result);
        for (object, path, other) in undeclared_references(session.catalogue(), bundle) {
            out.say(format!(
                "{} {object}: {path} refers to {other}, where no {} is known to refer to anything; it travels as a reference",
                styled(YELLOW, "undeclared"),
                object.kind
            ));
        }
        if out.format() == Format::Json {
            out.json(&result)?;
        } else {
            out.data(self.told(&wanted, digest.as_str())?)?;
        }
        Ok(if wanted.failed_reads > 0 {
            Exit::Partial
        } else {
            Exit::Ok
        })
    }

    /// Refuses a folder of something else before an org is read for minutes.
    fn refuse_early(&self) -> anyhow::Result<()> {
        let Ok(mut entries) = std::fs::read_dir(&self.out) else {
            return Ok(());
        };
        if entries.next().is_some() && !self.out.join("manifest.json").exists() {
            let path = self.out.clone();
            return Err(bundle::Error::NotABundle { path }.into());
        }
        Ok(())
    }

    fn told(&self, wanted: &Wanted, digest: &str) -> anyhow::Result<String> {
        let bundle = &wanted.bundle;
        let mut table = Table::new(&[Align::Left, Align::Right]);
        for (kind, count) in counts(bundle) {
            table.row([kind.to_string(), count.to_string()]);
        }
        let mut text = table.text("  ");
        for gap in &bundle.gaps {
            text.push_str(&format!("{} {gap}\n", styled(YELLOW, "gap")));
        }
        let gaps = match bundle.gaps.len() {
            0 => String::new(),
            gaps => format!(", {}", count(gaps, "gap")),
        };
        text.push_str(&format!(
            "{} from {} to {}{gaps}, {}\nsha256:{digest}\n",
            styled(BOLD, count(bundle.documents.len(), "object")),
            self.org,
            self.out.display(),
            count(usize::try_from(wanted.calls)?, "call"),
        ));
        Ok(text)
    }
}

/// Returns the references of a bundle that no kind file declares, with their places.
fn undeclared_references<'b>(
    catalogue: &'b Catalogue,
    bundle: &'b Bundle,
) -> impl Iterator<Item = (&'b ObjectRef, String, ObjectRef)> {
    bundle.documents.iter().flat_map(|(object, document)| {
        let descriptor = catalogue.get(object.kind.as_str()).ok();
        let found = descriptor.map(|descriptor| undeclared(descriptor, &document.body));
        let found = found.unwrap_or_default().into_iter();
        found.map(move |(path, other)| (object, path, other))
    })
}

/// Counts the objects of a bundle by kind.
pub(crate) fn counts(bundle: &Bundle) -> BTreeMap<&Kind, usize> {
    let mut counts = BTreeMap::new();
    for object in bundle.documents.keys() {
        *counts.entry(&object.kind).or_default() += 1;
    }
    counts
}
