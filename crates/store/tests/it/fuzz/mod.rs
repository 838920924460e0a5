//! Readers of what comes from elsewhere, fed with what they were not made for: bundles, YAML, flows, plans
//! and backups with their journals.
//!
//! Each begins with the files of its folder in `tests/corpus` and bends them, the same way every time. A
//! reader may refuse; it may not panic, overflow the stack or think for ever. The text under way is
//! in `target/tmp/fuzz-NAME`: whatever the program died of, it is there, and belongs into the corpus.
//!
//! `ORGSMITH_FUZZ=1000000 cargo test --release -p orgsmith-store --test it fuzz` bends so many of each,
//! with `ORGSMITH_FUZZ_SEED=N` others than ever before.

mod bend;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use orgsmith_core::checks::{Brake, check};
use orgsmith_core::flow::{Rename, canonical, rename, scan};
use orgsmith_core::journal::Record;
use orgsmith_core::plan::Plan;
use orgsmith_core::render::{Detail, Screen, plan_json, plan_markdown, plan_screen};
use orgsmith_store::bundle;
use orgsmith_store::state::{Backup, Memory, Row, State, replay};
use zip::write::{SimpleFileOptions, ZipWriter};

use self::bend::Bender;

/// The longest that one text may take, on a machine that has more to do.
const PATIENCE: Duration = Duration::from_secs(30);

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = folder("corpus").join(name);
    let files = fs::read_dir(&folder).expect("a corpus").flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
        .iter()
        .map(|file| fs::read(file).expect("a file"))
        .collect()
}

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Feeds a reader with the corpus, and with what becomes of it.
///
/// `read` tells whether it took a text; some must be taken, or nothing behind the first look is tried.
fn feed(name: &str, texts: Vec<Vec<u8>>, read: fn(&[u8], &Path) -> bool) {
    let times = number("ORGSMITH_FUZZ", 1_500);
    let mut bender = Bender::new(number("ORGSMITH_FUZZ_SEED", 0), texts.clone());
    let under_way = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    let (give, given) = mpsc::channel::<Vec<u8>>();
    let (answer, answers) = mpsc::channel();
    let work = std::thread::spawn(move || {
        let temporary = tempfile::tempdir().expect("a folder");
        for text in given {
            let taken = read(&text, temporary.path());
            if answer.send(taken).is_err() {
                return;
            }
        }
    });
    let mut taken = 0;
    let bent = (0..times).map(|_| bender.next());
    for text in texts.into_iter().chain(bent) {
        fs::write(&under_way, &text).expect("it is kept");
        give.send(text).expect("it listens");
        match answers.recv_timeout(PATIENCE) {
            Ok(yes) => taken += u64::from(yes),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!(
                    "{name}: no end within {PATIENCE:?} of {}",
                    under_way.display()
                )
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                panic!("{name}: a panic over {}", under_way.display())
            }
        }
    }
    drop(give);
    work.join().expect("it has ended");
    assert!(
        taken * 50 > times,
        "{name}: only {taken} of {times} were read"
    );
    fs::remove_file(under_way).expect("our own file");
}

/// Makes a zip of a text that has a line `=== path` before each file.
fn packed(text: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in text.split("=== ").skip(1) {
        let (path, content) = file.split_once('\n').unwrap_or((file, ""));
        zip.start_file(path, SimpleFileOptions::default()).ok()?;
        zip.write_all(content.as_bytes()).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

fn read_bundle(path: &Path) -> bool {
    match bundle::read(path) {
        Ok(loaded) => {
            // What can be read can be written, and is the same then.
            let digest = bundle::digest(&loaded.bundle).expect("it was read");
            let again = path.with_extension("again.zip");
            let written = bundle::write_zip(&loaded.bundle, &again).expect("it was read");
            assert_eq!(written, digest);
            let again = bundle::read(&again).expect("it was written");
            assert_eq!(again.bundle.documents, loaded.bundle.documents);
            true
        }
        Err(error) => {
            let _ = error.to_string();
            false
        }
    }
}

#[test]
fn bundles() {
    feed("bundle", corpus("bundle"), |text, folder| {
        let Some(zip) = packed(text) else {
            return false;
        };
        let path = folder.join("b.zip");
        fs::write(&path, zip).expect("written");
        read_bundle(&path)
    });
}

#[test]
fn zips() {
    let example = fs::read(folder("fixtures/format-1/example.zip")).expect("a fixture");
    let other = packed(&corpus("bundle")[0]).expect("a zip");
    feed("zip", vec![example, other], |zip, folder| {
        let path = folder.join("b.zip");
        fs::write(&path, zip).expect("written");
        read_bundle(&path);
        // Whatever is bent in a zip, its sums tell: that it is refused is what is wanted.
        true
    });
}

#[test]
fn yaml() {
    feed("yaml", corpus("yaml"), |text, _| {
        let text = String::from_utf8_lossy(text);
        match bundle::yaml::parse(&text) {
            Ok(node) => !node.to_value().is_null(),
            Err(fault) => {
                let _ = format!("{} {}", fault.position, fault.what);
                false
            }
        }
    });
}

#[test]
fn flows() {
    feed("flow", corpus("flow"), |text, _| {
        let text = String::from_utf8_lossy(text);
        let Ok(found) = scan(&text) else { return false };
        let _ = canonical(&text);
        let longer = |name: &str| format!("{name}+");
        let renames = found.references.iter().map(|found| found.target.clone());
        let renames: Vec<Rename> = renames
            .map(|target| Rename::new(target.clone(), longer(target.name())))
            .collect();
        if let Ok(renamed) = rename(&text, &renames) {
            scan(&renamed.text).expect("a renamed flow can be read");
        }
        true
    });
}

#[test]
fn plans() {
    feed("plan", corpus("plan"), |text, _| {
        let plan: Plan = match serde_json::from_slice(text) {
            Ok(plan) => plan,
            Err(error) => {
                let _ = error.to_string();
                return false;
            }
        };
        let again: Plan = serde_json::from_str(&plan_json(&plan)).expect("it was written");
        assert_eq!(again.digest(), plan.digest());
        let packed = plan.pack();
        assert_eq!(Plan::unpack(&packed).expect("it was packed"), plan);
        let _: Vec<_> = plan
            .steps
            .iter()
            .map(orgsmith_core::plan::Step::secrets)
            .collect();
        for detail in [Detail::Objects, Detail::Fields, Detail::Full] {
            let rate = orgsmith_core::plan::Rate::default();
            let _ = plan_screen(
                &plan,
                &Screen {
                    detail,
                    rate,
                    next: None,
                },
            );
        }
        let _ = plan_markdown(&plan, 2_000);
        let _ = plan.images.open(&plan.blobs);
        if let Err(rejected) = check(plan, ["0c0ffee0-0000-4000-8000-000000000001"], Brake::On) {
            let _ = rejected.to_string();
        }
        true
    });
}

#[test]
fn packed_plans() {
    let plain = corpus("plan").into_iter();
    let plans = plain.filter_map(|text| serde_json::from_slice::<Plan>(&text).ok());
    let packed = plans.map(|plan| plan.pack().into_bytes()).collect();
    feed("packed plan", packed, |text, _| {
        let text = String::from_utf8_lossy(text);
        Plan::unpack(&text).is_ok()
    });
}

#[test]
fn backups_and_journals() {
    feed("backup", corpus("backup"), |text, folder| {
        let path = folder.join("state.backup");
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).expect("packed");
        fs::write(&path, packer.finish().expect("packed")).expect("written");
        journals(&path);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let loaded = runtime.expect("a runtime").block_on(async {
            let mut backup = Backup::open(&path)?;
            Memory::new().load(&mut backup, false).await
        });
        if let Err(error) = &loaded {
            let _ = error.to_string();
        }
        loaded.is_ok()
    });
}

/// Replays the journal of every run, as far as a backup can be read.
fn journals(path: &Path) {
    let Ok(backup) = Backup::open(path) else {
        return;
    };
    let mut journals = BTreeMap::<String, Vec<_>>::new();
    for row in backup.map_while(Result::ok) {
        if let Row::Record { run, step, entry } = row {
            let record = Record {
                run: run.clone(),
                step,
                entry,
            };
            journals.entry(run.to_string()).or_default().push(record);
        }
    }
    for journal in journals.values() {
        if let Err(illegal) = replay(journal) {
            let _ = illegal.to_string();
        }
    }
}
