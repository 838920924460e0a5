//! A state as one file, the same for every backend.
//!
//! The file is gzip-packed text, one JSON value a line: a head that says the format, the rows of
//! [`Row`], and an end that counts them, so that a file that was cut short is known as such. Who can
//! read it can read everything, so only its owner may.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::backend::State;
use super::error::Error;
use super::rows::Row;

/// The version of the file.
pub const BACKUP_FORMAT: u64 = 1;

/// Most bytes of one line: a plan or a snapshot.
const MAX_LINE: u64 = 2 << 30;

/// The largest number of a lease: every backend can count on from it.
const MAX_FENCE: u64 = 1 << 62;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of the file.
    pub orgsmith_backup: u64,
    /// The orgsmith that wrote it.
    pub made_by: String,
    /// When, in milliseconds since 1970.
    pub made_ms: u64,
    /// Where the state was, without a password.
    pub place: String,
}

/// What every version says of itself.
#[derive(Deserialize)]
struct Format {
    orgsmith_backup: u64,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Row(Row),
    End { rows: u64 },
}

/// Writes everything of a state into a file, in the place of an older one only when it is whole.
///
/// Returns the number of rows.
///
/// # Errors
/// The state cannot be read, or the file cannot be written.
pub async fn write_backup(
    state: &dyn State,
    path: &Path,
    made_by: &str,
    made_ms: u64,
) -> Result<u64, Error> {
    let failed = |error: std::io::Error| Error::Backup {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Only its owner can read a temporary file.
    let mut file = tempfile::Builder::new()
        .prefix(".orgsmith-backup")
        .tempfile_in(folder)
        .map_err(failed)?;
    let head = Head {
        orgsmith_backup: BACKUP_FORMAT,
        made_by: made_by.to_owned(),
        made_ms,
        place: state.place().to_owned(),
    };
    let rows = write_lines(state, file.as_file_mut(), &head, &failed).await?;
    file.persist(path).map_err(|error| failed(error.error))?;
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(rows)
}

async fn write_lines(
    state: &dyn State,
    file: &mut File,
    head: &Head,
    failed: &(impl Fn(std::io::Error) -> Error + Sync),
) -> Result<u64, Error> {
    let mut packer = GzEncoder::new(BufWriter::new(&mut *file), Compression::default());
    write_line(&mut packer, head).map_err(failed)?;
    let mut rows = 0;
    let mut sink = |row| {
        rows += 1;
        write_line(&mut packer, &Line::Row(row)).map_err(failed)
    };
    state.dump(&mut sink).await?;
    write_line(&mut packer, &Line::End { rows }).map_err(failed)?;
    let mut rest = packer.finish().map_err(failed)?;
    rest.flush().map_err(failed)?;
    drop(rest);
    file.sync_all().map_err(failed)?;
    Ok(rows)
}

fn write_line(packer: &mut impl Write, line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *packer, line)?;
    packer.write_all(b"\n")
}

/// A backup that is read row by row; after the last row it has been seen to be whole.
pub struct Backup<'p> {
    path: &'p Path,
    head: Head,
    lines: BufReader<MultiGzDecoder<File>>,
    rows: u64,
    over: bool,
}

impl<'p> Backup<'p> {
    /// Opens a backup.
    ///
    /// # Errors
    /// There is no such file, it is no backup, or it was made by a newer orgsmith.
    pub fn open(path: &'p Path) -> Result<Self, Error> {
        let failed = |why: String| Error::Backup {
            path: path.to_owned(),
            why,
        };
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let mut lines = BufReader::new(MultiGzDecoder::new(file));
        let line =
            next_line(&mut lines).map_err(|why| failed(format!("it is no backup: {why}")))?;
        let Format { orgsmith_backup } = serde_json::from_slice(&line)
            .map_err(|_| failed("it is no backup of a state".to_owned()))?;
        if orgsmith_backup > BACKUP_FORMAT {
            return Err(Error::Newer {
                found: orgsmith_backup,
                known: BACKUP_FORMAT,
            });
        }
        let head = serde_json::from_slice(&line).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            path,
            head,
            lines,
            rows: 0,
            over: false,
        })
    }

    /// Returns the first line.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns how many rows were read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn advance(&mut self) -> Result<Option<Row>, String> {
        let line = next_line(&mut self.lines)?;
        if line.is_empty() {
            return Err(format!("it ends too early, after {} rows", self.rows));
        }
        let line: Line = serde_json::from_slice(&line)
            .map_err(|error| format!("row {}: {error}", self.rows + 1))?;
        match line {
            Line::Row(row) => {
                self.rows += 1;
                if let Row::Lease { org, fence, .. } = &row
                    && *fence > MAX_FENCE
                {
                    return Err(format!(
                        "the lock of {org} cannot have been taken {fence} times"
                    ));
                }
                Ok(Some(row))
            }
            Line::End { rows } if rows == self.rows => match next_line(&mut self.lines)? {
                rest if rest.is_empty() => Ok(None),
                _ => Err("something follows its end".to_owned()),
            },
            Line::End { rows } => Err(format!("it has {} rows of {rows}", self.rows)),
        }
    }
}

impl Iterator for Backup<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let row = self.advance().map_err(|why| Error::Backup {
            path: self.path.to_owned(),
            why,
        });
        self.over = !matches!(row, Ok(Some(_)));
        row.transpose()
    }
}

/// Returns the next line with its end, or nothing where there is none.
fn next_line(lines: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let read = lines.take(MAX_LINE).read_until(b'\n', &mut line);
    read.map_err(|error| error.to_string())?;
    match line.last() {
        None | Some(b'\n') => Ok(line),
        Some(_) => Err("its last line is cut short".to_owned()),
    }
}
