//! `orgsmith org`

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use orgsmith_client::{Call, Client, Identity};
use orgsmith_core::permissions::{Comparison, Held, Purpose, Role};
use serde_json::{Value, json};

use super::permissions::For;
use crate::args::{Format, Selected};
use crate::error::{Exit, Failure};
use crate::output::{BOLD, GREEN, RED, Table, YELLOW, styled};
use crate::session::{Connected, Session};
use crate::source::selection;

/// Permissions beyond the needed that are named; `-o json` has all.
const SHOWN: usize = 8;

/// Looks at orgs.
#[derive(Debug, Args)]
pub(crate) struct Org {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Says which credential is used, whom it speaks for, and what it may do.
    Check {
        /// The orgs; all of orgsmith.yaml when none is named.
        orgs: Vec<String>,
        /// Compares with the least role for this: what lacks ends with 4, what is more is warned of.
        #[arg(long = "for", value_name = "PURPOSE")]
        purpose: Option<For>,
        #[command(flatten)]
        selected: Selected,
    },
}

impl Org {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let What::Check {
            orgs,
            purpose,
            selected,
        } = &self.what;
        let purpose = purpose.map(Purpose::from);
        let catalogue = session.catalogue();
        let kinds = selection(catalogue, selected)?.kinds(catalogue);
        let role = Role::new(catalogue, purpose.unwrap_or(Purpose::Apply), &kinds);
        let names = match orgs.as_slice() {
            [] => session.config.known(),
            names => names.to_vec(),
        };
        if names.is_empty() {
            return Err(Failure::Usage(
                "name an org; there is no orgsmith.yaml that lists them".to_owned(),
            )
            .into());
        }
        let mut worst = Exit::Ok;
        let mut reports = Vec::new();
        for name in &names {
            let (exit, report) = check(session, name, &role, purpose).await?;
            worst = worst.max(exit);
            reports.push(report);
        }
        if session.out.format() == Format::Json {
            session.out.json(&reports)?;
        }
        Ok(worst)
    }
}

async fn check(
    session: &Session<'_>,
    name: &str,
    role: &Role,
    wanted: Option<Purpose>,
) -> anyhow::Result<(Exit, Value)> {
    let out = session.out;
    let connected = match session.connect(name) {
        Ok(connected) => connected,
        // One org that is set up wrongly hides no other.
        Err(error) => {
            let exit = crate::error::tell(None, &error);
            return Ok((
                exit,
                json!({ "org": name, "ok": false, "error": format!("{error:#}") }),
            ));
        }
    };
    let text = out.format() == Format::Text;
    let mut table = Table::new(&[]);
    let place = match &connected.org.region {
        Some(region) => format!("region {region}"),
        None => match &connected.settings.endpoint {
            orgsmith_client::Endpoint::BaseUrl(url) => url.clone(),
            orgsmith_client::Endpoint::Region(region) => region.to_string(),
        },
    };
    table.row(["place", &place]);
    table.row(["credential", &connected.credential]);
    let rate = format!(
        "{} tokens of {} calls a minute",
        connected.settings.tokens, connected.settings.quota_per_minute
    );
    table.row(["rate", &rate]);
    if !connected.settings.labels.is_empty() {
        let labels: Vec<String> = connected
            .settings
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        table.row(["labels", &labels.join(" ")]);
    }
    if connected.settings.protected {
        table.row(["protected", "writing asks for its name"]);
    }
    let identity = match connected.org.client.check().await {
        Ok(identity) => identity,
        Err(error) => {
            if text {
                out.data(format!(
                    "{}  {}\n{}",
                    styled(BOLD, name),
                    styled(RED, "no"),
                    table.text("  ")
                ))?;
            }
            let error = anyhow::Error::new(error).context(format!("org {name}"));
            let exit = crate::error::tell(None, &error);
            return Ok((
                exit,
                json!({ "org": name, "ok": false, "place": place,
                "credential": connected.credential, "error": format!("{error:#}") }),
            ));
        }
    };
    let may = held(&connected.org.client).await;
    let who = format!(
        "{} ({})",
        identity.organization_name, identity.organization_id
    );
    table.row(["org", &who]);
    let client = match identity.client_name.as_str() {
        "" => identity.client_id.clone(),
        client => format!("{client} ({})", identity.client_id),
    };
    table.row(["client", &client]);
    let compared = may.map(|held| held.compare(role));
    match &compared {
        Ok(comparison) => rights(&mut table, comparison, wanted),
        Err(why) => {
            table.row(["may", why.as_str()]);
        }
    }
    if text {
        out.data(format!(
            "{}  {}\n{}",
            styled(BOLD, name),
            styled(GREEN, "ok"),
            table.text("  ")
        ))?;
    }
    let comparison = compared.as_ref().ok();
    if wanted.is_some() && comparison.is_some_and(|found| !found.excess.is_empty()) {
        out.warn(format!(
            "{name}: the client may do more than it needs; \
             `orgsmith permissions` prints the least role"
        ));
    }
    // Who asks what a client lacks is not told "nothing" where nobody could say.
    let lacks = comparison.is_none_or(|found| !found.missing.is_empty());
    let exit = match wanted {
        Some(_) if lacks => Exit::Auth,
        _ => Exit::Ok,
    };
    Ok((
        exit,
        report(name, &connected, &place, &identity, comparison),
    ))
}

fn report(
    name: &str,
    connected: &Connected,
    place: &str,
    identity: &Identity,
    comparison: Option<&Comparison>,
) -> Value {
    json!({
        "org": name, "ok": true, "place": place, "credential": connected.credential,
        "organization": { "id": identity.organization_id, "name": identity.organization_name },
        "client": { "id": identity.client_id, "name": identity.client_name },
        "lacks": comparison.map(|found| &found.missing),
        "partly": comparison.map(|found| &found.partial),
        "more_than_needed": comparison.map(|found| &found.excess),
    })
}

/// Asks what the roles of the client allow.
async fn held(client: &Client) -> Result<Held, String> {
    match client
        .send(Call::get("/api/v2/authorization/subjects/me"))
        .await
    {
        Ok(reply) => Ok(Held::read(&reply.body)),
        Err(error) => Err(format!(
            "not told: the client may not ask for its own roles ({error})"
        )),
    }
}

/// Says what a client may do against what it needs.
fn rights(table: &mut Table, comparison: &Comparison, wanted: Option<Purpose>) {
    let names = |names: &BTreeSet<String>| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.join(", ")
    };
    if comparison.missing.is_empty() && comparison.partial.is_empty() {
        let may = match wanted {
            None => "read and write every kind".to_owned(),
            Some(purpose) => format!("all that {purpose} needs"),
        };
        table.row(["may", &styled(GREEN, may)]);
    }
    if !comparison.missing.is_empty() {
        table.row(["lacks", &styled(YELLOW, names(&comparison.missing))]);
    }
    for (permission, limits) in &comparison.partial {
        let limits = format!("{permission} only in {}", names(limits));
        table.row(["partly", &styled(YELLOW, limits)]);
    }
    if wanted.is_some() && !comparison.excess.is_empty() {
        let shown = comparison.excess.iter().take(SHOWN);
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        let rest = match comparison.excess.len().saturating_sub(SHOWN) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let text = format!("{}{rest}", shown.join(", "));
        table.row(["more than needed", &styled(YELLOW, text)]);
    }
}
