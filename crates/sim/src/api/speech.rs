//! Terms that the transcription is told of, and topics that are looked for in what was said.

use serde_json::{Value, json};

use crate::audit;
use crate::clock::spell;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::{self, Phase, Work};
use crate::kind::{Filter, Kind, Style};
use crate::routes::{Registry, Req, the_kind};
use crate::store::Fields;
use crate::world::Org;

const TOPICS: &str = "/api/v2/speechandtextanalytics/topics";
const PUBLISH: &str = "topic.publish";

const KINDS: &[Kind] = &[
    Kind {
        name: "dictionary_term",
        path: "/api/v2/speechandtextanalytics/dictionaryfeedback",
        audit: ("SpeechAndTextAnalytics", "DictionaryFeedback"),
        key: &["dialect", "transcriptionEngine", "term"],
        duplicate: (409, "general.conflict"),
        style: Style::Cursor,
        max_page: 500,
        filters: &[
            ("dialect", Filter::Exact("dialect")),
            ("transcriptionEngine", Filter::Exact("transcriptionEngine")),
        ],
        list_omits: &["examplePhrases", "soundsLike"],
        defaults: r#"{"boostValue": 2, "transcriptionEngine": "Genesys", "examplePhrases": [],
            "soundsLike": []}"#,
        view: Some(view_term),
        ..Kind::PLAIN
    },
    Kind {
        name: "topic",
        path: TOPICS,
        audit: ("SpeechAndTextAnalytics", "Topic"),
        key: &["name", "dialect"],
        duplicate: (409, "general.conflict"),
        style: Style::Cursor,
        max_page: 500,
        filters: &[
            ("state", Filter::Ignored),
            ("dialects", Filter::Exact("dialect")),
        ],
        server: &["published"],
        fixed: &["dialect"],
        list_omits: &["phrases", "programs"],
        defaults: r#"{"strictness": "72", "matchingType": "Lexical", "participants": "All",
            "tags": [], "phrases": [], "programs": []}"#,
        prepare: Some(prepare_topic),
        check: Some(check_topic),
        ..Kind::PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", &format!("{TOPICS}/publishjobs"), publish);
    registry.on(
        "GET",
        &format!("{TOPICS}/publishjobs/{{jobId}}"),
        publishing,
    );
}

pub(crate) fn work_of(family: &str) -> Option<Work> {
    (family == PUBLISH).then_some(publish_topics as Work)
}

fn view_term(_: &Org, _: &str, shown: &mut Fields) {
    shown.insert("source".into(), json!("Manual"));
    shown.insert("status".into(), json!("Active"));
    let phrases = shown
        .get_mut("examplePhrases")
        .and_then(Value::as_array_mut);
    for phrase in phrases.into_iter().flatten() {
        if let Value::Object(phrase) = phrase {
            phrase.entry("source").or_insert_with(|| json!("Manual"));
        }
    }
}

/// Programs are named by their ids and shown as references.
fn prepare_topic(fields: &mut Fields) {
    crud::references_from(fields, "programIds", "programs");
    let phrases = fields.get_mut("phrases").and_then(Value::as_array_mut);
    for phrase in phrases.into_iter().flatten() {
        if let Value::Object(phrase) = phrase {
            let sentiment = phrase.entry("sentiment");
            sentiment.or_insert_with(|| json!("Unspecified"));
        }
    }
}

/// Whatever changes in a topic waits until it is published.
fn check_topic(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    fields.insert("published".into(), json!(false));
    Ok(())
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let ids = req.body["topicIds"].as_array().cloned().unwrap_or_default();
    if ids.is_empty() {
        return Err(Refusal::invalid("topicIds", "No topic is named."));
    }
    for id in ids.iter().filter_map(Value::as_str) {
        cx.find_live("topic", id)?;
    }
    let job = jobs::register(cx, PUBLISH, json!({"topicIds": ids}));
    jobs::start(cx, &job, String::new());
    Ok(Reply::ok(json!({"id": job, "state": "Running"})))
}

fn publish_topics(cx: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    let kind = the_kind("topic");
    let ids = details["topicIds"].as_array().into_iter().flatten();
    for id in ids.filter_map(Value::as_str) {
        let Some(topic) = cx.org.store.get("topic", id) else {
            continue;
        };
        let mut fields = topic.fields.clone();
        fields.insert("published".into(), json!(true));
        fields.insert("datePublished".into(), json!(spell(cx.now)));
        cx.replace(kind, id, fields);
        audit::note(cx, kind.audit, "Publish", id, "", Vec::new());
    }
    json!({"state": "Completed"})
}

fn publishing(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("jobId").to_owned();
    let state = match jobs::poll(cx, PUBLISH, &id)? {
        Phase::Waiting | Phase::Running => json!("Running"),
        Phase::Ended(outcome) => outcome["state"].clone(),
    };
    Ok(Reply::ok(json!({"id": id, "state": state})))
}
