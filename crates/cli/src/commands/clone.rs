//! `orgsmith clone`

use clap::Args;
use orgsmith_core::plan::{Finding, MORE};
use orgsmith_core::verify::Verdict;
use orgsmith_engine::Finished;
use serde_json::json;

use super::fan::{Fan, Trip};
use super::plan::Look;
use super::preflight::{self, Room};
use super::{ending, onboard, road, verify};
use crate::args::{Carry, Format, People, Selected, Shape};
use crate::error::{Exit, count};
use crate::output::{BOLD, GREEN, YELLOW, styled};
use crate::secrets::Ask;
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted};

/// Copies an org into others, and proves it with a second plan.
///
/// The road is export, plan, pre-flight, approval, apply, a plan again, and a verification: what does not work ends with 3. Nothing is deleted in the targets. Several targets are worked on at once, approved together, and told of in one table (docs/fan-out.md).
#[derive(Debug, Args)]
pub(crate) struct Clone {
    /// An org, a bundle directory or a zip.
    source: String,
    /// The orgs that are written to.
    #[arg(required_unless_present_any = ["to", "to_label"], value_name = "TARGET")]
    targets: Vec<String>,
    /// Another org that is written to, as `apply` has it; may be given several times.
    #[arg(long, value_name = "TARGET")]
    to: Vec<String>,
    /// Goes on although the org has too few seats, or too little of something else.
    #[arg(long)]
    ignore_shortfall: bool,
    /// Verifies nothing at the end (see `verify`).
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    fan: Fan,
    #[command(flatten)]
    carry: Carry,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    room: Room,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    people: People,
}

impl Clone {
    /// Tells whether only the plan is shown.
    pub(super) fn is_dry(&self) -> bool {
        self.carry.dry_run
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        // A slip should show before an org is read for minutes.
        onboard::check(session)?;
        let named = [&self.targets[..], &self.to].concat();
        if self.carry.dry_run {
            let carry = (&self.carry, &self.shape);
            let look = Look {
                seats: self.room.seats(self.ignore_shortfall),
                ..Look::of(&self.source, carry, (&self.selected, &self.people))
            };
            let course = self.fan.course(session, &named, &self.source)?;
            return look.at_all(session, &course.orgs()).await;
        }
        let room = (&self.room, self.ignore_shortfall);
        if let Some(name) = self.fan.only(&named) {
            let target = session.connect(name)?;
            let source = Source::parse(&self.source, session)?;
            let whose = (&source, &self.selected, &self.people);
            preflight::glance(session, whose, std::slice::from_ref(&target), room).await?;
            let wanted = self.read(session).await?;
            let carry = (&self.carry, &self.shape);
            let exit = into(session, &wanted, &target, carry, room, !self.no_verify).await?;
            return Ok(if exit != Exit::Interrupted && wanted.failed_reads > 0 {
                Exit::Partial
            } else {
                exit
            });
        }
        let course = self.fan.course(session, &named, &self.source)?;
        let wanted = self.read(session).await?;
        let trip = Trip {
            session,
            wanted: &wanted,
            carry: &self.carry,
            shape: &self.shape,
            room,
            verify: !self.no_verify,
        };
        trip.go(course).await
    }

    async fn read(&self, session: &Session<'_>) -> anyhow::Result<Wanted> {
        let source = Source::told(&self.source, session)?;
        source
            .read_with(session, &self.selected, &self.people)
            .await
    }
}

/// Clones into one target and proves it.
async fn into(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    (carry, shape): (&Carry, &Shape),
    room: (&Room, bool),
    verify: bool,
) -> anyhow::Result<Exit> {
    let out = session.out;
    let ask = Ask {
        seats: room.0.seats(room.1),
        ..shape.ask(carry.secrets_file.as_deref())
    };
    let planned = road::plan(session, wanted, target, false, ask).await?;
    preflight::pass(session, wanted, &planned, target, room).await?;
    let (plan, finished) = road::carry_out(session, planned, target, carry, false).await?;
    let exit = ending::conclude(out, &plan, finished.as_ref())?;
    let Some(Finished { outcome, .. }) = finished else {
        onboard::after_run(session, target, carry).await;
        return Ok(exit);
    };
    if outcome.is_cut_short() {
        // It was cut short: `resume` goes on.
        return Ok(exit);
    }
    drop((plan, outcome));
    // What was asked to be sent again has been sent.
    let ask = Ask { write: &[], ..ask };
    let (again, checkup) = verify::prove(session, wanted, target, ask, verify).await?;
    let left = again.plan.steps.len();
    let more: Vec<_> = again
        .plan
        .findings
        .iter()
        .filter(|f| f.rule == MORE)
        .collect();
    let more_of = more.iter().filter_map(|finding| finding.object.as_ref());
    out.record(&json!({
        "event": "proof", "org": target.org.name, "differences": left,
        "target_has_more": more_of.map(ToString::to_string).collect::<Vec<_>>(),
    }));
    if out.format() == Format::Text {
        let style = if left == 0 { GREEN } else { YELLOW };
        out.data(format!(
            "{}: {} between {} and {}",
            styled(BOLD, "Planned again"),
            styled(style, count(left, "difference")),
            again.plan.source.org.org_name,
            target.org.name,
        ))?;
        for Finding {
            object, message, ..
        } in more
        {
            let object = object.as_ref().map(ToString::to_string).unwrap_or_default();
            out.say(format!("{} {object}: {message}", styled(YELLOW, "more")));
        }
    }
    let mut works = true;
    if let Some(checkup) = &checkup {
        // What was written stays written, whatever is found and whatever cannot be asked.
        match verify::after_clone(session, target, checkup).await {
            Ok(report) => {
                works = report.verdict() != Verdict::Fail;
                verify::tell(out, &report)?;
            }
            Err(error) => out.warn(format!("it could not be verified: {error:#}")),
        }
    }
    onboard::after_run(session, target, carry).await;
    Ok(if (left > 0 || !works) && exit == Exit::Ok {
        Exit::Partial
    } else {
        exit
    })
}
