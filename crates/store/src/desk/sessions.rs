//! Who has signed in elsewhere, and who was sent to.

use super::{Desk, number, unsigned};
use crate::state::Error;

/// Somebody who has signed in elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of what their browser has, in hexadecimal digits.
    pub hash: String,
    /// Who it is.
    pub name: String,
    /// What they may do, in a word.
    pub role: String,
    /// The orgs they may do it to, as JSON; nothing means all.
    pub orgs: Option<String>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: u64,
}

const ADD: &str = "INSERT INTO desk_session (hash, name, role, orgs, expires_ms) \
     VALUES ($1, $2, $3, $4, $5)";
const FIND: &str = "SELECT hash, name, role, orgs, expires_ms FROM desk_session \
     WHERE hash = $1 AND expires_ms > $2";

impl Desk {
    /// Keeps who has signed in.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_session(&self, session: &Session) -> Result<(), Error> {
        sqlx::query(ADD)
            .bind(&session.hash)
            .bind(&session.name)
            .bind(&session.role)
            .bind(session.orgs.as_deref())
            .bind(number(session.expires_ms))
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Returns who has signed in, unless that has ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn session(&self, hash: &str, now_ms: u64) -> Result<Option<Session>, Error> {
        let row: Option<(String, String, String, Option<String>, i64)> = sqlx::query_as(FIND)
            .bind(hash)
            .bind(number(now_ms))
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(row.map(|(hash, name, role, orgs, expires)| Session {
            hash,
            name,
            role,
            orgs,
            expires_ms: unsigned(expires),
        }))
    }

    /// Ends what somebody has signed in to.
    ///
    /// # Errors
    /// The database fails.
    pub async fn end_session(&self, hash: &str) -> Result<(), Error> {
        let ended = sqlx::query("DELETE FROM desk_session WHERE hash = $1").bind(hash);
        ended
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Keeps what somebody was sent to sign in with.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_login(&self, hash: &str, asked: &str, expires_ms: u64) -> Result<(), Error> {
        sqlx::query("INSERT INTO desk_login (hash, asked, expires_ms) VALUES ($1, $2, $3)")
            .bind(hash)
            .bind(asked)
            .bind(number(expires_ms))
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Returns what somebody was sent with, who comes back; once, and unless it was long ago.
    ///
    /// # Errors
    /// The database fails.
    pub async fn take_login(&self, hash: &str, now_ms: u64) -> Result<Option<String>, Error> {
        let row: Option<(String, i64)> =
            sqlx::query_as("DELETE FROM desk_login WHERE hash = $1 RETURNING asked, expires_ms")
                .bind(hash)
                .fetch_optional(&self.pools.writes)
                .await
                .map_err(self.fail())?;
        let row = row.filter(|(_, expires)| unsigned(*expires) > now_ms);
        Ok(row.map(|(asked, _)| asked))
    }

    /// Deletes sessions that have ended, and who has not come back.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_sessions(&self, now_ms: u64) -> Result<(), Error> {
        for delete in [
            "DELETE FROM desk_session WHERE expires_ms <= $1",
            "DELETE FROM desk_login WHERE expires_ms <= $1",
        ] {
            let deleted = sqlx::query(delete).bind(number(now_ms));
            deleted
                .execute(&self.pools.writes)
                .await
                .map_err(self.fail())?;
        }
        Ok(())
    }
}
