//! Who may write to an org.

use orgsmith_core::id::OrgName;
use sqlx::Transaction;
use sqlx::any::Any;

use super::fail::Fail;
use super::{Sql, number, unsigned};
use crate::state::Error;
use crate::state::values::{Acquired, Fence, Lease, Owner};

const TAKE: &str = "INSERT INTO lease (org, owner, fence, expires_ms) VALUES ($1, $2, 1, $3) \
     ON CONFLICT (org) DO UPDATE SET owner = excluded.owner, fence = lease.fence + 1, \
     expires_ms = excluded.expires_ms WHERE lease.owner = '' OR lease.expires_ms <= $4 \
     RETURNING fence";
const HOLDER: &str = "SELECT owner, expires_ms FROM lease WHERE org = $1 AND owner <> ''";
const HOLD: &str = "UPDATE lease SET fence = fence WHERE org = $1 AND owner = $2 AND fence = $3";
const EXTEND: &str = "UPDATE lease SET expires_ms = $1 WHERE org = $2";
const GIVE_BACK: &str = "UPDATE lease SET owner = '' WHERE org = $1";
const IS_HELD: &str = "SELECT fence FROM lease WHERE org = $1 AND owner = $2 AND fence = $3";

/// Checks the fence of a lease and locks its row until the transaction ends.
pub(super) async fn hold(
    tx: &mut Transaction<'static, Any>,
    lease: &Lease,
    fail: &Fail,
) -> Result<(), Error> {
    let Lease { org, owner, fence } = lease;
    let held = sqlx::query(HOLD)
        .bind(org.as_str())
        .bind(owner.as_str())
        .bind(number(fence.number()))
        .execute(&mut **tx)
        .await
        .map_err(|error| fail.on(error))?;
    if held.rows_affected() > 0 {
        return Ok(());
    }
    let holder: Option<(String, i64)> = sqlx::query_as(HOLDER)
        .bind(org.as_str())
        .fetch_optional(&mut **tx)
        .await
        .map_err(|error| fail.on(error))?;
    Err(Error::Fenced {
        org: org.clone(),
        holder: holder.map(|(owner, _)| Owner::new(&owner)),
    })
}

impl Sql {
    pub(super) async fn take_lease(
        &self,
        org: &OrgName,
        owner: &Owner,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Result<Acquired, Error> {
        if owner.as_str().is_empty() || ttl_ms == 0 {
            return Err(Error::Misuse("a lease needs an owner and some time"));
        }
        let mut tx = self.begin().await?;
        let fence: Option<(i64,)> = sqlx::query_as(TAKE)
            .bind(org.as_str())
            .bind(owner.as_str())
            .bind(number(now_ms.saturating_add(ttl_ms)))
            .bind(number(now_ms))
            .fetch_optional(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        let acquired = match fence {
            Some((fence,)) => Acquired::Lease(Lease {
                org: org.clone(),
                owner: owner.clone(),
                fence: Fence::new(unsigned(fence)),
            }),
            // The statement locked the row or the file, so the holder is still there.
            None => {
                let (owner, expires_ms): (String, i64) = sqlx::query_as(HOLDER)
                    .bind(org.as_str())
                    .fetch_one(&mut *tx)
                    .await
                    .map_err(|error| self.fail.on(error))?;
                Acquired::Held {
                    owner: Owner::new(&owner),
                    expires_ms: unsigned(expires_ms),
                }
            }
        };
        self.commit(tx).await?;
        Ok(acquired)
    }

    pub(super) async fn extend_lease(
        &self,
        lease: &Lease,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Result<(), Error> {
        let mut tx = self.fenced(lease).await?;
        sqlx::query(EXTEND)
            .bind(number(now_ms.saturating_add(ttl_ms)))
            .bind(lease.org.as_str())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        self.commit(tx).await
    }

    pub(super) async fn give_lease_back(&self, lease: &Lease) -> Result<(), Error> {
        let mut tx = self.fenced(lease).await?;
        sqlx::query(GIVE_BACK)
            .bind(lease.org.as_str())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        self.commit(tx).await
    }

    /// Reads only: this is asked before every request, and must not wait for writers.
    pub(super) async fn check_lease(&self, lease: &Lease) -> Result<(), Error> {
        let Lease { org, owner, fence } = lease;
        let held: Option<(i64,)> = sqlx::query_as(IS_HELD)
            .bind(org.as_str())
            .bind(owner.as_str())
            .bind(number(fence.number()))
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        match held {
            Some(_) => Ok(()),
            None => Err(Error::Fenced {
                org: org.clone(),
                holder: self.lease_holder(org).await?.map(|(owner, _)| owner),
            }),
        }
    }

    pub(super) async fn lease_holder(&self, org: &OrgName) -> Result<Option<(Owner, u64)>, Error> {
        let row: Option<(String, i64)> = sqlx::query_as(HOLDER)
            .bind(org.as_str())
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(row.map(|(owner, expires_ms)| (Owner::new(&owner), unsigned(expires_ms))))
    }
}
