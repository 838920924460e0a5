//! `orgsmith export`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use orgsmith_core::bundle::{Bundle, Gap};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::endpoints;
use orgsmith_core::id::{Kind, ObjectRef};
use orgsmith_core::plan::Conflict;
use orgsmith_core::privacy::{Policy, Privacy, Report};
use orgsmith_core::secret::Secret;
use orgsmith_core::snapshot::{Part, loose_ids, undeclared};
use orgsmith_store::bundle;
use orgsmith_store::checkpoint::{Checkpoint, Found, Useless};
use serde_json::json;

use crate::args::{Format, Selected, Spend, spend};
use crate::config::Pii;
use crate::error::{Exit, Failure, count};
use crate::keys::{For, Trust};
use crate::output::{Align, BOLD, Table, YELLOW, styled};
use crate::secrets;
use crate::session::{Connected, Session};
use crate::source::{Extent, Source, read_on, selection, usage};

/// How long after its last answer a read that was cut off goes on; after that too much may have changed.
const GOES_ON: Duration = Duration::from_secs(3600);

/// Writes an org to a bundle: a directory of YAML files, a zip, or an encrypted zip.
///
/// Nothing half-written is left behind. An export that was killed goes on with what it had read, within
/// an hour: that is beside --out in a file that ends in .checkpoint, until the bundle is there. What could not be read is listed as a gap, here and in the
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
    /// What becomes of names, addresses and numbers of people (docs/privacy.md) [default: `privacy:` of
    /// the project file, else keep].
    #[arg(long, value_name = "HOW")]
    pii: Option<Pii>,
    /// The bundle that the org was made of: where the org is as its overlay makes it, the export says
    /// what the bundle does, variables and places of secrets included [default: the bundle that is at
    /// --out already].
    #[arg(long, value_name = "DIR|FILE.zip")]
    base: Option<PathBuf>,
    /// Writes what the org says, whatever bundle is at --out already.
    #[arg(long, conflicts_with = "base")]
    no_base: bool,
    /// Ends with exit code 9 once about so many calls were sent, or so many minutes are over since the
    /// start; the same command goes on, as after a kill.
    #[arg(long, value_name = "calls=N,minutes=M", value_parser = spend)]
    budget: Option<Spend>,
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
        let privacy = self.privacy(session).await?;
        let connected = session.connect(&self.org)?;
        let base = self.base(session, &connected)?;
        let checkpoint = match privacy {
            None => self.checkpoint(session, &connected, &form)?,
            Some(_) => None,
        };
        let kept = checkpoint.clone();
        let reading = read_on(session, &connected, &selection, Extent::Selected, kept);
        let budget = session.budget(self.budget.unwrap_or_default());
        let spent = Failure::Spent {
            kept: checkpoint.as_ref().map(|kept| kept.path().to_owned()),
        };
        let read = tokio::select! {
            read = reading => read?,
            () = budget.spent_by(&connected.org) => return Err(spent.into()),
        };
        let mut told = Told::default();
        let mut writer = bundle::Writer::default();
        let mut about = Bundle::default();
        let mut add = |document: &Portable| {
            told.add(catalogue, document);
            writer.add(document);
        };
        let mut people = Report::default();
        let shared: Vec<Gap>;
        if base.is_none() && privacy.is_none() && selection.is_everything() {
            // Nothing is chosen among the documents, so they need not be in memory together.
            let names = read
                .snapshot
                .for_each_document(catalogue, &read.pins, &mut |part| match part {
                    Part::Document(document) => add(&document),
                    Part::BuiltIn(object) => {
                        about.built_in.insert(object);
                    }
                    Part::Gaps(gaps) => about.gaps = gaps,
                });
            shared = names.shared().collect();
            about.source = read.snapshot.org.clone();
        } else {
            let names;
            (about, names) = read.snapshot.to_bundle(catalogue, &read.pins);
            shared = names.shared().collect();
            // They name every object of the org.
            drop(names);
            // Where a base has the last word on names, it is its names that are selected.
            if base.is_none() {
                about = selection.apply(about, catalogue).map_err(usage)?;
            }
            if let Some(privacy) = &privacy {
                people = privacy.apply(catalogue, &mut about);
                leave_out(&mut about, std::mem::take(&mut people.conflicts));
            }
            if let Some(mut base) = base {
                if let Some(privacy) = &privacy {
                    privacy.apply(catalogue, &mut base);
                }
                let conflicts = connected.overlay.restore(catalogue, &base, &mut about);
                if let Some(policy) = &connected.settings.integrations {
                    endpoints::restore(catalogue, &base, &mut about, policy);
                }
                leave_out(&mut about, conflicts);
                about = selection.apply(about, catalogue).map_err(usage)?;
            }
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
        if let Some(checkpoint) = checkpoint {
            let path = checkpoint.path().display();
            if let Some(why) = checkpoint.broken() {
                tracing::debug!(%path, why, "the checkpoint ended early");
            }
            if let Err(error) = checkpoint.remove() {
                out.warn(format!(
                    "could not remove {path}, which is not needed any more: {error}"
                ));
            }
        }
        let mut result = json!({
            "event": "result", "org": self.org, "out": self.out, "digest": digest,
            "objects": told.counts, "gaps": about.gaps, "unresolved": told.unresolved,
            "calls": read.calls,
        });
        if privacy.is_some() {
            result["people"] = json!({
                "objects": people.people, "mentions": people.mentioned, "not_dropped": people.kept,
                "addresses_left": people.addresses, "not_looked_into": people.closed,
            });
        }
        out.record(&result);
        for line in told_of(&people) {
            out.say(line);
        }
        for undeclared in &told.undeclared {
            out.say(undeclared);
        }
        for (object, places) in &told.unresolved {
            let shown = places
                .iter()
                .take(3)
                .map(|(path, id)| format!("{path} holds {id}"));
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = match places.len().saturating_sub(3) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            out.say(format!(
                "{} {object}: {shown}{more}: it looks like an id, is of no object that was read, and travels as it is",
                styled(YELLOW, "unresolved"),
            ));
        }
        if out.format() == Format::Json {
            out.json(&result)?;
        } else {
            out.data(self.told(&told, &about, read.calls, digest.as_str())?)?;
        }
        // Objects that share a key are not in the bundle; those of other kinds were not asked for.
        let lacks_shared = shared.iter().any(|gap| about.gaps.contains(gap));
        let whole = read.snapshot.gaps.is_empty() && !lacks_shared;
        Ok(if whole { Exit::Ok } else { Exit::Partial })
    }

    /// Opens what an earlier try of this export has read, and says whether it is of use. What is not to be
    /// on a disk as it is, because it is encrypted or without people, has none.
    fn checkpoint(
        &self,
        session: &Session<'_>,
        connected: &Connected,
        form: &Form,
    ) -> anyhow::Result<Option<Arc<Checkpoint>>> {
        if matches!(form, Form::Encrypted(_)) {
            return Ok(None);
        }
        let mut name = self.out.clone().into_os_string();
        name.push(".checkpoint");
        let path = PathBuf::from(name);
        if let (Form::Dir, Some(folder)) = (form, path.parent()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("could not create {}", folder.display()))?;
        }
        let of = json!({
            "orgsmith": env!("CARGO_PKG_VERSION"),
            "catalogue": Catalogue::builtin_digest(),
            "org": self.org,
            "at": format!("{:?}", connected.settings.endpoint),
            "client": connected.client_id,
            "selected": format!("{:?}", self.selected),
        });
        let opened = Checkpoint::open(&path, &of.to_string(), SystemTime::now(), GOES_ON);
        let (out, shown) = (session.out, path.display());
        let checkpoint = match opened {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                out.warn(format!(
                    "{shown} cannot be kept ({error}): should the export be killed, it begins anew"
                ));
                return Ok(None);
            }
        };
        match checkpoint.found() {
            Found::Nothing | Found::Entries(0) => {}
            Found::Entries(entries) => out.say(format!(
                "going on with {} of {shown}, which an export that was cut off has left",
                count(entries, "answer")
            )),
            Found::Useless(Useless::Other) => out.say(format!(
                "beginning anew: {shown} is of another org, selection or orgsmith"
            )),
            Found::Useless(Useless::Old) => {
                out.say(format!("beginning anew: {shown} is more than an hour old"))
            }
        }
        Ok(Some(Arc::new(checkpoint)))
    }

    /// Says what becomes of people; nothing where all of them stay.
    async fn privacy(&self, session: &Session<'_>) -> anyhow::Result<Option<Privacy>> {
        let said = &session.config.project.privacy;
        let (policy, kinds) = (self.pii.unwrap_or(said.pii).into(), said.kinds());
        let keeps = |policy: &Policy| *policy == Policy::Keep;
        if keeps(&policy) && kinds.values().all(keeps) {
            return Ok(None);
        }
        let key = match secrets::find(&said.secret, session).await? {
            Some(key) => key,
            None => {
                session.out.warn(format!(
                    "the secret {} has no value, so the pseudonyms are those of this export alone; \
                     with {} set the next export has the same",
                    said.secret,
                    secrets::variable(&said.secret)
                ));
                let random = || uuid::Uuid::new_v4().simple().to_string();
                Secret::new(random() + &random())
            }
        };
        Ok(Some(Privacy::new(policy, kinds, &key, &said.domain)))
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
            || connected.settings.integrations.is_some()
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
            let out = self.out.display();
            return Err(usage(format!(
                "{out} is not empty and no export wrote it (it has no manifest.json); choose another \
                 directory, and --base {out} to keep what a bundle there says"
            )));
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

/// Lists objects that are left out as gaps.
fn leave_out(bundle: &mut Bundle, conflicts: Vec<Conflict>) {
    let gaps = conflicts.into_iter().map(|conflict| Gap {
        kind: conflict.object.kind.clone(),
        object: Some(conflict.object.key.as_str().to_owned()),
        reason: conflict.reason,
    });
    bundle.gaps.extend(gaps);
}

/// Says what was done about people, and what could not be.
fn told_of(people: &Report) -> Vec<String> {
    let Report {
        people,
        mentioned,
        kept,
        addresses,
        closed,
        conflicts: _,
    } = people;
    let mut lines = Vec::new();
    if people + mentioned > 0 {
        lines.push(format!(
            "{} said who somebody is, and {} named somebody in a text",
            count(*people, "object"),
            count(*mentioned, "other object")
        ));
    }
    if !kept.is_empty() {
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        lines.push(format!(
            "not dropped but under a pseudonym, as no object is without it: {}",
            kept.join(", ")
        ));
    }
    let several = |objects: &BTreeSet<ObjectRef>| {
        let shown: Vec<String> = objects.iter().take(5).map(ToString::to_string).collect();
        let more = match objects.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        shown.join(", ") + &more
    };
    if !addresses.is_empty() {
        lines.push(format!(
            "e-mail addresses that are nobody's here stay in {}",
            several(addresses)
        ));
    }
    if !closed.is_empty() {
        lines.push(format!(
            "nobody can look into the source of {}; leave it out if it may name people",
            several(closed)
        ));
    }
    let label = styled(YELLOW, "people");
    lines
        .into_iter()
        .map(|line| format!("{label} {line}"))
        .collect()
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
    /// What looks like an id and means nothing that was read, with its places.
    unresolved: BTreeMap<String, Vec<(String, String)>>,
}

impl Told {
    fn add(&mut self, catalogue: &Catalogue, document: &Portable) {
        let object = &document.object;
        *self.counts.entry(object.kind.clone()).or_default() += 1;
        let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
            return;
        };
        let loose = loose_ids(descriptor, &document.body);
        if !loose.is_empty() {
            self.unresolved.insert(object.to_string(), loose);
        }
        for (path, other) in undeclared(descriptor, &document.body) {
            self.undeclared.push(format!(
                "{} {object}: {path} refers to {other}, where no {} is known to refer to anything; it travels as a reference",
                styled(YELLOW, "undeclared"),
                object.kind
            ));
        }
    }
}
