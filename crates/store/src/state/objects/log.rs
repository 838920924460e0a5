//! The log, and the one task that reads and writes it.
//!
//! An entry `n` is made only by who has seen all entries before it and found that its changes can
//! follow them, and only if nobody else has made an entry `n`: so nothing comes between the check and
//! the write. Who is second reads what the first wrote, checks again, and tries the next number.

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Created};
use super::entry::{self, Entry, Fold};
use crate::state::Error;
use crate::state::tables::{Change, Effect, Tables};

/// Most requests that are answered together.
const MAX_BATCH: usize = 512;
/// After so many entries everything is written down once more, so that opening is quick.
const FOLD_EVERY: u64 = 256;
/// Old folds that are kept, for who is just reading one.
const FOLDS_KEPT: usize = 2;

/// Looks at the tables, or learns why they cannot be known.
pub(super) type Look = Box<dyn FnOnce(Result<&Tables, Error>) + Send>;

/// Something that waits.
pub(super) enum Request {
    Change(Change, oneshot::Sender<Result<Effect, Error>>),
    Read(Look),
}

/// Writes a number so that names sort like numbers.
fn digits(number: u64) -> String {
    format!("{number:020}")
}

/// The name of the object of an entry.
fn name(number: u64) -> String {
    format!("log/{}", digits(number))
}

fn fold_name(number: u64) -> String {
    format!("fold/{}", digits(number))
}

/// What is known of the log.
pub(super) struct Log {
    bucket: Bucket,
    /// What the entries say.
    tables: Tables,
    /// The same, with changes that are not written yet.
    ahead: Tables,
    /// The last entry that was read or written; 0 where there is none.
    number: u64,
    /// Its id.
    id: Option<Box<str>>,
    /// The last entry that is in a fold.
    folded: u64,
    /// Whether anything was written here: who only looks leaves no fold, either.
    wrote: bool,
    folding: Option<JoinHandle<()>>,
    /// Why nothing more can be known: the log says what cannot be.
    broken: Option<Error>,
}

impl Log {
    fn empty(bucket: Bucket) -> Self {
        Self {
            bucket,
            tables: Tables::default(),
            ahead: Tables::default(),
            number: 0,
            id: None,
            folded: 0,
            wrote: false,
            folding: None,
            broken: None,
        }
    }

    /// Reads the log; where there is none, nothing is written.
    pub(super) async fn open(bucket: Bucket) -> Result<Self, Error> {
        let mut log = Self::empty(bucket);
        // Asked first, as it says whether there is a bucket at all.
        let folds = log.bucket.list("fold").await?;
        for fold in folds.iter().rev() {
            if log.take_fold(&format!("fold/{fold}")).await? {
                break;
            }
        }
        loop {
            log.read_on().await?;
            let next = log.bucket.first_after("log", &digits(log.number)).await?;
            match next.and_then(|name| name.parse::<u64>().ok()) {
                None => return Ok(log),
                // Somebody is writing.
                Some(next) if next == log.number + 1 => {}
                Some(next) => {
                    let gone = log.number + 1;
                    return Err(Error::unreadable(
                        "a log with a hole",
                        format!("entry {gone} is gone, and there is an entry {next}"),
                    ));
                }
            }
        }
    }

    /// Begins at a fold, if it is one: all it says is in the log as well.
    async fn take_fold(&mut self, name: &str) -> Result<bool, Error> {
        let fold = match self.bucket.read(name).await {
            Ok(Some(content)) => Fold::read(&content),
            Ok(None) => return Ok(false),
            Err(error) => Err(error),
        };
        let fold = match fold {
            Ok(fold) => fold,
            Err(Error::Unreadable { why, .. }) => {
                tracing::warn!(name, why, "a fold of the log cannot be read");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let mut tables = Tables::default();
        for row in fold.rows {
            tables.put(row)?;
        }
        self.tables = tables;
        self.number = fold.number;
        self.id = Some(fold.id);
        self.folded = fold.number;
        Ok(true)
    }

    /// Reads all entries that are new, several at once.
    async fn read_on(&mut self) -> Result<(), Error> {
        let mut width = 2;
        loop {
            let first = self.number + 1;
            let bucket = &self.bucket;
            let reads = (first..first + width)
                .map(|number| async move { bucket.read(&name(number)).await });
            let mut read = futures::stream::iter(reads).buffered(16);
            let mut found = Vec::new();
            while let Some(content) = read.next().await {
                match content? {
                    Some(content) => found.push(content),
                    None => break,
                }
            }
            drop(read);
            let more = found.len() as u64 == width;
            for content in found {
                self.follow(&content)?;
            }
            if !more {
                self.ahead = self.tables.clone();
                return Ok(());
            }
            width = (width * 2).min(64);
        }
    }

    /// Does what the next entry says.
    fn follow(&mut self, content: &[u8]) -> Result<(), Error> {
        let number = self.number + 1;
        let Entry {
            id, after, changes, ..
        } = Entry::read(content)?;
        let wrong = |why: &str| Error::unreadable("the log", format!("entry {number} {why}"));
        if after != self.id {
            return Err(wrong("does not follow the one before it"));
        }
        for change in &changes {
            if let Err(error) = self.tables.apply(change) {
                let error = wrong(&format!("cannot be: {error}"));
                // Half of the entry is done.
                self.broken = Some(error.clone());
                return Err(error);
            }
        }
        self.number = number;
        self.id = Some(id);
        Ok(())
    }

    /// Reads what others wrote; tells whether there was anything. One request where there was not.
    async fn catch_up(&mut self) -> Result<bool, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let Some(content) = self.bucket.read(&name(self.number + 1)).await? else {
            return Ok(false);
        };
        self.follow(&content)?;
        self.read_on().await?;
        Ok(true)
    }

    /// Makes changes, those that can be in one entry; returns what came of each.
    ///
    /// Afterwards everything is known that was written before this began.
    async fn commit(&mut self, wanted: &[Change]) -> Result<Vec<Result<Effect, Error>>, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        loop {
            let outcomes: Vec<_> = wanted
                .iter()
                .map(|change| self.ahead.apply(change))
                .collect();
            let changed =
                |outcome: &Result<Effect, Error>| outcome.as_ref().is_ok_and(Effect::changed);
            let changes: Vec<Change> = wanted
                .iter()
                .zip(&outcomes)
                .filter(|(_, outcome)| changed(outcome))
                .map(|(change, _)| change.clone())
                .collect();
            if changes.is_empty() {
                // A refusal has to know everything, too.
                if self.catch_up().await? {
                    continue;
                }
                return Ok(outcomes);
            }
            if self.write(changes).await? {
                return Ok(outcomes);
            }
        }
    }

    /// Writes the next entry; false, and everything read, if somebody else did.
    async fn write(&mut self, changes: Vec<Change>) -> Result<bool, Error> {
        let number = self.number + 1;
        let entry = Entry::new(self.id.clone(), changes);
        let created = match entry::write(&entry) {
            Ok(content) => self.bucket.create(&name(number), content).await,
            Err(error) => Err(error),
        };
        match created {
            Ok(Created::Now) => {}
            Ok(Created::Before) => {
                let found = self.bucket.read(&name(number)).await?;
                let found = found.ok_or_else(|| {
                    Error::unreadable("the log", format!("entry {number} is there and is not"))
                })?;
                // The answer to a first try may be lost; then the second finds the first.
                if Entry::read(&found)?.id != entry.id {
                    self.follow(&found)?;
                    self.read_on().await?;
                    return Ok(false);
                }
            }
            // Nobody knows whether it is there: the next look will tell.
            Err(error) => return Err(error),
        }
        for change in &entry.changes {
            self.tables.apply(change).map_err(|error| {
                Error::unreadable("the log", format!("entry {number} cannot be: {error}"))
            })?;
        }
        self.number = number;
        self.id = Some(entry.id);
        self.wrote = true;
        Ok(true)
    }

    /// Answers what comes until nobody is left who could ask.
    pub(super) async fn serve(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut batch = Vec::new();
        while requests.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let mut wanted = Vec::new();
            let mut replies = Vec::new();
            let mut looks = Vec::new();
            for request in batch.drain(..) {
                match request {
                    Request::Change(change, reply) => {
                        wanted.push(change);
                        replies.push(reply);
                    }
                    Request::Read(look) => looks.push(look),
                }
            }
            let known = if wanted.is_empty() {
                self.catch_up().await.map(drop)
            } else {
                let outcome = self.commit(&wanted).await;
                let known = outcome.as_ref().map(drop).map_err(Clone::clone);
                for (index, reply) in replies.into_iter().enumerate() {
                    let result = match &outcome {
                        Ok(outcomes) => outcomes.get(index).cloned().unwrap_or(Err(Error::Closed)),
                        Err(error) => Err(error.clone()),
                    };
                    // Who does not wait any more does not want to know.
                    let _ = reply.send(result);
                }
                known
            };
            if known.is_err() {
                self.ahead = self.tables.clone();
            }
            for look in looks {
                look(known.clone().map(|()| &self.tables));
            }
            self.fold();
        }
        if let Some(folding) = self.folding {
            // It can only have panicked, and then it has said so.
            let _ = folding.await;
        }
    }

    /// Writes everything down once more from time to time, beside the work.
    fn fold(&mut self) {
        let busy = self
            .folding
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        let Some(id) = self.id.clone() else { return };
        if busy || !self.wrote || self.number < self.folded + FOLD_EVERY {
            return;
        }
        self.folded = self.number;
        let fold = Fold::new(self.number, id, self.tables.rows().collect());
        let bucket = self.bucket.clone();
        self.folding = Some(tokio::spawn(async move {
            if let Err(error) = write_fold(&bucket, &fold).await {
                // The log is whole without it.
                tracing::warn!(%error, "a fold of the log could not be written");
            }
        }));
    }
}

async fn write_fold(bucket: &Bucket, fold: &Fold) -> Result<(), Error> {
    let content = entry::write(fold)?;
    bucket.create(&fold_name(fold.number), content).await?;
    let folds = bucket.list("fold").await?;
    let old = folds.len().saturating_sub(FOLDS_KEPT);
    for name in &folds[..old] {
        bucket.remove(&format!("fold/{name}")).await;
    }
    Ok(())
}

/// Reads the whole log once more, without any fold, and says what is wrong; and what it tells of.
pub(super) async fn inspect(bucket: &Bucket) -> Result<(Tables, Vec<String>), Error> {
    let mut log = Log::empty(bucket.clone());
    let mut wrong = Vec::new();
    if let Err(error) = log.read_on().await {
        match error {
            Error::Unreadable { .. } => wrong.push(error.to_string()),
            error => return Err(error),
        }
    }
    let last = bucket.list("log").await?.pop();
    let last = last.and_then(|name| name.parse::<u64>().ok());
    if let Some(last) = last.filter(|last| *last > log.number) {
        // Others may have written meanwhile.
        if wrong.is_empty() && !log.catch_up().await? {
            let gone = log.number + 1;
            wrong.push(format!(
                "the log has entries up to {last}, but entry {gone} is gone"
            ));
        }
    }
    Ok((log.tables, wrong))
}
