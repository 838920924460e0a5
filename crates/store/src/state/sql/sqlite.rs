//! How a SQLite file is opened.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection};

use super::Pools;
use super::fail::Fail;
use crate::state::Error;

/// What every connection is told. With WAL readers do not wait for the writer; with FULL a commit
/// is on the disk when it returns, also on macOS, where that takes more than an fsync.
const SETUP: [&str; 6] = [
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
];

/// What a connection that only reads is told besides: it can be used for nothing else by mistake.
const ONLY_READS: &str = "PRAGMA query_only = ON";

/// How many wait to write at once.
const WRITERS: u32 = 4;

/// How many read at once.
const READERS: u32 = 4;

/// Makes the file if there is none, and connects to it.
pub(super) async fn connect(path: &Path) -> Result<(Pools, Fail), Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source: Arc::new(source),
    };
    let fail = Fail {
        place: path.display().to_string().into(),
    };
    let path = std::path::absolute(path).map_err(failed)?;
    private_database(&path).map_err(failed)?;
    let url = url(&path).ok_or_else(|| {
        let why = "the path is not UTF-8";
        failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, why))
    })?;
    sqlx::any::install_default_drivers();
    // Once without the pool, which would try a damaged file again until its time is up.
    let first = async {
        let mut connection = AnyConnection::connect(&url).await?;
        set_up(&mut connection).await?;
        connection.close().await
    };
    first.await.map_err(|error| fail.on(error))?;
    // A file has one writer at a time, but one connection would not do: a caller that waits for two things at
    // once may have been given it and not go on before another, who waits for it, has written.
    let writes = AnyPoolOptions::new()
        .max_connections(WRITERS)
        .after_connect(|connection, _| Box::pin(set_up(connection)))
        .after_release(|connection, _| Box::pin(give_up(connection)))
        .connect(&url)
        .await
        .map_err(|error| fail.on(error))?;
    let reads = AnyPoolOptions::new()
        .max_connections(READERS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                set_up(connection).await?;
                sqlx::raw_sql(ONLY_READS).execute(connection).await?;
                Ok(())
            })
        })
        .connect_lazy(&url)
        .map_err(|error| fail.on(error))?;
    Ok((Pools { reads, writes }, fail))
}

async fn set_up(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for statement in SETUP {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Ends a transaction that is still open: what could not be committed for want of room would keep
/// everybody else from writing.
async fn give_up(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // Mostly there is none, and SQLite says so.
    let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
    Ok(true)
}

/// Makes a file for its owner alone, before SQLite makes it for all; its log files take the mode over.
///
/// # Errors
/// The file or its folder cannot be made.
pub fn private_database(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = match options.open(path) {
        Ok(file) => file,
        // Whether a file that is there may be written is for the database to say.
        Err(_) if path.is_file() => return Ok(()),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let about = file.metadata()?;
        let ours = about.len() == 0 || is_database(path)?;
        if ours && about.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    drop(file);
    Ok(())
}

/// Tells whether a file begins as a database does: what is another's is left alone.
#[cfg(unix)]
fn is_database(path: &Path) -> io::Result<bool> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut head = Vec::new();
    fs::File::open(path)?.take(16).read_to_end(&mut head)?;
    Ok(head == MAGIC)
}

/// Writes a path as an address: every byte that could mean something else is encoded.
fn url(path: &Path) -> Option<String> {
    let mut url = String::from("sqlite:");
    for byte in path.to_str()?.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' => url.push(char::from(byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Sql, State};

    /// Opens a state whose only connection was told something more.
    async fn told(path: &Path, statement: &'static str) -> Sql {
        drop(Sql::sqlite(path).await.expect("a state"));
        let fail = Fail {
            place: "state.db".into(),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    set_up(connection).await?;
                    sqlx::raw_sql(statement).execute(connection).await?;
                    Ok(())
                })
            })
            .connect(&url(path).expect("UTF-8"))
            .await
            .expect("connected");
        let pools = Pools {
            reads: pool.clone(),
            writes: pool,
        };
        Sql::start(pools, fail, 0)
    }

    #[tokio::test]
    async fn a_full_disk_and_a_read_only_file_are_said_clearly() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("state.db");
        let full = told(&path, "PRAGMA max_page_count = 1").await;
        let big = "x".repeat(1 << 20);
        let error = full.put_setting("a", Some(&big)).await;
        let error = error.expect_err("there is no room");
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
        assert_eq!(full.setting("a").await.expect("read"), None);
        full.close().await;

        let frozen = told(&path, "PRAGMA query_only = ON").await;
        let error = frozen.put_setting("a", Some("1")).await;
        let error = error.expect_err("it cannot be written");
        assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
        frozen.close().await;
    }
}
