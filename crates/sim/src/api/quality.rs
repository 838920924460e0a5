//! Evaluation and survey forms, and the policies that use them.
//!
//! A form is a draft and its published versions, each with an id of its own; what they share is
//! the context. Publishing keeps the draft and adds a version, which never changes.

use serde_json::{Value, json};

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Division, Filter, Kind};
use crate::page::{self, hundreds};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

const FORMS: &str = "/api/v2/quality/forms";
const PUBLISHED: &str = "/api/v2/quality/publishedforms";

const FORM: Kind = Kind {
    key: &[],
    division: Division::Starrable,
    server: &[
        "published",
        "contextId",
        "modifiedDate",
        "publishedVersions",
    ],
    filters: &[
        ("name", Filter::Contains("name")),
        ("expand", Filter::Ignored),
        ("sortBy", Filter::Ignored),
        ("sortOrder", Filter::Ignored),
        ("nextPage", Filter::Ignored),
        ("previousPage", Filter::Ignored),
        ("onlyLatestPerContext", Filter::Ignored),
        ("onlyLatestEnabledPerContext", Filter::Ignored),
    ],
    list_omits: &["questionGroups"],
    check: Some(check_form),
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "evaluation_form",
        path: "/api/v2/quality/forms/evaluations",
        audit: ("Quality", "EvaluationForm"),
        refs: &[Ref::to(
            "evaluationSettings.disputesAssignees[].user",
            "user",
        )],
        ..FORM
    },
    Kind {
        name: "survey_form",
        path: "/api/v2/quality/forms/surveys",
        audit: ("Quality", "SurveyForm"),
        defaults: r#"{"disabled": false}"#,
        optional: &["contextId"],
        ..FORM
    },
    Kind {
        name: "retention_policy",
        path: "/api/v2/recording/mediaretentionpolicies",
        audit: ("Quality", "Policy"),
        refs: POLICY_REFS,
        defaults: r#"{"enabled": false, "order": 0, "description": ""}"#,
        filters: &[
            ("name", Filter::Contains("name")),
            ("enabled", Filter::Exact("enabled")),
            ("summary", Filter::Ignored),
            ("hasErrors", Filter::Ignored),
            ("deleteDaysThreshold", Filter::Ignored),
            ("expand", Filter::Ignored),
            ("sortBy", Filter::Ignored),
            ("nextPage", Filter::Ignored),
            ("previousPage", Filter::Ignored),
        ],
        list_omits: &["mediaPolicies", "conditions", "actions"],
        check: Some(check_policy),
        view: Some(follow_forms),
        ..Kind::PLAIN
    },
];

/// Those of the conditions and actions for all media; those for one medium are checked by
/// `check_policy`.
const POLICY_REFS: &[Ref] = &[
    Ref::to("conditions.forQueues[]", "queue"),
    Ref::to("conditions.forUsers[]", "user"),
    Ref::to("conditions.wrapupCodes[]", "wrapup_code"),
    Ref::to("actions.assignEvaluations[].user", "user"),
    Ref::to("actions.assignSurveys[].flow", "flow"),
    Ref::to("actions.integrationExport.integration", "integration"),
];

const MEDIA: [&str; 4] = ["callPolicy", "chatPolicy", "emailPolicy", "messagePolicy"];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    for sort in ["evaluations", "surveys"] {
        let (form, published) = (format!("{FORMS}/{sort}"), format!("{PUBLISHED}/{sort}"));
        registry.on("POST", &form, create);
        registry.on("GET", &form, drafts);
        registry.on("PUT", &format!("{form}/{{formId}}"), replace);
        registry.on("DELETE", &format!("{form}/{{formId}}"), delete);
        registry.on("GET", &format!("{form}/{{formId}}/versions"), versions);
        registry.on("GET", &published, latest);
        registry.on("POST", &published, publish);
        registry.on("GET", &format!("{published}/{{formId}}"), read_published);
    }
}

fn kind_of(req: &Req) -> &'static Kind {
    let name = match req.path.contains("/surveys") {
        true => "survey_form",
        false => "evaluation_form",
    };
    the_kind(name)
}

fn is_published(fields: &Fields) -> bool {
    fields.get("published") == Some(&Value::Bool(true))
}

fn check_form(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    if text(fields, "name").trim().is_empty() {
        return Err(Refusal::invalid("name", "A form needs a name."));
    }
    // Groups, questions and answers have ids of their own in every version.
    for group in items(fields.get_mut("questionGroups")) {
        mark(cx, group);
        for question in items(group.get_mut("questions")) {
            mark(cx, question);
            for option in items(question.get_mut("answerOptions")) {
                mark(cx, option);
            }
            for part in items(question.get_mut("multipleSelectOptionQuestions")) {
                mark(cx, part);
                for option in items(part.get_mut("answerOptions")) {
                    mark(cx, option);
                }
            }
        }
    }
    Ok(())
}

fn items(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn mark(cx: &mut Cx<'_>, place: &mut Value) {
    if place["id"].as_str().is_none_or(str::is_empty) {
        place["id"] = cx.org.new_id().into();
    }
    if place["contextId"].as_str().is_none_or(str::is_empty) {
        place["contextId"] = cx.org.new_id().into();
    }
}

fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut fields = crud::body_fields(&req.body);
    fields.remove("contextId");
    let id = crud::insert(cx, req, kind_of(req), fields)?;
    let context = cx.org.new_id();
    if let Some(fields) = cx.org.store.fields_mut(kind_of(req).name, &id) {
        fields.insert("contextId".into(), context.into());
        fields.insert("published".into(), false.into());
    }
    Ok(Reply::ok(cx.show(kind_of(req).name, &id)))
}

/// Finds the draft of the form that a version belongs to.
fn draft_of(cx: &Cx<'_>, kind: &Kind, id: &str) -> Result<String, Refusal> {
    let context = cx.find(kind.name, id)?.text("contextId").to_owned();
    let drafts = cx.org.store.all(kind.name);
    drafts
        .filter(|form| form.text("contextId") == context && !is_published(&form.fields))
        .map(|form| form.id.clone())
        .next()
        .ok_or_else(|| Refusal::not_found("draft of the form", id))
}

/// Changes the draft; a published version is named only to find it.
fn replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind_of(req);
    let draft = draft_of(cx, kind, req.id())?;
    let mut on_draft = req.clone();
    if let Some((_, id)) = on_draft.params.last_mut() {
        *id = draft;
    }
    crud::serve(cx, &on_draft, kind, crud::Verb::Replace)
}

/// Deletes a form with all its versions.
fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind_of(req);
    let context = cx.find(kind.name, req.id())?.text("contextId").to_owned();
    let ids: Vec<String> = of_context(cx.org, kind.name, &context)
        .map(|form| form.id.clone())
        .collect();
    let used = cx.org.store.all("retention_policy").any(|policy| {
        let said = Value::Object(policy.fields.clone()).to_string();
        ids.iter().any(|id| said.contains(id.as_str()))
    });
    if used {
        return Err(Refusal::new(
            409,
            "general.conflict",
            "The form is used by a policy.",
        ));
    }
    for id in ids {
        cx.remove(kind, &id);
    }
    Ok(Reply::empty(204))
}

fn of_context<'o>(org: &'o Org, kind: &str, context: &str) -> impl Iterator<Item = &'o Object> {
    let forms: Vec<&Object> = org
        .store
        .all(kind)
        .filter(|form| form.text("contextId") == context)
        .collect();
    forms.into_iter()
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind_of(req);
    let id = req.body["id"].as_str().unwrap_or_default();
    let draft = cx.find(kind.name, id)?;
    if is_published(&draft.fields) {
        return Err(Refusal::bad_request("The form is published already."));
    }
    if req.body["published"] != true {
        return Err(Refusal::bad_request("A version stays published."));
    }
    let empty = draft.fields.get("questionGroups").and_then(Value::as_array);
    if empty.is_none_or(Vec::is_empty) {
        return Err(Refusal::bad_request(
            "A form without questions cannot be published.",
        ));
    }
    let mut fields = draft.fields.clone();
    let version = of_context(cx.org, kind.name, draft.text("contextId")).count();
    fields.insert("published".into(), true.into());
    fields.insert("$version".into(), version.into());
    let id = cx.org.new_id();
    cx.insert(kind, &id, fields);
    Ok(Reply::ok(cx.show(kind.name, &id)))
}

fn drafts(cx: &mut Cx<'_>, req: &Req) -> Answer {
    page_of(cx, req, |_, fields| !is_published(fields))
}

fn latest(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind_of(req);
    let only = req.flag("onlyLatestPerContext") || req.flag("onlyLatestEnabledPerContext");
    page_of(cx, req, |cx, fields| {
        is_published(fields)
            && (!only
                || latest_of(cx.org, kind.name, text(fields, "contextId"))
                    .is_some_and(|latest| latest.fields.get("$version") == fields.get("$version")))
    })
}

/// Finds the version of a form that was published last.
fn latest_of<'o>(org: &'o Org, kind: &str, context: &str) -> Option<&'o Object> {
    of_context(org, kind, context)
        .filter(|form| is_published(&form.fields))
        .max_by_key(|form| form.fields.get("$version").and_then(Value::as_u64))
}

fn versions(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind_of(req);
    let id = req.param("formId");
    let context = cx.find(kind.name, id)?.text("contextId").to_owned();
    page_of(cx, req, move |_, fields| {
        text(fields, "contextId") == context
    })
}

fn page_of(cx: &mut Cx<'_>, req: &Req, wanted: impl Fn(&Cx<'_>, &Fields) -> bool) -> Answer {
    let kind = kind_of(req);
    let mut found = page::select(cx, req, kind)?;
    found.retain(|(_, fields)| wanted(cx, fields));
    let shown = |(object, fields): &(&Object, &Fields)| {
        let mut shown = cx.org.view(kind, &object.id, fields);
        shown.remove("questionGroups");
        shown.into()
    };
    hundreds(req, &found, shown)
}

fn read_published(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind_of(req);
    match is_published(&cx.find(kind.name, req.id())?.fields) {
        true => Ok(Reply::ok(cx.show(kind.name, req.id()))),
        false => Err(Refusal::not_found(kind.name, req.id())),
    }
}

/// Every place of a policy that names a form, with the kind of the form.
fn forms_in(fields: &mut Fields) -> Vec<(&'static str, &mut Value)> {
    let mut actions = Vec::new();
    let mut found = Vec::new();
    for (name, value) in fields {
        match name.as_str() {
            "actions" => actions.push(value),
            "mediaPolicies" => {
                let media = value.as_object_mut().into_iter().flatten();
                actions.extend(media.filter_map(|(_, policy)| policy.get_mut("actions")));
            }
            _ => {}
        }
    }
    for action in actions {
        for (name, list) in action.as_object_mut().into_iter().flatten() {
            let (kind, field) = match name.as_str() {
                "assignSurveys" => ("survey_form", "surveyForm"),
                _ => ("evaluation_form", "evaluationForm"),
            };
            for item in list.as_array_mut().into_iter().flatten() {
                found.extend(item.get_mut(field).map(|form| (kind, form)));
            }
        }
    }
    found
}

fn check_policy(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    for (kind, form) in forms_in(fields) {
        let id = form["id"].as_str().unwrap_or_default();
        let known = cx.org.store.get(kind, id);
        if !known.is_some_and(|form| is_published(&form.fields)) {
            return Err(Refusal::bad_request(format!(
                "The {kind} {id} is not published."
            )));
        }
    }
    let policies = fields.get("mediaPolicies");
    for medium in MEDIA {
        let conditions = policies.and_then(|policies| policies[medium].get("conditions"));
        let Some(Value::Object(conditions)) = conditions else {
            continue;
        };
        for reference in [
            Ref::to("forQueues[]", "queue"),
            Ref::to("forUsers[]", "user"),
            Ref::to("wrapupCodes[]", "wrapup_code"),
            Ref::to("languages[]", "language"),
        ] {
            for (kind, id) in reference.find(conditions) {
                if kind.is_some_and(|kind| cx.org.store.get(kind, id).is_none()) {
                    return Err(Refusal::bad_request(format!(
                        "{medium} names {id}, which is not there."
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Shows the version of each form that was published last.
fn follow_forms(org: &Org, _: &str, shown: &mut Fields) {
    for (kind, form) in forms_in(shown) {
        let id = form["id"].as_str().unwrap_or_default();
        let context = org.store.get(kind, id).map(|form| form.text("contextId"));
        if let Some(latest) = context.and_then(|context| latest_of(org, kind, context)) {
            *form = json!({
                "id": latest.id,
                "name": latest.text("name"),
                "contextId": latest.text("contextId"),
            });
        }
    }
}
