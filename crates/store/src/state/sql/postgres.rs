//! How a PostgreSQL database is reached.
//!
//! The address is that of libpq: what it leaves out comes from the variables `PGHOST`, `PGPORT`,
//! `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGSSLMODE`, `PGSSLROOTCERT` and from `~/.pgpass`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection};
use url::{Host, Url};

use super::Pools;
use super::fail::Fail;
use crate::state::Error;

/// What every connection is told. A process that is paused inside a transaction keeps the row of a
/// lease locked: nobody waits for it for ever, and the server ends it. Servers may be set up to
/// answer before a commit is on their disk; ours are to be there.
const SETUP: [&str; 3] = [
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'",
];

/// How long a server may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// What may follow the `?` of an address.
const KNOWN: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Connects to a database, which has to be there.
pub(super) async fn connect(address: &str) -> Result<(Pools, Fail), Error> {
    let (url, place) = prepare(address, |name| std::env::var(name).ok())?;
    let fail = Fail { place };
    sqlx::any::install_default_drivers();
    // Once without the pool, which would try a server that refuses again until its time is up.
    let first = async {
        let mut connection = AnyConnection::connect(url.as_str()).await?;
        set_up(&mut connection).await?;
        connection.close().await
    };
    match tokio::time::timeout(PATIENCE, first).await {
        Ok(result) => result.map_err(|error| fail.on(error))?,
        Err(_) => {
            return Err(Error::Unreachable {
                place: fail.place.to_string(),
                why: format!("no answer within {} s", PATIENCE.as_secs()),
            });
        }
    }
    let pool = AnyPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| Box::pin(set_up(connection)))
        .connect(url.as_str())
        .await
        .map_err(|error| fail.on(error))?;
    // Rows are locked, not the whole: those who write are not in the way of those who read.
    let pools = Pools {
        reads: pool.clone(),
        writes: pool,
    };
    Ok((pools, fail))
}

/// Completes an address as a state is opened by it: what it leaves out comes from the variables of libpq,
/// and a server elsewhere has to prove who it is. The answer may hold a password.
///
/// # Errors
/// It is no address. The error holds no password.
pub fn postgres_address(address: &str) -> Result<String, Error> {
    let (url, _) = prepare(address, |name| std::env::var(name).ok())?;
    Ok(url.to_string())
}

async fn set_up(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for statement in SETUP {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Completes an address, and returns it with what may be shown of it: no password, no parameters.
///
/// A server elsewhere has to prove who it is, unless somebody asks for less: the default of libpq
/// would hand the password to whoever answers.
fn prepare(
    address: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Url, Arc<str>), Error> {
    let bad = |place: &str, why: String| Error::BadAddress {
        place: place.to_owned(),
        why,
    };
    // What cannot be read cannot be shown: it may hold a password anywhere.
    let mut url: Url = address
        .parse()
        .map_err(|error: url::ParseError| bad("postgres://…", error.to_string()))?;
    let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let value = |name: &str| {
        let found = given.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    let host = value("hostaddr")
        .or_else(|| value("host"))
        .or_else(|| url.host_str().filter(|host| !host.is_empty()).map(decoded))
        .or_else(|| variable("PGHOSTADDR"))
        .or_else(|| variable("PGHOST"))
        .unwrap_or_default();
    let place = shown(&url, &host, value("user"), value("dbname"));
    for (key, _) in &given {
        if !KNOWN.contains(&key.as_str()) && !key.starts_with("options[") {
            let known = KNOWN.join(", ");
            return Err(bad(
                &place,
                format!("{key:?} is no parameter; known are {known}"),
            ));
        }
    }
    if value("sslmode").is_none() && variable("PGSSLMODE").is_none() && !is_here(&host) {
        url.query_pairs_mut().append_pair("sslmode", "verify-full");
    }
    if value("application_name").is_none() && variable("PGAPPNAME").is_none() {
        url.query_pairs_mut()
            .append_pair("application_name", "orgsmith");
    }
    Ok((url, place.into()))
}

fn shown(url: &Url, host: &str, user: Option<String>, database: Option<String>) -> String {
    let user = user.unwrap_or_else(|| decoded(url.username()));
    let at = if user.is_empty() { "" } else { "@" };
    let port = url.port().map(|port| format!(":{port}"));
    let database = database.unwrap_or_else(|| decoded(url.path().trim_start_matches('/')));
    format!(
        "postgres://{user}{at}{host}{}/{database}",
        port.unwrap_or_default()
    )
}

fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// Tells whether a server is on this machine: no network lies between.
fn is_here(host: &str) -> bool {
    if host.is_empty() || host.starts_with('/') || host == "localhost" {
        return true;
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        _ => host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(address: &str, variables: &[(&str, &str)]) -> (String, String) {
        let find = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let (url, place) = prepare(address, find).expect("an address");
        (url.to_string(), place.to_string())
    }

    #[test]
    fn a_server_elsewhere_has_to_prove_who_it_is() {
        for address in [
            "postgres://db.example.com/orgs",
            "postgres://10.0.0.1/orgs",
            "postgres:///orgs?host=db.example.com",
            "postgres://127.0.0.1/orgs?hostaddr=10.0.0.1",
        ] {
            let (url, _) = prepared(address, &[]);
            assert!(url.contains("sslmode=verify-full"), "{url}");
        }
        let (url, _) = prepared("postgres:///orgs", &[("PGHOST", "db.example.com")]);
        assert!(url.contains("sslmode=verify-full"), "{url}");
        for address in [
            "postgres://localhost/orgs",
            "postgres://127.0.0.1:5433/orgs",
            "postgres://[::1]/orgs",
            "postgres:///orgs",
            "postgres:///orgs?host=/run/postgresql",
            "postgres://db.example.com/orgs?sslmode=require",
        ] {
            let (url, _) = prepared(address, &[]);
            assert!(!url.contains("verify-full"), "{url}");
        }
        let (url, _) = prepared("postgres://db/orgs", &[("PGSSLMODE", "require")]);
        assert!(!url.contains("sslmode"), "{url}");
    }

    #[test]
    fn what_is_shown_of_an_address_holds_no_password() {
        let asked =
            "postgresql://us%40er:s3cr3t%2F@db:5433/my%20orgs?sslmode=require&password=s3cr3t";
        let (url, place) = prepared(asked, &[]);
        assert_eq!(place, "postgres://us@er@db:5433/my orgs");
        assert!(url.contains("s3cr3t"));
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_refused_without_its_value() {
        let error = prepare("postgres://u@db/orgs?pasword=s3cr3t", |_| None);
        let text = error.expect_err("it is no parameter").to_string();
        assert!(
            text.contains("pasword") && !text.contains("s3cr3t"),
            "{text}"
        );
        let error = prepare("postgres://u:s3cr3t@db:port/orgs", |_| None);
        let text = error.expect_err("it is no port").to_string();
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}
