//! What a long read has learned so far, in one file, so that it goes on where its process was killed.
//!
//! The file is a line that says what is read, and entries: a line with a key and a length, and so many
//! bytes. It only grows, and an entry that was cut off is as if it were not there; so nothing has to
//! be synced, and a process may die at any moment. Only its owner may read it.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The version of the file's form.
const FORM: u32 = 1;
/// The longest line that says what is read, or what an entry is.
const MAX_LINE: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Head {
    orgsmith_checkpoint: u32,
    of: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    key: String,
    bytes: u64,
}

/// What there was when a checkpoint was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// So many entries of the same read.
    Entries(usize),
    /// A file that is of no use, and was begun anew.
    Useless(Useless),
}

/// Why a checkpoint is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Useless {
    /// It is of something else, or of another orgsmith.
    Other,
    /// Too long ago.
    Old,
}

/// A file of what was read so far.
pub struct Checkpoint {
    path: PathBuf,
    found: Found,
    log: Mutex<Log>,
}

struct Log {
    file: File,
    /// Where the content of each entry is: how far from the start, and how long.
    index: HashMap<String, (u64, u64)>,
    end: u64,
    /// Why nothing more is written.
    broken: Option<String>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Opens the checkpoint of a read, which `of` tells from every other; one of something else, or one
    /// that nobody has written to for longer than `most`, is begun anew.
    ///
    /// # Errors
    /// The file cannot be written, or another process is using it.
    pub fn open(path: &Path, of: &str, now: SystemTime, most: Duration) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "another process is reading to the same place";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let about = file.metadata()?;
        let age = about.modified().ok();
        let age = age.and_then(|modified| now.duration_since(modified).ok());
        let useful = match head(&mut file)? {
            _ if about.len() == 0 => Err(None),
            Some((head, _)) if head.orgsmith_checkpoint != FORM || head.of != of => {
                Err(Some(Useless::Other))
            }
            None => Err(Some(Useless::Other)),
            // A file from the future is from now.
            Some(_) if age.is_some_and(|age| age > most) => Err(Some(Useless::Old)),
            Some((_, start)) => Ok(start),
        };
        let mut log = Log {
            file,
            index: HashMap::new(),
            end: 0,
            broken: None,
        };
        let found = match useful {
            Ok(start) => {
                log.end = start;
                log.read(about.len())?;
                log.file.set_len(log.end)?;
                Found::Entries(log.index.len())
            }
            Err(useless) => {
                log.file.set_len(0)?;
                let head = Head {
                    orgsmith_checkpoint: FORM,
                    of: of.to_owned(),
                };
                let mut line = serde_json::to_vec(&head)?;
                line.push(b'\n');
                log.append(&line)?;
                useless.map_or(Found::Nothing, Found::Useless)
            }
        };
        Ok(Self {
            path: path.to_owned(),
            found,
            log: Mutex::new(log),
        })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells what there was when it was opened.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Returns an entry.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut log = self.lock();
        let (start, length) = *log.index.get(key)?;
        log.content(start, length).ok()
    }

    /// Writes an entry down. A failure ends the checkpoint, not the read: see [`Self::broken`].
    pub fn put(&self, key: &str, content: &[u8]) {
        let mut log = self.lock();
        if log.broken.is_some() {
            return;
        }
        if let Err(error) = log.put(key, content) {
            log.broken = Some(error.to_string());
        }
    }

    /// Says why entries are no longer written, if so.
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.clone()
    }

    /// Removes the file, when what was read is in its place.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Reads where entries are, as far as they are whole.
    fn read(&mut self, length: u64) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(self.end))?;
        while let Some((line, bytes)) = line::<Entry>(&mut reader)? {
            let start = self.end + line;
            let Some(end) = start.checked_add(bytes.bytes).filter(|end| *end < length) else {
                break;
            };
            reader.seek_relative(i64::try_from(bytes.bytes).unwrap_or(i64::MAX))?;
            let mut last = [0];
            reader.read_exact(&mut last)?;
            if last != *b"\n" {
                break;
            }
            self.index.insert(bytes.key, (start, bytes.bytes));
            self.end = end + 1;
        }
        Ok(())
    }

    fn put(&mut self, key: &str, content: &[u8]) -> io::Result<()> {
        let bytes = content.len() as u64;
        let entry = Entry {
            key: key.to_owned(),
            bytes,
        };
        let mut text = serde_json::to_vec(&entry)?;
        text.push(b'\n');
        let start = self.end + text.len() as u64;
        text.extend_from_slice(content);
        text.push(b'\n');
        self.append(&text)?;
        self.index.insert(key.to_owned(), (start, bytes));
        Ok(())
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(text)?;
        self.end += text.len() as u64;
        Ok(())
    }

    fn content(&mut self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut content)?;
        Ok(content)
    }
}

/// Reads the first line of a file; nothing where it is none of ours.
fn head(file: &mut File) -> io::Result<Option<(Head, u64)>> {
    let mut reader = BufReader::new(file);
    Ok(line(&mut reader)?.map(|(length, head)| (head, length)))
}

/// Reads a line and its length; nothing where it is cut off or makes no sense.
fn line<T: for<'de> Deserialize<'de>>(reader: &mut impl BufRead) -> io::Result<Option<(u64, T)>> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    let length = line.len() as u64 + 1;
    Ok(serde_json::from_slice(&line)
        .ok()
        .map(|value| (length, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn open(path: &Path, of: &str) -> Checkpoint {
        Checkpoint::open(path, of, SystemTime::now(), HOUR).expect("a checkpoint")
    }

    #[test]
    fn what_was_written_is_found_and_what_was_cut_off_is_not() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("x");
        let first = open(&path, "gold");
        assert_eq!(first.found(), Found::Nothing);
        first.put("a", b"one\ntwo");
        first.put("b", b"");
        drop(first);
        let whole = fs::read(&path).expect("the file");
        let second = b"{\"key\":\"b\"";
        let (a, b) = (
            whole.windows(second.len()).position(|at| at == second),
            whole.len(),
        );
        let a = a.expect("the second entry");
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).expect("our own file");
            let again = open(&path, "gold");
            assert_eq!(again.get("b").is_some(), length == b, "{length}");
            assert_eq!(again.get("a").is_some(), length >= a, "{length}");
            again.put("c", b"three");
            drop(again);
            let again = open(&path, "gold");
            assert_eq!(again.get("c").as_deref(), Some(&b"three"[..]), "{length}");
            if length >= a {
                assert_eq!(again.get("a").as_deref(), Some(&b"one\ntwo"[..]));
                assert_eq!(again.found(), Found::Entries(2 + usize::from(length == b)));
            }
        }
    }

    #[test]
    fn another_read_an_old_one_and_nonsense_begin_anew() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("x");
        open(&path, "gold").put("a", b"1");
        let other = open(&path, "tenant");
        assert_eq!(other.found(), Found::Useless(Useless::Other));
        assert_eq!(other.get("a"), None);
        other.put("a", b"2");
        drop(other);
        let later = SystemTime::now() + 2 * HOUR;
        let old = Checkpoint::open(&path, "tenant", later, HOUR).expect("a checkpoint");
        assert_eq!(old.found(), Found::Useless(Useless::Old));
        assert_eq!(old.get("a"), None);
        drop(old);
        for nonsense in [&b"\n"[..], b"{}\n", &[0xff; 70_000]] {
            fs::write(&path, nonsense).expect("our own file");
            let found = open(&path, "gold").found();
            assert_eq!(found, Found::Useless(Useless::Other));
        }
        open(&path, "gold").remove().expect("our own file");
        assert!(!path.exists());
    }

    #[test]
    fn two_processes_do_not_share_one() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("x");
        let first = open(&path, "gold");
        let second = Checkpoint::open(&path, "gold", SystemTime::now(), HOUR);
        let why = second.expect_err("it is in use").to_string();
        assert!(why.contains("another process"), "{why}");
        drop(first);
        open(&path, "gold");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("x");
        drop(open(&path, "gold"));
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
