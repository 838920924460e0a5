//! `orgsmith sync`

use clap::Args;

use super::apply::apply;
use crate::args::{Carry, People, Selected, Shape};
use crate::error::Exit;
use crate::session::Session;

/// As `apply`, and with --prune also deletes what only the target has.
#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// An org, a bundle directory or a zip.
    source: String,
    /// The org that is written to.
    #[arg(long, value_name = "ORG")]
    to: String,
    /// Deletes what only the target has, of the kinds in the source.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    carry: Carry,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    selected: Selected,
}

impl Sync {
    /// Tells whether only the plan is shown.
    pub(super) fn is_dry(&self) -> bool {
        self.carry.dry_run
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let Self {
            source,
            to,
            prune,
            carry,
            shape,
            selected,
        } = self;
        let people = People::default();
        apply(
            session,
            source,
            to,
            (selected, &people),
            (carry, shape),
            *prune,
        )
        .await
    }
}
