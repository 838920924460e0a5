//! The types of flows.

/// Describes one type of flow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FlowType {
    /// What the API calls it.
    pub(crate) api: &'static str,
    /// The first key of its YAML.
    pub(crate) root: &'static str,
    /// The end of the name of its export.
    pub(crate) extension: &'static str,
    /// What dependency tracking calls it, if it tracks it.
    pub(crate) dependency: Option<&'static str>,
    /// The types of the flow that a transfer and an in-queue override of it name.
    pub(crate) transfers_to: Option<&'static str>,
    pub(crate) waits_in: Option<&'static str>,
}

const fn flow(
    api: &'static str,
    root: &'static str,
    extension: &'static str,
    dependency: &'static str,
) -> FlowType {
    FlowType {
        api,
        root,
        extension,
        dependency: Some(dependency),
        transfers_to: None,
        waits_in: None,
    }
}

const fn medium(
    flow: FlowType,
    transfers_to: &'static str,
    waits_in: Option<&'static str>,
) -> FlowType {
    FlowType {
        transfers_to: Some(transfers_to),
        waits_in,
        ..flow
    }
}

const CALL: (&str, Option<&str>) = ("INBOUNDCALL", Some("INQUEUECALL"));
const EMAIL: (&str, Option<&str>) = ("INBOUNDEMAIL", Some("INQUEUEEMAIL"));
const MESSAGE: (&str, Option<&str>) = ("INBOUNDSHORTMESSAGE", Some("INQUEUESHORTMESSAGE"));

#[rustfmt::skip]
const TYPES: [FlowType; 20] = [
    flow("BOT", "botFlow", "i3BotFlow", "BOTFLOW"),
    flow("COMMONMODULE", "commonModule", "i3CommonModuleFlow", "COMMONMODULEFLOW"),
    flow("DIGITALBOT", "digitalBot", "i3DigitalBotFlow", "DIGITALBOTFLOW"),
    flow("EMAILSEND", "emailSend", "i3EmailSendFlow", "EMAILSENDFLOW"),
    medium(flow("INBOUNDCALL", "inboundCall", "i3InboundFlow", "INBOUNDCALLFLOW"), CALL.0, CALL.1),
    medium(flow("INBOUNDCHAT", "inboundChat", "i3InboundChatFlow", "INBOUNDCHATFLOW"), "INBOUNDCHAT", None),
    medium(flow("INBOUNDEMAIL", "inboundEmail", "i3InboundEmailFlow", "INBOUNDEMAILFLOW"), EMAIL.0, EMAIL.1),
    medium(flow("INBOUNDSHORTMESSAGE", "inboundShortMessage", "i3InboundShortMessageFlow", "INBOUNDSHORTMESSAGEFLOW"), MESSAGE.0, MESSAGE.1),
    medium(flow("INQUEUECALL", "inqueueCall", "i3InQueueFlow", "INQUEUECALLFLOW"), CALL.0, CALL.1),
    medium(flow("INQUEUEEMAIL", "inqueueEmail", "i3InQueueEmailFlow", "INQUEUEEMAILFLOW"), EMAIL.0, EMAIL.1),
    medium(flow("INQUEUESHORTMESSAGE", "inqueueShortMessage", "i3InQueueShortMessageFlow", "INQUEUESHORTMESSAGEFLOW"), MESSAGE.0, MESSAGE.1),
    medium(flow("OUTBOUNDCALL", "outboundCall", "i3OutboundFlow", "OUTBOUNDCALLFLOW"), CALL.0, CALL.1),
    medium(flow("SECURECALL", "secureCall", "i3SecureFlow", "SECURECALLFLOW"), CALL.0, CALL.1),
    FlowType { dependency: None, ..flow("SPEECH", "speech", "i3SpeechFlow", "") },
    flow("SURVEYINVITE", "surveyInvite", "i3SurveyInviteFlow", "SURVEYINVITEFLOW"),
    medium(flow("VOICE", "voice", "i3VoiceFlow", "VOICEFLOW"), CALL.0, CALL.1),
    flow("VOICEMAIL", "voicemail", "i3VoicemailFlow", "VOICEMAILFLOW"),
    flow("VOICESURVEY", "voiceSurvey", "i3VoiceSurveyFlow", "VOICESURVEYFLOW"),
    flow("WORKFLOW", "workflow", "i3WorkFlow", "WORKFLOW"),
    flow("WORKITEM", "workitem", "i3WorkItemFlow", "WORKITEMFLOW"),
];

/// Finds a type by what the API calls it; exports spell it in small letters.
pub(crate) fn by_api(word: &str) -> Option<&'static FlowType> {
    TYPES.iter().find(|t| t.api.eq_ignore_ascii_case(word))
}

/// Finds a type by the first key of its YAML.
pub(super) fn by_root(key: &str) -> Option<&'static FlowType> {
    TYPES.iter().find(|t| t.root == key)
}

/// Finds a type by what dependency tracking calls it; exports spell it in camel case.
pub(crate) fn by_dependency(word: &str) -> Option<&'static FlowType> {
    TYPES
        .iter()
        .find(|t| t.dependency.is_some_and(|d| d.eq_ignore_ascii_case(word)))
}
