use super::FlowType;

macro_rules! object_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $kind:literal, [$($dependency:literal),*];)+) => {
        /// A kind of object that a flow names by its name alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ObjectKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ObjectKind {
            /// Lists every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The kind's name in the catalogue: `routing_queue`.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)+ }
            }

            fn dependencies(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($dependency),*],)+ }
            }
        }
    };
}

object_kinds! {
    /// Agentic virtual agent.
    VirtualAgent = "agentic_virtual_agent", ["AGENTICVIRTUALAGENT"];
    /// Contact list of an outbound flow.
    ContactList = "outbound_contact_list", ["CONTACTLIST"];
    /// Data table.
    DataTable = "architect_datatable", ["DATATABLE"];
    /// Decision table.
    DecisionTable = "business_rules_decision_table", ["DECISIONTABLE"];
    /// Division that holds the flow.
    Division = "auth_division", ["DIVISION"];
    /// Email route.
    EmailRoute = "routing_email_route", ["EMAILROUTE"];
    /// Emergency group.
    EmergencyGroup = "architect_emergencygroup", ["EMERGENCYGROUP"];
    /// Flow milestone.
    FlowMilestone = "flow_milestone", ["FLOWMILESTONE"];
    /// Flow outcome.
    FlowOutcome = "flow_outcome", ["FLOWOUTCOME"];
    /// Grammar of speech recognition.
    Grammar = "architect_grammar", ["GRAMMAR"];
    /// Group of users.
    Group = "group", ["GROUP"];
    /// Knowledge base.
    KnowledgeBase = "knowledge_knowledgebase", ["KNOWLEDGEBASE"];
    /// Language skill.
    Language = "routing_language", ["ACDLANGUAGE"];
    /// Queue.
    Queue = "routing_queue", ["QUEUE"];
    /// Library of canned responses.
    ResponseLibrary = "responsemanagement_library", [];
    /// Schedule.
    Schedule = "architect_schedules", ["SCHEDULE"];
    /// Schedule group.
    ScheduleGroup = "architect_schedulegroups", ["SCHEDULEGROUP"];
    /// Script.
    Script = "script", ["COMPOSERSCRIPT"];
    /// Skill.
    Skill = "routing_skill", ["ACDSKILL"];
    /// Survey form.
    SurveyForm = "quality_forms_survey", ["SURVEYFORM"];
    /// User, by email address or by name.
    User = "user", ["USER"];
    /// User prompt.
    UserPrompt = "architect_user_prompt", ["USERPROMPT"];
    /// Utilization label.
    UtilizationLabel = "routing_utilization_label", ["UTILIZATIONLABEL"];
    /// Workbin.
    Workbin = "task_management_workbin", [];
    /// Worktype.
    Worktype = "task_management_worktype", ["WORKTYPE"];
    /// Wrap-up code.
    WrapupCode = "routing_wrapupcode", ["ACDWRAPUPCODE"];
}

/// What a flow names: an object of the org, as far as the flow's text tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowTarget {
    /// An object known by its name.
    Object {
        /// The kind of the object.
        kind: ObjectKind,
        /// The name; of a user, the email address where the flow gives one.
        name: String,
    },
    /// A data action, known by category and name.
    DataAction {
        /// The category: by default the name of the integration.
        category: String,
        /// The name of the action.
        name: String,
    },
    /// Another flow.
    Flow {
        /// The type, when the text tells it.
        flow_type: Option<FlowType>,
        /// The name.
        name: String,
    },
}

impl FlowTarget {
    /// An object of a kind that is known by its name.
    pub fn object(kind: ObjectKind, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::Object { kind, name }
    }

    /// A data action.
    pub fn data_action(category: impl Into<String>, name: impl Into<String>) -> Self {
        let (category, name) = (category.into(), name.into());
        Self::DataAction { category, name }
    }

    /// A flow; `flow_type` is `None` for a reference whose type the text does not tell.
    pub fn flow(flow_type: impl Into<Option<FlowType>>, name: impl Into<String>) -> Self {
        let (flow_type, name) = (flow_type.into(), name.into());
        Self::Flow { flow_type, name }
    }

    /// The kind's name in the catalogue: `routing_queue`, `integration_action`, `flow`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Object { kind, .. } => kind.kind(),
            Self::DataAction { .. } => "integration_action",
            Self::Flow { .. } => "flow",
        }
    }

    /// The name, without category or type.
    pub fn name(&self) -> &str {
        match self {
            Self::Object { name, .. } | Self::DataAction { name, .. } | Self::Flow { name, .. } => {
                name
            }
        }
    }

    /// The same target under another name.
    pub fn renamed(&self, to: impl Into<String>) -> Self {
        let mut target = self.clone();
        match &mut target {
            Self::Object { name, .. } | Self::DataAction { name, .. } | Self::Flow { name, .. } => {
                *name = to.into();
            }
        }
        target
    }
}

/// The catalogue's kind for a type name of dependency tracking or of an `.i3*` manifest.
///
/// `ACDSKILL` and `acdSkill` are both `routing_skill`; built-in and unmanaged things (system
/// prompts, voices, languages of speech) have no kind.
pub fn dependency_kind(dependency: &str) -> Option<&'static str> {
    let same = |name: &&str| name.eq_ignore_ascii_case(dependency);
    if ["DATAACTION", "SECUREACTION", "BRIDGEACTION"]
        .iter()
        .any(same)
    {
        return Some("integration_action");
    }
    if FlowType::all().any(|flow_type| flow_type.dependency().as_ref().is_some_and(same)) {
        return Some("flow");
    }
    let kind = ObjectKind::ALL
        .iter()
        .find(|kind| kind.dependencies().iter().any(same));
    kind.map(|kind| kind.kind())
}

#[cfg(test)]
mod tests {
    use super::{FlowTarget, ObjectKind, dependency_kind};

    #[test]
    fn dependency_types_have_kinds_in_any_case() {
        assert_eq!(dependency_kind("acdSkill"), Some("routing_skill"));
        assert_eq!(dependency_kind("ACDWRAPUPCODE"), Some("routing_wrapupcode"));
        assert_eq!(dependency_kind("inboundCallFlow"), Some("flow"));
        assert_eq!(dependency_kind("WORKFLOW"), Some("flow"));
        assert_eq!(dependency_kind("dataAction"), Some("integration_action"));
        assert_eq!(dependency_kind("systemPrompt"), None);
    }

    #[test]
    fn renaming_keeps_what_is_not_the_name() {
        let action = FlowTarget::data_action("CRM", "Look up");
        assert_eq!(
            action.renamed("Find"),
            FlowTarget::data_action("CRM", "Find")
        );
        assert_eq!(action.kind(), "integration_action");
        let queue = FlowTarget::object(ObjectKind::Queue, "Sales");
        assert_eq!((queue.kind(), queue.name()), ("routing_queue", "Sales"));
    }
}
