//! `orgsmith drift revert`

use std::borrow::Cow;

use clap::Args;
use orgsmith_core::drift::{Resolution, Wanted};
use orgsmith_core::plan::Options;

use super::{Against, Chosen, Looked, Terms, look, read};
use crate::args::Carry;
use crate::commands::{ending, road};
use crate::error::Exit;
use crate::secrets::Ask;
use crate::session::Session;

/// Makes an org what its source says again: shows what that takes, asks, and writes.
///
/// Without --select it is what the policy gives to the source; with it, what was chosen. What only the org
/// has is deleted.
#[derive(Debug, Args)]
pub(crate) struct Revert {
    /// The org.
    org: String,
    #[command(flatten)]
    against: Against,
    #[command(flatten)]
    chosen: Chosen,
    /// Takes away the locks of flows that it writes; who holds one may lose unsaved work.
    #[arg(long)]
    unlock: bool,
    #[command(flatten)]
    carry: Carry,
}

impl Revert {
    pub(super) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let (out, catalogue) = (session.out, session.catalogue());
        if !self.carry.dry_run {
            super::only_text_or_json(session)?;
        }
        let target = session.connect(&self.org)?;
        let selection = self.chosen.picked.selection(session)?;
        let named = self.against.against.as_deref();
        let source = read(session, &target, named, &selection).await?;
        let Looked {
            drift,
            mut observed,
        } = look(
            session,
            &target,
            &source,
            &self.against,
            &selection,
            Terms::MeanSomething,
        )
        .await?;
        let (live, _) = observed.snapshot.to_bundle(catalogue, &observed.pins);
        let means = self.chosen.means(Resolution::Apply);
        let Wanted {
            bundle,
            delete,
            objects,
        } = drift.wanted(catalogue, &observed.bundle, &live, &means);
        if objects.is_empty() {
            out.say(self.chosen.nothing(&drift, "reverted"));
        }
        observed.bundle = Cow::Owned(bundle);
        observed.only = Some(objects);
        let options = Options {
            delete,
            past: true,
            ..observed.options(&target)
        };
        let ask = Ask {
            unlock: self.unlock,
            scim: false,
            file: self.carry.secrets_file.as_deref(),
            write: &[],
            seats: None,
        };
        let planned =
            road::decide(session, &source.wanted, &target, observed, options, ask).await?;
        if self.carry.dry_run {
            road::show(out, &planned.plan, &target, None)?;
            return Ok(match planned.plan.conflicts.is_empty() {
                true => Exit::Ok,
                false => Exit::Partial,
            });
        }
        let (plan, finished) =
            road::carry_out(session, planned, &target, &self.carry, false).await?;
        ending::conclude(out, &plan, finished.as_ref())
    }
}
