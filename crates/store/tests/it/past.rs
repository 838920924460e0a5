//! States as past versions of orgsmith wrote them, opened by this one.
//!
//! What a fixture holds is `rows.jsonl`, whatever its form. A new form comes with a fixture of its
//! own; the old ones stay as they are. `UPDATE_FIXTURES=1` writes those that are not there.

use std::path::{Path, PathBuf};

use orgsmith_store::state::{Backup, Memory, Row, Sql, State, write_backup};

use crate::bundle::dir;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state");
    folder.join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).expect("a fixture")
}

/// Returns what is in every fixture.
fn rows() -> Vec<Row> {
    let text = text("rows.jsonl");
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>().expect("rows")
}

fn writes(name: &str) -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some() && !fixture(name).exists()
}

async fn dumped(state: &dyn State) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut sink = |row| {
        rows.push(row);
        Ok(())
    };
    state.dump(&mut sink).await.expect("told");
    rows
}

/// Returns rows as lines, without the order, which is another in every form.
fn sorted(rows: Vec<Row>) -> Vec<String> {
    let line = |row: &Row| serde_json::to_string(row).expect("a row");
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.sort();
    lines
}

/// Returns rows without what is not taken over from one state into another: who holds a lock.
fn given_back(rows: Vec<Row>) -> Vec<Row> {
    let row = |row| match row {
        Row::Lease { org, fence, .. } => Row::Lease {
            org,
            owner: None,
            fence: fence + 1,
            expires_ms: 0,
        },
        row => row,
    };
    rows.into_iter().map(row).collect()
}

fn of_version(version: u64) -> Vec<Row> {
    let kept = |row: &Row| version >= 2 || !matches!(row, Row::Job(_));
    rows().into_iter().filter(kept).collect()
}

#[tokio::test]
async fn a_file_of_every_past_version_is_brought_up_to_date_with_all_it_holds() {
    for version in 1..=2 {
        let temp = dir();
        let path = temp.path().join("state.db");
        sqlx::any::install_default_drivers();
        let url = format!("sqlite:{}?mode=rwc", path.display());
        let raw = sqlx::AnyPool::connect(&url).await.expect("connected");
        let sql = text(&format!("{version:04}.sql"));
        let written = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&raw);
        written.await.expect("the fixture");
        raw.close().await;

        let state = Sql::sqlite(&path).await.expect("it is opened");
        let about = state.about().await.expect("answers");
        assert_eq!((about.found, about.wrong), (version, vec![]));
        assert_eq!(sorted(dumped(&state).await), sorted(of_version(version)));
        state.close().await;
        let again = Sql::sqlite(&path).await.expect("it is opened");
        let about = again.about().await.expect("answers");
        assert_eq!(about.found, about.version);
    }
}

#[tokio::test]
async fn a_database_of_every_past_version_is_brought_up_to_date_with_all_it_holds() {
    let Some(server) = crate::postgres::server() else {
        return;
    };
    for version in 1..=2 {
        let address = crate::postgres::schema(&server).await;
        let sql = text(&format!("{version:04}.sql")).replace("X'", "'\\x");
        crate::postgres::run(&address, sql).await;
        let state = Sql::postgres(&address).await.expect("it is opened");
        let about = state.about().await.expect("answers");
        assert_eq!((about.found, about.wrong), (version, vec![]));
        assert_eq!(sorted(dumped(&state).await), sorted(of_version(version)));
    }
}

#[tokio::test]
async fn a_backup_of_every_past_version_is_read() {
    let name = "backup-1.jsonl.gz";
    if writes(name) {
        let memory = Memory::new();
        let loaded = memory.load(&mut rows().into_iter().map(Ok), false).await;
        loaded.expect("loaded");
        let written = write_backup(&memory, &fixture(name), "0.1.0", 1_764_273_600_000).await;
        written.expect("written");
    }
    let path = fixture(name);
    let mut backup = Backup::open(&path).expect("a backup");
    assert_eq!(backup.head().orgsmith_backup, 1);
    let found = backup.by_ref().collect::<Result<Vec<_>, _>>();
    assert_eq!(sorted(found.expect("rows")), sorted(given_back(rows())));
}

#[cfg(feature = "object-store")]
#[tokio::test]
async fn a_log_of_every_past_version_is_read() {
    use orgsmith_store::state::Objects;
    let name = "log-1";
    let address = |path: &Path| format!("file://{}", path.display());
    if writes(name) {
        let state = Objects::open(&address(&fixture(name))).await.expect("open");
        let loaded = state.load(&mut rows().into_iter().map(Ok), false).await;
        loaded.expect("loaded");
        state.put_setting("later", Some("1")).await.expect("set");
        state.close().await;
    }
    // A copy: looking may not, but writing would change the fixture.
    let temp = dir();
    for folder in ["log", "blob"] {
        std::fs::create_dir_all(temp.path().join(folder)).expect("made");
        let files = std::fs::read_dir(fixture(name).join(folder)).expect("listed");
        for file in files {
            let file = file.expect("a file");
            let to = temp.path().join(folder).join(file.file_name());
            std::fs::copy(file.path(), to).expect("copied");
        }
    }
    let state = Objects::open(&address(temp.path())).await.expect("open");
    assert_eq!(
        state.about().await.expect("answers").wrong,
        Vec::<String>::new()
    );
    let mut expected = given_back(rows());
    expected.push(Row::Setting {
        name: "later".to_owned(),
        value: "1".to_owned(),
    });
    assert_eq!(sorted(dumped(&state).await), sorted(expected));
}
