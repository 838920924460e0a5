//! The tables, and how they came to be: forward only.

use sqlx::AnyPool;

use super::fail::{Fail, met_others};
use crate::state::Error;

/// Every version's changes. What is here has run somewhere: only add to the end.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
];

/// The newest version.
pub(super) const VERSION: u64 = MIGRATIONS.len() as u64;

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS orgsmith (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)";
/// Reads the version and locks it against others who open the state at the same time.
const LOCK: &str = "INSERT INTO orgsmith (id, version) VALUES (1, 0) \
     ON CONFLICT (id) DO UPDATE SET version = orgsmith.version RETURNING version";
const RAISE: &str = "UPDATE orgsmith SET version = $1 WHERE id = 1";

/// Brings the tables up to date, and returns the version that was found: 0 where there was none.
pub(super) async fn migrate(pool: &AnyPool, fail: &Fail) -> Result<u64, Error> {
    let known = VERSION;
    for others in [true, true, true, false] {
        match sqlx::query(CREATE).execute(pool).await {
            Ok(_) => break,
            // PostgreSQL looks whether it is there first, and makes it later.
            Err(error) if others && met_others(&error) => {}
            Err(error) => return Err(fail.on(error)),
        }
    }
    let mut tx = pool.begin().await.map_err(|error| fail.on(error))?;
    let (version,): (i64,) = sqlx::query_as(LOCK)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| fail.on(error))?;
    let found = u64::try_from(version).unwrap_or_default();
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for migration in MIGRATIONS.iter().skip(found as usize) {
        sqlx::raw_sql(*migration)
            .execute(&mut *tx)
            .await
            .map_err(|error| fail.on(error))?;
    }
    sqlx::query(RAISE)
        .bind(known as i64)
        .execute(&mut *tx)
        .await
        .map_err(|error| fail.on(error))?;
    tx.commit().await.map_err(|error| fail.on(error))?;
    Ok(found)
}
