//! Any graph of objects arrives: whatever the target has of it, in whatever order the steps go.

use orgsmith_core::testing::{Org, flow_source};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::{plan, plan_after, step_ids};

/// What an org may hold, by number; references are drawn from it.
const QUEUES: usize = 6;
const FLOWS: usize = 5;
const USERS: usize = 6;
const SKILLS: usize = 3;

#[derive(Clone, Debug)]
struct Graph {
    queues: Vec<Queue>,
    flows: Vec<Flow>,
    users: Vec<User>,
    group: Vec<Index>,
}

#[derive(Clone, Debug)]
struct Queue {
    flow: Option<Index>,
    backup: Option<Index>,
    members: Vec<(Index, u8)>,
    group: bool,
    description: u8,
}

#[derive(Clone, Debug)]
struct Flow {
    queues: Vec<Index>,
    flows: Vec<Index>,
    away: bool,
}

#[derive(Clone, Debug)]
struct User {
    manager: Option<Index>,
    skills: Vec<(Index, u8)>,
    title: u8,
}

/// What the target has of an object.
#[derive(Clone, Copy, Debug)]
enum Have {
    Nothing,
    Deleted,
    Bare,
    Same,
}

fn graph() -> impl Strategy<Value = Graph> {
    let index = any::<Index>;
    let some = || proptest::option::of(index());
    let queue = (
        some(),
        some(),
        proptest::collection::vec((index(), 1..4_u8), 0..4),
        any::<bool>(),
        0..3_u8,
    )
        .prop_map(|(flow, backup, members, group, description)| Queue {
            flow,
            backup,
            members,
            group,
            description,
        });
    let flow = (
        proptest::collection::vec(index(), 0..3),
        proptest::collection::vec(index(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(queues, flows, away)| Flow {
            queues,
            flows,
            away,
        });
    let user = (
        some(),
        proptest::collection::vec((index(), 1..6_u8), 0..3),
        0..3_u8,
    )
        .prop_map(|(manager, skills, title)| User {
            manager,
            skills,
            title,
        });
    (
        proptest::collection::vec(queue, QUEUES),
        proptest::collection::vec(flow, FLOWS),
        proptest::collection::vec(user, USERS),
        proptest::collection::vec(index(), 0..4),
    )
        .prop_map(|(queues, flows, users, group)| Graph {
            queues,
            flows,
            users,
            group,
        })
}

fn have() -> impl Strategy<Value = Have> {
    prop_oneof![
        Just(Have::Nothing),
        Just(Have::Deleted),
        Just(Have::Bare),
        Just(Have::Same)
    ]
}

fn to(object: String) -> Value {
    json!({"$ref": object})
}

fn queue_key(n: usize) -> String {
    format!("routing_queue/Q{n}")
}

/// Flows of even number are in-queue flows, which queues name.
fn flow_key(n: usize) -> String {
    format!(
        "{}/F{n}",
        if n.is_multiple_of(2) {
            "inqueuecall"
        } else {
            "inboundcall"
        }
    )
}

fn user_key(n: usize) -> String {
    format!("user/u{n}@example.com")
}

/// Items without those that another stands for already.
fn unique<T>(items: &[T], pick: impl Fn(&T) -> (usize, Value)) -> Vec<Value> {
    let mut seen = std::collections::BTreeMap::new();
    for item in items {
        let (key, value) = pick(item);
        seen.entry(key).or_insert(value);
    }
    seen.into_values().collect()
}

impl Graph {
    /// Writes the objects into an org, as far as it has them.
    fn fill(&self, org: &mut Org, home: &str, have: &dyn Fn(usize) -> Have) {
        org.add("auth_division/EMEA", json!({}));
        for n in 0..SKILLS {
            org.add(&format!("routing_skill/S{n}"), json!({}));
        }
        let there = |n: usize| matches!(have(n), Have::Same | Have::Bare);
        for (n, user) in self.users.iter().enumerate() {
            let (key, bare) = (user_key(n), json!({"name": format!("U{n}")}));
            match have(n) {
                Have::Same if user.manager(n).is_none_or(there) => org.add(&key, user.body(n)),
                Have::Bare => org.add(&key, bare),
                Have::Deleted => org.add_deleted(&key, bare),
                Have::Nothing | Have::Same => continue,
            };
        }
        // What refers to others is whole only where they all are.
        let all = (0..USERS + QUEUES + FLOWS + 1).all(|n| matches!(have(n), Have::Same));
        for (n, queue) in self.queues.iter().enumerate() {
            match have(USERS + n) {
                Have::Same if all => org.add(&queue_key(n), queue.body()),
                Have::Same | Have::Bare => org.add(&queue_key(n), json!({"description": "theirs"})),
                Have::Nothing | Have::Deleted => continue,
            };
        }
        for (n, flow) in self.flows.iter().enumerate() {
            let key = flow_key(n);
            match have(USERS + QUEUES + n) {
                Have::Same if all => org.add_flow(&key, &flow.source(n, home)),
                Have::Same | Have::Bare => org.add_flow(&key, &flow_source(&key, Some(home), &[])),
                Have::Nothing | Have::Deleted => continue,
            };
        }
        let last = USERS + QUEUES + FLOWS;
        if !matches!(have(last), Have::Nothing | Have::Deleted) {
            let members = if all {
                unique(&self.group, |user| {
                    (user.index(USERS), to(user_key(user.index(USERS))))
                })
            } else {
                Vec::new()
            };
            org.add("group/All", json!({"type": "official", "members": members}));
        }
    }
}

impl User {
    /// Returns the manager: one of those before, as a circle is refused.
    fn manager(&self, n: usize) -> Option<usize> {
        self.manager
            .filter(|_| n > 0)
            .map(|manager| manager.index(n))
    }

    fn body(&self, n: usize) -> Value {
        let skills = unique(&self.skills, |(skill, proficiency)| {
            let n = skill.index(SKILLS);
            (
                n,
                json!({"id": to(format!("routing_skill/S{n}")), "proficiency": f64::from(*proficiency)}),
            )
        });
        let mut body =
            json!({"name": format!("U{n}"), "title": format!("T{}", self.title), "skills": skills});
        if let Some(manager) = self.manager(n) {
            body["manager"] = to(user_key(manager));
        }
        body
    }
}

impl Queue {
    fn body(&self) -> Value {
        let members = unique(&self.members, |(user, ring)| {
            let n = user.index(USERS);
            (n, json!({"user": to(user_key(n)), "ringNumber": ring}))
        });
        let mut body = json!({"description": format!("D{}", self.description), "members": members,
            "division": to("auth_division/EMEA".into())});
        if let Some(flow) = self.flow {
            // Only the flows of even number are in-queue flows.
            let n = flow.index(FLOWS.div_ceil(2)) * 2;
            body["queueFlow"] = to(format!("flow/{}", flow_key(n)));
        }
        if let Some(backup) = self.backup {
            body["directRouting"] = json!({"backupQueueId": to(queue_key(backup.index(QUEUES)))});
        }
        if self.group {
            body["memberGroups"] = json!([to("group/All".into())]);
        }
        body
    }
}

impl Flow {
    fn source(&self, n: usize, home: &str) -> String {
        let queues: Vec<String> = self
            .queues
            .iter()
            .map(|queue| format!("Q{}", queue.index(QUEUES)))
            .collect();
        // A flow transfers to flows of its own type; here, those of its parity.
        let same: Vec<usize> = (0..FLOWS).filter(|other| other % 2 == n % 2).collect();
        let flows: Vec<String> = self
            .flows
            .iter()
            .filter(|_| n % 2 == 1)
            .map(|flow| format!("F{}", same[flow.index(same.len())]))
            .collect();
        let queues = queues.iter().map(|name| ("targetQueue", name.as_str()));
        let names: Vec<(&str, &str)> = queues
            .chain(flows.iter().map(|name| ("targetFlow", name.as_str())))
            .collect();
        let division = if self.away { "EMEA" } else { home };
        flow_source(&flow_key(n), Some(division), &names)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_graph_arrives_and_nothing_is_left_to_do(
        graph in graph(),
        target_has in proptest::collection::vec(have(), USERS + QUEUES + FLOWS + 1),
        seed in any::<u64>(),
    ) {
        let mut source = Org::new("one", "Acme");
        graph.fill(&mut source, "Acme", &|_| Have::Same);
        let mut target = Org::new("two", "Beta Ltd");
        graph.fill(&mut target, "Beta Ltd", &|n| target_has[n]);
        let target = target.snapshot();

        // `plan` judges: every step behind what it needs, nothing of the source in it.
        let first = plan(&source, &target);
        prop_assert_eq!(&first.conflicts, &vec![]);
        let again = plan_after(&source, target, &first, seed);
        prop_assert_eq!(step_ids(&again), Vec::<&str>::new(), "{:#?}", again.steps);
    }
}
