//! `orgsmith map`

use clap::{Args, Subcommand};
use orgsmith_core::id::{Key, ObjectRef, OrgName, TargetId};
use orgsmith_store::state::{Mapping, MappingFilter};
use serde_json::json;

use crate::args::Format;
use crate::error::{Exit, Failure};
use crate::output::{BOLD, Table, styled};
use crate::session::Session;

/// Shows ids, and says which of several objects is meant.
#[derive(Debug, Args)]
pub(crate) struct Map {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the ids of objects that runs wrote or referred to.
    List {
        /// Only from this org or bundle.
        #[arg(long, value_name = "ORG")]
        from: Option<String>,
        /// Only in this org.
        #[arg(long, value_name = "ORG")]
        to: Option<String>,
        /// Only this object: kind/key.
        object: Option<String>,
    },
    /// Says which object of an org is meant where several share a key.
    Pin {
        /// The org.
        org: String,
        /// The object: kind/key, as it stands in a bundle.
        object: String,
        /// Its id in the org.
        id: String,
    },
    /// Takes a pin back.
    Unpin {
        /// The org.
        org: String,
        /// The object: kind/key.
        object: String,
    },
    /// Lists the pins of an org.
    Pins {
        /// The org.
        org: String,
    },
}

impl Map {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        match &self.what {
            What::List { from, to, object } => {
                let filter = MappingFilter {
                    source_org: from.as_deref().map(OrgName::new),
                    target_org: to.as_deref().map(OrgName::new),
                    object: object
                        .as_deref()
                        .map(|text| reference(session, text))
                        .transpose()?,
                    ..MappingFilter::default()
                };
                list(session, &filter).await
            }
            What::Pin { org, object, id } => {
                let object = reference(session, object)?;
                session.config.org(org)?;
                let state = session.state().await?;
                state
                    .pin(&OrgName::new(org), &object, &TargetId::new(id))
                    .await?;
                session
                    .out
                    .say(format!("{object} means {id} in {org} from now on."));
                Ok(Exit::Ok)
            }
            What::Unpin { org, object } => {
                let object = reference(session, object)?;
                if let Some(state) = session.state_if_any().await? {
                    state.unpin(&OrgName::new(org), &object).await?;
                }
                Ok(Exit::Ok)
            }
            What::Pins { org } => pins(session, &OrgName::new(org)).await,
        }
    }
}

async fn list(session: &Session<'_>, filter: &MappingFilter) -> anyhow::Result<Exit> {
    let out = session.out;
    let mappings = match session.state_if_any().await? {
        Some(state) => state.mappings(filter).await?,
        None => Vec::new(),
    };
    if out.format() == Format::Json {
        let rows: Vec<_> = mappings
            .iter()
            .map(
                |Mapping {
                     source_org,
                     target_org,
                     object,
                     source_id,
                     target_id,
                     run,
                     at_ms,
                 }| {
                    json!({
                        "from": source_org, "to": target_org, "object": object.to_string(),
                        "source_id": source_id, "target_id": target_id, "run": run, "at_ms": at_ms,
                    })
                },
            )
            .collect();
        out.json(&rows)?;
    } else if mappings.is_empty() {
        out.say("No ids are known yet.");
    } else {
        let mut table = Table::new(&[]);
        table.row(["OBJECT", "FROM", "ID", "TO", "ID"].map(|head| styled(BOLD, head)));
        for mapping in &mappings {
            table.row([
                mapping.object.to_string(),
                mapping.source_org.to_string(),
                mapping
                    .source_id
                    .as_ref()
                    .map_or("-", |id| id.as_str())
                    .to_owned(),
                mapping.target_org.to_string(),
                mapping.target_id.to_string(),
            ]);
        }
        out.data(table.text(""))?;
    }
    Ok(Exit::Ok)
}

async fn pins(session: &Session<'_>, org: &OrgName) -> anyhow::Result<Exit> {
    let out = session.out;
    let pins = session.pins(org).await?;
    if out.format() == Format::Json {
        let rows: Vec<_> = pins
            .iter()
            .map(|(object, id)| json!({ "object": object.to_string(), "id": id }))
            .collect();
        out.json(&rows)?;
    } else if pins.is_empty() {
        out.say(format!("{org} has no pins."));
    } else {
        let mut table = Table::new(&[]);
        for (object, id) in &pins {
            table.row([object.to_string(), id.clone()]);
        }
        out.data(table.text(""))?;
    }
    Ok(Exit::Ok)
}

/// Reads `kind/key` and checks the kind.
fn reference(session: &Session<'_>, text: &str) -> anyhow::Result<ObjectRef> {
    let bad = |message: String| Failure::Usage(message);
    let object: ObjectRef = text
        .parse()
        .map_err(|error: orgsmith_core::id::NotAReference| bad(error.to_string()))?;
    let kind = &session
        .catalogue()
        .get(object.kind.as_str())
        .map_err(|error| bad(error.to_string()))?
        .kind;
    Ok(ObjectRef::new(
        kind.clone(),
        Key::from_encoded(object.key.as_str()),
    ))
}
