//! A plan: every write, in order, decided before the first is sent.
//!
//! One [`Step`] is one write to the target. A step carries its request; what is filled in later is
//! the id of an object created by an earlier step, the version that an earlier step left behind,
//! and secrets. A plan is a value: saved, reviewed, digested, and applied as it is or not at all.

mod cut;
mod estimate;
mod flows;
mod images;
mod kept;
mod loose;
mod managers;
mod numbers;
mod one_place;
mod order;
mod packed;
mod parallel;
mod planner;
mod steps;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub use cut::{Edge, cut_cycles};
pub use estimate::{Estimate, Rate};
pub use images::{BadImages, Image, Images};
pub use packed::unpack;
pub use planner::{FLOW_SOURCE, Options, Planner, Resend, Why};
pub use steps::MORE;
pub use wire::pre_image;

use crate::bundle::{Gap, Origin};
use crate::catalogue::JobSpec;
use crate::diff::Change;
use crate::document::{Slot, Template};
use crate::id::{Kind, ObjectRef, RunId, StepId, TargetId};
use crate::numbers::Decision;

/// The plan format that this program writes; it reads this one and older ones.
pub const FORMAT: u32 = 1;

/// Every write that makes a target match a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    /// Where the desired state came from.
    pub source: Side,
    /// The org that is written to.
    pub target: Side,
    /// The writes, each behind those it needs.
    pub steps: Vec<Step>,
    /// The ids of objects that exist in the target and that steps refer to.
    pub bindings: BTreeMap<ObjectRef, TargetId>,
    /// Content that steps send, by its digest.
    pub blobs: BTreeMap<String, Blob>,
    /// How many objects of each kind there are, and what happens to them.
    pub counts: BTreeMap<Kind, Counts>,
    /// Objects that are left alone because something is wrong with them.
    pub conflicts: Vec<Conflict>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// API calls and time.
    pub estimate: Estimate,
    /// Which numbers of the target were given to which objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// What the objects of the steps are before and after; for a rollback.
    #[serde(default, skip_serializing_if = "Images::is_empty")]
    pub images: Images,
    /// The run that the plan undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
}

/// One of the two states that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Which org.
    pub org: Origin,
    /// Names the content: equal states have equal digests.
    pub digest: String,
}

/// One write to the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique within the plan: `routing_queue/Sales:create`.
    pub id: StepId,
    /// The object that is written.
    pub object: ObjectRef,
    /// What happens to it.
    pub action: Action,
    /// Steps of a later phase start when all of an earlier one ended.
    pub phase: u8,
    /// The managed fields that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why.
    pub reason: String,
    /// Steps that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// What the target must still be for the step to be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// What is sent.
    pub write: Write,
    /// One call that does this and more, where the org takes it; only of a creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim: Option<Box<Scim>>,
}

/// One call by SCIM that creates a user and does what other steps of the user do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scim {
    /// The path of the `POST`.
    pub path: String,
    /// What is sent.
    pub body: Template,
    /// The steps that it does besides the creation, in their order.
    pub does: Vec<Does>,
    /// Steps that must be done before; where one is not, the creation is sent alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
}

/// A step that is done with the creation of its object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Does {
    /// The step.
    pub step: StepId,
    /// Where the body says what the step would send, as a JSON pointer; the step is done when the
    /// answer shows it there.
    pub shown: String,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is created.
    Create,
    /// It was deleted and is brought back.
    Adopt,
    /// It is changed.
    Update,
    /// It was created by an earlier step and is completed.
    Link,
    /// It is deleted.
    Delete,
}

/// What the target must still be for a step to be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expected {
    /// The object's version; the API refuses a write with another.
    Version(u64),
    /// The digest of the object as it was read; compared before the write.
    PreImage(String),
}

/// What a step sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Write {
    /// One request.
    Request(Request),
    /// An Architect job: the source is uploaded, checked and published.
    FlowImport {
        /// The blob with the source.
        source: String,
    },
    /// A file of the object is uploaded: the audio of a prompt, the rules of a grammar.
    Upload {
        /// Its name, which tells the place: `en-us.wav`, `en-us.voice.grxml`.
        name: String,
        /// The blob with its content.
        file: String,
    },
    /// Rows are added to a data table by one file.
    RowsImport {
        /// The blob with the rows, as comma separated values.
        rows: String,
    },
    /// A file is uploaded that is the object, or all there is in it.
    FileImport {
        /// The blob with the file.
        file: String,
        /// What goes with it.
        body: Template,
        /// The objects that the file names, by the text that stands in it for their ids.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        slots: BTreeMap<String, Template>,
    },
    /// A data action's contract or function is changed through a draft, which is then published.
    ActionDraft {
        /// The body of the draft.
        body: Template,
        /// What it runs, where it is a function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<Function>,
        /// The draft is of a new action.
        #[serde(default, skip_serializing_if = "is_false")]
        creates: bool,
    },
}

/// The name of the file beside a document that is the code of its function.
pub const FUNCTION_CODE: &str = "function.zip";

/// Where a change says that the code of a function differs.
pub(crate) const CODE_CHANGE: &str = "function.code";

/// What a data action runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The body of its settings.
    pub settings: Template,
    /// Its code, where the target has not got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// The code of a function, an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The name under which it is uploaded; equal code has equal names.
    pub name: String,
    /// The blob with its content.
    pub file: String,
}

impl Step {
    /// Returns the objects whose ids the step sends.
    pub fn references(&self) -> BTreeSet<ObjectRef> {
        let mut objects = BTreeSet::new();
        steps::for_each_template(self, &mut |template| {
            template.for_each_slot(&mut |slot| {
                if let Slot::Ref(object) = slot {
                    objects.insert(object);
                }
            });
        });
        objects
    }

    /// Returns the names of the secrets that the step sends.
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        steps::for_each_template(self, &mut |template| {
            template.for_each_slot(&mut |slot| {
                if let Slot::Secret(name) = slot {
                    names.insert(name);
                }
            });
        });
        names
    }
}

impl Write {
    /// Tells whether what is sent carries the object's current version.
    pub fn is_versioned(&self) -> bool {
        match self {
            Self::Request(request) => request.versioned,
            Self::ActionDraft { creates, .. } => !creates,
            Self::FlowImport { .. }
            | Self::FileImport { .. }
            | Self::Upload { .. }
            | Self::RowsImport { .. } => false,
        }
    }
}

/// One request, whose slots are filled when it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The contract's path.
    pub path: String,
    /// The values of the path's parameters, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Template>,
    /// The query; a list is joined by commas.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Template>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Template>,
    /// The answer holds the id of a new object.
    #[serde(default, skip_serializing_if = "is_false")]
    pub creates: bool,
    /// The body carries the object's current version.
    #[serde(default, skip_serializing_if = "is_false")]
    pub versioned: bool,
    /// The call starts a job, and the step is done when the job is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<JobSpec>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Content that a step sends: text as it is, anything else in base 64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Blob {
    /// Text.
    Text(String),
    /// Bytes, in base 64.
    Base64(String),
}

impl Blob {
    /// Wraps content.
    pub fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// Returns the content, unless it is damaged.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Base64(text) => STANDARD.decode(text).ok(),
        }
    }
}

/// How many objects of a kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// In the target, of those that were read.
    pub existing: usize,
    /// Created.
    pub create: usize,
    /// Brought back.
    pub adopt: usize,
    /// Changed.
    pub update: usize,
    /// Deleted.
    pub delete: usize,
    /// Equal on both sides.
    pub same: usize,
}

/// An object that is left alone because something is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Which object.
    pub object: ObjectRef,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something will be other than in the source.
    Warning,
    /// The plan may not be applied.
    Error,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable name of what was found: `number-not-in-target`.
    pub rule: String,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// What, and what to do.
    pub message: String,
}

impl Plan {
    /// Tells whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns what is left of the plan where some steps are done: their objects count as equal. It is
    /// for people; its digest is that of another plan.
    #[must_use]
    pub fn left(mut self, is_done: impl Fn(&StepId) -> bool) -> Self {
        let total = |counts: &Counts| counts.create + counts.adopt + counts.update + counts.delete;
        self.steps.retain(|step| !is_done(&step.id));
        let before = std::mem::take(&mut self.counts);
        let mut left: BTreeMap<Kind, Counts> = before
            .keys()
            .cloned()
            .map(|kind| (kind, Counts::default()))
            .collect();
        let mut seen = BTreeSet::new();
        for step in &self.steps {
            let counts = left.entry(step.object.kind.clone()).or_default();
            let counted = match step.action {
                Action::Create => &mut counts.create,
                Action::Adopt => &mut counts.adopt,
                Action::Update => &mut counts.update,
                Action::Delete => &mut counts.delete,
                Action::Link => continue,
            };
            *counted += usize::from(seen.insert(&step.object));
        }
        for (kind, before) in &before {
            let counts = left.entry(kind.clone()).or_default();
            counts.existing = before.existing;
            counts.same = before.same + total(before).saturating_sub(total(counts));
        }
        self.counts = left;
        self
    }

    /// Names the plan: an approval is of a plan with this digest and no other.
    pub fn digest(&self) -> String {
        let Self {
            format,
            source,
            target,
            steps,
            bindings,
            blobs,
            counts,
            conflicts,
            gaps,
            findings,
            estimate,
            decisions,
            images,
            undoes,
        } = self;
        let mut digest = Digest::default();
        digest.json(&(format, source, target, steps, bindings, blobs, counts));
        digest.json(&(conflicts, gaps, findings, estimate, decisions));
        digest.json(&(images.digest(), undoes));
        digest.finish()
    }
}

/// Makes the digest of content that is never held at once.
#[derive(Default)]
struct Digest(blake3::Hasher);

impl Digest {
    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    fn json<T: Serialize>(&mut self, value: &T) {
        let writer = std::io::BufWriter::with_capacity(1 << 16, self);
        serde_json::to_writer(writer, value)
            .expect("it has text keys only, and hashing cannot fail");
    }

    fn finish(self) -> String {
        format!("blake3:{}", &self.0.finalize().to_hex()[..32])
    }
}

impl std::io::Write for &mut Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the digest of bytes, as written in plans: `blake3:` and 32 hexadecimal digits.
pub fn digest_of(bytes: &[u8]) -> String {
    let hash = blake3::hash(bytes).to_hex();
    format!("blake3:{}", &hash[..32])
}
