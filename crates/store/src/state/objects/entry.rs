//! What the objects of a log hold.

use serde::{Deserialize, Serialize};

use crate::state::Error;
use crate::state::tables::{Change, Kept};

/// The version of what is written.
pub(super) const FORMAT: u64 = 1;

/// One object of the log: changes that were made together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    format: u64,
    /// Its own: who is told that an object is there already knows by it whether that is his.
    pub(super) id: Box<str>,
    /// The id of the entry before it; none for the first.
    pub(super) after: Option<Box<str>>,
    pub(super) changes: Vec<Change>,
}

/// Everything that the log says up to one entry: read instead of it, and never instead of what came
/// later.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fold {
    format: u64,
    /// The number of the last entry in it.
    pub(super) number: u64,
    /// The id of that entry.
    pub(super) id: Box<str>,
    pub(super) rows: Vec<Kept>,
}

/// What every format says of itself.
#[derive(Deserialize)]
struct Format {
    format: u64,
}

impl Entry {
    /// Puts changes together; the id is one that was never used.
    pub(super) fn new(after: Option<Box<str>>, changes: Vec<Change>) -> Self {
        Self {
            format: FORMAT,
            id: uuid::Uuid::new_v4().to_string().into(),
            after,
            changes,
        }
    }

    pub(super) fn read(content: &[u8]) -> Result<Self, Error> {
        read(content, "an entry of the log")
    }
}

impl Fold {
    pub(super) fn new(number: u64, id: Box<str>, rows: Vec<Kept>) -> Self {
        Self {
            format: FORMAT,
            number,
            id,
            rows,
        }
    }

    pub(super) fn read(content: &[u8]) -> Result<Self, Error> {
        read(content, "a fold of the log")
    }
}

/// Reads the version first: what is newer need not look like this.
pub(super) fn read<'c, T: Deserialize<'c>>(
    content: &'c [u8],
    what: &'static str,
) -> Result<T, Error> {
    let unreadable = |error: serde_json::Error| Error::unreadable(what, error);
    let Format { format } = serde_json::from_slice(content).map_err(unreadable)?;
    if format > FORMAT {
        return Err(Error::Newer {
            found: format,
            known: FORMAT,
        });
    }
    serde_json::from_slice(content).map_err(unreadable)
}

/// Writes an object.
pub(super) fn write(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::unreadable("what is to be written", error))
}
