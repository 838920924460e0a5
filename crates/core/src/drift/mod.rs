//! Drift: what became of an org since orgsmith last wrote to it, and of its source.
//!
//! Three states are compared: the [`Base`], on which both sides last agreed; the source; and the target.
//! The planner says what differs between the source and the target, and between the base and the
//! target; which side moved follows from the two. So nothing shows as drift that a plan would not
//! change, and what is to be done about it is a plan as every other.
//!
//! A [`Policy`] says which side is right where they are at odds. To make the target right is a plan
//! ([`Drift::wanted`]); to make the source right is an edit of the bundle ([`Drift::absorbed`]); what
//! nobody wants to see for a while is [ignored](Ignores).

mod act;
mod base;
mod ignore;
mod policy;
mod three_way;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use act::{Absorbed, Wanted};
pub use base::{BadBase, Base};
pub use ignore::{Ignore, Ignores};
pub use policy::{NotAPolicy, Policies, Policy, Resolution, Rule, Times};
pub use three_way::{Field, Side};

use crate::bundle::{Bundle, Gap, Origin};
use crate::catalogue::Catalogue;
use crate::compare::document_changes;
use crate::diff::Change;
use crate::document::Stored;
use crate::id::{Kind, ObjectRef};
use crate::plan::{Action, Conflict, Options, Plan, Planner, Step};
use crate::select::Selection;
use crate::snapshot::{Names, Snapshot};

/// What differs between an org and its source, and who moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// What the org is held against.
    pub source: Origin,
    /// The org.
    pub target: Origin,
    /// The kinds that the source speaks of: only of these it is asked what the target has.
    #[serde(default)]
    pub kinds: BTreeSet<Kind>,
    /// Objects that are not as they were, sorted.
    pub objects: Vec<Drifted>,
    /// How many objects are the same on both sides.
    pub same: usize,
    /// Objects of which it cannot be told, and why.
    pub unclear: Vec<Conflict>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// The objects that are the same on both sides.
    #[serde(skip)]
    agreed: BTreeSet<ObjectRef>,
}

/// An object that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drifted {
    /// Which object.
    pub object: ObjectRef,
    /// What became of it.
    pub what: What,
    /// What moved, each with its side; of an object that only one side has, the whole, whose path is
    /// empty.
    pub fields: Vec<Field>,
    /// Who did it, as far as somebody asked the org.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<Doing>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Both sides have it.
    Changed,
    /// Only the target has it, and did not before.
    CreatedInTarget,
    /// Only the source has it, and did not before.
    CreatedInSource,
    /// The target has it no more.
    DeletedInTarget,
    /// The source has it no more.
    DeletedInSource,
}

/// What somebody did to an object in the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Doing {
    /// When, as the org says it.
    pub at: String,
    /// Who: a name or an id.
    pub who: String,
    /// What, in the words of the org.
    pub what: String,
}

/// A look at three states.
#[derive(Clone, Debug)]
pub struct Look {
    /// What differs.
    pub drift: Drift,
    /// Objects on which both sides agree, with the fields that the target has.
    pub agreed: BTreeMap<ObjectRef, BTreeSet<String>>,
    /// Objects of the base that both sides have no more.
    pub gone: BTreeSet<ObjectRef>,
}

impl Look {
    /// Compares three states; `options` are those of a plan from the source to the target.
    ///
    /// The source is what the target is to have, so with the target's overlay on it. Of objects that
    /// only the target has, those count that a plan with `prune` would delete.
    pub fn new(
        catalogue: &Catalogue,
        base: &Base,
        source: &Bundle,
        snapshot: &Snapshot,
        options: &Options,
    ) -> Self {
        let kept = base;
        let base = &kept.to_bundle(source);
        // A lock says nothing of what differs.
        let options = Options {
            unlock: true,
            resend: BTreeMap::new(),
            delete: BTreeSet::new(),
            ..options.clone()
        };
        let names = Names::new(catalogue, snapshot, &options.pins);
        let live: BTreeSet<&ObjectRef> = names.iter().map(|(_, object)| object).collect();
        let pruning = Options {
            prune: true,
            ..options.clone()
        };
        let from_source = Planner::new(catalogue, pruning).plan(source, snapshot);
        let options = Options {
            prune: false,
            past: true,
            ..options
        };
        let from_base = Planner::new(catalogue, options).plan(&completed(base, source), snapshot);
        let by_source = by_object(&from_source);
        let by_base = by_object(&from_base);
        let unknown: BTreeSet<&ObjectRef> = from_base
            .conflicts
            .iter()
            .map(|found| &found.object)
            .collect();
        let knows =
            |object: &ObjectRef| base.documents.contains_key(object) && !unknown.contains(object);
        let blocked: BTreeSet<&ObjectRef> = from_source
            .conflicts
            .iter()
            .map(|found| &found.object)
            .collect();

        let ids: BTreeMap<&ObjectRef, &str> =
            names.iter().map(|(id, object)| (object, id)).collect();
        let rows = snapshot.objects.iter();
        let rows = rows.flat_map(|(kind, rows)| rows.iter().map(move |row| (kind, row)));
        let rows: HashMap<(&Kind, &str), &Stored> = rows
            .map(|(kind, row)| ((kind, row.id.as_str()), row))
            .collect();
        let fields_of = |object: &ObjectRef| {
            let id = ids.get(object).copied().unwrap_or_default();
            let row = rows.get(&(&object.kind, id)).map(|row| row.body());
            let fields = row
                .as_ref()
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            let fields = fields.filter(|(_, value)| !value.is_null());
            fields.map(|(name, _)| name.clone()).collect()
        };
        let mut objects = Vec::new();
        let mut agreed = BTreeMap::new();
        let touched = by_source.keys().chain(by_base.keys()).copied();
        let touched: BTreeSet<&ObjectRef> = touched.chain(source.documents.keys()).collect();
        for object in touched {
            let none = Vec::new();
            let steps = by_source.get(object).unwrap_or(&none);
            let moved = by_base.get(object).unwrap_or(&none);
            let wanted = source.documents.get(object);
            let is_live = live.contains(object);
            let does = |action: Action| steps.iter().any(|step| step.action == action);
            let whole = |what, side| Drifted {
                object: object.clone(),
                what,
                fields: vec![Field::whole(side)],
                who: Vec::new(),
            };
            let known = base.documents.get(object).filter(|_| knows(object));
            let drifted = match (wanted, known) {
                (Some(wanted), known) if does(Action::Create) || does(Action::Adopt) => match known
                {
                    Some(known) => {
                        let descriptor = catalogue.get(object.kind.as_str()).ok();
                        let changed = known.as_json() != wanted.as_json()
                            && !document_changes(descriptor, &known.open(), &wanted.open())
                                .is_empty();
                        let side = if changed {
                            Side::Conflict
                        } else {
                            Side::Target
                        };
                        whole(What::DeletedInTarget, side)
                    }
                    None => whole(What::CreatedInSource, Side::Source),
                },
                (None, known) if does(Action::Delete) => match known {
                    Some(_) if changes(moved).next().is_some() => {
                        whole(What::DeletedInSource, Side::Conflict)
                    }
                    Some(_) => whole(What::DeletedInSource, Side::Source),
                    None => whole(What::CreatedInTarget, Side::Target),
                },
                (Some(wanted), known) if is_live => {
                    let to_target: Vec<&Change> = changes(steps).collect();
                    let since: Option<Vec<&Change>> = known.map(|_| changes(moved).collect());
                    let lacked = |field: &str| kept.lacked(object, field);
                    let mut fields = three_way::merge(&to_target, since.as_deref(), &lacked);
                    // Of what the source leaves to the target nobody says that it moved.
                    fields.retain(|field| {
                        field.side != Side::Same || wanted.field(field.root()).is_some()
                    });
                    if let Some(step) = steps.first().filter(|_| to_target.is_empty())
                        && steps.iter().any(|step| !is_in_passing(step))
                    {
                        fields.push(Field::unnamed(&step.reason));
                    }
                    Drifted {
                        object: object.clone(),
                        what: What::Changed,
                        fields,
                        who: Vec::new(),
                    }
                }
                _ => continue,
            };
            if drifted.is_open() {
                objects.push(drifted);
                continue;
            }
            if wanted.is_some() && is_live && !blocked.contains(object) {
                agreed.insert(object.clone(), fields_of(object));
            }
            if !drifted.fields.is_empty() {
                objects.push(drifted);
            }
        }
        let gone = base.documents.keys();
        let gone = gone.filter(|object| {
            let may_lack = snapshot.may_lack(&object.kind);
            !may_lack && !live.contains(object) && !source.documents.contains_key(object)
        });
        let gone = gone.cloned().collect();
        let Plan {
            conflicts, gaps, ..
        } = from_source;
        Self {
            drift: Drift {
                source: source.source.clone(),
                target: snapshot.org.clone(),
                kinds: kinds_of(source).cloned().collect(),
                same: agreed.len(),
                objects,
                unclear: conflicts,
                gaps,
                agreed: agreed.keys().cloned().collect(),
            },
            agreed,
            gone,
        }
    }
}

impl Drift {
    /// Tells whether nothing differs, but for what is ignored.
    pub fn is_empty(&self) -> bool {
        !self.objects.iter().any(Drifted::counts)
    }

    /// Leaves out objects that are not meant.
    pub fn select(&mut self, selection: &Selection, source: &Bundle) {
        if selection.is_everything() {
            return;
        }
        let divisions = selection.divisions(source);
        let division = |object: &ObjectRef| divisions.of(source.documents.get(object)?);
        self.objects
            .retain(|found| selection.matches(&found.object, division(&found.object).as_deref()));
        self.unclear
            .retain(|found| selection.matches(&found.object, division(&found.object).as_deref()));
    }

    /// Takes an earlier look along: of what was not meant this time it is told as it was then.
    ///
    /// `source` is what the target was to have this time.
    pub fn follow(
        &mut self,
        earlier: Self,
        selection: &Selection,
        source: &Bundle,
        catalogue: &Catalogue,
    ) {
        let divisions = selection.divisions(source);
        let meant = |object: &ObjectRef| {
            let document = source.documents.get(object);
            let division = document.and_then(|document| divisions.of(document));
            selection.matches(object, division.as_deref())
        };
        let is_new = |found: &&Drifted| {
            let known = |before: &Drifted| before.object == found.object;
            let created = matches!(found.what, What::CreatedInSource | What::CreatedInTarget);
            !created && !earlier.objects.iter().any(known)
        };
        let gone_apart = self.objects.iter().filter(is_new).count();
        let drifted: BTreeSet<&ObjectRef> = self.objects.iter().map(|d| &d.object).collect();
        let (again, others): (Vec<Drifted>, Vec<Drifted>) = earlier
            .objects
            .into_iter()
            .partition(|before| meant(&before.object));
        let now_same = again.iter().filter(|before| {
            !drifted.contains(&before.object) && source.documents.contains_key(&before.object)
        });
        self.same = (earlier.same + now_same.count()).saturating_sub(gone_apart);
        self.kinds.extend(earlier.kinds);
        self.objects.extend(others);
        self.objects.sort_by(|a, b| a.object.cmp(&b.object));
        let unclear = earlier.unclear.into_iter();
        self.unclear
            .extend(unclear.filter(|before| !meant(&before.object)));
        self.unclear.sort();
        let kinds = selection.kinds(catalogue);
        let gaps = earlier.gaps.into_iter();
        self.gaps
            .extend(gaps.filter(|gap| !kinds.contains_key(&gap.kind)));
    }

    /// Leaves out objects that only the target has, as a project that manages a part of an org wants.
    pub fn without_created_in_target(&mut self) {
        self.objects
            .retain(|found| found.what != What::CreatedInTarget);
    }

    /// Says what each difference comes to, by the policies, and which are ignored.
    pub fn settle(
        &mut self,
        policies: &Policies,
        times: &Times,
        ignores: &Ignores,
        source: &Bundle,
        now_ms: i64,
    ) {
        for drifted in &mut self.objects {
            let document = source.documents.get(&drifted.object);
            for field in &mut drifted.fields {
                field.resolution =
                    policies.resolve(&drifted.object, field, (document, source), times);
                let ignored = ignores.find(&drifted.object, field, (document, source), now_ms);
                field.ignored = ignored.map(|ignore| ignore.id);
            }
        }
    }

    /// Returns every field that counts, with its object.
    pub fn open(&self) -> impl Iterator<Item = (&Drifted, &Field)> {
        let all = self.objects.iter();
        let all = all.flat_map(|found| found.fields.iter().map(move |field| (found, field)));
        all.filter(|(_, field)| field.counts())
    }
}

impl Drifted {
    /// Tells whether the two sides differ.
    pub fn is_open(&self) -> bool {
        self.fields.iter().any(|field| field.side != Side::Same)
    }

    /// Tells whether the two sides differ in something that is not ignored.
    pub fn counts(&self) -> bool {
        self.fields.iter().any(Field::counts)
    }

    /// Returns the side that moved, over all fields.
    pub fn side(&self) -> Side {
        let sides = self.fields.iter().map(|field| field.side);
        sides.reduce(Side::and).unwrap_or(Side::Same)
    }
}

/// Returns the base with what only the source has: an object of the base may refer to it. Of kinds that
/// the source does not speak of, nobody asks.
fn completed(base: &Bundle, source: &Bundle) -> Bundle {
    let kinds: BTreeSet<&Kind> = kinds_of(source).collect();
    let known = base.documents.iter();
    let known = known.filter(|(object, _)| kinds.contains(&object.kind));
    let mut documents = source.documents.clone();
    documents.extend(known.map(|(object, document)| (object.clone(), document.clone())));
    Bundle {
        source: source.source.clone(),
        documents,
        ..Bundle::default()
    }
}

fn kinds_of(bundle: &Bundle) -> impl Iterator<Item = &Kind> {
    bundle.documents.keys().map(|object| &object.kind)
}

fn by_object(plan: &Plan) -> BTreeMap<&ObjectRef, Vec<&Step>> {
    let mut found: BTreeMap<&ObjectRef, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        found.entry(&step.object).or_default().push(step);
    }
    found
}

fn changes<'s>(steps: &[&'s Step]) -> impl Iterator<Item = &'s Change> {
    steps.iter().flat_map(|step| &step.changes)
}

/// Tells whether a step only goes along with others: it takes a lock away, or puts into force.
fn is_in_passing(step: &Step) -> bool {
    let id = step.id.as_str();
    [":unlock", ":live", ":unlink"]
        .iter()
        .any(|end| id.ends_with(end))
}
