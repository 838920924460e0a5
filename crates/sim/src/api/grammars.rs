//! Grammars: their languages, and the files of each.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::audit;
use crate::crud::{self, Verb};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind, Oversize, Style};
use crate::page::{cut, select};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object};

const GRAMMARS: &str = "/api/v2/architect/grammars";

const KINDS: &[Kind] = &[Kind {
    name: "grammar",
    path: GRAMMARS,
    audit: ("Architect", "Grammar"),
    duplicate: (409, "general.conflict"),
    defaults: r#"{"description": ""}"#,
    server: &["languages"],
    filters: &[
        ("description", Filter::Contains("description")),
        ("nameOrDescription", Filter::Contains("name")),
        ("includeFileUrls", Filter::Ignored),
    ],
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let one = format!("{GRAMMARS}/{{grammarId}}");
    let language = format!("{one}/languages/{{languageCode}}");
    registry.on("GET", GRAMMARS, list);
    registry.on("GET", &one, read);
    registry.on("POST", &format!("{one}/languages"), add);
    registry.on("GET", &language, read_language);
    registry.on("DELETE", &language, remove);
    registry.on("POST", &format!("{language}/files/voice"), offer);
    registry.on("POST", &format!("{language}/files/dtmf"), offer);
}

fn kind() -> &'static Kind {
    the_kind("grammar")
}

/// Gives the languages of a grammar by their codes, to change them.
fn languages_mut<'c>(cx: &'c mut Cx<'_>, id: &str) -> Option<&'c mut Map<String, Value>> {
    let grammar = cx.org.store.fields_mut("grammar", id)?;
    grammar
        .entry("$languages")
        .or_insert_with(|| json!({}))
        .as_object_mut()
}

fn language<'c>(cx: &'c Cx<'_>, req: &Req) -> Result<&'c Value, Refusal> {
    let code = req.param("languageCode");
    cx.find("grammar", req.param("grammarId"))?
        .fields
        .get("$languages")
        .and_then(|languages| languages.get(code))
        .ok_or_else(|| Refusal::not_found("language of the grammar", code))
}

/// Shows a language; its files have addresses only for those who ask.
fn shown(cx: &mut Cx<'_>, grammar: &str, code: &str, kept: &Value, urls: bool) -> Value {
    let mut shown = json!({
        "id": format!("{grammar}:{code}"),
        "grammarId": grammar,
        "language": code,
        "selfUri": format!("{GRAMMARS}/{grammar}/languages/{code}"),
    });
    for mode in ["voice", "dtmf"] {
        let file = &kept[mode];
        let Some(content) = file["content"].as_str() else {
            continue;
        };
        let content = STANDARD.decode(content).unwrap_or_default();
        shown[format!("{mode}FileMetadata")] = json!({
            "fileName": format!("{code}.{mode}"),
            "fileSizeBytes": content.len(),
            "fileType": file["fileType"],
        });
        if urls {
            let url = cx.download(content.into(), "application/octet-stream");
            shown[format!("{mode}FileUrl")] = url.into();
        }
    }
    shown
}

fn with_languages(cx: &mut Cx<'_>, id: &str, mut grammar: Value, urls: bool) -> Value {
    let kept = cx
        .org
        .store
        .get("grammar", id)
        .and_then(|grammar| grammar.fields.get("$languages").cloned());
    let languages: Vec<Value> = kept
        .iter()
        .filter_map(Value::as_object)
        .flatten()
        .map(|(code, kept)| shown(cx, id, code, kept, urls))
        .collect();
    grammar["languages"] = languages.into();
    grammar
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = select(cx, req, kind())?;
    let view = |(object, fields): &(&Object, &Fields)| {
        Value::Object(cx.org.view(kind(), &object.id, fields))
    };
    let mut page = cut(req, Style::Offset, 100, Oversize::Refuse, &found, view)?;
    let urls = req.flag("includeFileUrls");
    let rows = page["entities"].as_array_mut().map(std::mem::take);
    let rows: Vec<Value> = rows
        .into_iter()
        .flatten()
        .map(|row| {
            let id = row["id"].as_str().unwrap_or_default().to_owned();
            with_languages(cx, &id, row, urls)
        })
        .collect();
    page["entities"] = rows.into();
    Ok(Reply::ok(page))
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let reply = crud::serve(cx, req, kind(), Verb::Read)?;
    let grammar = reply.body.unwrap_or_default();
    let urls = req.flag("includeFileUrls");
    Ok(Reply::ok(with_languages(cx, req.id(), grammar, urls)))
}

fn note(cx: &mut Cx<'_>, id: &str, action: &str, code: &str) {
    audit::note(cx, ("Architect", "Grammar"), action, id, code, Vec::new());
    cx.touched = Some(id.to_owned());
}

fn add(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("grammarId").to_owned();
    cx.find("grammar", &id)?;
    let code = req.body["language"].as_str().unwrap_or_default().to_owned();
    if code.is_empty() {
        return Err(Refusal::invalid("language", "The language is missing."));
    }
    let languages = languages_mut(cx, &id).ok_or_else(|| Refusal::not_found("grammar", &id))?;
    if languages.contains_key(&code) {
        return Err(Refusal::new(
            409,
            "general.conflict",
            format!("The grammar has the language {code} already."),
        ));
    }
    languages.insert(code.clone(), json!({}));
    note(cx, &id, "Update", &code);
    let answer = shown(cx, &id, &code, &json!({}), false);
    Ok(Reply::ok(answer))
}

fn read_language(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kept = language(cx, req)?.clone();
    let (id, code) = (req.param("grammarId"), req.param("languageCode"));
    let answer = shown(cx, id, code, &kept, true);
    Ok(Reply::ok(answer))
}

fn remove(cx: &mut Cx<'_>, req: &Req) -> Answer {
    language(cx, req)?;
    let (id, code) = (req.param("grammarId"), req.param("languageCode"));
    if let Some(languages) = languages_mut(cx, id) {
        languages.remove(code);
    }
    note(cx, id, "Update", code);
    Ok(Reply::empty(204))
}

/// Tells where a file goes.
fn offer(cx: &mut Cx<'_>, req: &Req) -> Answer {
    language(cx, req)?;
    let mode = req.path.rsplit('/').next().unwrap_or_default();
    let file_type = match req.body["fileType"].as_str() {
        Some("gram") => "Gram",
        Some("grxml") => "Grxml",
        _ => {
            return Err(Refusal::invalid(
                "fileType",
                "The type of the file is missing.",
            ));
        }
    };
    let (id, code) = (req.param("grammarId"), req.param("languageCode"));
    let subject = format!("{id}/{code}/{mode}/{file_type}");
    let headers = vec![("x-amz-meta-grammarid", id.to_owned())];
    let url = cx.upload_with(&subject, headers, uploaded);
    Ok(Reply::ok(json!({
        "url": url,
        "headers": {"x-amz-meta-grammarid": id},
    })))
}

fn uploaded(cx: &mut Cx<'_>, subject: &str, content: &Bytes) -> Result<(), Refusal> {
    let parts: Vec<&str> = subject.split('/').collect();
    let [id, code, mode, file_type] = parts[..] else {
        return Err(Refusal::bad_request("The upload is of no grammar."));
    };
    let languages = languages_mut(cx, id).and_then(|languages| languages.get_mut(code));
    let language = languages.ok_or_else(|| Refusal::not_found("language of the grammar", code))?;
    language[mode] = json!({"fileType": file_type, "content": STANDARD.encode(content)});
    note(cx, id, "Update", code);
    Ok(())
}
