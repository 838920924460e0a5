//! `orgsmith export`

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use orgsmith_core::bundle::{Bundle, Gap};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::id::Kind;
use orgsmith_core::snapshot::{Part, undeclared};
use orgsmith_store::bundle;
use serde_json::json;

use crate::args::{Format, Selected};
use crate::error::{Exit, Failure, count};
use crate::keys::{For, Trust};
use crate::output::{Align, BOLD, Table, YELLOW, styled};
use crate::session::{Connected, Session};
use crate::source::{Extent, Source, read, selection, usage};

/// Writes an org to a bundle: a directory of YAML files, a zip, or an encrypted zip.
///
/// Nothing half-written is left behind. What could not be read is listed as a gap, here and in the
/// bundle's manifest; the exit code is then 3.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The org, as orgsmith.yaml names it; `env` for the one of the GENESYSCLOUD_* variables.
    org: String,
    /// The directory, the .zip or the encrypted .age to write.
    #[arg(long, value_name = "DIR|FILE.zip|FILE.age")]
    out: PathBuf,
    #[command(flatten)]
    readers: For,
    /// The bundle that the org was made of: where the org is as its overlay makes it, the export says
    /// what the bundle does, variables and places of secrets included [default: the bundle that is at
    /// --out already].
    #[arg(long, value_name = "DIR|FILE.zip")]
    base: Option<PathBuf>,
    /// Writes what the org says, whatever bundle is at --out already.
    #[arg(long, conflicts_with = "base")]
    no_base: bool,
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
        let form = self.form(session)?;
        let catalogue = session.catalogue();
        let selection = selection(catalogue, &self.selected)?;
        let connected = session.connect(&self.org)?;
        let base = self.base(session, &connected)?;
        let read = read(session, &connected, &selection, Extent::Selected).await?;
        let mut told = Told::default();
        let mut writer = bundle::Writer::default();
        let mut about = Bundle::default();
        let mut add = |document: &Portable| {
            told.add(catalogue, document);
            writer.add(document);
        };
        if let Some(base) = &base {
            let (mut whole, _) = read.snapshot.to_bundle(catalogue, &read.pins);
            let conflicts = connected.overlay.restore(catalogue, base, &mut whole);
            for conflict in conflicts {
                whole.gaps.push(Gap {
                    kind: conflict.object.kind.clone(),
                    object: Some(conflict.object.key.as_str().to_owned()),
                    reason: conflict.reason,
                });
            }
            about = selection.apply(whole, catalogue).map_err(usage)?;
            about
                .documents
                .values()
                .for_each(|document| add(&document.open()));
            about.documents.clear();
        } else if selection.is_everything() {
            // Nothing is chosen among the documents, so they need not be in memory together.
            read.snapshot
                .for_each_document(catalogue, &read.pins, &mut |part| match part {
                    Part::Document(document) => add(&document),
                    Part::Gaps(gaps) => about.gaps = gaps,
                });
            about.source = read.snapshot.org.clone();
        } else {
            let (whole, _) = read.snapshot.to_bundle(catalogue, &read.pins);
            about = selection.apply(whole, catalogue).map_err(usage)?;
            let documents = std::mem::take(&mut about.documents).into_values();
            documents.for_each(|document| add(&document.open()));
        }
        let doing = || format!("writing the bundle {}", self.out.display());
        let digest = match form {
            Form::Dir => writer.write_dir(&about, &self.out),
            Form::Zip => writer.write_zip(&about, &self.out),
            Form::Encrypted(readers) => writer.write_encrypted(&about, &self.out, &readers),
        }
        .with_context(doing)?;
        let result = json!({
            "event": "result", "org": self.org, "out": self.out, "digest": digest,
            "objects": told.counts, "gaps": about.gaps, "calls": read.calls,
        });
        out.record(&result);
        for undeclared in &told.undeclared {
            out.say(undeclared);
        }
        if out.format() == Format::Json {
            out.json(&result)?;
        } else {
            out.data(self.told(&told, &about, read.calls, digest.as_str())?)?;
        }
        Ok(if read.snapshot.gaps.is_empty() {
            Exit::Ok
        } else {
            Exit::Partial
        })
    }

    /// Reads the bundle that the org was made of, where there is one and it can say more than the org.
    fn base(&self, session: &Session<'_>, connected: &Connected) -> anyhow::Result<Option<Bundle>> {
        let empty = || std::fs::read_dir(&self.out).is_ok_and(|mut found| found.next().is_none());
        let path = match &self.base {
            Some(path) => path,
            None if self.no_base || !self.out.exists() || empty() => return Ok(None),
            None => &self.out,
        };
        let keys = session.keys.of(path, Trust::Anybody, session.out)?;
        let base = bundle::read_with(path, keys).with_context(|| {
            format!(
                "reading {}, of which the export keeps variables and names (--no-base replaces it)",
                path.display()
            )
        })?;
        let base = base.bundle;
        let mut documents = base.documents.values();
        let says_more = !connected.overlay.is_idle(&base)
            || documents.any(|document| document.as_json().contains("\"$secret\""));
        Ok(says_more.then_some(base))
    }

    /// Tells what is written, by the ending; what cannot be is refused before an org is read.
    fn form(&self, session: &Session<'_>) -> anyhow::Result<Form> {
        let ending = self.out.extension().and_then(|ending| ending.to_str());
        if ending == Some("age") {
            return Ok(Form::Encrypted(session.keys.recipients(&self.readers)?));
        }
        if self.readers.anybody() {
            return Err(usage(format!(
                "{} would not be encrypted; an encrypted bundle ends in .age",
                self.out.display()
            )));
        }
        if ending == Some("zip") {
            return Ok(Form::Zip);
        }
        self.refuse_early()?;
        Ok(Form::Dir)
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

    fn told(
        &self,
        told: &Told,
        about: &Bundle,
        calls: u64,
        digest: &str,
    ) -> anyhow::Result<String> {
        let mut table = Table::new(&[Align::Left, Align::Right]);
        for (kind, count) in &told.counts {
            table.row([kind.to_string(), count.to_string()]);
        }
        let mut text = table.text("  ");
        for gap in &about.gaps {
            text.push_str(&format!("{} {gap}\n", styled(YELLOW, "gap")));
        }
        let gaps = match about.gaps.len() {
            0 => String::new(),
            gaps => format!(", {}", count(gaps, "gap")),
        };
        text.push_str(&format!(
            "{} from {} to {}{gaps}, {}\nsha256:{digest}\n",
            styled(BOLD, count(told.counts.values().sum(), "object")),
            self.org,
            self.out.display(),
            count(usize::try_from(calls)?, "call"),
        ));
        Ok(text)
    }
}

/// How a bundle is written.
enum Form {
    Dir,
    Zip,
    Encrypted(bundle::Recipients),
}

/// What is said of the documents of an export.
#[derive(Default)]
struct Told {
    counts: BTreeMap<Kind, usize>,
    undeclared: Vec<String>,
}

impl Told {
    fn add(&mut self, catalogue: &Catalogue, document: &Portable) {
        let object = &document.object;
        *self.counts.entry(object.kind.clone()).or_default() += 1;
        let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
            return;
        };
        for (path, other) in undeclared(descriptor, &document.body) {
            self.undeclared.push(format!(
                "{} {object}: {path} refers to {other}, where no {} is known to refer to anything; it travels as a reference",
                styled(YELLOW, "undeclared"),
                object.kind
            ));
        }
    }
}
