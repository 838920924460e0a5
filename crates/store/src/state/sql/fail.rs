//! What a database's error means to a person.

use std::sync::Arc;

use crate::state::Error;

/// Turns errors of one database into ours.
#[derive(Clone, Debug)]
pub(super) struct Fail {
    /// The file, or the address without the password.
    pub(super) place: Arc<str>,
}

impl Fail {
    /// Says what an error means.
    pub(super) fn on(&self, error: sqlx::Error) -> Error {
        let place = self.place.to_string();
        if matches!(error, sqlx::Error::PoolClosed) {
            return Error::Closed;
        }
        // SQLite's primary result code is the lowest byte of the extended one; the classes of
        // PostgreSQL have five characters and cannot be taken for one.
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .filter(|code| code.len() < 5)
            .and_then(|code| code.parse::<u32>().ok());
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Error::Busy { place },
            Some(8) => Error::ReadOnly { place },
            Some(11 | 26) => Error::Corrupt { place },
            Some(13) => Error::Full { place },
            _ => Error::Database {
                place,
                source: Arc::new(error),
            },
        }
    }
}
