use std::fmt;

/// A type of Architect flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowType {
    /// Bot flow.
    Bot,
    /// Common module, called by other flows.
    CommonModule,
    /// Digital bot flow.
    DigitalBot,
    /// Outbound email flow.
    EmailSend,
    /// Inbound call flow.
    InboundCall,
    /// Inbound chat flow.
    InboundChat,
    /// Inbound email flow.
    InboundEmail,
    /// Inbound message flow.
    InboundShortMessage,
    /// In-queue call flow.
    InqueueCall,
    /// In-queue email flow.
    InqueueEmail,
    /// In-queue message flow.
    InqueueShortMessage,
    /// Outbound call flow.
    OutboundCall,
    /// Secure call flow.
    SecureCall,
    /// Speech flow.
    Speech,
    /// Survey invitation flow.
    SurveyInvite,
    /// Voice flow.
    Voice,
    /// Voicemail flow.
    Voicemail,
    /// Voice survey flow.
    VoiceSurvey,
    /// Workflow, started by triggers and by the API.
    Workflow,
    /// Work item flow.
    WorkItem,
}

/// Type, API spelling, YAML root key, bundle folder, dependency tracking type.
type Row = (
    FlowType,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

#[rustfmt::skip]
const TABLE: [Row; 20] = [
    (FlowType::Bot, "BOT", "botFlow", "bot", Some("BOTFLOW")),
    (FlowType::CommonModule, "COMMONMODULE", "commonModule", "commonmodule", Some("COMMONMODULEFLOW")),
    (FlowType::DigitalBot, "DIGITALBOT", "digitalBot", "digitalbot", Some("DIGITALBOTFLOW")),
    (FlowType::EmailSend, "EMAILSEND", "emailSend", "emailsend", Some("EMAILSENDFLOW")),
    (FlowType::InboundCall, "INBOUNDCALL", "inboundCall", "inboundcall", Some("INBOUNDCALLFLOW")),
    (FlowType::InboundChat, "INBOUNDCHAT", "inboundChat", "inboundchat", Some("INBOUNDCHATFLOW")),
    (FlowType::InboundEmail, "INBOUNDEMAIL", "inboundEmail", "inboundemail", Some("INBOUNDEMAILFLOW")),
    (FlowType::InboundShortMessage, "INBOUNDSHORTMESSAGE", "inboundShortMessage", "inboundshortmessage", Some("INBOUNDSHORTMESSAGEFLOW")),
    (FlowType::InqueueCall, "INQUEUECALL", "inqueueCall", "inqueuecall", Some("INQUEUECALLFLOW")),
    (FlowType::InqueueEmail, "INQUEUEEMAIL", "inqueueEmail", "inqueueemail", Some("INQUEUEEMAILFLOW")),
    (FlowType::InqueueShortMessage, "INQUEUESHORTMESSAGE", "inqueueShortMessage", "inqueueshortmessage", Some("INQUEUESHORTMESSAGEFLOW")),
    (FlowType::OutboundCall, "OUTBOUNDCALL", "outboundCall", "outboundcall", Some("OUTBOUNDCALLFLOW")),
    (FlowType::SecureCall, "SECURECALL", "secureCall", "securecall", Some("SECURECALLFLOW")),
    // The contract's dependency tracking has no type for speech flows.
    (FlowType::Speech, "SPEECH", "speech", "speech", None),
    (FlowType::SurveyInvite, "SURVEYINVITE", "surveyInvite", "surveyinvite", Some("SURVEYINVITEFLOW")),
    (FlowType::Voice, "VOICE", "voice", "voice", Some("VOICEFLOW")),
    (FlowType::Voicemail, "VOICEMAIL", "voicemail", "voicemail", Some("VOICEMAILFLOW")),
    (FlowType::VoiceSurvey, "VOICESURVEY", "voiceSurvey", "voicesurvey", Some("VOICESURVEYFLOW")),
    (FlowType::Workflow, "WORKFLOW", "workflow", "workflow", Some("WORKFLOW")),
    (FlowType::WorkItem, "WORKITEM", "workitem", "workitem", Some("WORKITEMFLOW")),
];

impl FlowType {
    /// Lists every type, in the order of the API's spelling.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        // The table is in the order of the variants; a test holds it there.
        &TABLE[self as usize]
    }

    /// The spelling of the API: `INBOUNDCALL`.
    pub fn api(self) -> &'static str {
        self.row().1
    }

    /// The root key of the flow's YAML: `inboundCall`.
    pub fn root_key(self) -> &'static str {
        self.row().2
    }

    /// The folder of a bundle: `inboundcall`.
    pub fn folder(self) -> &'static str {
        self.row().3
    }

    /// The type in dependency tracking: `INBOUNDCALLFLOW`; none for speech flows.
    pub fn dependency(self) -> Option<&'static str> {
        self.row().4
    }

    /// Reads any of the spellings, in any case: API, root key, folder or dependency type.
    pub fn parse(text: &str) -> Option<Self> {
        let same = |spelling: &str| spelling.eq_ignore_ascii_case(text);
        TABLE
            .iter()
            .find(|row| same(row.1) || same(row.2) || row.4.is_some_and(same))
            .map(|row| row.0)
    }

    /// The type of flow that a flow of this type transfers to, where only one is possible.
    pub(super) fn transfers_to(self) -> Option<Self> {
        match self {
            Self::InboundCall
            | Self::InqueueCall
            | Self::OutboundCall
            | Self::SecureCall
            | Self::Voice
            | Self::Voicemail => Some(Self::InboundCall),
            Self::InboundChat => Some(Self::InboundChat),
            Self::InboundEmail | Self::InqueueEmail => Some(Self::InboundEmail),
            Self::InboundShortMessage | Self::InqueueShortMessage => {
                Some(Self::InboundShortMessage)
            }
            Self::WorkItem => Some(Self::WorkItem),
            Self::Bot
            | Self::CommonModule
            | Self::DigitalBot
            | Self::EmailSend
            | Self::Speech
            | Self::SurveyInvite
            | Self::VoiceSurvey
            | Self::Workflow => None,
        }
    }

    /// The type of the in-queue flow of a queue that a flow of this type transfers to.
    pub(super) fn queues_in(self) -> Option<Self> {
        match self.transfers_to()? {
            Self::InboundCall => Some(Self::InqueueCall),
            Self::InboundEmail => Some(Self::InqueueEmail),
            Self::InboundShortMessage => Some(Self::InqueueShortMessage),
            _ => None,
        }
    }
}

impl fmt::Display for FlowType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.folder())
    }
}

#[cfg(test)]
mod tests {
    use super::{FlowType, TABLE};

    #[test]
    fn every_spelling_reads_back() {
        for (at, flow_type) in FlowType::all().enumerate() {
            assert_eq!(flow_type as usize, at);
            assert_eq!(TABLE[at].0, flow_type);
            let dependency = flow_type.dependency();
            for spelling in [flow_type.api(), flow_type.root_key(), flow_type.folder()]
                .into_iter()
                .chain(dependency)
            {
                assert_eq!(FlowType::parse(spelling), Some(flow_type), "{spelling}");
            }
            assert_eq!(flow_type.api().to_lowercase(), flow_type.folder());
        }
        assert_eq!(FlowType::parse("queue"), None);
    }
}
