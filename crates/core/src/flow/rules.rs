//! Which keys and functions of Architect name which objects.
//!
//! Everything specific to Architect's vocabulary is in these tables; `find` only knows the shapes.
//! Keys are unique enough in Architect's YAML to be read without their whole path, because an
//! object literal is always a mapping with a `name` (`lit: {name: …}`), never a bare string.

use super::ObjectKind;

/// How a key's value names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{lit: {name: X}}`, a list of such, or `{noValue: true}`, `{var: …}`, `{exp: …}`.
    Literal,
    /// `{name: X}`, or a literal.
    Named,
    /// `{X: {…}}`: the name is the key.
    Keyed,
}

/// The kinds of flow that a key can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlowSlot {
    /// The type follows from the type of the flow that transfers.
    Transfer,
    /// The in-queue flow of the same medium.
    InQueue,
    Bot,
    DigitalBot,
    CommonModule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Object(ObjectKind, Shape),
    Flow(FlowSlot, Shape),
    /// `category: {<category>: {dataAction: {<name>: {…}}}}`.
    DataAction,
}

/// What a key of a mapping names.
pub(super) fn key_rule(key: &str) -> Option<Rule> {
    use ObjectKind as K;
    use Shape::{Keyed, Literal, Named};
    Some(match key {
        "targetQueue" | "queue" => Rule::Object(K::Queue, Literal),
        "acdSkill" | "acdSkills" | "skill" => Rule::Object(K::Skill, Literal),
        "languageSkill" | "defaultLanguageSkill" => Rule::Object(K::Language, Literal),
        "schedule" | "selectedSchedule" | "inServiceSchedule" | "inServiceSchedules" => {
            Rule::Object(K::Schedule, Literal)
        }
        "scheduleGroup" | "selectedScheduleGroup" => Rule::Object(K::ScheduleGroup, Literal),
        "emergencyGroup" | "selectedEmergencyGroup" => Rule::Object(K::EmergencyGroup, Literal),
        "targetGroup" | "group" => Rule::Object(K::Group, Literal),
        "targetUser" | "user" | "agent" | "directAgent" => Rule::Object(K::User, Literal),
        "wrapupCode" | "wrapUpCode" => Rule::Object(K::WrapupCode, Literal),
        "contactList" => Rule::Object(K::ContactList, Literal),
        "emailRoute" => Rule::Object(K::EmailRoute, Literal),
        "surveyForm" => Rule::Object(K::SurveyForm, Literal),
        "worktype" => Rule::Object(K::Worktype, Literal),
        "workbin" => Rule::Object(K::Workbin, Literal),
        "utilizationLabel" => Rule::Object(K::UtilizationLabel, Literal),
        "grammar" => Rule::Object(K::Grammar, Literal),
        "responseLibrary" => Rule::Object(K::ResponseLibrary, Named),
        "knowledgeBase" => Rule::Object(K::KnowledgeBase, Named),
        "flowOutcome" => Rule::Object(K::FlowOutcome, Named),
        "milestone" | "flowMilestone" => Rule::Object(K::FlowMilestone, Named),
        "dataTable" => Rule::Object(K::DataTable, Keyed),
        "decisionTable" => Rule::Object(K::DecisionTable, Keyed),
        "screenPopScript" => Rule::Object(K::Script, Keyed),
        "settingsKnowledge" => Rule::Object(K::KnowledgeBase, Keyed),
        "agenticVirtualAgent" => Rule::Object(K::VirtualAgent, Keyed),
        "targetFlow" => Rule::Flow(FlowSlot::Transfer, Named),
        "overrideInQueueFlow" => Rule::Flow(FlowSlot::InQueue, Named),
        "botFlow" => Rule::Flow(FlowSlot::Bot, Keyed),
        "digitalBotFlow" => Rule::Flow(FlowSlot::DigitalBot, Keyed),
        "commonModule" => Rule::Flow(FlowSlot::CommonModule, Keyed),
        "category" => Rule::DataAction,
        _ => return None,
    })
}

/// Keys of a keyed value that are not names.
pub(super) fn is_reserved(key: &str) -> bool {
    ["noValue", "none", "lit", "exp", "var", "name"].contains(&key)
}

/// What a lookup function of an expression finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    ByName(ObjectKind),
    ById,
}

/// The lookup of `FindQueue` and its like; expressions do not care for case.
pub(super) fn lookup_function(name: &str) -> Option<Lookup> {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_prefix("find")?;
    if let Some(stem) = stem
        .strip_suffix("byid")
        .or_else(|| stem.strip_suffix("sbyid"))
    {
        return find_stem(stem).map(|_| Lookup::ById);
    }
    find_stem(stem).map(Lookup::ByName)
}

/// The kind that the action `findQueue` and its like look up by `findName`.
pub(super) fn find_action(key: &str) -> Option<ObjectKind> {
    key.strip_prefix("find")
        .and_then(|stem| find_stem(&stem.to_ascii_lowercase()))
}

fn find_stem(stem: &str) -> Option<ObjectKind> {
    Some(match stem {
        "queue" => ObjectKind::Queue,
        "skill" => ObjectKind::Skill,
        "languageskill" => ObjectKind::Language,
        "schedule" => ObjectKind::Schedule,
        "schedulegroup" => ObjectKind::ScheduleGroup,
        "emergencygroup" => ObjectKind::EmergencyGroup,
        "userprompt" => ObjectKind::UserPrompt,
        "group" => ObjectKind::Group,
        "user" => ObjectKind::User,
        _ => return None,
    })
}

/// The kind that a variable or an assignment of a type holds: `queueVariable`, `queue`.
pub(super) fn data_type(key: &str) -> Option<ObjectKind> {
    let stem = key.strip_suffix("Variable").unwrap_or(key);
    let stem = stem.strip_suffix("Collection").unwrap_or(stem);
    Some(match stem {
        "queue" => ObjectKind::Queue,
        "skill" | "acdSkill" => ObjectKind::Skill,
        "languageSkill" => ObjectKind::Language,
        "schedule" => ObjectKind::Schedule,
        "scheduleGroup" => ObjectKind::ScheduleGroup,
        "emergencyGroup" => ObjectKind::EmergencyGroup,
        "group" => ObjectKind::Group,
        "user" => ObjectKind::User,
        "wrapupCode" | "wrapUpCode" => ObjectKind::WrapupCode,
        _ => return None,
    })
}
