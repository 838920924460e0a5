//! The base: the last state on which an org and its source agreed.
//!
//! It is what runs wrote, taken from their plans and journals, and what a later look found to be the
//! same on both sides. Nothing is written for it during a run: the journal says what was done, so a
//! run that was killed counts as far as it went.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::document::{Files, Portable};
use crate::id::{ObjectRef, RunId, StepId};
use crate::journal::StepState;
use crate::plan::{Action, BadImages, Plan, Step, digest_of};

/// The format that this program writes; it reads this one and older ones.
const FORMAT: u32 = 1;

/// The largest text that is unpacked: more than any org has, and less than a bomb.
const MAX_TEXT: u64 = 4 << 30;

/// The last state on which an org and its source agreed, in the words of the org.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    objects: BTreeMap<ObjectRef, Kept>,
    /// The runs that are in it, with when they were last written to.
    runs: BTreeMap<RunId, u64>,
    /// What changed since it was read.
    dirty: BTreeSet<ObjectRef>,
    new_runs: BTreeSet<RunId>,
}

/// Says that what is kept of a base cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what is kept of the state on which both sides agreed cannot be read: {0}")]
pub struct BadBase(#[from] io::Error);

/// An object, with the text of its files; of other files the digest tells whether they are the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    body: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    digests: BTreeMap<String, String>,
    /// The fields that the target had when it was last looked at, also those that nobody speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    had: Option<BTreeSet<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    /// Nothing older counts.
    whole: bool,
    runs: BTreeMap<RunId, u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    object: ObjectRef,
    /// Nothing of an object that is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

impl Kept {
    /// Takes what a document says, and keeps the rest.
    fn take(&mut self, document: &Portable) {
        let fields = document.body.iter();
        self.body
            .extend(fields.map(|(name, value)| (name.clone(), value.clone())));
        self.take_files(&document.files);
    }

    fn take_files(&mut self, files: &Files) {
        for (name, bytes) in files {
            self.texts.remove(name);
            self.digests.remove(name);
            match std::str::from_utf8(bytes) {
                Ok(text) => self.texts.insert(name.clone(), text.to_owned()),
                Err(_) => self.digests.insert(name.clone(), digest_of(bytes)),
            };
        }
    }

    /// Makes a document of it; a file of which only the digest is known is the source's, where it is
    /// the same, and otherwise one that is like no other.
    fn open(&self, object: &ObjectRef, source: Option<&Files>) -> Portable {
        let texts = self.texts.iter();
        let texts = texts.map(|(name, text)| (name.clone(), text.as_bytes().into()));
        let others = self.digests.iter().map(|(name, digest)| {
            let own = source.and_then(|files| files.get(name));
            let same = own.filter(|bytes| digest_of(bytes) == *digest);
            let bytes = same.cloned().unwrap_or_else(|| digest.as_bytes().into());
            (name.clone(), bytes)
        });
        Portable {
            object: object.clone(),
            body: self.body.clone(),
            files: texts.chain(others).collect(),
        }
    }
}

impl Base {
    /// Tells whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Returns its objects.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        self.objects.keys()
    }

    /// Tells whether a run is in it, as it stands since a time.
    pub fn has_run(&self, run: &RunId, updated_ms: u64) -> bool {
        self.runs.get(run).is_some_and(|known| *known >= updated_ms)
    }

    /// Takes in what a run did; runs come in the order in which they ended.
    ///
    /// # Errors
    /// The plan is damaged.
    pub fn add_run(
        &mut self,
        run: &RunId,
        updated_ms: u64,
        plan: &Plan,
        states: &BTreeMap<StepId, StepState>,
    ) -> Result<(), BadImages> {
        let images = plan.images.open(&plan.blobs)?;
        let mut steps: BTreeMap<&ObjectRef, Vec<&Step>> = BTreeMap::new();
        for step in &plan.steps {
            steps.entry(&step.object).or_default().push(step);
        }
        for (object, image) in &images {
            let steps = steps.get(object).map_or(&[][..], Vec::as_slice);
            let is_done = |step: &&&Step| states.get(&step.id).is_some_and(StepState::is_done);
            let done: Vec<&&Step> = steps.iter().filter(is_done).collect();
            if done.is_empty() {
                continue;
            }
            match &image.after {
                None if done.iter().any(|step| step.action == Action::Delete) => {
                    self.remove(object);
                }
                None => {}
                Some(after) if done.len() == steps.len() => self.put(after),
                Some(after) => self.put(&as_far(after, steps, &done)),
            }
        }
        self.runs.insert(run.clone(), updated_ms);
        self.new_runs.insert(run.clone());
        Ok(())
    }

    /// Takes in what a look found: objects on which both sides agree, with the fields that the target
    /// has, and such as are no more.
    pub fn agree(
        &mut self,
        source: &Bundle,
        agreed: &BTreeMap<ObjectRef, BTreeSet<String>>,
        gone: &BTreeSet<ObjectRef>,
    ) {
        for (object, has) in agreed {
            if let Some(document) = source.documents.get(object) {
                self.put(&document.open());
                let kept = self.objects.entry(object.clone()).or_default();
                if kept.had.as_ref() != Some(has) {
                    kept.had = Some(has.clone());
                    self.dirty.insert(object.clone());
                }
            }
        }
        gone.iter().for_each(|object| self.remove(object));
    }

    /// Tells whether the target is known not to have had a field.
    pub(super) fn lacked(&self, object: &ObjectRef, field: &str) -> bool {
        let kept = self.objects.get(object);
        kept.is_some_and(|kept| {
            let seen = kept.had.as_ref();
            !kept.body.contains_key(field) && seen.is_some_and(|seen| !seen.contains(field))
        })
    }

    /// Returns it as documents; `source` has files that are not kept whole.
    pub fn to_bundle(&self, source: &Bundle) -> Bundle {
        let mut bundle = Bundle::default();
        for (object, kept) in &self.objects {
            let files = source.documents.get(object);
            bundle.insert(kept.open(object, files.map(|document| &document.files)));
        }
        bundle
    }

    fn put(&mut self, document: &Portable) {
        let kept = self.objects.entry(document.object.clone()).or_default();
        let before = kept.clone();
        kept.take(document);
        if *kept != before {
            self.dirty.insert(document.object.clone());
        }
    }

    fn remove(&mut self, object: &ObjectRef) {
        if self.objects.remove(object).is_some() {
            self.dirty.insert(object.clone());
        }
    }

    /// Tells whether it is as it was read.
    pub fn is_saved(&self) -> bool {
        self.dirty.is_empty() && self.new_runs.is_empty()
    }

    /// Returns it as it is kept: the whole, or what changed since it was read.
    pub fn to_bytes(&self, whole: bool) -> Vec<u8> {
        let runs = self.runs.iter();
        let runs = runs.filter(|(run, _)| whole || self.new_runs.contains(*run));
        let head = Head {
            format: FORMAT,
            whole,
            runs: runs.map(|(run, at)| (run.clone(), *at)).collect(),
        };
        let objects: Vec<&ObjectRef> = match whole {
            true => self.objects.keys().collect(),
            false => self.dirty.iter().collect(),
        };
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut line = |text: String| {
            packed
                .write_all(text.as_bytes())
                .and_then(|()| packed.write_all(b"\n"))
                .expect("memory takes everything");
        };
        line(serde_json::to_string(&head).expect("it has text keys only"));
        for object in objects {
            let kept = Line {
                object: object.clone(),
                kept: self.objects.get(object).cloned(),
            };
            line(serde_json::to_string(&kept).expect("it has text keys only"));
        }
        packed.finish().expect("memory takes everything")
    }

    /// Reads what is kept, the newest first, as far back as it counts.
    ///
    /// # Errors
    /// One is damaged, or of a newer program.
    pub fn read<'b>(kept: impl IntoIterator<Item = &'b [u8]>) -> Result<Self, BadBase> {
        let mut base = Self::default();
        let mut seen: BTreeSet<ObjectRef> = BTreeSet::new();
        for bytes in kept {
            let head = read_one(bytes, &mut |Line { object, kept }| {
                if seen.insert(object.clone())
                    && let Some(kept) = kept
                {
                    base.objects.insert(object, kept);
                }
            })?;
            for (run, at) in head.runs {
                let known = base.runs.entry(run).or_default();
                *known = at.max(*known);
            }
            if head.whole {
                break;
            }
        }
        Ok(base)
    }
}

fn read_one(bytes: &[u8], take: &mut dyn FnMut(Line)) -> Result<Head, BadBase> {
    let mut text = io::BufReader::new(ZlibDecoder::new(bytes).take(MAX_TEXT));
    let head = read_head(&mut text)?;
    for line in text.lines() {
        take(serde_json::from_str(&line?).map_err(io::Error::from)?);
    }
    Ok(head)
}

fn read_head(text: &mut impl BufRead) -> Result<Head, BadBase> {
    let mut line = String::new();
    text.read_line(&mut line)?;
    let head: Head = serde_json::from_str(&line).map_err(io::Error::from)?;
    if head.format > FORMAT {
        let told = format!("it is of format {}, of a newer orgsmith", head.format);
        return Err(io::Error::other(told).into());
    }
    Ok(head)
}

/// Returns what an object is after some of its steps.
fn as_far(after: &Portable, steps: &[&Step], done: &[&&Step]) -> Portable {
    let roots = |steps: &mut dyn Iterator<Item = &&Step>| -> BTreeSet<String> {
        let first = |text: &str, ends: &[char]| text.split(ends).next().unwrap_or(text).to_owned();
        let fields = steps.flat_map(|step| {
            let changes = step.changes.iter();
            let own = step.id.as_str().rsplit(':').next().unwrap_or_default();
            // A step that writes items of a list is named by it.
            let list = first(own, &['+', '-', '~', '/']);
            changes
                .map(move |change| first(&change.path, &['.', '[']))
                .chain([list])
        });
        fields.collect()
    };
    let is_done = |step: &&&Step| done.iter().any(|done| done.id == step.id);
    let open = roots(&mut steps.iter().filter(|step| !is_done(step)));
    let written = roots(&mut steps.iter().filter(is_done));
    let created = done
        .iter()
        .any(|step| matches!(step.action, Action::Create | Action::Adopt));
    let kept = |field: &str| match created {
        true => !open.contains(field),
        false => written.contains(field) && !open.contains(field),
    };
    Portable {
        object: after.object.clone(),
        body: after
            .body
            .iter()
            .filter(|(field, _)| kept(field))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect(),
        // What was uploaded belongs to no field.
        files: match created {
            true => after.files.clone(),
            false => Files::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(object: &str, body: Value, files: &[(&str, &[u8])]) -> Portable {
        Portable {
            object: object.parse().expect("a reference"),
            body: body.as_object().cloned().expect("an object"),
            files: files
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), (*bytes).into()))
                .collect(),
        }
    }

    fn saved(base: &mut Base) {
        base.dirty.clear();
        base.new_runs.clear();
    }

    #[test]
    fn what_is_kept_in_parts_comes_back_as_a_whole() {
        let mut base = Base::default();
        base.put(&document("routing_skill/A", json!({"name": "A"}), &[]));
        base.put(&document(
            "routing_skill/B",
            json!({"name": "B", "x": 1}),
            &[],
        ));
        let first = base.to_bytes(true);
        saved(&mut base);
        base.put(&document("routing_skill/B", json!({"x": 2}), &[]));
        base.remove(&"routing_skill/A".parse().expect("a reference"));
        base.runs.insert(RunId::new("r"), 7);
        base.new_runs.insert(RunId::new("r"));
        let second = base.to_bytes(false);
        let mut read = Base::read([&second[..], &first[..]]).expect("readable");
        saved(&mut base);
        assert_eq!(read, base);
        assert!(read.has_run(&RunId::new("r"), 7) && !read.has_run(&RunId::new("r"), 8));
        // What is said again is nothing new.
        read.put(&document("routing_skill/B", json!({"name": "B"}), &[]));
        assert!(read.is_saved());
    }

    #[test]
    fn a_file_of_which_the_digest_is_known_is_the_same_or_another() {
        let sound: &[u8] = &[0xff, 0, 1];
        let with = |bytes| {
            document(
                "script/S",
                json!({}),
                &[("a.bin", bytes), ("a.txt", b"text")],
            )
        };
        let mut base = Base::default();
        base.put(&with(sound));
        for (bytes, same) in [(sound, true), (&[0xff, 9][..], false)] {
            let mut source = Bundle::default();
            source.insert(with(bytes));
            let opened = base.to_bundle(&source);
            let object = "script/S".parse().expect("a reference");
            let files = &opened.documents[&object].files;
            assert_eq!(&*files["a.bin"] == bytes, same);
            assert_eq!(&*files["a.txt"], b"text");
        }
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let whole = Base::default().to_bytes(true);
        let head = |text: &str| {
            let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).expect("memory");
            packed.finish().expect("memory")
        };
        let newer = head("{\"format\":2,\"whole\":true,\"runs\":{}}\n");
        for bytes in [
            &[][..],
            b"text",
            &whole[..whole.len() / 2],
            &newer,
            &head("{}\n"),
        ] {
            Base::read([bytes]).expect_err("it is damaged");
        }
    }
}
