//! A state as one file.

use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use orgsmith_core::id::OrgName;
use orgsmith_store::state::{Backup, Error, Memory, State, write_backup};

use crate::bundle::dir;

async fn filled() -> Memory {
    let state = Memory::new();
    for name in ["a", "b", "c"] {
        let set = state.put_setting(name, Some("1")).await;
        set.expect("set");
    }
    let org = OrgName::new("acme");
    let saved = state.save_snapshot(&org, "x", 1, &[0, 255]).await;
    saved.expect("saved");
    state
}

async fn load(path: &Path, state: &dyn State) -> Result<(), Error> {
    let mut backup = Backup::open(path)?;
    state.load(&mut backup, false).await
}

fn pack(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).expect("packed");
    packer.finish().expect("packed")
}

#[tokio::test]
async fn a_backup_comes_back_and_only_its_owner_can_read_it() {
    let temp = dir();
    let path = temp.path().join("state.backup");
    std::fs::write(&path, b"an older one").expect("written");
    let rows = write_backup(&filled().await, &path, "9.9.9", 5).await;
    assert_eq!(rows.expect("written"), 4);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let head = Backup::open(&path).expect("a backup").head().clone();
    assert_eq!((head.made_by.as_str(), head.made_ms), ("9.9.9", 5));
    let state = Memory::new();
    load(&path, &state).await.expect("loaded");
    assert_eq!(
        state.setting("b").await.expect("read").as_deref(),
        Some("1")
    );
    let latest = state.latest_snapshot(&OrgName::new("acme")).await;
    let (_, content) = latest.expect("read").expect("there is one");
    assert_eq!(content, [0, 255]);
    let names = std::fs::read_dir(temp.path()).expect("listed").count();
    assert_eq!(names, 1, "nothing is left behind");
}

#[tokio::test]
async fn a_backup_that_is_cut_short_or_longer_is_refused_and_changes_nothing() {
    let temp = dir();
    let path = temp.path().join("state.backup");
    let written = write_backup(&filled().await, &path, "1", 5).await;
    written.expect("written");
    let packed = std::fs::read(&path).expect("read");
    let mut text = Vec::new();
    let unpacked = GzDecoder::new(packed.as_slice()).read_to_end(&mut text);
    unpacked.expect("it is gzip");
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 6);

    let mut broken: Vec<Vec<u8>> = (0..packed.len())
        .map(|end| packed[..end].to_vec())
        .collect();
    broken.extend((0..text.len()).map(|end| pack(&text[..end])));
    for missing in 0..lines.len() {
        let rest = lines
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != missing);
        let rest: Vec<&[u8]> = rest.map(|(_, line)| *line).collect();
        broken.push(pack(&rest.concat()));
    }
    broken.push(pack(&[&text[..], lines[1]].concat()));
    broken.push(text.clone());
    for content in broken {
        std::fs::write(&path, &content).expect("written");
        let state = Memory::new();
        let outcome = load(&path, &state).await;
        assert!(matches!(outcome, Err(Error::Backup { .. })), "{outcome:?}");
        assert_eq!(state.setting("a").await.expect("read"), None);
    }
}

#[tokio::test]
async fn a_backup_of_a_newer_orgsmith_is_refused() {
    let temp = dir();
    let path = temp.path().join("state.backup");
    let newer = b"{\"orgsmith_backup\": 2, \"what\": \"nobody knows\"}\n";
    std::fs::write(&path, pack(newer)).expect("written");
    let outcome = Backup::open(&path).map(drop);
    assert!(
        matches!(outcome, Err(Error::Newer { found: 2, known: 1 })),
        "{outcome:?}"
    );
    let gone = Backup::open(&temp.path().join("nowhere")).map(drop);
    assert!(gone.is_err_and(|error| error.to_string().contains("nowhere")));
}
