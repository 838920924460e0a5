//! Which key of a flow's YAML holds the name of which object.

/// Says what a key's value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// An object of the kind with this path, as a literal.
    Object(&'static str),
    /// An object of the kind with this path, as the key below.
    Key(&'static str),
    /// A flow of this type, as the key below.
    FlowKey(&'static str),
    /// The flow that a call, email or message goes on to.
    Transfer,
    /// The secure flow that a call goes through.
    Secure,
    /// The flow that plays while it waits.
    InQueue,
}

pub(super) const QUEUE: &str = "/api/v2/routing/queues";
pub(super) const PROMPT: &str = "/api/v2/architect/prompts";

/// Names of objects by the word that slots, variables and statements use.
const WORDS: [(&str, &str); 20] = [
    ("queue", QUEUE),
    ("languageskill", "/api/v2/routing/languages"),
    ("acdskill", "/api/v2/routing/skills"),
    ("skill", "/api/v2/routing/skills"),
    ("schedulegroup", "/api/v2/architect/schedulegroups"),
    ("schedule", "/api/v2/architect/schedules"),
    ("emergencygroup", "/api/v2/architect/emergencygroups"),
    ("wrapupcode", "/api/v2/routing/wrapupcodes"),
    ("contactlist", "/api/v2/outbound/contactlists"),
    ("group", "/api/v2/groups"),
    ("user", "/api/v2/users"),
    ("agent", "/api/v2/users"),
    ("preferredagent", "/api/v2/users"),
    ("flowoutcome", "/api/v2/flows/outcomes"),
    ("milestone", "/api/v2/flows/milestones"),
    ("grammar", "/api/v2/architect/grammars"),
    ("responselibrary", "/api/v2/responsemanagement/libraries"),
    ("workbin", "/api/v2/taskmanagement/workbins"),
    ("worktype", "/api/v2/taskmanagement/worktypes"),
    ("userprompt", PROMPT),
];

/// Finds out what a key names, inside the actions of a flow.
pub(super) fn slot(key: &str, under: &str) -> Option<Slot> {
    match key {
        "dataTable" => return Some(Slot::Key("/api/v2/flows/datatables")),
        "screenPopScript" => return Some(Slot::Key("/api/v2/scripts")),
        "botFlow" => return Some(Slot::FlowKey("BOT")),
        "digitalBotFlow" => return Some(Slot::FlowKey("DIGITALBOT")),
        "commonModule" => return Some(Slot::FlowKey("COMMONMODULE")),
        "targetFlow" if under == "transferToFlowSecure" => return Some(Slot::Secure),
        "targetFlow" => return Some(Slot::Transfer),
        "overrideInQueueFlow" => return Some(Slot::InQueue),
        _ => {}
    }
    object(key).map(Slot::Object)
}

/// Finds the kind that a slot, variable or statement holds, by its path.
fn object(key: &str) -> Option<&'static str> {
    let lower = key.to_lowercase();
    let mut word = lower.as_str();
    for before in ["target", "selected", "default", "inservice"] {
        word = word.strip_prefix(before).unwrap_or(word);
    }
    for after in ["variable", "collection", "s"] {
        word = word.strip_suffix(after).unwrap_or(word);
    }
    let found = WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, path)| *path)
}

/// Tells whether a key below a keyed slot is a way to write values instead of a name.
pub(super) fn is_value_form(key: &str) -> bool {
    matches!(key, "noValue" | "none" | "exp" | "var" | "lit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_without_what_surrounds_the_word() {
        for (key, path) in [
            ("targetQueue", QUEUE),
            ("queueVariable", QUEUE),
            ("queueCollectionVariable", QUEUE),
            ("acdSkills", "/api/v2/routing/skills"),
            ("defaultLanguageSkill", "/api/v2/routing/languages"),
            ("selectedSchedule", "/api/v2/architect/schedules"),
            ("inServiceSchedules", "/api/v2/architect/schedules"),
            ("wrapUpCode", "/api/v2/routing/wrapupcodes"),
        ] {
            assert_eq!(slot(key, ""), Some(Slot::Object(path)), "{key}");
        }
        assert_eq!(slot("settingsMenu", ""), None);
    }
}
