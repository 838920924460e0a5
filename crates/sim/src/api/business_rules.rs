//! Schemas of business rules, and decision tables by name.

use serde_json::{Value, json};

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal};
use crate::kind::{Deletion, Division, Filter, Kind, Style, Version};
use crate::page;
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::Fields;
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "business_rules_schema",
    path: "/api/v2/businessrules/schemas",
    audit: ("BusinessRules", "Schema"),
    duplicate: (409, "general.conflict"),
    version: Version::Number,
    style: Style::Whole,
    deletion: Deletion {
        status: 200,
        ..Deletion::PLAIN
    },
    defaults: r#"{"enabled": true, "appliesTo": ["DECISION_TABLE"]}"#,
    check: Some(check_schema),
    view: Some(view_schema),
    ..Kind::PLAIN
}];

const TABLES: &str = "/api/v2/businessrules/decisiontables";

/// Tables are listed, found and made; the simulator keeps no rows.
const DECISION_TABLES: &[Kind] = &[Kind {
    name: "decision_table",
    path: TABLES,
    audit: ("BusinessRules", "DecisionTable"),
    duplicate: (409, "general.conflict"),
    style: Style::Cursor,
    division: Division::Object,
    refs: &[Ref::to("$schema", "business_rules_schema")],
    filters: &[("divisionIds", Filter::Reference("division"))],
    prepare: Some(prepare_table),
    view: Some(view_table),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.kinds_of(DECISION_TABLES);
    registry.on("GET", &format!("{TABLES}/search"), search_tables);
}

fn prepare_table(fields: &mut Fields) {
    crud::reference_from(fields, "divisionId", "division");
    if let Some(schema) = fields.remove("schemaId") {
        fields.insert("$schema".into(), schema);
    }
}

/// A new table is a draft of its first version.
fn view_table(_: &Org, id: &str, shown: &mut Fields) {
    shown.insert("latest".into(), json!({"id": id, "version": 1}));
    shown.insert("latestVersionStatus".into(), json!("Draft"));
    shown.remove("createdBy");
    shown.remove("modifiedBy");
}

fn search_tables(cx: &mut Cx<'_>, req: &Req) -> Answer {
    page::list(cx, req, the_kind("decision_table"))
}

/// A schema is called what its title says; a property, once there, keeps its sort.
fn check_schema(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let title = fields["jsonSchema"]["title"].as_str().unwrap_or("");
    if title.is_empty() {
        return Err(Refusal::invalid("jsonSchema", "A schema has a title."));
    }
    fields.insert("name".into(), json!(title));
    let sorts = |fields: &Fields| -> Vec<(String, Value)> {
        let properties = fields["jsonSchema"]["properties"].as_object();
        let properties = properties.into_iter().flatten();
        properties
            .map(|(name, property)| (name.clone(), property["allOf"].clone()))
            .collect()
    };
    let new = sorts(fields);
    for (name, sort) in old.map(sorts).unwrap_or_default() {
        if !new.contains(&(name.clone(), sort)) {
            return Err(Refusal::invalid(
                "jsonSchema",
                format!("The property {name} can neither go nor become another sort."),
            ));
        }
    }
    Ok(())
}

fn view_schema(_: &Org, id: &str, shown: &mut Fields) {
    let version = shown["version"].clone();
    if let Some(Value::Object(schema)) = shown.get_mut("jsonSchema") {
        schema.insert("id".into(), json!(format!("urn:{id}:{version}")));
    }
}
