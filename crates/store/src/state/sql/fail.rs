//! What a database's error means to a person.

use std::sync::Arc;

use crate::state::Error;

/// Turns errors of one database into ours.
#[derive(Clone, Debug)]
pub(crate) struct Fail {
    /// The file, or the address without the password.
    pub(crate) place: Arc<str>,
}

impl Fail {
    /// Says what an error means.
    pub(crate) fn on(&self, error: sqlx::Error) -> Error {
        let place = self.place.to_string();
        let code = error
            .as_database_error()
            .and_then(|error| Some(error.code()?.into_owned()));
        // The codes of PostgreSQL have five characters, and SQLite's cannot be taken for one.
        let known = match code.as_deref() {
            Some(code) if code.len() == 5 => of_postgres(code, &error, &place),
            Some(code) => of_sqlite(code, &place),
            None => of_connection(&error, &place),
        };
        known.unwrap_or_else(|| Error::Database {
            place,
            source: Arc::new(error),
        })
    }
}

/// Tells whether others did the same at the same time, so that it can be tried again.
pub(super) fn met_others(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // A row, a table or a type of the same name.
    matches!(code.as_deref(), Some("23505" | "42P07" | "42710"))
}

fn of_connection(error: &sqlx::Error, place: &str) -> Option<Error> {
    let place = place.to_owned();
    let unreachable = |why: String| {
        Some(Error::Unreachable {
            place: place.clone(),
            why,
        })
    };
    match error {
        sqlx::Error::PoolClosed => Some(Error::Closed),
        // What is wrong with a certificate comes as an input that is no good.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            unreachable(untrusted(error))
        }
        sqlx::Error::Io(error) => unreachable(error.to_string()),
        sqlx::Error::Tls(error) => unreachable(untrusted(error)),
        sqlx::Error::PoolTimedOut => unreachable("no connection in time".to_owned()),
        sqlx::Error::WorkerCrashed => unreachable("the connection is gone".to_owned()),
        _ => None,
    }
}

fn untrusted(error: &dyn std::fmt::Display) -> String {
    format!(
        "{error}; `sslrootcert=FILE` in the address names the authority of its certificate, and \
         `sslmode=require` trusts whoever answers"
    )
}

fn of_sqlite(code: &str, place: &str) -> Option<Error> {
    let place = place.to_owned();
    // The primary result code is the lowest byte of the extended one.
    Some(match code.parse::<u32>().ok()? & 0xff {
        5 | 6 => Error::Busy { place },
        // Its log files cannot be made: the directory is not open to us.
        8 | 14 => Error::ReadOnly { place },
        11 | 26 => Error::Corrupt { place },
        13 => Error::Full { place },
        _ => return None,
    })
}

/// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str, error: &sqlx::Error, place: &str) -> Option<Error> {
    let place = place.to_owned();
    let why = error
        .as_database_error()
        .map(|error| error.message().to_owned())
        .unwrap_or_default();
    Some(match code {
        "28000" | "28P01" | "42501" => Error::Denied { place, why },
        "25006" => Error::Denied {
            place,
            why: "the server only reads; name the one that is written to".to_owned(),
        },
        "3D000" | "3F000" => Error::Missing { place, why },
        "53100" => Error::Full { place },
        // A lock that was waited for, a deadlock, two transactions that cannot both be.
        "55P03" | "40P01" | "40001" => Error::Busy { place },
        "53300" | "25P03" => Error::Unreachable { place, why },
        code if code.starts_with("57P") || code.starts_with("08") => {
            Error::Unreachable { place, why }
        }
        _ => return None,
    })
}
