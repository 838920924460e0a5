//! Rows of data tables: by pages where they are few, as one file where they are many.

use orgsmith_client::{Call, Replay, path_segment};
use orgsmith_core::catalogue::Part;
use orgsmith_core::document::Captured;
use orgsmith_core::rows;
use serde_json::Value;

use super::details::{read_part, with_ids};
use super::lists::{Failure, listing};
use crate::jobs::{JobError, poll, text};
use crate::org::Org;

/// Up to so many rows are read by pages: a job takes some calls, too, and some seconds.
const BY_PAGES: u64 = 1000;

/// Reads the rows of a table.
pub(super) async fn read(
    org: &Org,
    part: &Part,
    table: &Captured,
) -> Result<Option<Value>, Failure> {
    let Some(spec) = &part.list else {
        return Ok(None);
    };
    let pages = listing(spec, &with_ids(&spec.path, table.id.as_str()), "");
    if let Some(rows) = org.client.list_up_to(&pages, BY_PAGES).await? {
        return Ok(Some(Value::Array(rows)));
    }
    match export(org, table).await {
        Ok(rows) => Ok(Some(Value::Array(rows))),
        Err(error) => {
            tracing::info!(org = %org.name, table = %table.id, %error, "rows are read by pages, as no file has them");
            read_part(org, part, table).await
        }
    }
}

/// Lets the org write all rows of a table into a file, and reads that.
async fn export(org: &Org, table: &Captured) -> Result<Vec<Value>, JobError> {
    let jobs = format!(
        "/api/v2/flows/datatables/{}/export/jobs",
        path_segment(table.id.as_str())
    );
    // The job changes nothing, so it may be registered twice.
    let call = Call::post(&jobs).replay(Replay::Safe);
    let job = text(&org.client.send(call).await?.body, "id")?;
    let state = poll(org, &format!("{jobs}/{}", path_segment(&job)), &job).await?;
    let file = org.client.download(&text(&state, "downloadURI")?).await?;
    let schema = table.body.get("schema").unwrap_or(&Value::Null);
    let rows = rows::from_csv(schema, &file);
    let rows = rows.map_err(|error| JobError::Nonsense(error.to_string()))?;
    match state.get("countRecordsProcessed").and_then(Value::as_u64) {
        Some(count) if count != rows.len() as u64 => Err(JobError::Nonsense(format!(
            "the file has {} rows of {count}",
            rows.len()
        ))),
        _ => Ok(rows),
    }
}
