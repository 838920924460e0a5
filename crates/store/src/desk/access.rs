//! Who may ask for what, who approved which plan, and who did what.

use super::{Desk, number, unsigned};
use crate::state::Error;

/// A token of the service's API, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id, which may be shown.
    pub id: String,
    /// Whose it is, or what it is for.
    pub name: String,
    /// SHA-256 of the token, in hexadecimal digits.
    pub hash: String,
    /// What it may do, in a word.
    pub role: String,
    /// The orgs it is for, as JSON; nothing means all.
    pub orgs: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends.
    pub expires_ms: Option<u64>,
    /// When it was last used, to the minute.
    pub used_ms: Option<u64>,
    /// When it was taken back.
    pub revoked_ms: Option<u64>,
}

/// Something that somebody did, or was not allowed to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Its id.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who.
    pub actor: String,
    /// What, such as `POST /api/v2/orgs/{org}/export`.
    pub action: String,
    /// The org it was about.
    pub org: Option<String>,
    /// What else it was about: a job, a plan, a token.
    pub subject: Option<String>,
    /// What came of it.
    pub outcome: String,
}

/// Which acts are asked for.
#[derive(Clone, Debug, Default)]
pub struct Acts<'a> {
    /// About one org.
    pub org: Option<&'a str>,
    /// About some org or other.
    pub of_orgs: bool,
    /// What was refused.
    pub refused: bool,
    /// Done before the one that was done at this time and has this id.
    pub before: Option<(u64, &'a str)>,
    /// At most so many.
    pub limit: u32,
}

const ADD_TOKEN: &str = "INSERT INTO desk_token (id, name, hash, role, orgs, created_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const TOKENS: &str = "SELECT id, name, hash, role, orgs, created_ms, expires_ms, used_ms, revoked_ms \
     FROM desk_token ORDER BY created_ms, id";
const SOME_TOKENS: &str = "SELECT id, name, hash, role, orgs, created_ms, expires_ms, used_ms, revoked_ms \
     FROM desk_token WHERE $1 = '' OR (created_ms, id) > (SELECT created_ms, id FROM desk_token \
     WHERE id = $1) ORDER BY created_ms, id LIMIT $2";
const TOKEN: &str = "SELECT id, name, hash, role, orgs, created_ms, expires_ms, used_ms, revoked_ms \
     FROM desk_token WHERE hash = $1";
const USED: &str = "UPDATE desk_token SET used_ms = $2 WHERE id = $1";
const REVOKE: &str = "UPDATE desk_token SET revoked_ms = $2 WHERE id = $1 AND revoked_ms IS NULL";
const APPROVE: &str = "INSERT INTO desk_approval (digest, actor, at_ms) VALUES ($1, $2, $3) \
     ON CONFLICT (digest, actor) DO NOTHING";
const APPROVALS: &str =
    "SELECT actor, at_ms FROM desk_approval WHERE digest = $1 ORDER BY at_ms, actor";
const ADD_ACT: &str = "INSERT INTO desk_act (id, at_ms, actor, action, org, subject, outcome) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const ACTS: &str = "SELECT id, at_ms, actor, action, org, subject, outcome FROM desk_act \
     WHERE ($1 = '' OR org = $1) AND ($2 = 0 OR org IS NOT NULL) AND ($3 = 0 OR outcome LIKE 'refused%') \
     AND (at_ms < $4 OR (at_ms = $4 AND id < $5)) ORDER BY at_ms DESC, id DESC LIMIT $6";

type TokenRow = (
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

type ActRow = (
    String,
    i64,
    String,
    String,
    Option<String>,
    Option<String>,
    String,
);

fn token(row: TokenRow) -> Token {
    let (id, name, hash, role, orgs, created, expires, used, revoked) = row;
    Token {
        id,
        name,
        hash,
        role,
        orgs,
        created_ms: unsigned(created),
        expires_ms: expires.map(unsigned),
        used_ms: used.map(unsigned),
        revoked_ms: revoked.map(unsigned),
    }
}

impl Desk {
    /// Keeps a token.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_token(&self, token: &Token) -> Result<(), Error> {
        sqlx::query(ADD_TOKEN)
            .bind(&token.id)
            .bind(&token.name)
            .bind(&token.hash)
            .bind(&token.role)
            .bind(token.orgs.as_deref())
            .bind(number(token.created_ms))
            .bind(token.expires_ms.map(number))
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Lists the tokens, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        let rows: Vec<TokenRow> = sqlx::query_as(TOKENS)
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(rows.into_iter().map(token).collect())
    }

    /// Lists so many tokens as [`Desk::tokens`] does: the oldest, or those that come behind one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn some_tokens(&self, behind: Option<&str>, limit: u32) -> Result<Vec<Token>, Error> {
        let rows: Vec<TokenRow> = sqlx::query_as(SOME_TOKENS)
            .bind(behind.unwrap_or_default().to_owned())
            .bind(i64::from(limit))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(rows.into_iter().map(token).collect())
    }

    /// Returns the token with a hash, whatever became of it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn token(&self, hash: &str) -> Result<Option<Token>, Error> {
        let row: Option<TokenRow> = sqlx::query_as(TOKEN)
            .bind(hash)
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(row.map(token))
    }

    /// Writes down when a token was last used.
    ///
    /// # Errors
    /// The database fails.
    pub async fn token_used(&self, id: &str, now_ms: u64) -> Result<(), Error> {
        let used = sqlx::query(USED).bind(id).bind(number(now_ms));
        used.execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Takes a token back. False where there is none, or it was taken back before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn revoke_token(&self, id: &str, now_ms: u64) -> Result<bool, Error> {
        let revoked = sqlx::query(REVOKE).bind(id).bind(number(now_ms));
        let revoked = revoked
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Writes down that somebody approves of a plan.
    ///
    /// # Errors
    /// The database fails.
    pub async fn approve(&self, digest: &str, actor: &str, now_ms: u64) -> Result<(), Error> {
        let approved = sqlx::query(APPROVE).bind(digest).bind(actor);
        let approved = approved.bind(number(now_ms));
        approved
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Returns who approves of a plan, and since when.
    ///
    /// # Errors
    /// The database fails.
    pub async fn approvals(&self, digest: &str) -> Result<Vec<(String, u64)>, Error> {
        let rows: Vec<(String, i64)> = sqlx::query_as(APPROVALS)
            .bind(digest)
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        let rows = rows.into_iter();
        Ok(rows.map(|(actor, at)| (actor, unsigned(at))).collect())
    }

    /// Writes down what somebody did.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_act(&self, act: &Act) -> Result<(), Error> {
        sqlx::query(ADD_ACT)
            .bind(&act.id)
            .bind(number(act.at_ms))
            .bind(&act.actor)
            .bind(&act.action)
            .bind(act.org.as_deref())
            .bind(act.subject.as_deref())
            .bind(&act.outcome)
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(())
    }

    /// Lists what was done, the last first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn acts(&self, which: &Acts<'_>) -> Result<Vec<Act>, Error> {
        let before = which.before;
        let rows: Vec<ActRow> = sqlx::query_as(ACTS)
            .bind(which.org.unwrap_or_default().to_owned())
            .bind(i64::from(which.of_orgs))
            .bind(i64::from(which.refused))
            .bind(before.map_or(i64::MAX, |(at_ms, _)| number(at_ms)))
            .bind(before.map_or("", |(_, id)| id).to_owned())
            .bind(i64::from(which.limit))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        let acts = rows.into_iter().map(|row| {
            let (id, at, actor, action, org, subject, outcome) = row;
            Act {
                id,
                at_ms: unsigned(at),
                actor,
                action,
                org,
                subject,
                outcome,
            }
        });
        Ok(acts.collect())
    }
}
