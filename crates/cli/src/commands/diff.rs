//! `orgsmith diff`

use clap::Args;
use orgsmith_core::compare::Comparison;
use orgsmith_core::render::{Detail, diff_screen};
use serde_json::json;

use crate::args::{Format, Selected};
use crate::error::Exit;
use crate::output::{YELLOW, styled, text};
use crate::session::Session;
use crate::source::Source;

/// Compares two orgs or bundles.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// An org, a bundle directory or a zip.
    a: String,
    /// Another.
    b: String,
    /// Exits with 2 when there are differences.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    selected: Selected,
}

impl Diff {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let (a, b) = (
            Source::told(&self.a, session)?,
            Source::told(&self.b, session)?,
        );
        let a = a.read(session, &self.selected).await?;
        let b = b.read(session, &self.selected).await?;
        let comparison = Comparison::new(session.catalogue(), &a.bundle, &b.bundle);
        let Comparison {
            from,
            to,
            added,
            removed,
            changed,
            same,
        } = &comparison;
        let differs = !(added.is_empty() && removed.is_empty() && changed.is_empty());
        let detail = match out.verbose() {
            0 => Detail::Objects,
            1 => Detail::Fields,
            _ => Detail::Full,
        };
        match out.format() {
            Format::Text => out.data(text::ansi(diff_screen(&comparison, detail).lines()))?,
            Format::Html => {
                let title = format!("From {} to {}", self.a, self.b);
                out.data(text::html(&diff_screen(&comparison, detail), &title))?;
            }
            Format::Json => {
                let changed: Vec<_> = changed
                    .iter()
                    .map(|(object, changes)| json!({ "object": object.to_string(), "changes": changes }))
                    .collect();
                let names = |list: &[orgsmith_core::id::ObjectRef]| -> Vec<String> {
                    list.iter().map(ToString::to_string).collect()
                };
                out.json(&json!({
                    "from": from, "to": to, "added": names(added), "removed": names(removed),
                    "changed": changed, "same": same,
                    "gaps": { "from": a.bundle.gaps, "to": b.bundle.gaps },
                }))?;
            }
            // Refused with the command line.
            Format::Markdown | Format::Svg | Format::Dot | Format::Sarif | Format::Junit => {}
        }
        let sides = [(&self.a, &a), (&self.b, &b)];
        for (name, wanted) in sides {
            for gap in &wanted.bundle.gaps {
                out.say(format!("{} {name}: {gap}", styled(YELLOW, "gap")));
            }
        }
        let partial = sides.into_iter().filter(|(_, wanted)| wanted.is_partial());
        let partial: Vec<&str> = partial.map(|(name, _)| name.as_str()).collect();
        if !partial.is_empty() {
            out.warn(format!(
                "{} is not known in full; see the gaps: what is missing may be a difference, or hide one",
                partial.join(" and ")
            ));
            return Ok(Exit::Partial);
        }
        Ok(if differs && self.detailed_exitcode {
            Exit::Differences
        } else {
            Exit::Ok
        })
    }
}
