//! Divisions, skills, users and groups; and how objects are put into an org.

use orgsmith_contract::contract;
use serde_json::{Map, Value, json};

use super::Generate;
use super::random::Random;
use crate::crud;
use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Division, Version};
use crate::routes::{Req, registry, the_kind};
use crate::store::{Fields, Sight};
use crate::world::stamp;

const CITIES: [&str; 12] = [
    "Lisbon", "Porto", "Dublin", "Leeds", "Lyon", "Turin", "Graz", "Bergen", "Aarhus", "Tartu",
    "Gdansk", "Malaga",
];
const TOPICS: [&str; 16] = [
    "Billing",
    "Sales",
    "Returns",
    "Orders",
    "Shipping",
    "Claims",
    "Renewals",
    "Loans",
    "Cards",
    "Mobile",
    "Internet",
    "Outages",
    "Complaints",
    "Retention",
    "Onboarding",
    "Warranty",
];
const TONGUES: [&str; 12] = [
    "English",
    "German",
    "French",
    "Spanish",
    "Italian",
    "Portuguese",
    "Dutch",
    "Danish",
    "Polish",
    "Estonian",
    "Norwegian",
    "Irish",
];
const RESULTS: [&str; 10] = [
    "Resolved",
    "Callback agreed",
    "Escalated",
    "Wrong number",
    "No answer",
    "Sold",
    "Not interested",
    "Follow-up",
    "Duplicate",
    "Transferred",
];
const FIRST: [&str; 20] = [
    "Ada", "Bruno", "Clara", "Dario", "Elin", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Karin",
    "Luca", "Marta", "Nils", "Olga", "Pedro", "Rosa", "Sven", "Tilda", "Vera",
];
const LAST: [&str; 20] = [
    "Almeida",
    "Berg",
    "Costa",
    "Dahl",
    "Eriksen",
    "Ferrari",
    "Grau",
    "Holm",
    "Ivanov",
    "Jansen",
    "Keller",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Olsen",
    "Pereira",
    "Rossi",
    "Silva",
    "Tamm",
    "Vogel",
];

/// An id and a name.
pub(super) type Named = (String, String);

/// Fills one org.
pub(super) struct Builder<'a, 'b> {
    pub(super) cx: &'a mut Cx<'b>,
    pub(super) wanted: &'a Generate,
    pub(super) random: Random,
    pub(super) divisions: Vec<Named>,
    pub(super) skills: Vec<Named>,
    pub(super) languages: Vec<Named>,
    pub(super) wrapups: Vec<Named>,
    pub(super) users: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) queues: Vec<Named>,
    pub(super) prompts: Vec<String>,
    pub(super) tables: Vec<String>,
    /// Category and name.
    pub(super) actions: Vec<(String, String)>,
    pub(super) schedule_groups: Vec<Named>,
    pub(super) waits: Vec<String>,
    pub(super) calls: Vec<String>,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(cx: &'a mut Cx<'b>, wanted: &'a Generate) -> Self {
        let home = cx.org.store.all("division");
        let divisions = home
            .map(|division| (division.id.clone(), division.text("name").to_owned()))
            .collect();
        Self {
            cx,
            wanted,
            random: Random::new(wanted.seed),
            divisions,
            skills: Vec::new(),
            languages: Vec::new(),
            wrapups: Vec::new(),
            users: Vec::new(),
            groups: Vec::new(),
            queues: Vec::new(),
            prompts: Vec::new(),
            tables: Vec::new(),
            actions: Vec::new(),
            schedule_groups: Vec::new(),
            waits: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Puts an object of a kind into the org, with what the server fills in; gives its id.
    pub(super) fn place(&mut self, kind: &str, body: Value) -> String {
        let kind = the_kind(kind);
        let Value::Object(mut fields) = body else {
            return String::new();
        };
        if kind.division != Division::None {
            let division = self.random.pick(&self.divisions).map(|(id, _)| id.clone());
            fields.insert("division".into(), json!({ "id": division }));
        }
        crud::complete(kind, &mut fields);
        match kind.version {
            Version::Number | Version::Directory => fields.insert("version".into(), 1.into()),
            Version::Text => fields.insert("version".into(), "1".into()),
            Version::None => None,
        };
        if kind.state {
            fields.entry("state").or_insert_with(|| "active".into());
        }
        let model = registry().shown(kind.name);
        let has = |name: &str| model.is_some_and(|model| model.field(name).is_some());
        stamp(&mut fields, has, self.cx.now, "system", true);
        let id = self.cx.org.new_id();
        let now = self.cx.now;
        let sight = Sight {
            readable_at: now,
            listed_at: now,
        };
        self.cx.org.store.insert(kind, &id, fields, sight);
        id
    }

    /// Does what a request would do; gives its answer.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: Value) -> Result<Value, Refusal> {
        let route = contract()
            .route(method, path)
            .ok_or_else(|| Refusal::not_found("path", path))?;
        let req = Req {
            operation: route.operation,
            path: path.to_owned(),
            params: route.params,
            query: Vec::new(),
            body,
        };
        let reply = registry().serve(self.cx, &req)?;
        Ok(reply.body.unwrap_or_default())
    }

    /// As `ask` for a create; gives the id.
    pub(super) fn make(&mut self, path: &str, body: Value) -> Result<String, Refusal> {
        let made = self.ask("POST", path, body)?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn fields(&mut self, kind: &str, id: &str) -> Option<&mut Fields> {
        self.cx.org.store.fields_mut(kind, id)
    }

    pub(super) fn people(&mut self) -> Result<(), Refusal> {
        for index in 0..self.wanted.divisions {
            let name = numbered(&CITIES, index);
            let id = self.make(
                "/api/v2/authorization/divisions",
                json!({"name": name, "description": ""}),
            )?;
            self.divisions.push((id, name));
        }
        let mut locations = Vec::new();
        for index in 0..self.wanted.locations {
            let name = format!("{} office", numbered(&CITIES, index));
            let path: Vec<String> = self.random.pick(&locations).cloned().into_iter().collect();
            locations.push(self.place("location", json!({"name": name, "path": path})));
        }
        for index in 0..self.wanted.skills {
            let name = numbered(&TOPICS, index);
            let id = self.place("skill", json!({ "name": name }));
            self.skills.push((id, name));
        }
        for index in 0..self.wanted.languages {
            let name = numbered(&TONGUES, index);
            let id = self.place("language", json!({ "name": name }));
            self.languages.push((id, name));
        }
        for index in 0..self.wanted.wrapups {
            let name = numbered(&RESULTS, index);
            let id = self.place("wrapup_code", json!({ "name": name }));
            self.wrapups.push((id, name));
        }
        for index in 0..self.wanted.users {
            self.user(index, &locations);
        }
        for index in 0..self.wanted.groups {
            let name = format!("{} team", numbered(&TOPICS, index));
            let count = 1 + self.random.below(8);
            let members = self.random.some(&self.users, count);
            let owners: Vec<&String> = members.iter().take(1).copied().collect();
            let owners: Vec<Value> = owners.iter().map(|id| json!({ "id": id })).collect();
            let members: Map<String, Value> = members
                .into_iter()
                .map(|id| (id.clone(), json!({})))
                .collect();
            let id = self.place(
                "group",
                json!({"name": name, "description": format!("Everybody in the {name}"), "owners": owners, "$members": members}),
            );
            self.groups.push(id);
        }
        for index in 0..self.wanted.skill_groups {
            self.skill_group(index)?;
        }
        Ok(())
    }

    fn user(&mut self, index: usize, locations: &[String]) {
        let first = FIRST[index % FIRST.len()];
        let last = LAST[(index / FIRST.len() + index) % LAST.len()];
        let email = format!(
            "{}.{}.{index}@example.com",
            first.to_lowercase(),
            last.to_lowercase()
        );
        let count = self.random.below(4);
        let levels = |held: Vec<&Named>, random: usize| -> Map<String, Value> {
            held.into_iter()
                .map(|(id, _)| (id.clone(), json!(1.0 + (random % 5) as f64)))
                .collect()
        };
        let chosen = self.random.some(&self.skills, count);
        let skills = levels(chosen, index);
        let chosen = self.random.some(&self.languages, 1 + count % 2);
        let languages = levels(chosen, index + 1);
        let mut body = json!({
            "name": format!("{first} {last}"),
            "email": email,
            "username": email,
            "state": if index % 17 == 16 { "inactive" } else { "active" },
            "department": TOPICS[index % TOPICS.len()],
            "title": if index.is_multiple_of(10) { "Team lead" } else { "Agent" },
            "$skills": skills,
            "$languages": languages,
        });
        // Everybody reports to a lead who was there before.
        if index > 0 {
            let leads = index.div_ceil(10);
            let lead = self.random.below(leads) * 10;
            body["manager"] = json!({"id": self.users[lead]});
        }
        if let Some(location) = self.random.pick(locations)
            && index.is_multiple_of(3)
        {
            body["locations"] = json!([{"id": location, "locationDefinition": {"id": location}}]);
        }
        let id = self.place("user", body);
        self.users.push(id);
    }

    fn skill_group(&mut self, index: usize) -> Result<(), Refusal> {
        let Some((skill, name)) = self.skills.get(index % self.skills.len().max(1)).cloned() else {
            return Ok(());
        };
        let body = json!({
            "name": format!("Good at {name} {}", index + 1),
            "skillConditions": [{
                "operation": "And",
                "routingSkillConditions": [{
                    "routingSkill": skill,
                    "comparator": "GreaterThan",
                    "proficiency": 2,
                    "childConditions": [],
                }],
                "languageSkillConditions": [],
            }],
        });
        self.make("/api/v2/routing/skillgroups", body).map(drop)
    }
}

/// Gives the word of an index, with a number as soon as the words are used up.
pub(super) fn numbered(words: &[&str], index: usize) -> String {
    let word = words[index % words.len()];
    match index / words.len() {
        0 => word.to_owned(),
        round => format!("{word} {}", round + 1),
    }
}

/// Gives the word of an index for names without blanks.
pub(super) fn topic(index: usize) -> String {
    numbered(&TOPICS, index)
}
