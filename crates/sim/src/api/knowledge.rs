//! Knowledge bases with their categories, labels, documents and variations.

use serde_json::{Value, json};

use crate::audit;
use crate::clock::spell;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{AT, Deletion, Filter, Kind, Style};
use crate::page;
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};
use crate::world::Org;

const KNOWLEDGE: Kind = Kind {
    duplicate: (409, "general.conflict"),
    style: Style::Cursor,
    ..Kind::PLAIN
};

pub(super) const BASES: &str = "/api/v2/knowledge/knowledgebases";
/// The field of a document that holds what was published last.
pub(super) const PUBLISHED: &str = "$published";

const SHOWN_ONCE_MORE: Deletion = Deletion {
    status: 200,
    ..Deletion::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "knowledge_base",
        path: BASES,
        audit: ("Knowledge", "KnowledgeBase"),
        key: &["name", "coreLanguage"],
        filters: &[
            ("published", Filter::Exact("published")),
            ("coreLanguage", Filter::Exact("coreLanguage")),
        ],
        defaults: r#"{"published": false, "contentSearchEnabled": false}"#,
        server: &["published"],
        fixed: &["coreLanguage", "contentSearchEnabled"],
        // Publishing restores nothing, and sends an empty body.
        optional: &["restoreFromVersionId"],
        deletion: SHOWN_ONCE_MORE,
        view: Some(view_base),
        ..KNOWLEDGE
    },
    Kind {
        name: "knowledge_category",
        path: "/api/v2/knowledge/knowledgebases/{knowledgeBaseId}/categories",
        parent: Some("knowledge_base"),
        audit: ("Knowledge", "KnowledgeCategory"),
        refs: &[Ref::to("parentCategory", "knowledge_category")],
        filters: &[
            ("parentId", Filter::Reference("parentCategory")),
            ("includeDocumentCount", Filter::Ignored),
        ],
        deletion: SHOWN_ONCE_MORE,
        prepare: Some(prepare_category),
        check: Some(check_category),
        view: Some(view_category),
        ..KNOWLEDGE
    },
    Kind {
        name: "knowledge_label",
        path: "/api/v2/knowledge/knowledgebases/{knowledgeBaseId}/labels",
        parent: Some("knowledge_base"),
        audit: ("Knowledge", "KnowledgeLabel"),
        filters: &[("includeDocumentCount", Filter::Ignored)],
        deletion: SHOWN_ONCE_MORE,
        ..KNOWLEDGE
    },
    Kind {
        name: "knowledge_document",
        path: "/api/v2/knowledge/knowledgebases/{knowledgeBaseId}/documents",
        parent: Some("knowledge_base"),
        audit: ("Knowledge", "KnowledgeDocument"),
        key: &[],
        refs: &[
            Ref::to("category", "knowledge_category"),
            Ref::to("labels[]", "knowledge_label"),
        ],
        filters: &[
            ("includeDrafts", Filter::Ignored),
            ("categoryId", Filter::Reference("category")),
        ],
        server: &["lastPublishedVersionNumber", "datePublished", "readonly"],
        defaults: r#"{"visible": true, "alternatives": [], "labels": [], "readonly": false}"#,
        prepare: Some(prepare_document),
        check: Some(check_document),
        view: Some(view_document),
        ..KNOWLEDGE
    },
    Kind {
        name: "knowledge_variation",
        path: "/api/v2/knowledge/knowledgebases/{knowledgeBaseId}/documents/{documentId}/variations",
        parent: Some("knowledge_document"),
        audit: ("Knowledge", "KnowledgeDocumentVariation"),
        key: &[],
        filters: &[("documentState", Filter::Ignored)],
        defaults: r#"{"priority": 1}"#,
        check: Some(check_variation),
        view: Some(view_variation),
        ..KNOWLEDGE
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let documents = format!("{BASES}/{{knowledgeBaseId}}/documents");
    registry.on("GET", &documents, list_documents);
    let variation = format!("{documents}/{{documentId}}/variations/{{documentVariationId}}");
    registry.on("DELETE", &variation, delete_variation);
    registry.on(
        "POST",
        &format!("{documents}/{{documentId}}/versions"),
        publish,
    );
}

fn kind(name: &str) -> &'static Kind {
    the_kind(name)
}

fn view_base(org: &Org, id: &str, shown: &mut Fields) {
    let articles = org.store.all("knowledge_document");
    let articles = articles.filter(|document| document.text(AT) == id).count();
    shown.insert("articleCount".into(), json!(articles));
    shown.insert("faqCount".into(), json!(0));
}

fn base_of(org: &Org, at: &str) -> Value {
    let id = at.split('/').next().unwrap_or_default();
    let language = org
        .store
        .get("knowledge_base", id)
        .map(|base| base.text("coreLanguage"));
    json!({"id": id, "languageCode": language, "selfUri": format!("{BASES}/{id}")})
}

fn at_of(org: &Org, kind: &str, id: &str) -> String {
    let object = org.store.get(kind, id);
    object
        .map(|object| object.text(AT).to_owned())
        .unwrap_or_default()
}

fn prepare_category(fields: &mut Fields) {
    crud::reference_from(fields, "parentCategoryId", "parentCategory");
}

/// Refuses a reference to what lives in another knowledge base.
fn same_base(cx: &Cx<'_>, fields: &Fields, kind: &str, ids: &[String]) -> Result<(), Refusal> {
    let base = text(fields, AT).split('/').next().unwrap_or_default();
    match ids.iter().find(|id| at_of(cx.org, kind, id) != base) {
        Some(id) => Err(Refusal::bad_request(format!(
            "There is no {kind} {id} in this knowledge base."
        ))),
        None => Ok(()),
    }
}

fn ids_of(value: Option<&Value>) -> Vec<String> {
    let many = match value {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    many.into_iter()
        .filter_map(id_of)
        .map(str::to_owned)
        .collect()
}

/// A category cannot be below itself.
fn check_category(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    same_base(
        cx,
        fields,
        "knowledge_category",
        &ids_of(fields.get("parentCategory")),
    )?;
    let own = old.map(|_| req.id());
    let mut above = ids_of(fields.get("parentCategory"));
    while let Some(id) = above.pop() {
        if Some(id.as_str()) == own {
            return Err(Refusal::invalid(
                "parentCategoryId",
                "It would be below itself.",
            ));
        }
        let parent = cx.org.store.get("knowledge_category", &id);
        above.extend(
            parent
                .map(|p| ids_of(p.fields.get("parentCategory")))
                .unwrap_or_default(),
        );
    }
    Ok(())
}

fn view_category(org: &Org, id: &str, shown: &mut Fields) {
    let base = base_of(org, &at_of(org, "knowledge_category", id));
    shown.insert("knowledgeBase".into(), base);
}

fn prepare_document(fields: &mut Fields) {
    crud::reference_from(fields, "categoryId", "category");
    crud::references_from(fields, "labelIds", "labels");
}

/// Whatever changes in a document is a draft until it is published.
fn check_document(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    same_base(
        cx,
        fields,
        "knowledge_category",
        &ids_of(fields.get("category")),
    )?;
    same_base(cx, fields, "knowledge_label", &ids_of(fields.get("labels")))?;
    fields.insert("state".into(), json!("Draft"));
    Ok(())
}

fn view_document(org: &Org, id: &str, shown: &mut Fields) {
    let at = at_of(org, "knowledge_document", id);
    shown.insert("knowledgeBase".into(), base_of(org, &at));
}

/// Drafts that were never published are listed only where they are asked for.
fn list_documents(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = kind("knowledge_document");
    crud::check_place(cx, req, kind, false)?;
    let mut objects = page::select(cx, req, kind)?;
    if !req.flag("includeDrafts") {
        objects.retain(|(_, fields)| fields.contains_key("lastPublishedVersionNumber"));
    }
    page::list_found(cx, req, kind, &objects)
}

/// A changed variation makes its document a draft.
fn redraft(cx: &mut Cx<'_>, document: &str) {
    if let Some(fields) = cx.org.store.fields_mut("knowledge_document", document) {
        fields.insert("state".into(), json!("Draft"));
    }
}

fn check_variation(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let document = text(fields, AT)
        .split('/')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    redraft(cx, &document);
    Ok(())
}

fn delete_variation(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let document = req.param("documentId").to_owned();
    let answer = crud::serve(cx, req, kind("knowledge_variation"), crud::Verb::Delete)?;
    redraft(cx, &document);
    Ok(answer)
}

fn view_variation(org: &Org, id: &str, shown: &mut Fields) {
    let at = at_of(org, "knowledge_variation", id);
    let document = at.split('/').nth(1).unwrap_or_default();
    let document = json!({
        "id": document,
        "knowledgeBase": base_of(org, &at),
        "selfUri": format!("{BASES}/{}/documents/{document}", at.split('/').next().unwrap_or_default()),
    });
    shown.insert("document".into(), document);
}

/// Gives what a document says now, as a file of its base has it.
pub(super) fn version_of(cx: &Cx<'_>, id: &str) -> Value {
    let Some(document) = cx.org.store.get("knowledge_document", id) else {
        return Value::Null;
    };
    let at = format!("{}/{id}", document.text(AT));
    let variations: Vec<Value> = cx
        .org
        .store
        .all("knowledge_variation")
        .filter(|variation| variation.text(AT) == at)
        .map(|variation| {
            let field = |name: &str| variation.fields.get(name);
            json!({
                "id": variation.id, "name": field("name"), "priority": field("priority"),
                "body": field("body"),
            })
        })
        .collect();
    let named = |kind: &str, id: &str| {
        let object = cx.org.store.get(kind, id);
        json!({"id": id, "name": object.map(|object| object.text("name"))})
    };
    let field = |name: &str| document.fields.get(name);
    let category = ids_of(field("category")).pop();
    let labels = ids_of(field("labels"));
    json!({
        "title": field("title"),
        "visible": field("visible"),
        "alternatives": field("alternatives"),
        "category": category.map(|id| named("knowledge_category", &id)),
        "labels": labels.iter().map(|id| named("knowledge_label", id)).collect::<Vec<_>>(),
        "variations": variations,
    })
}

/// Publishes what the draft of a document says; a document that says nothing cannot be.
fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (base, id) = (
        req.param("knowledgeBaseId"),
        req.param("documentId").to_owned(),
    );
    let document = cx.find_live("knowledge_document", &id)?;
    if document.text(AT) != base {
        return Err(Refusal::not_found("knowledge_document", &id));
    }
    let mut fields = document.fields.clone();
    let at = format!("{base}/{id}");
    if !cx
        .org
        .store
        .all("knowledge_variation")
        .any(|v| v.text(AT) == at)
    {
        return Err(Refusal::bad_request("The document has no variation."));
    }
    let number = fields
        .get("lastPublishedVersionNumber")
        .and_then(Value::as_u64);
    let number = number.unwrap_or(0) + 1;
    fields.insert("state".into(), json!("Published"));
    fields.insert(PUBLISHED.into(), version_of(cx, &id));
    fields.insert("lastPublishedVersionNumber".into(), json!(number));
    fields.insert("datePublished".into(), json!(spell(cx.now)));
    cx.replace(kind("knowledge_document"), &id, fields);
    audit::note(
        cx,
        ("Knowledge", "KnowledgeDocument"),
        "Publish",
        &id,
        "",
        Vec::new(),
    );
    if let Some(fields) = cx.org.store.fields_mut("knowledge_base", base) {
        fields.insert("published".into(), json!(true));
    }
    let version = cx.org.new_id();
    Ok(Reply::ok(json!({
        "id": version,
        "versionNumber": number,
        "datePublished": spell(cx.now),
        "document": cx.show("knowledge_document", &id),
    })))
}
