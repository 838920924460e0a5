//! The tables, and how they came to be: forward only.

use sqlx::{AnyPool, AssertSqlSafe};

use super::fail::{Fail, met_others};
use crate::state::Error;

/// Every version's changes. What is here has run somewhere: only add to the end.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
];

/// The newest version.
pub(super) const VERSION: u64 = MIGRATIONS.len() as u64;

/// Tables that have a version of their own.
pub(crate) struct Schema {
    /// The table that holds the version.
    pub(crate) table: &'static str,
    /// Every version's changes. What is here has run somewhere: only add to the end.
    pub(crate) migrations: &'static [&'static str],
}

/// The tables of the state.
pub(super) const STATE: Schema = Schema {
    table: "orgsmith",
    migrations: MIGRATIONS,
};

/// Brings the tables up to date, and returns the version that was found: 0 where there was none.
pub(crate) async fn migrate(pool: &AnyPool, fail: &Fail, schema: &Schema) -> Result<u64, Error> {
    let Schema { table, migrations } = schema;
    let known = migrations.len() as u64;
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {table} (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)"
    );
    // Reads the version and locks it against others who open the tables at the same time.
    let lock = format!(
        "INSERT INTO {table} (id, version) VALUES (1, 0) \
         ON CONFLICT (id) DO UPDATE SET version = {table}.version RETURNING version"
    );
    let raise = format!("UPDATE {table} SET version = $1 WHERE id = 1");
    for others in [true, true, true, false] {
        match sqlx::query(AssertSqlSafe(create.as_str()))
            .execute(pool)
            .await
        {
            Ok(_) => break,
            // PostgreSQL looks whether it is there first, and makes it later.
            Err(error) if others && met_others(&error) => {}
            Err(error) => return Err(fail.on(error)),
        }
    }
    let mut tx = pool.begin().await.map_err(|error| fail.on(error))?;
    let (version,): (i64,) = sqlx::query_as(AssertSqlSafe(lock))
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| fail.on(error))?;
    let found = u64::try_from(version).unwrap_or_default();
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for migration in migrations.iter().skip(found as usize) {
        sqlx::raw_sql(*migration)
            .execute(&mut *tx)
            .await
            .map_err(|error| fail.on(error))?;
    }
    sqlx::query(AssertSqlSafe(raise))
        .bind(known as i64)
        .execute(&mut *tx)
        .await
        .map_err(|error| fail.on(error))?;
    tx.commit().await.map_err(|error| fail.on(error))?;
    Ok(found)
}
