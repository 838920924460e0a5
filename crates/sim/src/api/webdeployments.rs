//! Messenger configurations, which are drafts until they are published, and deployments.

use serde_json::{Value, json};

use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind, Style};
use crate::page;
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};

const CONFIGURATIONS: &str = "/api/v2/webdeployments/configurations";

const KINDS: &[Kind] = &[
    Kind {
        name: "web_configuration",
        path: "/api/v2/webdeployments/configurations",
        audit: ("WebDeployments", "Configuration"),
        style: Style::Cursor,
        max_page: 300,
        refs: &[
            Ref::to("authenticationSettings.integrationId", "integration"),
            Ref::to("messenger.apps.knowledge.knowledgeBase", "knowledge_base"),
            Ref::to("supportCenter.knowledgeBase", "knowledge_base"),
        ],
        defaults: r#"{"status": "Active", "version": "DRAFT", "customI18nLabels": [],
            "headlessMode": {"enabled": false},
            "cobrowse": {"enabled": false, "allowAgentControl": false, "allowAgentNavigation": false, "maskSelectors": [],
                "readonlySelectors": [], "channels": []},
            "journeyEvents": {"enabled": false}}"#,
        server: &["status", "version", "datePublished"],
        filters: &[("showOnlyPublished", Filter::Ignored)],
        check: Some(check_configuration),
        ..Kind::PLAIN
    },
    Kind {
        name: "web_deployment",
        path: "/api/v2/webdeployments/deployments",
        audit: ("WebDeployments", "Deployment"),
        style: Style::Cursor,
        max_page: 300,
        refs: &[
            Ref::to("configuration", "web_configuration"),
            Ref::to("supportedContent", "supported_content"),
            Ref::to("flow", "flow"),
            Ref::to("pushIntegrations[].id", "integration"),
        ],
        defaults: r#"{"status": "Active", "allowAllDomains": false, "allowedDomains": [], "pushIntegrations": []}"#,
        server: &["snippet"],
        check: Some(check_deployment),
        ..Kind::PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let versions = format!("{CONFIGURATIONS}/{{configurationId}}/versions");
    registry.on("GET", CONFIGURATIONS, list);
    registry.on("GET", &versions, versions_of);
    registry.on("GET", &format!("{versions}/draft"), draft);
    registry.on("PUT", &format!("{versions}/draft"), change);
    registry.on("POST", &format!("{versions}/draft/publish"), publish);
}

fn kind() -> &'static Kind {
    the_kind("web_configuration")
}

fn check_configuration(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let languages = fields.get("languages").and_then(Value::as_array);
    let default = text(fields, "defaultLanguage");
    let has = languages.is_some_and(|list| list.iter().any(|language| language == default));
    if !default.is_empty() && !has {
        return Err(Refusal::invalid(
            "defaultLanguage",
            "The default language is not among the languages.",
        ));
    }
    Ok(())
}

/// A deployment shows a version that was published.
fn check_deployment(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let Some(configuration) = fields.get("configuration") else {
        return Ok(());
    };
    let version = configuration["version"].as_str().unwrap_or_default();
    let shown = id_of(configuration).and_then(|id| cx.org.store.get("web_configuration", id));
    let published = shown.and_then(|found| found.fields.get("$published")?.as_array());
    let there = published.is_some_and(|all| all.iter().any(|one| one["version"] == version));
    match shown.is_none() || there {
        true => Ok(()),
        false => Err(Refusal::invalid(
            "configuration.version",
            "There is no such published version.",
        )),
    }
}

fn last_published(fields: &Fields) -> Option<&Value> {
    fields.get("$published")?.as_array()?.last()
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let only_published = req.flag("showOnlyPublished");
    let kind = kind();
    let found = page::select(cx, req, kind)?;
    let rows: Vec<Value> = found
        .into_iter()
        .filter_map(
            |(object, fields)| match (only_published, last_published(fields)) {
                (true, published) => published.cloned(),
                (false, _) => Some(Value::Object(cx.org.view(kind, &object.id, fields))),
            },
        )
        .collect();
    page::list_of(req, kind, &rows, Value::clone)
}

fn versions_of(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = cx.find("web_configuration", req.param("configurationId"))?;
    let all = found.fields.get("$published").and_then(Value::as_array);
    let rows = all.cloned().unwrap_or_default();
    let kind = kind();
    page::list_of(req, kind, &rows, Value::clone)
}

fn draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("configurationId");
    cx.find("web_configuration", id)?;
    Ok(Reply::ok(cx.show("web_configuration", id)))
}

fn change(cx: &mut Cx<'_>, req: &Req) -> Answer {
    crud::serve(cx, req, kind(), crud::Verb::Replace)
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("configurationId").to_owned();
    cx.find("web_configuration", &id)?;
    let mut shown = cx.show("web_configuration", &id);
    let now = cx.now.to_string();
    if let Some(fields) = cx.org.store.fields_mut("web_configuration", &id) {
        let all = fields.entry("$published").or_insert_with(|| json!([]));
        if let Value::Array(all) = all {
            shown["version"] = (all.len() + 1).to_string().into();
            shown["datePublished"] = now.into();
            all.push(shown.clone());
        }
    }
    let what = ("WebDeployments", "Configuration");
    audit::note(cx, what, "Publish", &id, "", Vec::new());
    Ok(Reply::ok(shown))
}
