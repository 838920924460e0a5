//! Who moved since an org was last written to, and what is done about it.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Slot;
use orgsmith_core::drift::{
    Base, Drift, Ignore, Ignores, Look, Policies, Policy, Resolution, Rule, Side, Times, What,
};
use orgsmith_core::id::RunId;
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::{Options, Plan, Planner};
use orgsmith_core::select::Selection;
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::testing::{Org, example, flow_source};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cases::{empty, to};
use super::model::Model;
use super::{bundle, plan};

/// A source, a target that was made of it, and the base that is left behind.
struct World {
    source: Org,
    target: Snapshot,
    base: Base,
}

fn states(plan: &Plan, done: usize) -> BTreeMap<orgsmith_core::id::StepId, StepState> {
    let steps = plan.steps.iter().take(done);
    steps
        .map(|step| {
            let state = StepState::Done {
                id: None,
                version: None,
            };
            (step.id.clone(), state)
        })
        .collect()
}

impl World {
    fn new(source: Org) -> Self {
        let target = empty().snapshot();
        let run = plan(&source, &target);
        let mut model = Model::new(target);
        model.apply(&run, 1);
        let mut base = Base::default();
        let done = states(&run, run.steps.len());
        base.add_run(&RunId::new("r1"), 1, &run, &done)
            .expect("images");
        Self {
            source,
            target: model.snapshot(),
            base,
        }
    }

    /// Changes what the target has of an object.
    fn change(&mut self, object: &str, change: impl FnOnce(&mut Value)) {
        let mut change = Some(change);
        self.edit(object, &mut |stored, at| {
            let mut captured = stored[at].open();
            (change.take().expect("one object"))(&mut captured.body);
            stored[at] = captured.into();
        });
    }

    fn delete(&mut self, object: &str) {
        self.edit(object, &mut |stored, at| {
            stored.remove(at);
        });
    }

    fn edit(
        &mut self,
        object: &str,
        edit: &mut dyn FnMut(&mut Vec<orgsmith_core::document::Stored>, usize),
    ) {
        let (_, names) = self
            .target
            .to_bundle(Catalogue::builtin(), &BTreeMap::new());
        let object: orgsmith_core::id::ObjectRef = object.parse().expect("a reference");
        let stored = self.target.objects.get_mut(&object.kind).expect("the kind");
        let at = stored
            .iter()
            .position(|one| names.object(&object.kind, one.id.as_str()) == Some(&object));
        edit(stored, at.unwrap_or_else(|| panic!("no {object}")));
    }

    fn look(&self) -> Look {
        look(&self.base, &bundle(&self.source), &self.target)
    }

    fn drift(&self) -> Drift {
        self.look().drift
    }
}

/// The example, with a name that callers see.
fn named() -> Org {
    let mut org = example("gold", "Gold");
    org.change("routing_queue/Sales", |body| {
        body["callingPartyName"] = "Acme".into();
    });
    org
}

fn look(base: &Base, source: &Bundle, target: &Snapshot) -> Look {
    Look::new(
        Catalogue::builtin(),
        base,
        source,
        target,
        &Options::default(),
    )
}

fn portable(snapshot: &Snapshot) -> Bundle {
    snapshot.to_bundle(Catalogue::builtin(), &BTreeMap::new()).0
}

/// Says drift as lines: object, path, side.
fn said(drift: &Drift) -> Vec<String> {
    let all = drift.objects.iter();
    all.flat_map(|found| {
        let what = match found.what {
            What::Changed => String::new(),
            other => format!(" {other:?}"),
        };
        found
            .fields
            .iter()
            .map(move |field| format!("{}{what} {} {:?}", found.object, field.path, field.side))
    })
    .collect()
}

/// Makes the target what the source says, as far as it is chosen.
fn revert(world: &World, drift: &Drift, chosen: &dyn Fn(&str) -> bool) -> Snapshot {
    let source = bundle(&world.source);
    let live = portable(&world.target);
    let wanted = drift.wanted(Catalogue::builtin(), &source, &live, &|_, field| {
        chosen(&field.path)
    });
    let options = Options {
        delete: wanted.delete,
        ..Options::default()
    };
    let plan = Planner::new(Catalogue::builtin(), options).plan(&wanted.bundle, &world.target);
    assert_eq!(plan.conflicts, [], "{:#?}", plan.conflicts);
    let mut model = Model::new(world.target.clone());
    model.apply(&plan, 3);
    model.snapshot()
}

/// Makes the source what the target has, as far as it is chosen.
fn absorb(world: &World, drift: &Drift) -> Bundle {
    let mut source = bundle(&world.source);
    let live = portable(&world.target);
    let absorbed = drift.absorbed(Catalogue::builtin(), &source, &live, &|_, field| {
        field.side != Side::Same
    });
    for object in &absorbed.removed {
        source.documents.remove(object);
    }
    source.documents.extend(absorbed.bundle.documents);
    source
}

#[test]
fn what_was_just_written_has_no_drift() {
    let world = World::new(example("gold", "Gold"));
    let look = world.look();
    assert_eq!(said(&look.drift), Vec::<String>::new());
    assert!(look.drift.is_empty() && look.drift.unclear.is_empty());
    assert_eq!(look.drift.same, look.agreed.len());
    assert!(look.agreed.len() > 30, "{}", look.agreed.len());
}

#[test]
fn each_side_is_told_from_the_other_and_from_both() {
    let mut world = World::new(named());
    world.change("routing_queue/Sales", |body| {
        body["description"] = "theirs".into();
        body["callingPartyName"] = "theirs".into();
        body["onHoldPrompt"] = Value::Null;
    });
    world.source.change("routing_queue/Sales", |body| {
        body["callingPartyName"] = "ours".into();
        body["mediaSettings"]["call"]["alertingTimeoutSeconds"] = 12.into();
    });
    let drift = world.drift();
    assert_eq!(
        said(&drift),
        [
            "routing_queue/Sales callingPartyName Conflict",
            "routing_queue/Sales description Target",
            "routing_queue/Sales mediaSettings.call.alertingTimeoutSeconds Source",
            "routing_queue/Sales onHoldPrompt Target",
        ]
    );
    let queue = &drift.objects[0];
    assert_eq!(queue.side(), Side::Conflict);
    let party = &queue.fields[0];
    let values = [&party.base, &party.source, &party.target].map(|value| value.clone());
    assert_eq!(
        values,
        ["Acme", "ours", "theirs"].map(|text| Some(json!(text)))
    );
}

#[test]
fn a_field_that_the_source_begins_to_speak_of_is_its_change() {
    let mut world = World::new(example("gold", "Gold"));
    world.change("routing_queue/Sales", |body| {
        body["callingPartyName"] = "theirs".into();
    });
    assert!(world.drift().is_empty());
    let theirs = world.look();
    world.source = named();
    assert_eq!(
        said(&world.drift()),
        ["routing_queue/Sales callingPartyName Source"]
    );
    // Unless a look found that the org had nothing there, and it has something now.
    let mut world = World::new(example("gold", "Gold"));
    let look = world.look();
    world
        .base
        .agree(&bundle(&world.source), &look.agreed, &look.gone);
    assert_ne!(look.agreed, theirs.agreed);
    world.change("routing_queue/Sales", |body| {
        body["callingPartyName"] = "theirs".into();
    });
    world.source = named();
    assert_eq!(
        said(&world.drift()),
        ["routing_queue/Sales callingPartyName Conflict"]
    );
}

#[test]
fn members_are_a_set_and_each_has_a_side() {
    let mut world = World::new(example("gold", "Gold"));
    let is = |name: &'static str| {
        move |item: &Value| {
            item["user"]["$ref"]
                .as_str()
                .is_some_and(|user| user.contains(name))
        }
    };
    // Bo leaves in the source; Ada's ring and the codes change in the target, whose lists are in
    // another order.
    world.source.change("routing_queue/Sales", |body| {
        let members = body["members"].as_array_mut().expect("a list");
        members.retain(|item| !is("bo@")(item));
    });
    world.change("routing_queue/Sales", |body| {
        let members = body["members"].as_array_mut().expect("a list");
        members.reverse();
        for item in members.iter_mut() {
            if item["ringNumber"] == 1 {
                item["ringNumber"] = 4.into();
            }
        }
        let codes = body["wrapUpCodes"].as_array_mut().expect("a list");
        codes.pop();
    });
    let said = said(&world.drift());
    assert_eq!(
        said.iter()
            .map(|line| line.replace("routing_queue/Sales ", ""))
            .collect::<Vec<_>>(),
        [
            "members[ada@example.com] Target",
            "members[bo@example.com] Source",
            "wrapUpCodes[Solved] Target",
        ],
        "{said:#?}"
    );
}

#[test]
fn objects_that_come_and_go_have_a_side() {
    let mut world = World::new(example("gold", "Gold"));
    world.source.add("routing_skill/New here", json!({}));
    world.source.remove("routing_skill/Cancellation");
    world.delete("routing_language/German");
    world.delete("location/Berlin");
    world.source.change("location/Berlin", |body| {
        body["address"]["city"] = "Potsdam".into()
    });
    let theirs = Org::new("other", "Other")
        .add("routing_skill/Theirs", json!({}))
        .snapshot();
    let kind = orgsmith_core::id::Kind::new("routing_skill");
    let skill = theirs.objects[&kind][0].clone();
    world
        .target
        .objects
        .get_mut(&kind)
        .expect("skills")
        .push(skill);
    let drift = world.drift();
    let said: Vec<String> = said(&drift)
        .into_iter()
        // What referred to what is gone differs as well.
        .filter(|line| line.contains("Deleted") || line.contains("Created"))
        .collect();
    assert_eq!(
        said,
        [
            "location/Berlin DeletedInTarget  Conflict",
            "routing_language/German DeletedInTarget  Target",
            "routing_skill/Cancellation DeletedInSource  Source",
            "routing_skill/New here CreatedInSource  Source",
            "routing_skill/Theirs CreatedInTarget  Target",
        ]
    );
}

#[test]
fn without_a_base_nobody_knows_who_moved() {
    let mut world = World::new(example("gold", "Gold"));
    world.base = Base::default();
    assert!(world.drift().is_empty());
    world.change("routing_queue/Sales", |body| {
        body["description"] = "theirs".into()
    });
    let look = world.look();
    assert_eq!(
        said(&look.drift),
        ["routing_queue/Sales description Conflict"]
    );
    assert!(!look.drift.objects[0].fields[0].has_base);
    // What a look finds equal is known from then on.
    world.source.change("routing_queue/Sales", |body| {
        body["description"] = "theirs".into()
    });
    let look = world.look();
    world
        .base
        .agree(&bundle(&world.source), &look.agreed, &look.gone);
    assert!(!world.base.is_saved());
    world.change("routing_queue/Sales", |body| {
        body["description"] = "later".into()
    });
    assert_eq!(
        said(&world.drift()),
        ["routing_queue/Sales description Target"]
    );
}

#[test]
fn a_flow_that_was_changed_in_architect_is_the_targets() {
    let mut world = World::new(example("gold", "Gold"));
    let flow = "flow/inqueuecall/Wait";
    let theirs = flow_source("inqueuecall/Wait", None, &[("targetQueue", "Overflow")]);
    world.edit(flow, &mut |stored, at| {
        let mut captured = stored[at].open();
        let name = captured.files.keys().next().expect("a source").clone();
        captured.files.insert(name, theirs.as_bytes().into());
        stored[at] = captured.into();
    });
    let drift = world.drift();
    assert_eq!(said(&drift), [format!("{flow} source Target")]);
    let source = absorb(&world, &drift);
    assert!(look(&world.base, &source, &world.target).drift.is_empty());
    world.target = revert(&world, &drift, &|_| true);
    assert_eq!(said(&world.drift()), Vec::<String>::new());
}

#[test]
fn a_run_that_ended_half_way_is_known_as_far_as_it_went() {
    let source = example("gold", "Gold");
    let target = empty().snapshot();
    let run = plan(&source, &target);
    let mut base = Base::default();
    let is_queue =
        |step: &&orgsmith_core::plan::Step| step.object.to_string() == "routing_queue/Sales";
    let steps: Vec<_> = run.steps.iter().filter(is_queue).collect();
    assert!(steps.len() > 1, "the queue is created and then completed");
    let first = Plan {
        steps: steps.iter().take(1).map(|step| (*step).clone()).collect(),
        ..run.clone()
    };
    base.add_run(&RunId::new("r1"), 1, &run, &states(&first, 1))
        .expect("images");
    let known = base.to_bundle(&bundle(&source));
    let queue = &known
        .documents
        .values()
        .next()
        .expect("the queue")
        .open()
        .body;
    assert_eq!(queue["description"], "Sells");
    assert!(!queue.contains_key("members"), "{queue:?}");
    assert_eq!(known.documents.len(), 1);
}

#[test]
fn what_is_not_chosen_stays_as_it_is() {
    let mut world = World::new(example("gold", "Gold"));
    world.change("routing_queue/Sales", |body| {
        body["description"] = "theirs".into();
        body["mediaSettings"]["call"]["alertingTimeoutSeconds"] = 11.into();
        body["members"].as_array_mut().expect("a list").pop();
    });
    let before = said(&world.drift());
    assert_eq!(before.len(), 3, "{before:#?}");
    world.target = revert(&world, &world.drift(), &|path| path.starts_with("media"));
    let after = said(&world.drift());
    assert_eq!(after, [before[0].clone(), before[2].clone()]);
    world.target = revert(&world, &world.drift(), &|path| path.starts_with("members["));
    assert_eq!(said(&world.drift()), [before[0].clone()]);
}

#[test]
fn a_policy_says_what_a_difference_comes_to() {
    let mut world = World::new(named());
    world.change("routing_queue/Sales", |body| {
        body["description"] = "theirs".into();
        body["callingPartyName"] = "theirs".into();
    });
    world.source.change("routing_queue/Sales", |body| {
        body["callingPartyName"] = "ours".into()
    });
    world.source.add("routing_skill/New", json!({}));
    let catalogue = Catalogue::builtin();
    let source = bundle(&world.source);
    let queue: orgsmith_core::id::ObjectRef = "routing_queue/Sales".parse().expect("a reference");
    let at = |source_ms, target_ms| Times {
        source: BTreeMap::from([(queue.clone(), source_ms)]),
        target: BTreeMap::from([(queue.clone(), target_ms)]),
    };
    let resolved = |policies: &Policies, times: &Times| {
        let mut drift = world.drift();
        drift.settle(policies, times, &Ignores::default(), &source, 0);
        let all: Vec<Resolution> = drift.open().map(|(_, field)| field.resolution).collect();
        // Party, description, and the skill that only the source has.
        <[Resolution; 3]>::try_from(all).expect("three")
    };
    use Resolution::{Absorb, Apply, Ask};
    let simple = |policy| Policies {
        otherwise: policy,
        rules: Vec::new(),
    };
    let none = Times::default();
    assert_eq!(resolved(&simple(Policy::Ask), &none), [Ask, Ask, Apply]);
    assert_eq!(
        resolved(&simple(Policy::SourceWins), &none),
        [Apply, Apply, Apply]
    );
    assert_eq!(
        resolved(&simple(Policy::TargetWins), &none),
        [Absorb, Absorb, Apply]
    );
    let newest = simple(Policy::NewestWins);
    assert_eq!(resolved(&newest, &none), [Ask, Absorb, Apply]);
    assert_eq!(resolved(&newest, &at(5, 9)), [Absorb, Absorb, Apply]);
    assert_eq!(resolved(&newest, &at(9, 5)), [Apply, Absorb, Apply]);
    assert_eq!(resolved(&newest, &at(5, 5)), [Ask, Absorb, Apply]);
    let rule = |field: &str, policy| Rule {
        on: Selection::parse(catalogue, &["routing_queue"], &[]).expect("a selection"),
        fields: vec![field.to_owned()],
        policy,
    };
    let mixed = Policies {
        otherwise: Policy::SourceWins,
        rules: vec![
            rule("description", Policy::TargetWins),
            rule("desc", Policy::Ask),
        ],
    };
    assert_eq!(resolved(&mixed, &none), [Apply, Absorb, Apply]);
}

#[test]
fn what_is_ignored_counts_again_when_its_time_is_over() {
    let mut world = World::new(example("gold", "Gold"));
    world.change("routing_queue/Sales", |body| {
        body["description"] = "theirs".into()
    });
    let source = bundle(&world.source);
    let entry = |fields: &[&str]| Ignore {
        id: 4,
        select: vec!["routing_queue=Sales".to_owned()],
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        until_ms: 100,
        reason: "a test".to_owned(),
        since_ms: 0,
    };
    let counts = |fields: &[&str], now_ms| {
        let ignores = Ignores::new(Catalogue::builtin(), vec![entry(fields)]).expect("terms");
        let mut drift = world.drift();
        drift.settle(
            &Policies::default(),
            &Times::default(),
            &ignores,
            &source,
            now_ms,
        );
        !drift.is_empty()
    };
    assert!(!counts(&[], 99));
    assert!(counts(&[], 100));
    assert!(!counts(&["description"], 0));
    assert!(counts(&["callingPartyName"], 0));
}

/// Something that may happen to a side.
#[derive(Clone, Copy, Debug)]
enum Event {
    Describe(u8),
    Media(u8),
    Member(u8),
    Code(u8),
    Skill(u8),
}

fn event() -> impl Strategy<Value = Event> {
    (0..5_u8, 0..3_u8).prop_map(|(which, n)| match which {
        0 => Event::Describe(n),
        1 => Event::Media(n),
        2 => Event::Member(n),
        3 => Event::Code(n),
        _ => Event::Skill(n),
    })
}

/// Changes a queue; `to` makes a reference in the words of its side.
fn happen(event: Event, body: &mut Value, to: &dyn Fn(&str) -> Value) {
    let set = |list: &mut Value, item: Value, same: &dyn Fn(&Value) -> bool| {
        let list = list.as_array_mut().expect("a list");
        match list.iter().position(same) {
            Some(at) => drop(list.remove(at)),
            None => list.push(item),
        }
    };
    match event {
        Event::Describe(n) => body["description"] = format!("text {n}").into(),
        Event::Media(n) => {
            body["mediaSettings"]["call"]["alertingTimeoutSeconds"] = (10 + n).into();
        }
        Event::Member(n) => {
            let user = to(["user/ada@example.com", "user/bo@example.com"][usize::from(n % 2)]);
            let id = user.clone();
            let item = json!({"user": user, "ringNumber": n + 1, "joined": true});
            set(&mut body["members"], item, &|one| {
                one["user"]["id"] == id["id"] && one["user"]["$ref"] == id["$ref"]
            });
        }
        Event::Code(n) => {
            let code =
                to(["routing_wrapupcode/Solved", "routing_wrapupcode/Callback"]
                    [usize::from(n % 2)]);
            set(&mut body["wrapUpCodes"], code.clone(), &|one| {
                one["id"] == code["id"] && one["$ref"] == code["$ref"]
            });
        }
        Event::Skill(_) => {}
    }
}

fn small() -> Org {
    let mut org = Org::new("gold", "Gold");
    for user in ["ada@example.com", "bo@example.com"] {
        org.add(
            &format!("user/{user}"),
            json!({"name": user, "division": to("auth_division/~home")}),
        );
    }
    for code in ["Solved", "Callback"] {
        org.add(
            &format!("routing_wrapupcode/{code}"),
            json!({"division": to("auth_division/~home")}),
        );
    }
    for skill in ["a", "b", "c"] {
        org.add(
            &format!("routing_skill/{skill}"),
            json!({"division": to("auth_division/~home")}),
        );
    }
    org.add(
        "routing_queue/Sales",
        json!({"division": to("auth_division/~home"), "description": "Sells",
        "mediaSettings": {"call": {"alertingTimeoutSeconds": 9}},
        "members": [{"user": to("user/ada@example.com"), "ringNumber": 1, "joined": true}],
        "wrapUpCodes": [to("routing_wrapupcode/Solved")]}),
    );
    org
}

fn live(world: &World, object: &str) -> bool {
    let object = object.parse().expect("a reference");
    portable(&world.target).documents.contains_key(&object)
}

fn moved(ours: &[Event], theirs: &[Event]) -> World {
    let mut world = World::new(small());
    let mut gone = BTreeSet::new();
    for event in ours {
        if let Event::Skill(n) = event {
            if gone.insert(*n) {
                world.source.remove(&format!(
                    "routing_skill/{}",
                    ["a", "b", "c"][usize::from(*n)]
                ));
            }
            continue;
        }
        world.source.change("routing_queue/Sales", |body| {
            happen(*event, body, &|object| to(object));
        });
    }
    let (_, names) = world
        .target
        .to_bundle(Catalogue::builtin(), &BTreeMap::new());
    let ids: BTreeMap<String, String> = names
        .iter()
        .map(|(id, object)| (object.to_string(), id.to_owned()))
        .collect();
    for event in theirs {
        if let Event::Skill(n) = event {
            let skill = format!("routing_skill/{}", ["a", "b", "c"][usize::from(*n)]);
            if live(&world, &skill) {
                world.delete(&skill);
            }
            continue;
        }
        world.change("routing_queue/Sales", |body| {
            happen(*event, body, &|object| json!({"id": ids[object]}));
        });
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_a_revert_or_an_absorption_there_is_no_drift(
        ours in prop::collection::vec(event(), 0..4),
        theirs in prop::collection::vec(event(), 0..4),
    ) {
        let mut world = moved(&ours, &theirs);
        let drift = world.drift();
        prop_assert!(drift.unclear.is_empty(), "{:?}", drift.unclear);
        let source = absorb(&world, &drift);
        let after = look(&world.base, &source, &world.target).drift;
        prop_assert!(after.is_empty(), "{:#?}", said(&after));
        world.target = revert(&world, &drift, &|_| true);
        let after = world.drift();
        prop_assert!(after.is_empty(), "{:#?}", said(&after));
    }

    #[test]
    fn what_one_side_does_alone_is_told_of_that_side(events in prop::collection::vec(event(), 0..4)) {
        for field in moved(&events, &[]).drift().open() {
            prop_assert_eq!(field.1.side, Side::Source, "{:?}", field);
        }
        for field in moved(&[], &events).drift().open() {
            prop_assert_eq!(field.1.side, Side::Target, "{:?}", field);
        }
        // Both alike.
        prop_assert!(moved(&events, &events).drift().is_empty());
    }
}

#[test]
fn a_slot_is_a_reference() {
    // The tests above rely on it.
    assert!(matches!(
        Slot::of(&to("routing_skill/a")),
        Some(Slot::Ref(_))
    ));
}
