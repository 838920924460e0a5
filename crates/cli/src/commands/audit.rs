//! `orgsmith audit`

use clap::Args;
use jiff::Timestamp;
use orgsmith_core::id::OrgName;
use orgsmith_engine::load_plan;
use serde_json::json;

use super::runs::find;
use crate::args::Format;
use crate::error::Exit;
use crate::output::{BOLD, Table, styled};
use crate::session::Session;

/// Lists what was decided in runs: which number an object got, and why.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only what a run decided; its beginning is enough.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only runs that wrote to this org.
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
}

impl Audit {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let org = self.org.as_deref().map(OrgName::new);
        let runs = match (&self.run, session.state_if_any().await?) {
            (Some(name), _) => vec![find(session, name).await?],
            (None, Some(state)) => state.runs(org.as_ref()).await?,
            (None, None) => Vec::new(),
        };
        let mut rows = Vec::new();
        for run in runs
            .iter()
            .filter(|run| org.as_ref().is_none_or(|org| run.org == *org))
        {
            let state = session.state().await?;
            let plan = load_plan(&*state, &run.id, &run.org).await?;
            let at = i64::try_from(run.created_ms).ok();
            let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            let at = at.map_or_else(String::new, |at| format!("{at:.0}"));
            rows.extend(
                plan.decisions
                    .into_iter()
                    .map(|decision| (run, at.clone(), decision)),
            );
        }
        if out.format() == Format::Json {
            let shown: Vec<_> = rows
                .iter()
                .map(|(run, at, decision)| {
                    json!({ "at": at, "run": run.id, "org": run.org, "object": decision.object,
                        "place": decision.place, "alias": decision.alias,
                        "number": decision.number, "reason": decision.reason })
                })
                .collect();
            out.json(&shown)?;
        } else if rows.is_empty() {
            out.say("No run has decided anything of numbers.");
        } else {
            let mut table = Table::new(&[]);
            let head = ["STARTED", "RUN", "ORG", "ALIAS", "NUMBER", "OBJECT", "WHY"];
            table.row(head.map(|head| styled(BOLD, head)));
            for (run, at, decision) in rows {
                table.row([
                    at,
                    run.id.as_str().chars().take(8).collect(),
                    run.org.to_string(),
                    decision.alias,
                    decision.number.unwrap_or_else(|| "none".to_owned()),
                    format!("{} {}", decision.object, decision.place),
                    decision.reason,
                ]);
            }
            out.data(table.text(""))?;
        }
        Ok(Exit::Ok)
    }
}
