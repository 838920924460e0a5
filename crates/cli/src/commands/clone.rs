//! `orgsmith clone`

use clap::Args;
use serde_json::json;

use super::fan_out::{FanOut, Job};
use super::preflight::{self, Room};
use super::road;
use crate::args::{Carry, Format, People, Selected};
use crate::error::{Exit, count, explain};
use crate::output::{BOLD, GREEN, YELLOW, styled};
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted};

/// Copies an org into others, and proves it with a second plan.
///
/// The road is export, plan, pre-flight, approval, apply, and a plan again. Nothing is deleted in the targets. Several are written to at once; one that fails does not stop the others.
#[derive(Debug, Args)]
pub(crate) struct Clone {
    /// An org, a bundle directory or a zip.
    source: String,
    /// The orgs that are written to.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    fan_out: FanOut,
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
        let names = self.fan_out.targets(session, &self.targets)?;
        let waves = self.fan_out.waves(session, &names)?;
        // A slip in a name should show before an org is read for minutes.
        let several = names.len() > 1;
        let found = names.iter().map(|name| session.connect(name));
        let mut targets: Vec<Connected> = Vec::new();
        for connected in found {
            match connected {
                Ok(connected) => targets.push(connected),
                // With several it is told with the others.
                Err(error) if several && !is_usage(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let source = Source::parse(&self.source, session)?;
        let room = (&self.room, self.ignore_shortfall);
        if !several {
            let whose = (&source, &self.selected, &self.people);
            preflight::glance(session, whose, &targets, room).await?;
        }
        let wanted = source
            .read_with(session, &self.selected, &self.people)
            .await?;
        let read = if wanted.failed_reads > 0 {
            Exit::Partial
        } else {
            Exit::Ok
        };
        let exit = match &targets[..] {
            [target] if !several => into(session, &wanted, target, &self.carry, room).await?,
            _ => {
                let job = Job {
                    wanted: &wanted,
                    carry: &self.carry,
                    room,
                };
                self.fan_out.run(session, waves, job).await?
            }
        };
        Ok(if exit == Exit::Ok { read } else { exit })
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

/// Tells whether an error is about what was typed.
fn is_usage(error: &anyhow::Error) -> bool {
    explain(error).0 == Exit::Usage
}
