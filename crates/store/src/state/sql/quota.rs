//! How processes share a quota.
//!
//! The table is no part of what the state keeps: what it holds is over in minutes, so it has no
//! version and is in no backup.

use sqlx::Transaction;
use sqlx::any::Any;

use super::fail::met_others;
use super::{Sql, number, unsigned};
use crate::state::Error;
use crate::state::values::{Claim, Claimed, Other, Owner};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS quota (pool TEXT NOT NULL, owner TEXT NOT NULL, \
     held BIGINT NOT NULL, seen_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, \
     PRIMARY KEY (pool, owner))";
/// The row of nobody stands for the pool: whoever writes to it comes before all others.
const LOCK: &str = "INSERT INTO quota (pool, owner, held, seen_ms, expires_ms) \
     VALUES ($1, '', 0, 0, 0) ON CONFLICT (pool, owner) DO UPDATE SET held = 0";
const FORGET: &str = "DELETE FROM quota WHERE pool = $1 AND owner <> '' AND expires_ms <= $2";
const OTHERS: &str = "SELECT owner, held, seen_ms FROM quota \
     WHERE pool = $1 AND owner <> '' AND owner <> $2 ORDER BY owner";
const HOLD: &str = "INSERT INTO quota (pool, owner, held, seen_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pool, owner) DO UPDATE SET held = excluded.held, \
     seen_ms = excluded.seen_ms, expires_ms = excluded.expires_ms";
const GIVE_BACK: &str = "DELETE FROM quota WHERE owner = $1";

impl Sql {
    pub(super) async fn take_share(
        &self,
        claim: &Claim,
        now_ms: u64,
    ) -> Result<Option<Claimed>, Error> {
        self.make_quota().await?;
        let mut tx = self.begin().await?;
        let claimed = self.share(&mut tx, claim, now_ms).await;
        let claimed = claimed.map_err(|error| self.fail.on(error))?;
        self.commit(tx).await?;
        Ok(Some(claimed))
    }

    async fn share(
        &self,
        tx: &mut Transaction<'static, Any>,
        claim: &Claim,
        now_ms: u64,
    ) -> Result<Claimed, sqlx::Error> {
        sqlx::query(LOCK)
            .bind(claim.pool.as_str())
            .execute(&mut **tx)
            .await?;
        sqlx::query(FORGET)
            .bind(claim.pool.as_str())
            .bind(number(now_ms))
            .execute(&mut **tx)
            .await?;
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(OTHERS)
            .bind(claim.pool.as_str())
            .bind(claim.owner.as_str())
            .fetch_all(&mut **tx)
            .await?;
        let others = rows.into_iter().map(|(owner, held, seen_ms)| Other {
            owner: Owner::new(&owner),
            held: unsigned(held),
            seen_ms: unsigned(seen_ms),
        });
        let claimed = claim.among(others.collect(), now_ms);
        sqlx::query(HOLD)
            .bind(claim.pool.as_str())
            .bind(claim.owner.as_str())
            .bind(i64::from(claimed.held))
            .bind(number(now_ms))
            .bind(number(claim.expires_ms(now_ms)))
            .execute(&mut **tx)
            .await?;
        Ok(claimed)
    }

    pub(super) async fn give_shares_back(&self, owner: &Owner) -> Result<(), Error> {
        self.make_quota().await?;
        sqlx::query(GIVE_BACK)
            .bind(owner.as_str())
            .execute(&self.pools.writes)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(())
    }

    async fn make_quota(&self) -> Result<(), Error> {
        let make = || async {
            match sqlx::query(CREATE).execute(&self.pools.writes).await {
                // PostgreSQL looks whether it is there first, and makes it later.
                Err(error) if !met_others(&error) => Err(self.fail.on(error)),
                _ => Ok(()),
            }
        };
        self.quota.get_or_try_init(make).await.copied()
    }
}
