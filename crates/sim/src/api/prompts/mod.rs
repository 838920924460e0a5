//! User prompts and their resources per language; `audio` takes and gives sound.

use serde_json::{Map, Value, json};

use crate::audit;
use crate::crud::{self, Verb, body_fields};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::Work;
use crate::kind::{Division, Filter, Kind};
use crate::page::{hundreds, select};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

mod audio;

pub(crate) use audio::set_audio;

const PROMPTS: &str = "/api/v2/architect/prompts";

const KINDS: &[Kind] = &[Kind {
    name: "user_prompt",
    path: PROMPTS,
    audit: ("Architect", "Prompt"),
    duplicate: (409, "general.conflict"),
    division: Division::Object,
    filters: &[
        ("description", Filter::Contains("description")),
        ("includeMediaUris", Filter::Ignored),
        ("includeResources", Filter::Ignored),
        ("language", Filter::Ignored),
    ],
    check: Some(check),
    view: Some(view),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let one = format!("{PROMPTS}/{{promptId}}");
    let resources = format!("{one}/resources");
    let resource = format!("{resources}/{{languageCode}}");
    registry.on("GET", PROMPTS, list);
    registry.on("POST", PROMPTS, create);
    registry.on("GET", &one, read);
    registry.on("DELETE", &one, delete);
    registry.on("GET", &resources, list_resources);
    registry.on("POST", &resources, create_resource);
    registry.on("GET", &resource, read_resource);
    registry.on("PUT", &resource, replace_resource);
    registry.on("DELETE", &resource, delete_resource);
    audio::register(registry);
}

pub(crate) fn work_of(family: &str) -> Option<Work> {
    (family == audio::AUDIO).then_some(audio::transcode)
}

fn kind() -> &'static Kind {
    the_kind("user_prompt")
}

fn check(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let name = text(fields, "name");
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        let problem = "begins with a letter and has letters, digits and underscores only";
        return Err(Refusal::invalid(
            "name",
            format!("The name of a prompt {problem}."),
        ));
    }
    if old.is_some_and(|old| text(old, "name") != name) {
        return Err(Refusal::invalid("name", "A prompt cannot be renamed."));
    }
    Ok(())
}

fn view(org: &Org, id: &str, shown: &mut Fields) {
    let prompt = org.store.get("user_prompt", id);
    let resources: Vec<Value> = prompt
        .into_iter()
        .flat_map(|prompt| resources_of(&prompt.fields))
        .map(|(language, resource)| show_resource(id, language, resource))
        .collect();
    shown.insert("resources".into(), resources.into());
}

fn show_resource(prompt: &str, language: &str, resource: &Value) -> Value {
    let mut shown: Map<String, Value> = resource
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let uri = format!("{PROMPTS}/{prompt}/resources/{language}");
    shown.insert("id".into(), language.into());
    shown.insert("promptId".into(), prompt.into());
    shown.insert("language".into(), language.into());
    shown.insert("selfUri".into(), uri.into());
    shown.into()
}

/// Gives the resources of a prompt by their languages.
fn resources_of(prompt: &Fields) -> impl Iterator<Item = (&String, &Value)> {
    prompt
        .get("$resources")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Gives the resources of a prompt to change them.
fn resources_mut<'o>(org: &'o mut Org, id: &str) -> Option<&'o mut Map<String, Value>> {
    let prompt = org.store.fields_mut("user_prompt", id)?;
    let resources = prompt.entry("$resources").or_insert_with(|| json!({}));
    resources.as_object_mut()
}

fn prompt<'c>(cx: &'c Cx<'_>, id: &str) -> Result<&'c Fields, Refusal> {
    let fields = &cx.find("user_prompt", id)?.fields;
    cx.check_division(fields)?;
    Ok(fields)
}

/// Leaves out of a prompt what the query does not want to see.
fn trim(req: &Req, mut shown: Value) -> Value {
    let Value::Object(fields) = &mut shown else {
        return shown;
    };
    if !req.flag("includeResources") {
        fields.remove("resources");
    }
    let languages: Vec<&str> = req.queries("language").collect();
    if let Some(Value::Array(resources)) = fields.get_mut("resources") {
        resources.retain(|resource| {
            languages.is_empty()
                || resource["language"]
                    .as_str()
                    .is_some_and(|language| languages.contains(&language))
        });
        for resource in resources {
            if let (false, Some(fields)) = (req.flag("includeMediaUris"), resource.as_object_mut())
            {
                fields.remove("mediaUri");
            }
        }
    }
    shown
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let ids: Vec<String> = cx
        .org
        .store
        .all("user_prompt")
        .map(|prompt| prompt.id.clone())
        .collect();
    for id in ids {
        audio::catch_up(cx, &id);
    }
    let found = select(cx, req, kind())?;
    let shown = |(object, fields): &(&Object, &Fields)| {
        trim(req, cx.org.view(kind(), &object.id, fields).into())
    };
    hundreds(req, &found, shown)
}

/// Creates a prompt; the division `*` stands for all of them.
fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut fields = body_fields(&req.body);
    let everywhere = fields.get("division").is_some_and(|d| d["id"] == "*");
    if everywhere {
        fields.remove("division");
    }
    let id = crud::insert(cx, req, kind(), fields)?;
    if everywhere && let Some(fields) = cx.org.store.fields_mut("user_prompt", &id) {
        fields.insert("division".into(), json!({"id": "*"}));
    }
    Ok(Reply::ok(cx.show("user_prompt", &id)))
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    prompt(cx, req.id())?;
    audio::catch_up(cx, req.id());
    Ok(Reply::ok(trim(req, cx.show("user_prompt", req.id()))))
}

fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let has_resources = resources_of(prompt(cx, req.id())?).next().is_some();
    if has_resources && !req.flag("allResources") {
        return Err(Refusal::new(
            400,
            "architect.prompt.has.resources",
            "The prompt has resources.",
        ));
    }
    crud::serve(cx, req, kind(), Verb::Delete)
}

fn find_resource<'c>(cx: &'c Cx<'_>, req: &Req) -> Result<&'c Value, Refusal> {
    let language = req.param("languageCode");
    prompt(cx, req.param("promptId"))?
        .get("$resources")
        .and_then(|resources| resources.get(language))
        .ok_or_else(|| Refusal::not_found("resource", language))
}

fn list_resources(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("promptId");
    prompt(cx, id)?;
    audio::catch_up(cx, id);
    let found: Vec<(&String, &Value)> = resources_of(prompt(cx, id)?).collect();
    let shown = |(language, resource): &(&String, &Value)| show_resource(id, language, resource);
    hundreds(req, &found, shown)
}

fn read_resource(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("promptId");
    find_resource(cx, req)?;
    audio::catch_up(cx, id);
    let resource = find_resource(cx, req)?;
    Ok(Reply::ok(show_resource(
        id,
        req.param("languageCode"),
        resource,
    )))
}

/// Takes from a body what a client says of a resource.
fn said(body: &Value) -> Fields {
    let mut fields = body_fields(body);
    fields.retain(|name, _| matches!(name.as_str(), "ttsString" | "text" | "tags"));
    fields
}

fn create_resource(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("promptId");
    let taken = prompt(cx, id)?.get("$resources");
    let language = req.body["language"].as_str().unwrap_or_default();
    if !is_language(language) {
        return Err(Refusal::invalid(
            "language",
            format!("[{language}] is not a language such as en-us."),
        ));
    }
    if taken.is_some_and(|resources| resources.get(language).is_some()) {
        return Err(Refusal::new(
            409,
            "general.conflict",
            format!("The prompt has a resource for {language} already."),
        ));
    }
    let mut resource = said(&req.body);
    resource.insert("uploadStatus".into(), "created".into());
    put_resource(cx, id, language, "Create", resource)
}

fn is_language(code: &str) -> bool {
    let is_part =
        |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase());
    match code.split_once('-') {
        Some((language, region)) => is_part(language) && is_part(region),
        None => is_part(code),
    }
}

fn replace_resource(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut resource = said(&req.body);
    // Its sound stays.
    let old = find_resource(cx, req)?.as_object().into_iter().flatten();
    for (name, value) in old {
        if !matches!(name.as_str(), "ttsString" | "text" | "tags") {
            resource.insert(name.clone(), value.clone());
        }
    }
    let (id, language) = (req.param("promptId"), req.param("languageCode"));
    put_resource(cx, id, language, "Update", resource)
}

fn put_resource(
    cx: &mut Cx<'_>,
    id: &str,
    language: &str,
    action: &str,
    resource: Fields,
) -> Answer {
    let resource = Value::Object(resource);
    let shown = show_resource(id, language, &resource);
    if let Some(resources) = resources_mut(cx.org, id) {
        resources.insert(language.to_owned(), resource);
    }
    note(cx, id, action, language);
    Ok(Reply::ok(shown))
}

fn delete_resource(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find_resource(cx, req)?;
    let (id, language) = (req.param("promptId"), req.param("languageCode"));
    if let Some(resources) = resources_mut(cx.org, id) {
        resources.remove(language);
    }
    note(cx, id, "Delete", language);
    Ok(Reply::empty(204))
}

fn note(cx: &mut Cx<'_>, id: &str, action: &str, language: &str) {
    let audited = ("Architect", "PromptResource");
    audit::note(cx, audited, action, id, language, Vec::new());
    cx.touched = Some(id.to_owned());
}
