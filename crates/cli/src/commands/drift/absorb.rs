//! `orgsmith drift absorb`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::drift::{Absorbed, Resolution};
use orgsmith_core::id::ObjectRef;
use orgsmith_core::plan::Conflict;
use orgsmith_core::validate::normalise;
use orgsmith_store::bundle::{self, Change, Loaded, Lock, Touched, change_dir, lock_dir};
use serde_json::{Value, json};

use super::{Against, Chosen, Looked, Terms, look, names, read};
use crate::args::Format;
use crate::error::{Exit, count};
use crate::keys::Trust;
use crate::output::{YELLOW, styled};
use crate::session::{Connected, Session};
use crate::source::usage;

/// How soon it is looked again whether a bundle is free.
const AGAIN: Duration = Duration::from_millis(200);

/// Writes what became of an org into the bundle that it is held against.
///
/// Variables, places of secrets and what the overlay makes different stay the bundle's, and so do comments
/// and the order of fields, as far as that goes; where it does not, it is said. Without --select it is
/// what the policy gives to the org; with it, what was chosen.
#[derive(Debug, Args)]
pub(crate) struct Absorb {
    /// The org.
    org: String,
    /// The bundle, a directory.
    #[arg(long, value_name = "BUNDLE")]
    into: PathBuf,
    #[command(flatten)]
    chosen: Chosen,
    /// Which side is right where they are at odds [default: `drift:` of the project file, else ask].
    #[arg(long, value_name = "POLICY")]
    policy: Option<crate::config::Right>,
    /// Only says which files it would change.
    #[arg(long)]
    dry_run: bool,
}

impl Absorb {
    pub(super) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let (out, catalogue) = (session.out, session.catalogue());
        super::only_text_or_json(session)?;
        if !self.into.is_dir() {
            let into = self.into.display();
            return Err(usage(format!(
                "{into} is no directory; `orgsmith bundle unpack` makes one of a zip"
            )));
        }
        let into = self.into.display().to_string();
        // What is read now is what is changed later.
        let _lock = self.lock(session).await?;
        let target = session.connect(&self.org)?;
        let selection = self.chosen.picked.selection(session)?;
        // A folder may be called as an org is.
        let place = format!("./{into}");
        let named = if session.config.has(&into) {
            &place
        } else {
            &into
        };
        let source = read(session, &target, Some(named), &selection).await?;
        let against = Against {
            against: Some(into.clone()),
            policy: self.policy,
        };
        let Looked { drift, observed } = look(
            session,
            &target,
            &source,
            &against,
            &selection,
            Terms::MeanSomething,
        )
        .await?;
        let (live, _) = observed.snapshot.to_bundle(catalogue, &observed.pins);
        let means = self.chosen.means(Resolution::Absorb);
        let absorbed = drift.absorbed(catalogue, &observed.bundle, &live, &means);
        if absorbed.bundle.documents.is_empty() && absorbed.removed.is_empty() {
            out.say(self.chosen.nothing(&drift, "absorbed"));
        }
        let edits = edits(session, &target, &self.into, &observed.bundle, absorbed)?;
        let touched = change_dir(&self.into, &edits.changes, !self.dry_run)
            .with_context(|| format!("changing the bundle {into}"))?;
        self.show(session, &edits, &touched)?;
        Ok(match edits.refused.is_empty() {
            true => Exit::Ok,
            false => Exit::Partial,
        })
    }

    /// Waits until nobody else absorbs into the bundle.
    async fn lock(&self, session: &Session<'_>) -> anyhow::Result<Lock> {
        let into = self.into.display();
        let mut said = false;
        loop {
            let lock =
                lock_dir(&self.into).with_context(|| format!("locking the bundle {into}"))?;
            if let Some(lock) = lock {
                return Ok(lock);
            }
            if !std::mem::replace(&mut said, true) {
                session
                    .out
                    .say(format!("Waiting: something else is absorbed into {into}."));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn show(
        &self,
        session: &Session<'_>,
        edits: &Edits,
        touched: &[Touched],
    ) -> anyhow::Result<()> {
        let out = session.out;
        let files: Vec<Value> = touched
            .iter()
            .map(|file| {
                let Touched {
                    path,
                    removed,
                    lost,
                } = file;
                json!({ "path": path, "removed": removed, "comments_lost": lost })
            })
            .collect();
        let result = json!({
            "event": "absorbed", "org": self.org, "into": self.into, "dry_run": self.dry_run,
            "objects": names(&edits.objects), "files": files, "refused": edits.refused,
        });
        out.record(&result);
        for conflict in &edits.refused {
            let label = styled(YELLOW, "left alone");
            out.say(format!("{label} {}: {}", conflict.object, conflict.reason));
        }
        if out.format() == Format::Json {
            return out.json(&result);
        }
        let mut text = String::new();
        for Touched {
            path,
            removed,
            lost,
        } in touched
        {
            let word = if *removed { "removed" } else { "changed" };
            let note = if *lost {
                "  (comments or the order of fields in it are lost)"
            } else {
                ""
            };
            text.push_str(&format!("{word} {path}{note}\n"));
        }
        let verb = if self.dry_run { "would be" } else { "are" };
        let files = count(touched.len(), "file");
        text.push_str(&format!(
            "{files} of {} {verb} changed.",
            self.into.display()
        ));
        out.data(text)
    }
}

/// What becomes of a bundle.
struct Edits {
    changes: Vec<Change>,
    objects: BTreeSet<ObjectRef>,
    refused: Vec<Conflict>,
}

/// Says what was absorbed in the words of the bundle on disk.
fn edits(
    session: &Session<'_>,
    target: &Connected,
    path: &Path,
    expected: &Bundle,
    absorbed: Absorbed,
) -> anyhow::Result<Edits> {
    let catalogue = session.catalogue();
    let keys = session.keys.of(path, Trust::Anybody, session.out)?;
    let Loaded {
        bundle: mut raw,
        source,
        ..
    } = bundle::read_with(path, keys)
        .with_context(|| format!("reading the bundle {}", path.display()))?;
    let written = raw.clone();
    normalise(catalogue, &mut raw);
    let mut refused = Vec::new();
    // What the bundle has as it is, and what it is to have, both put back into its own words: what
    // differs between these two is what is written.
    let restored = |documents: Bundle, refused: &mut Vec<Conflict>| {
        let mut found = documents;
        refused.extend(target.overlay.restore(catalogue, &raw, &mut found));
        found.documents
    };
    let back: BTreeMap<ObjectRef, ObjectRef> = {
        let mut applied = raw.clone();
        let moved = target.overlay.apply(catalogue, &mut applied).moved;
        moved.into_iter().map(|(old, new)| (new, old)).collect()
    };
    let mut as_it_is = Bundle::default();
    for object in absorbed.bundle.documents.keys() {
        if let Some(document) = expected.documents.get(object) {
            as_it_is.documents.insert(object.clone(), document.clone());
        }
    }
    let as_it_is = restored(as_it_is, &mut Vec::new());
    let next = restored(absorbed.bundle, &mut refused);
    let mut edits = Edits {
        changes: Vec::new(),
        objects: BTreeSet::new(),
        refused: Vec::new(),
    };
    for (object, document) in next {
        let Some(now) = as_it_is.get(&object) else {
            edits.objects.insert(object);
            edits.changes.push(Change::Put(document.open()));
            continue;
        };
        let Some((document, now, mut own)) = written
            .documents
            .get(&object)
            .filter(|_| source.file_of(&object).is_some())
            .map(|own| (document.open(), now.open(), own.open()))
        else {
            refused.push(Conflict {
                object,
                reason: format!(
                    "no file of {} is its own: a component, a list of people or a key in other \
                     letters stands for it; change it there",
                    path.display()
                ),
            });
            continue;
        };
        let fields: BTreeSet<&String> = document.body.keys().chain(now.body.keys()).collect();
        for field in fields {
            let value = document.body.get(field);
            if value == now.body.get(field) {
                continue;
            }
            match value {
                Some(value) => own.body.insert(field.clone(), value.clone()),
                None => own.body.remove(field),
            };
        }
        if document.files != now.files {
            own.files = document.files;
        }
        edits.objects.insert(object);
        edits.changes.push(Change::Put(own));
    }
    for object in absorbed.removed {
        let object = back.get(&object).cloned().unwrap_or(object);
        match source.file_of(&object) {
            Some(_) => {
                edits.objects.insert(object.clone());
                edits.changes.push(Change::Remove(object));
            }
            None => refused.push(Conflict {
                object,
                reason: "no file of the bundle is its own; take it out where it stands".to_owned(),
            }),
        }
    }
    refused.sort();
    refused.dedup();
    edits.refused = refused;
    Ok(edits)
}
