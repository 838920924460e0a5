//! The least number of API calls that a job can take, counted from what a simulated org holds.
//!
//! The arithmetic is that of the API: page sizes, what can only be read or written one by one, and
//! how many items one call takes. It reads the simulator's own record of its orgs and knows neither
//! the catalogue nor a plan, so that a call too many there does not hide itself here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use orgsmith_sim::{Collection, Jobs, collections, documents};
use serde_json::{Map, Value};

/// One term of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it is for, such as `queue members`.
    pub what: &'static str,
    /// The operations of the API that serve it.
    pub operations: Vec<&'static str>,
    /// The calls that it takes at least.
    pub calls: u64,
}

/// Lists that tell all there is to know in pages: kind, rows of the largest page, operation.
const LISTS: [(&str, u64, &[&str]); 22] = [
    ("action", 100, &["getIntegrationsActions"]),
    ("campaign", 100, &["getOutboundCampaigns"]),
    ("contact_list", 100, &["getOutboundContactlists"]),
    ("credential", 200, &["getIntegrationsCredentialsListing"]),
    ("datatable", 100, &["getFlowsDatatables"]),
    ("did_pool", 100, &["getTelephonyProvidersEdgesDidpools"]),
    ("division", 100, &["getAuthorizationDivisions"]),
    ("flow", 500, &["getFlows"]),
    ("group", 500, &["getGroups"]),
    ("integration", 100, &["getIntegrations"]),
    ("ivr", 100, &["getArchitectIvrs"]),
    ("language", 100, &["getRoutingLanguages"]),
    ("location", 100, &["getLocations"]),
    ("queue", 500, &["getRoutingQueues"]),
    (
        "response_set",
        100,
        &["getOutboundCallanalysisresponsesets"],
    ),
    ("role", 100, &["getAuthorizationRoles"]),
    ("schedule", 100, &["getArchitectSchedules"]),
    ("schedule_group", 100, &["getArchitectSchedulegroups"]),
    ("skill", 500, &["getRoutingSkills"]),
    ("skill_group", 100, &["getRoutingSkillgroups"]),
    ("user_prompt", 100, &["getArchitectPrompts"]),
    ("wrapup_code", 100, &["getRoutingWrapupcodes"]),
];

/// Lists that the simulator serves in ways of their own: kind, rows of the largest page, operation.
const SPECIAL: [(&str, u64, &[&str]); 10] = [
    ("grammar", 100, &["getArchitectGrammars"]),
    ("greeting", 100, &["getGreetings"]),
    ("journey_view", 100, &["getJourneyViewsSchedules"]),
    (
        "presence_definition",
        u64::MAX,
        &["getPresenceDefinitions0"],
    ),
    (
        "evaluation_form",
        100,
        &["getQualityPublishedformsEvaluations"],
    ),
    ("survey_form", 100, &["getQualityPublishedformsSurveys"]),
    (
        "response_asset",
        100,
        &["postResponsemanagementResponseassetsSearch"],
    ),
    (
        "web_configuration",
        100,
        &["getWebdeploymentsConfigurations"],
    ),
    ("workbin", 100, &["postTaskmanagementWorkbinsQuery"]),
    ("worktype", 100, &["postTaskmanagementWorktypesQuery"]),
];

/// Settings that the simulator serves in ways of their own.
const SPECIAL_SETTINGS: [&str; 4] = [
    "getFlowsInstancesSettingsLoglevels",
    "getConversationsMessagingSettingsDefault",
    "getConversationsMessagingSupportedcontentDefault",
    "getTelephonyProvidersEdgesLinebasesettings",
];

/// Kinds of which one call creates one object, and one changes it.
const PLAIN: [(&str, &[&str], &[&str]); 16] = [
    (
        "campaign",
        &["postOutboundCampaigns"],
        &["putOutboundCampaign"],
    ),
    (
        "contact_list",
        &["postOutboundContactlists"],
        &["putOutboundContactlist"],
    ),
    (
        "credential",
        &["postIntegrationsCredentials"],
        &["putIntegrationsCredential"],
    ),
    (
        "datatable",
        &["postFlowsDatatables"],
        &["putFlowsDatatable"],
    ),
    (
        "division",
        &["postAuthorizationDivisions"],
        &["putAuthorizationDivision"],
    ),
    ("group", &["postGroups"], &["putGroup"]),
    ("ivr", &["postArchitectIvrs"], &["putArchitectIvr"]),
    ("language", &["postRoutingLanguages"], &[]),
    ("location", &["postLocations"], &["patchLocation"]),
    ("queue", &["postRoutingQueues"], &["putRoutingQueue"]),
    (
        "response_set",
        &["postOutboundCallanalysisresponsesets"],
        &["putOutboundCallanalysisresponseset"],
    ),
    (
        "role",
        &["postAuthorizationRoles"],
        &["putAuthorizationRole"],
    ),
    (
        "schedule",
        &["postArchitectSchedules"],
        &["putArchitectSchedule"],
    ),
    (
        "schedule_group",
        &["postArchitectSchedulegroups"],
        &["putArchitectSchedulegroup"],
    ),
    ("skill", &["postRoutingSkills"], &["patchRoutingSkill"]),
    (
        "wrapup_code",
        &["postRoutingWrapupcodes"],
        &["putRoutingWrapupcode"],
    ),
];

/// Adds the calls up.
pub fn total(terms: &[Term]) -> u64 {
    terms.iter().map(|term| term.calls).sum()
}

/// Kinds of people and of single pieces of work, which are read on request alone.
const ON_REQUEST: [&str; 3] = ["external_contact", "external_organization", "workitem"];

/// Tells whether a list is read that is not counted by itself.
fn is_read(collection: &Collection) -> bool {
    let counted = |(kind, _, operations): &(&str, u64, &[&str])| {
        *kind == collection.kind || operations.contains(&collection.list)
    };
    !LISTS.iter().any(counted)
        && collection.kind != "user"
        && !ON_REQUEST.contains(&collection.kind)
}

fn lives_in(object: &Value, id: &str) -> bool {
    text(object, "$at").rsplit('/').next() == Some(id)
}

/// Names the operations that may serve a list: some tell more when they are asked in another way.
fn listed_by(list: &'static str) -> Vec<&'static str> {
    match list {
        "getBusinessrulesDecisiontables" => vec![list, "getBusinessrulesDecisiontablesSearch"],
        "getScripts" => vec![list, "getScriptsPublished"],
        _ => vec![list],
    }
}

/// Returns the calls that reading an org takes at least, by what it holds.
pub fn export(held: &Value, jobs: Jobs) -> Vec<Term> {
    reading(held, None, jobs)
}

/// Returns the calls that reading an org takes at least where only kinds matter of which another
/// org, the source of a clone, holds something.
pub fn target(held: &Value, source: &Value, jobs: Jobs) -> Vec<Term> {
    reading(held, Some(source), jobs)
}

fn reading(held: &Value, source: Option<&Value>, jobs: Jobs) -> Vec<Term> {
    let matters = |kind: &str| source.is_none_or(|source| live(source, kind).next().is_some());
    let mut sum = Sum::default();
    for (kind, rows, operations) in LISTS.iter().chain(&SPECIAL) {
        if matters(kind) {
            sum.add("lists", operations, pages(live(held, kind).count(), *rows));
        }
    }
    for state in ["active", "inactive"] {
        let users = live(held, "user").filter(|user| text(user, "state") == state);
        sum.add("lists", &["getUsers"], pages(users.count(), 500));
    }
    sum.add("lists", &["getRoutingUtilization"], 1);
    for collection in collections().filter(|one| is_read(one) && matters(one.kind)) {
        let rows = u64::from(collection.rows.unwrap_or(u32::MAX));
        let operations = listed_by(collection.list);
        let calls = match collection.parent {
            None => pages(live(held, collection.kind).count(), rows),
            // A list for each of what they live in, however few are in it.
            Some(parent) => live(held, parent)
                .map(|parent| {
                    let inside = live(held, collection.kind);
                    let inside = inside.filter(|object| lives_in(object, text(parent, "id")));
                    pages(inside.count(), rows)
                })
                .sum(),
        };
        sum.add("lists of other kinds", &operations, calls);
    }
    // Whether the source has written a document that is not there at first, its record does not say.
    for document in documents().filter(|document| source.is_none() || document.at_first) {
        sum.add("settings", &[document.read], 1);
    }
    if source.is_none() {
        for read in SPECIAL_SETTINGS {
            sum.add("settings", &[read], 1);
        }
    }
    if matters("greeting") {
        let groups = live(held, "group").count() as u64;
        sum.add("greetings of groups", &["getGroupGreetings"], groups);
    }
    let holders = ["user", "group", "oauth_client"];
    let holders = holders.iter().any(|kind| live(held, kind).next().is_some());
    if holders {
        let divisions = live(held, "division").count() as u64;
        let grants: &[&str] = &["getAuthorizationDivisionGrants"];
        sum.add("grants", grants, divisions + 1);
    }
    if live(held, "credential").next().is_some() {
        sum.add(
            "fields of credentials",
            &["getIntegrationsCredentialsTypes"],
            1,
        );
    }
    for queue in live(held, "queue") {
        let members = items(queue, "$members").len().div_ceil(100);
        sum.add("queue members", &["getRoutingQueueMembers"], members as u64);
        let codes = pages(items(queue, "$wrapups").len(), 100);
        sum.add(
            "wrap-up codes of queues",
            &["getRoutingQueueWrapupcodes"],
            codes,
        );
    }
    for table in live(held, "datatable") {
        // By a job: register, poll, result. A small table is read faster by pages.
        let rows = pages(items(table, "$rows").len(), 100).min(1 + polls(jobs));
        let operations: &[&str] = &[
            "getFlowsDatatableRows",
            "postFlowsDatatableExportJobs",
            "getFlowsDatatableExportJob",
        ];
        sum.add("table rows", operations, rows);
    }
    let flows = live(held, "flow")
        .count()
        .div_ceil(jobs.flows_per_export.max(1)) as u64;
    sum.add("export jobs of flows", &["postFlowsExportJobs"], flows);
    sum.add("their polls", &["getFlowsExportJob"], flows * polls(jobs));
    let singly = |kind| live(held, kind).count() as u64;
    sum.add(
        "settings of integrations",
        &["getIntegrationConfigCurrent"],
        singly("integration"),
    );
    let own = live(held, "action").filter(|action| !text(action, "id").starts_with("static"));
    sum.add(
        "contracts of data actions",
        &["getIntegrationsAction"],
        own.count() as u64,
    );
    // A row of the list has no conditions, and the object not the divisions of its members.
    let groups = singly("skill_group");
    sum.add(
        "conditions of skill groups",
        &["getRoutingSkillgroup"],
        groups,
    );
    let operations: &[&str] = &["getRoutingSkillgroupMembersDivisions"];
    sum.add("divisions of skill groups", operations, groups);
    sum.0
}

/// Returns the calls that turn an org from one state into another at least, by what was written.
pub fn writes(before: &Value, after: &Value, jobs: Jobs) -> Vec<Term> {
    let nothing = Value::Null;
    let pairs = |kind| {
        let old: HashMap<&str, &Value> = live(before, kind).map(|o| (text(o, "id"), o)).collect();
        let now: Vec<_> = live(after, kind).collect();
        now.into_iter()
            .map(move |object| (old.get(text(object, "id")).copied(), object))
    };
    let mut sum = Sum::default();
    for (kind, create, update) in PLAIN {
        for (old, new) in pairs(kind) {
            match old {
                None => sum.add("created", create, 1),
                Some(old) => sum.add("changed", update, u64::from(body(old) != body(new))),
            }
        }
    }
    for (old, user) in pairs("user") {
        let was = old.unwrap_or(&nothing);
        // What a create does not take.
        let late = [
            "manager",
            "locations",
            "preferredName",
            "certifications",
            "employerInfo",
        ];
        let late =
            late.iter().any(|field| !is_empty(&user[field])) || user["acdAutoAnswer"] == true;
        match old {
            None => {
                sum.add("created", &["postUsers"], 1);
                sum.add("profiles of new users", &["patchUser"], u64::from(late));
            }
            Some(old) => sum.add(
                "changed",
                &["patchUser"],
                u64::from(body(old) != body(user)),
            ),
        }
        let operations: &[&str] = &["putUserRoutingskillsBulk", "patchUserRoutingskillsBulk"];
        sum.add(
            "skills of users",
            operations,
            changed(was, user, "$skills", 50),
        );
        let operations: &[&str] = &["patchUserRoutinglanguagesBulk"];
        sum.add(
            "languages of users",
            operations,
            changed(was, user, "$languages", 50),
        );
    }
    for (old, group) in pairs("group") {
        // A description sticks only on an update.
        let described = old.is_none() && !text(group, "description").is_empty();
        sum.add(
            "descriptions of new groups",
            &["putGroup"],
            u64::from(described),
        );
        // Every further chunk needs the version that the one before has left.
        let chunks = changed(old.unwrap_or(&nothing), group, "$members", 50);
        let operations: &[&str] = &["postGroupMembers", "deleteGroupMembers", "getGroup"];
        sum.add("group members", operations, (2 * chunks).saturating_sub(1));
    }
    for (old, queue) in pairs("queue") {
        let was = old.unwrap_or(&nothing);
        let members = changed(was, queue, "$members", 100);
        sum.add("queue members", &["postRoutingQueueMembers"], members);
        let ring = |queue: &Value, user: &str| match &queue["$members"][user]["ring"] {
            Value::Null => 1,
            ring => ring.as_u64().unwrap_or(1),
        };
        let rings = items(queue, "$members");
        let rings = rings
            .iter()
            .filter(|user| ring(queue, user) != ring(was, user));
        sum.add(
            "rings of queue members",
            &["patchRoutingQueueMember"],
            rings.count() as u64,
        );
        let codes = changed(was, queue, "$wrapups", 100);
        sum.add(
            "wrap-up codes of queues",
            &["postRoutingQueueWrapupcodes"],
            codes,
        );
    }
    for (old, group) in pairs("skill_group") {
        match old {
            None => sum.add("created", &["postRoutingSkillgroups"], 1),
            Some(old) => {
                let changes = u64::from(body(old) != body(group));
                sum.add("changed", &["patchRoutingSkillgroup"], changes);
            }
        }
        let divisions = changed(old.unwrap_or(&nothing), group, "$memberDivisions", 50);
        let operations: &[&str] = &["postRoutingSkillgroupMembersDivisions"];
        sum.add("divisions of skill groups", operations, divisions);
    }
    for (old, table) in pairs("datatable") {
        let rows = changed(old.unwrap_or(&nothing), table, "$rows", 1);
        let by_job = 1 + polls(jobs);
        let operations: &[&str] = &[
            "postFlowsDatatableRows",
            "putFlowsDatatableRow",
            "deleteFlowsDatatableRow",
            "postFlowsDatatableImportCsvJobs",
            "getFlowsDatatableImportJob",
        ];
        sum.add("table rows", operations, rows.min(by_job));
    }
    for (old, prompt) in pairs("user_prompt") {
        let was = old.unwrap_or(&nothing);
        match old {
            None => sum.add("created", &["postArchitectPrompts"], 1),
            Some(_) => {
                let changes = u64::from(prompt["description"] != was["description"]);
                sum.add("changed", &["putArchitectPrompt"], changes);
            }
        }
        for (language, resource) in prompt["$resources"].as_object().into_iter().flatten() {
            let old = &was["$resources"][language];
            let operations: &[&str] =
                &["postArchitectPromptResources", "putArchitectPromptResource"];
            sum.add(
                "languages of prompts",
                operations,
                u64::from(old != resource),
            );
            let sound = text(resource, "uploadStatus") == "transcoded" && old != resource;
            let operations: &[&str] = &["postArchitectPromptResourceUploads"];
            sum.add("addresses for sound", operations, u64::from(sound));
        }
    }
    for (old, integration) in pairs("integration") {
        let was = old.unwrap_or(&nothing);
        sum.add("created", &["postIntegrations"], u64::from(old.is_none()));
        let settings = body(&integration["$config"]) != body(&was["$config"]);
        sum.add(
            "settings of integrations",
            &["putIntegrationConfigCurrent"],
            u64::from(settings),
        );
        let on = match old {
            None => integration["intendedState"] == "ENABLED",
            Some(old) => integration["intendedState"] != old["intendedState"],
        };
        sum.add(
            "integrations switched on",
            &["patchIntegration"],
            u64::from(on),
        );
    }
    for (old, action) in pairs("action") {
        match old {
            None => sum.add("created", &["postIntegrationsActions"], 1),
            // A draft is made, changed and published.
            Some(old) if body(old) != body(action) => {
                let draft: &[&str] = &[
                    "postIntegrationsActionDraft",
                    "patchIntegrationsActionDraft",
                    "postIntegrationsActionDraftPublish",
                ];
                let contract = old["contract"] != action["contract"];
                sum.add("changed", draft, if contract { 3 } else { 1 });
            }
            Some(_) => {}
        }
    }
    for (old, flow) in pairs("flow") {
        let published = old.is_none_or(|old| items(old, "$versions") != items(flow, "$versions"));
        if published {
            sum.add("import jobs of flows", &["postFlowsJobs"], 1);
            sum.add("their polls", &["getFlowsJob"], polls(jobs));
        }
    }
    for (old, route) in pairs("ivr") {
        // Numbers go live last.
        let numbers = route["dnis"].as_array().map_or(0, Vec::len).div_ceil(50) as u64;
        let numbers = if old.is_none() { numbers } else { 0 };
        sum.add("numbers of call routes", &["putArchitectIvr"], numbers);
    }
    let new = |kind| {
        pairs(kind)
            .filter(|(old, _)| old.is_none())
            .map(|(_, new)| new)
    };
    let knots = knots(&new("queue").chain(new("flow")).collect::<Vec<_>>());
    sum.add(
        "cycles of queues and flows",
        &["putRoutingQueue", "postFlows"],
        knots,
    );
    sum.0
}

#[derive(Default)]
struct Sum(Vec<Term>);

impl Sum {
    fn add(&mut self, what: &'static str, operations: &[&'static str], calls: u64) {
        let same = |term: &&mut Term| term.what == what && term.operations == operations;
        match self.0.iter_mut().find(same) {
            Some(term) => term.calls += calls,
            None => self.0.push(Term {
                what,
                operations: operations.to_vec(),
                calls,
            }),
        }
    }
}

/// Requests that a job takes until one says "done".
fn polls(jobs: Jobs) -> u64 {
    u64::from(jobs.polls) + 1
}

/// An empty list is seen to be empty by one call.
fn pages(rows: usize, size: u64) -> u64 {
    (rows as u64).div_ceil(size).max(1)
}

fn live<'h>(held: &'h Value, kind: &str) -> impl Iterator<Item = &'h Value> + use<'h> {
    let objects = held[kind].as_array().into_iter().flatten();
    objects.filter(|object| text(object, "state") != "deleted")
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Names the items of a part: the keys of a map, the texts of a list.
fn items<'v>(object: &'v Value, part: &str) -> BTreeSet<&'v str> {
    match &object[part] {
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        Value::Array(list) => list
            .iter()
            .map(|item| item.as_str().unwrap_or_else(|| text(item, "id")))
            .collect(),
        _ => BTreeSet::new(),
    }
}

/// Counts the calls that bring a part to what it is, with so many items in each.
fn changed(old: &Value, new: &Value, part: &str, cap: usize) -> u64 {
    let (was, is) = (items(old, part), items(new, part));
    let value = |object: &Value, item: &str| match object[part].get(item) {
        // Whether a member has joined is a state, not a setting.
        Some(Value::Object(fields)) => {
            let mut fields = fields.clone();
            fields.remove("joined");
            fields.remove("ring");
            Value::Object(fields)
        }
        Some(value) => value.clone(),
        None => Value::Null,
    };
    let put = is
        .iter()
        .filter(|item| !was.contains(*item) || value(old, item) != value(new, item));
    let gone = was.difference(&is);
    (put.count().div_ceil(cap) + gone.count().div_ceil(cap)) as u64
}

/// Returns what a person has set in an object: without what the server counts, dates and names.
fn body(object: &Value) -> Value {
    const SERVER: [&str; 12] = [
        "selfUri",
        "version",
        "dateCreated",
        "dateModified",
        "createdBy",
        "modifiedBy",
        "memberCount",
        "userMemberCount",
        "joinedMemberCount",
        "userCount",
        "status",
        "resources",
    ];
    match object {
        Value::Object(fields) => {
            // A reference says the name of what it names.
            let reference = fields.len() == 3 && fields.contains_key("selfUri");
            let set = |name: &str| {
                let server = name.starts_with('$') || SERVER.contains(&name);
                !(server || reference && name == "name")
            };
            let kept = fields.iter().filter(|(name, _)| set(name));
            let kept: Map<_, _> = kept
                .map(|(name, value)| (name.clone(), body(value)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(list) => list.iter().map(body).collect(),
        value => value.clone(),
    }
}

/// Counts cycles that have no object in common: in each, one must be written once more.
///
/// The shortest are taken first. There may be more than it finds, so it is no more than the least.
fn knots(objects: &[&Value]) -> u64 {
    let index: HashMap<&str, usize> = objects
        .iter()
        .enumerate()
        .map(|(i, object)| (text(object, "id"), i))
        .collect();
    let mut arrows: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (from, object) in objects.iter().enumerate() {
        let mut to = BTreeSet::new();
        named(object, &index, &mut to, true);
        arrows.insert(from, to);
    }
    let mut found = 0;
    let mut length = 1;
    loop {
        trim(&mut arrows);
        if arrows.is_empty() {
            return found;
        }
        let mut at = 0;
        while let Some((&start, _)) = arrows.range(at..).next() {
            at = start + 1;
            if let Some(cycle) = cycle(&arrows, start, length) {
                found += 1;
                arrows.retain(|from, _| !cycle.contains(from));
                for to in arrows.values_mut() {
                    to.retain(|to| !cycle.contains(to));
                }
            }
        }
        length += 1;
    }
}

/// Collects which of the objects a value names by their ids.
fn named(value: &Value, index: &HashMap<&str, usize>, to: &mut BTreeSet<usize>, top: bool) {
    match value {
        Value::String(text) => to.extend(index.get(text.as_str())),
        Value::Array(list) => list.iter().for_each(|value| named(value, index, to, false)),
        Value::Object(fields) => {
            for (name, value) in fields {
                // Its own id, and sources of the past.
                if !(top && (name == "id" || name == "$versions")) {
                    named(value, index, to, false);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes away what lies in no cycle.
fn trim(arrows: &mut BTreeMap<usize, BTreeSet<usize>>) {
    loop {
        let aims: BTreeSet<usize> = arrows.values().flatten().copied().collect();
        let before = arrows.len();
        let known: BTreeSet<usize> = arrows.keys().copied().collect();
        for to in arrows.values_mut() {
            to.retain(|to| known.contains(to));
        }
        arrows.retain(|from, to| !to.is_empty() && aims.contains(from));
        if arrows.len() == before {
            return;
        }
    }
}

/// Finds a cycle of at most so many objects through one of them.
fn cycle(
    arrows: &BTreeMap<usize, BTreeSet<usize>>,
    start: usize,
    length: usize,
) -> Option<BTreeSet<usize>> {
    let mut came_from = HashMap::from([(start, start)]);
    let mut queue = VecDeque::from([(start, 1)]);
    while let Some((at, depth)) = queue.pop_front() {
        for &to in arrows.get(&at)? {
            if to == start {
                let mut cycle = BTreeSet::from([start]);
                let mut back = at;
                while cycle.insert(back) {
                    back = came_from[&back];
                }
                return Some(cycle);
            }
            if depth < length && arrows.contains_key(&to) && !came_from.contains_key(&to) {
                came_from.insert(to, at);
                queue.push_back((to, depth + 1));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(terms: &[Term], what: &str) -> u64 {
        let terms = terms.iter().filter(|term| term.what == what);
        terms.map(|term| term.calls).sum()
    }

    #[test]
    fn members_and_rows_are_read_by_the_page() {
        let members: Map<_, _> = (0..101)
            .map(|i| (format!("u{i}"), json!({"ring": 1})))
            .collect();
        let rows: Map<_, _> = (0..900).map(|i| (format!("r{i}"), json!({}))).collect();
        let held = json!({
            "queue": [{"id": "q1", "$members": members, "$wrapups": []}, {"id": "q2"}],
            "datatable": [{"id": "t1", "$rows": rows}, {"id": "t2", "$rows": {}}],
        });
        let terms = export(&held, Jobs::default());
        assert_eq!(of(&terms, "queue members"), 2);
        assert_eq!(of(&terms, "wrap-up codes of queues"), 2);
        assert_eq!(of(&terms, "table rows"), 3 + 1);
    }

    #[test]
    fn what_was_there_and_stays_costs_nothing() {
        let queue = json!({"id": "q", "name": "Billing", "version": 1, "$members": {"u": {}}});
        let mut later = queue.clone();
        later["version"] = json!(2);
        let (before, after) = (json!({"queue": [queue]}), json!({"queue": [later]}));
        assert_eq!(total(&writes(&before, &after, Jobs::default())), 0);
        let mut renamed = after.clone();
        renamed["queue"][0]["name"] = json!("Sales");
        assert_eq!(total(&writes(&before, &renamed, Jobs::default())), 1);
    }

    #[test]
    fn a_cycle_costs_one_write_and_two_that_share_an_object_cost_one() {
        let queue = |id: &str, flow: &str| json!({"id": id, "queueFlow": {"id": flow}});
        let flow = |id: &str, queue: &str| json!({"id": id, "$versions": [queue], "$holds": [{"id": queue, "kind": "queue"}]});
        let apart = [
            queue("q1", "f1"),
            flow("f1", "q1"),
            queue("q2", "f2"),
            flow("f2", "q2"),
        ];
        assert_eq!(knots(&apart.iter().collect::<Vec<_>>()), 2);
        let shared = [queue("q1", "f1"), queue("q2", "f1"), flow("f1", "q1")];
        assert_eq!(knots(&shared.iter().collect::<Vec<_>>()), 1);
        let line = [queue("q1", "f1"), flow("f1", "q2"), queue("q2", "f2")];
        assert_eq!(knots(&line.iter().collect::<Vec<_>>()), 0);
    }
}
