//! `orgsmith clone`

use clap::Args;
use serde_json::json;

use super::preflight::{self, Room};
use super::road;
use crate::args::{Carry, Format, People, Selected};
use crate::error::{Exit, count};
use crate::output::{BOLD, GREEN, YELLOW, styled};
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted};

/// Copies an org into others, and proves it with a second plan.
///
/// The road is export, plan, pre-flight, approval, apply, and a plan again. Nothing is deleted in the targets. With several, each has its own plan and approval.
#[derive(Debug, Args)]
pub(crate) struct Clone {
    /// An org, a bundle directory or a zip.
    source: String,
    /// The orgs that are written to.
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// Goes on although the org has too few seats, or too little of something else.
    #[arg(long)]
    ignore_shortfall: bool,
    #[command(flatten)]
    carry: Carry,
    #[command(flatten)]
    room: Room,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    people: People,
}

impl Clone {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        // A slip in a name should show before an org is read for minutes.
        let targets: Vec<Connected> = self
            .targets
            .iter()
            .map(|name| session.connect(name))
            .collect::<anyhow::Result<_>>()?;
        let source = Source::parse(&self.source, session)?;
        let room = (&self.room, self.ignore_shortfall);
        let whose = (&source, &self.selected, &self.people);
        preflight::glance(session, whose, &targets, room).await?;
        let wanted = source
            .read_with(session, &self.selected, &self.people)
            .await?;
        let mut worst = if wanted.failed_reads > 0 {
            Exit::Partial
        } else {
            Exit::Ok
        };
        for target in &targets {
            let exit = into(session, &wanted, target, &self.carry, room).await?;
            if exit == Exit::Interrupted {
                return Ok(exit);
            }
            worst = if worst == Exit::Ok { exit } else { worst };
        }
        Ok(worst)
    }
}

/// Clones into one target and proves it.
async fn into(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    carry: &Carry,
    room: (&Room, bool),
) -> anyhow::Result<Exit> {
    let out = session.out;
    let planned = road::plan(session, wanted, target, false).await?;
    preflight::pass(session, wanted, &planned.plan, target, room).await?;
    let finished = road::carry_out(session, &planned, target, carry, false).await?;
    let exit = road::conclude(out, &planned.plan, finished.as_ref())?;
    if finished.is_none() {
        return Ok(exit);
    }
    drop(planned);
    let again = road::plan(session, wanted, target, false).await?;
    let left = again.plan.steps.len();
    out.record(&json!({ "event": "proof", "org": target.org.name, "differences": left }));
    if out.format() == Format::Text {
        let style = if left == 0 { GREEN } else { YELLOW };
        out.data(format!(
            "{}: {} between {} and {}",
            styled(BOLD, "Planned again"),
            styled(style, count(left, "difference")),
            again.plan.source.org.org_name,
            target.org.name,
        ))?;
    }
    Ok(if left > 0 && exit == Exit::Ok {
        Exit::Partial
    } else {
        exit
    })
}
