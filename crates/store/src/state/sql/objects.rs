//! Ids, pins, snapshots and settings.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use futures::TryStreamExt;
use orgsmith_core::id::{Key, Kind, ObjectRef, OrgName, RunId, SourceId, TargetId};
use sqlx::AssertSqlSafe;

use super::fail::met_others;
use super::{Sql, number, unsigned};
use crate::state::Error;
use crate::state::backend::Wanted;
use crate::state::values::{Lease, Mapping, MappingFilter, MappingPlace, SnapshotHead, SnapshotId};

const PUT_MAPPING: &str = "INSERT INTO mapping \
     (source_org, target_org, kind, object_key, source_id, target_id, run, at_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (source_org, target_org, kind, object_key) DO UPDATE SET \
     source_id = excluded.source_id, target_id = excluded.target_id, run = excluded.run, \
     at_ms = excluded.at_ms";
const FORGET_MAPPING: &str =
    "DELETE FROM mapping WHERE target_org = $1 AND kind = $2 AND object_key = $3";
pub(super) const MAPPINGS: &str = "SELECT source_org, target_org, kind, object_key, source_id, target_id, \
     run, at_ms FROM mapping";
const BY_PLACE: &str = "ORDER BY source_org, target_org, kind, object_key";
const PIN: &str = "INSERT INTO pin (org, kind, object_key, target_id) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (org, kind, object_key) DO UPDATE SET target_id = excluded.target_id";
const UNPIN: &str = "DELETE FROM pin WHERE org = $1 AND kind = $2 AND object_key = $3";
const PINS: &str = "SELECT kind, object_key, target_id FROM pin WHERE org = $1";
const SAVE: &str = "INSERT INTO snapshot (org, number, label, taken_ms, size, content) \
     SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5 FROM snapshot WHERE org = $1 \
     RETURNING number";
const CONTENT: &str = "SELECT content FROM snapshot WHERE org = $1 AND number = $2";
const SNAPSHOTS: &str = "SELECT number, label, taken_ms, size FROM snapshot WHERE org = $1 \
     ORDER BY number DESC";
const SETTING: &str = "SELECT value FROM setting WHERE name = $1";
const PUT_SETTING: &str = "INSERT INTO setting (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const REMOVE_SETTING: &str = "DELETE FROM setting WHERE name = $1";

pub(super) type MappingRow = (
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    String,
    i64,
);

pub(super) fn object(kind: &str, key: &str) -> ObjectRef {
    ObjectRef::new(Kind::new(kind), Key::from_encoded(key))
}

pub(super) fn mapping(row: MappingRow) -> Mapping {
    let (source_org, target_org, kind, key, source_id, target_id, run, at_ms) = row;
    Mapping {
        source_org: OrgName::new(&source_org),
        target_org: OrgName::new(&target_org),
        object: object(&kind, &key),
        source_id: source_id.map(|id| SourceId::new(&id)),
        target_id: TargetId::new(&target_id),
        run: RunId::new(&run),
        at_ms: unsigned(at_ms),
    }
}

/// Sorts; not by the database, whose order depends on its collation.
fn sort(mappings: &mut [Mapping]) {
    mappings.sort_by_cached_key(Mapping::place);
}

/// Returns the text that reads the mappings of a filter, behind a place, and what it is about.
fn chosen(filter: &MappingFilter, behind: Option<&MappingPlace>) -> (String, Vec<String>) {
    let MappingFilter {
        source_org,
        target_org,
        object,
        source_id,
        target_id,
    } = filter;
    let conditions = [
        ("source_org", source_org.as_ref().map(OrgName::as_str)),
        ("target_org", target_org.as_ref().map(OrgName::as_str)),
        ("kind", object.as_ref().map(|object| object.kind.as_str())),
        (
            "object_key",
            object.as_ref().map(|object| object.key.as_str()),
        ),
        ("source_id", source_id.as_ref().map(SourceId::as_str)),
        ("target_id", target_id.as_ref().map(TargetId::as_str)),
    ];
    let mut values = Vec::new();
    let mut texts = Vec::new();
    for (column, value) in conditions {
        if let Some(value) = value {
            values.push(value.to_owned());
            texts.push(format!("{column} = ${}", values.len()));
        }
    }
    if let Some(place) = behind {
        let at = values.len();
        texts.push(format!(
            "(source_org, target_org, kind, object_key) > (${}, ${}, ${}, ${})",
            at + 1,
            at + 2,
            at + 3,
            at + 4
        ));
        values.extend([
            place.source_org.as_str().to_owned(),
            place.target_org.as_str().to_owned(),
            place.object.kind.as_str().to_owned(),
            place.object.key.as_str().to_owned(),
        ]);
    }
    let mut sql = MAPPINGS.to_owned();
    if !texts.is_empty() {
        sql.push_str(&format!(" WHERE {}", texts.join(" AND ")));
    }
    (sql, values)
}

impl Sql {
    pub(super) async fn upsert_mappings(
        &self,
        lease: &Lease,
        mappings: &[Mapping],
    ) -> Result<(), Error> {
        let mut tx = self.fenced(lease).await?;
        for mapping in mappings {
            let Mapping {
                source_org,
                target_org,
                object: ObjectRef { kind, key },
                source_id,
                target_id,
                run,
                at_ms,
            } = mapping;
            if *target_org != lease.org {
                return Err(Error::OtherOrg {
                    lease: lease.org.clone(),
                    other: target_org.clone(),
                });
            }
            sqlx::query(PUT_MAPPING)
                .bind(source_org.as_str())
                .bind(target_org.as_str())
                .bind(kind.as_str())
                .bind(key.as_str())
                .bind(source_id.as_ref().map(|id| id.as_str().to_owned()))
                .bind(target_id.as_str())
                .bind(run.as_str())
                .bind(number(*at_ms))
                .execute(&mut *tx)
                .await
                .map_err(|error| self.fail.on(error))?;
        }
        self.commit(tx).await
    }

    pub(super) async fn delete_mapping(
        &self,
        lease: &Lease,
        object: &ObjectRef,
    ) -> Result<(), Error> {
        let mut tx = self.fenced(lease).await?;
        sqlx::query(FORGET_MAPPING)
            .bind(lease.org.as_str())
            .bind(object.kind.as_str())
            .bind(object.key.as_str())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        self.commit(tx).await
    }

    pub(super) async fn select_mappings(
        &self,
        filter: &MappingFilter,
    ) -> Result<Vec<Mapping>, Error> {
        let (sql, values) = chosen(filter, None);
        // Only names of columns and numbers were put in.
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(value);
        }
        let rows: Vec<MappingRow> = query
            .fetch_all(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        let mut mappings: Vec<_> = rows.into_iter().map(mapping).collect();
        sort(&mut mappings);
        Ok(mappings)
    }

    pub(super) async fn select_some_mappings(
        &self,
        filter: &MappingFilter,
        wanted: Option<&Wanted<'_>>,
        behind: Option<&MappingPlace>,
        limit: usize,
    ) -> Result<Vec<Mapping>, Error> {
        let (mut sql, values) = chosen(filter, behind);
        sql.push_str(&format!(" {BY_PLACE} LIMIT ${}", values.len() + 1));
        // What is not wanted is not kept, and where all is, the database is asked for no more.
        let most = match wanted {
            Some(_) => i64::MAX,
            None => number(limit as u64),
        };
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(value);
        }
        let mut rows = query.bind(most).fetch(&self.pools.reads);
        let mut mappings = Vec::new();
        while mappings.len() < limit
            && let Some(row) = rows.try_next().await.map_err(|error| self.fail.on(error))?
        {
            let mapping = mapping(row);
            if wanted.is_none_or(|wanted| wanted(&mapping)) {
                mappings.push(mapping);
            }
        }
        Ok(mappings)
    }

    pub(super) async fn upsert_pin(
        &self,
        org: &OrgName,
        object: &ObjectRef,
        id: &TargetId,
    ) -> Result<(), Error> {
        sqlx::query(PIN)
            .bind(org.as_str())
            .bind(object.kind.as_str())
            .bind(object.key.as_str())
            .bind(id.as_str())
            .execute(&self.pools.writes)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(())
    }

    pub(super) async fn delete_pin(&self, org: &OrgName, object: &ObjectRef) -> Result<(), Error> {
        sqlx::query(UNPIN)
            .bind(org.as_str())
            .bind(object.kind.as_str())
            .bind(object.key.as_str())
            .execute(&self.pools.writes)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(())
    }

    pub(super) async fn select_pins(
        &self,
        org: &OrgName,
    ) -> Result<BTreeMap<ObjectRef, TargetId>, Error> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(PINS)
            .bind(org.as_str())
            .fetch_all(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        let pins = rows
            .into_iter()
            .map(|(kind, key, id)| (object(&kind, &key), TargetId::new(&id)));
        Ok(pins.collect())
    }

    pub(super) async fn insert_snapshot(
        &self,
        org: &OrgName,
        label: &str,
        taken_ms: u64,
        content: &[u8],
    ) -> Result<SnapshotId, Error> {
        let size = content.len() as u64;
        let packed = pack(content.to_vec()).await?;
        loop {
            let saved: Result<(i64,), _> = sqlx::query_as(SAVE)
                .bind(org.as_str())
                .bind(label)
                .bind(number(taken_ms))
                .bind(number(size))
                .bind(packed.as_slice())
                .fetch_one(&self.pools.writes)
                .await;
            match saved {
                Ok((given,)) => {
                    return Ok(SnapshotId {
                        org: org.clone(),
                        number: unsigned(given),
                    });
                }
                // Another took the number; every time somebody gets on.
                Err(error) if met_others(&error) => {}
                Err(error) => return Err(self.fail.on(error)),
            }
        }
    }

    pub(super) async fn select_snapshot(&self, id: &SnapshotId) -> Result<Option<Vec<u8>>, Error> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as(CONTENT)
            .bind(id.org.as_str())
            .bind(number(id.number))
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        let Some((packed,)) = row else {
            return Ok(None);
        };
        unpack(packed).await.map(Some)
    }

    pub(super) async fn select_snapshots(&self, org: &OrgName) -> Result<Vec<SnapshotHead>, Error> {
        let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(SNAPSHOTS)
            .bind(org.as_str())
            .fetch_all(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        let head = |(given, label, taken_ms, size)| SnapshotHead {
            id: SnapshotId {
                org: org.clone(),
                number: unsigned(given),
            },
            label,
            taken_ms: unsigned(taken_ms),
            size: unsigned(size),
        };
        Ok(rows.into_iter().map(head).collect())
    }

    pub(super) async fn select_setting(&self, name: &str) -> Result<Option<String>, Error> {
        let row: Option<(String,)> = sqlx::query_as(SETTING)
            .bind(name)
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(row.map(|(value,)| value))
    }

    pub(super) async fn upsert_setting(
        &self,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), Error> {
        let query = match value {
            Some(value) => sqlx::query(PUT_SETTING).bind(name).bind(value),
            None => sqlx::query(REMOVE_SETTING).bind(name),
        };
        query
            .execute(&self.pools.writes)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(())
    }
}

pub(super) async fn pack(content: Vec<u8>) -> Result<Vec<u8>, Error> {
    blocking(move || {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&content)?;
        packer.finish()
    })
    .await
}

pub(super) async fn unpack(packed: Vec<u8>) -> Result<Vec<u8>, Error> {
    blocking(move || {
        let mut content = Vec::new();
        DeflateDecoder::new(packed.as_slice()).read_to_end(&mut content)?;
        Ok(content)
    })
    .await
}

/// Packs or unpacks a snapshot where it does not keep other tasks waiting.
async fn blocking(
    work: impl FnOnce() -> std::io::Result<Vec<u8>> + Send + 'static,
) -> Result<Vec<u8>, Error> {
    let unreadable = |why: String| Error::Unreadable {
        what: "a snapshot",
        why,
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| unreadable(error.to_string())),
        Err(error) => Err(unreadable(error.to_string())),
    }
}
