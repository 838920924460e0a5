//! `orgsmith org`

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use orgsmith_client::{Call, Client, Identity};
use serde_json::{Value, json};

use crate::args::Format;
use crate::error::{Exit, Failure};
use crate::output::{BOLD, GREEN, RED, Table, YELLOW, styled};
use crate::session::{Connected, Session};

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
    },
}

impl Org {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let What::Check { orgs } = &self.what;
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
            let (exit, report) = check(session, name).await?;
            worst = worst.max(exit);
            reports.push(report);
        }
        if session.out.format() == Format::Json {
            session.out.json(&reports)?;
        }
        Ok(worst)
    }
}

async fn check(session: &Session<'_>, name: &str) -> anyhow::Result<(Exit, Value)> {
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
    let may = permissions(&connected.org.client).await;
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
    let missing = may.map(|may| missing(session, &may));
    match &missing {
        Ok(missing) if missing.is_empty() => {
            table.row(["may", &styled(GREEN, "read and write every kind")]);
        }
        Ok(missing) => {
            let list: Vec<&str> = missing.iter().map(String::as_str).collect();
            table.row(["lacks", &styled(YELLOW, list.join(", "))]);
        }
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
    Ok((
        Exit::Ok,
        report(name, &connected, &place, &identity, missing.as_ref().ok()),
    ))
}

fn report(
    name: &str,
    connected: &Connected,
    place: &str,
    identity: &Identity,
    missing: Option<&BTreeSet<String>>,
) -> Value {
    json!({
        "org": name, "ok": true, "place": place, "credential": connected.credential,
        "organization": { "id": identity.organization_id, "name": identity.organization_name },
        "client": { "id": identity.client_id, "name": identity.client_name },
        "lacks": missing,
    })
}

/// Asks what the roles of the client allow.
async fn permissions(client: &Client) -> Result<Vec<Policy>, String> {
    let path = "/api/v2/authorization/subjects/me";
    let body = match client.send(Call::get(path)).await {
        Ok(reply) => reply.body,
        Err(_) => return Err("not told: the client may not ask for its own roles".to_owned()),
    };
    let grants = body.get("grants").and_then(Value::as_array);
    let policies = grants.into_iter().flatten().flat_map(|grant| {
        let policies = grant["role"]["policies"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        policies
            .into_iter()
            .filter_map(|policy| Policy::read(&policy))
    });
    Ok(policies.collect())
}

/// One policy of a role.
struct Policy {
    domain: String,
    entity: String,
    actions: Vec<String>,
}

impl Policy {
    fn read(value: &Value) -> Option<Self> {
        let actions = value.get("actions").and_then(Value::as_array);
        Some(Self {
            domain: value.get("domain")?.as_str()?.to_owned(),
            entity: value
                .get("entityName")
                .or_else(|| value.get("entity"))?
                .as_str()?
                .to_owned(),
            actions: actions
                .into_iter()
                .flatten()
                .filter_map(|action| action.as_str().map(str::to_owned))
                .collect(),
        })
    }

    fn allows(&self, permission: &str) -> bool {
        let mut parts = permission.split(':');
        let fits = |own: &str, wanted: Option<&str>| own == "*" || Some(own) == wanted;
        fits(&self.domain, parts.next()) && fits(&self.entity, parts.next()) && {
            let wanted = parts.next();
            self.actions.iter().any(|action| fits(action, wanted))
        }
    }
}

/// Returns the permissions that some kind needs and no policy gives.
fn missing(session: &Session<'_>, policies: &[Policy]) -> BTreeSet<String> {
    let kinds = session.catalogue().iter();
    kinds
        .flat_map(|kind| kind.read_permissions.iter().chain(&kind.write_permissions))
        .filter(|permission| !policies.iter().any(|policy| policy.allows(permission)))
        .cloned()
        .collect()
}
