//! Learning modules: drafts until they are published.

use serde_json::{Value, json};

use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};
use crate::world::Org;

const MODULES: &str = "/api/v2/learning/modules";

const KINDS: &[Kind] = &[Kind {
    name: "learning_module",
    path: MODULES,
    audit: ("Learning", "Module"),
    duplicate: (409, "general.conflict"),
    refs: &[Ref::to(
        "assessmentForm.questionGroups[].questions[].answerOptions[].assistanceConditions[].topicIds[]",
        "topic",
    )],
    filters: &[
        ("types", Filter::Exact("type")),
        ("statuses", Filter::Ignored),
        ("searchTerm", Filter::Contains("name")),
    ],
    server: &["version", "isPublished", "isArchived", "source"],
    fixed: &["type", "version", "isArchived", "source"],
    // A row says neither what the steps nor what the questions are.
    list_omits: &["informSteps", "assessmentForm"],
    defaults: r#"{"type": "Informational", "informSteps": [], "excludedFromCatalog": false,
        "enforceContentOrder": false, "lengthInMinutes": 0, "source": "UserCreated", "version": 1,
        "isArchived": false, "reviewAssessmentResults": {"byAssignees": true, "byViewers": true}}"#,
    check: Some(check_module),
    view: Some(view_module),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", &format!("{MODULES}/{{moduleId}}/publish"), publish);
}

/// Whatever changes in a module is a draft until it is published.
fn check_module(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let assesses = ["Assessment", "AssessedContent"].contains(&text(fields, "type"));
    if assesses != fields.contains_key("assessmentForm") {
        return Err(Refusal::invalid(
            "assessmentForm",
            "Exactly the modules that assess have a form.",
        ));
    }
    fields.insert("isPublished".into(), json!(false));
    Ok(())
}

/// A form has ids, which nobody gave it.
fn view_module(_: &Org, id: &str, shown: &mut Fields) {
    if let Some(Value::Object(auto)) = shown.get_mut("autoAssign")
        && let Some(rule) = auto.remove("ruleId")
    {
        auto.insert("rule".into(), json!({"id": rule}));
    }
    let form = shown.get_mut("assessmentForm");
    let Some(Value::Object(form)) = form else {
        return;
    };
    form.insert("id".into(), json!(format!("form-{id}")));
    form.insert("published".into(), json!(false));
    let groups = form.get_mut("questionGroups").and_then(Value::as_array_mut);
    for (g, group) in groups.into_iter().flatten().enumerate() {
        group["id"] = json!(format!("group-{id}-{g}"));
        let questions = group.get_mut("questions").and_then(Value::as_array_mut);
        for (q, question) in questions.into_iter().flatten().enumerate() {
            question["id"] = json!(format!("question-{id}-{g}-{q}"));
            let options = question
                .get_mut("answerOptions")
                .and_then(Value::as_array_mut);
            for (o, option) in options.into_iter().flatten().enumerate() {
                option["id"] = json!(format!("option-{id}-{g}-{q}-{o}"));
            }
        }
    }
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("moduleId").to_owned();
    let mut fields = cx.find_live("learning_module", &id)?.fields.clone();
    if fields["informSteps"] == json!([]) && !fields.contains_key("assessmentForm") {
        return Err(Refusal::bad_request("The module has no content."));
    }
    let version = fields["version"].as_u64().unwrap_or(1) + 1;
    fields.insert("version".into(), json!(version));
    fields.insert("isPublished".into(), json!(true));
    let kind = the_kind("learning_module");
    cx.replace(kind, &id, fields);
    audit::note(cx, kind.audit, "Publish", &id, "", Vec::new());
    Ok(Reply::ok(json!({"id": id, "version": version})))
}
