//! Workbins, worktypes with their statuses and rules, workitem schemas and workitems.

use serde_json::{Value, json};

use crate::crud::{self, body_fields, reference_from, references_from};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{AT, Division, Kind, Style, Version};
use crate::page;
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};

const RULE: Kind = Kind {
    parent: Some("worktype"),
    style: Style::Cursor,
    max_page: 200,
    check: Some(in_worktype),
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "workbin",
        path: "/api/v2/taskmanagement/workbins",
        audit: ("TaskManagement", "Workbin"),
        division: Division::Object,
        style: Style::Cursor,
        max_page: 200,
        prepare: Some(prepare),
        ..Kind::PLAIN
    },
    Kind {
        name: "workitem_schema",
        path: "/api/v2/taskmanagement/workitems/schemas",
        audit: ("", ""),
        version: Version::Number,
        style: Style::Whole,
        defaults: r#"{"enabled": true}"#,
        check: Some(check_schema),
        ..Kind::PLAIN
    },
    Kind {
        name: "worktype",
        path: "/api/v2/taskmanagement/worktypes",
        audit: ("TaskManagement", "Worktype"),
        division: Division::Object,
        refs: &[
            Ref::to("defaultWorkbin", "workbin"),
            Ref::to("defaultStatus", "worktype_status"),
            Ref::to("defaultLanguage", "language").weak(),
            Ref::to("defaultQueue", "queue"),
            Ref::to("defaultSkills[]", "skill").weak(),
            Ref::to("schema", "workitem_schema"),
            Ref::to("defaultScript", "script"),
        ],
        style: Style::Cursor,
        max_page: 200,
        defaults: r#"{"defaultPriority": 0, "assignmentEnabled": false, "defaultSkills": [],
            "ruleSettings": {"flowRulesEnabled": false}, "unassignedDivisionContactsEnabled": false}"#,
        server: &["disableDefaultStatusCreation"],
        prepare: Some(prepare),
        check: Some(check_worktype),
        ..Kind::PLAIN
    },
    Kind {
        name: "worktype_status",
        path: "/api/v2/taskmanagement/worktypes/{worktypeId}/statuses",
        parent: Some("worktype"),
        audit: ("", ""),
        refs: &[
            Ref::to("destinationStatuses[]", "worktype_status").weak(),
            Ref::to("defaultDestinationStatus", "worktype_status").weak(),
        ],
        style: Style::Whole,
        defaults: r#"{"destinationStatuses": [], "autoTerminateWorkitem": false}"#,
        fixed: &["category"],
        prepare: Some(prepare),
        check: Some(check_status),
        may_delete: Some(is_not_led_to),
        ..Kind::PLAIN
    },
    Kind {
        name: "worktype_oncreate_rule",
        path: "/api/v2/taskmanagement/worktypes/{worktypeId}/flows/oncreate/rules",
        audit: ("", ""),
        defaults: r#"{"type": "OnCreate", "action": {"type": "LaunchFlow"}}"#,
        ..RULE
    },
    Kind {
        name: "worktype_onattributechange_rule",
        path: "/api/v2/taskmanagement/worktypes/{worktypeId}/flows/onattributechange/rules",
        audit: ("", ""),
        defaults: r#"{"type": "OnAttributeChange", "action": {"type": "LaunchFlow"}}"#,
        check: Some(check_attribute),
        ..RULE
    },
    Kind {
        name: "worktype_datebased_rule",
        path: "/api/v2/taskmanagement/worktypes/{worktypeId}/flows/datebased/rules",
        audit: ("", ""),
        defaults: r#"{"type": "Date", "action": {"type": "LaunchFlow"}}"#,
        ..RULE
    },
    Kind {
        name: "workitem",
        path: "/api/v2/taskmanagement/workitems",
        audit: ("", ""),
        key: &[],
        refs: &[
            Ref::to("type", "worktype"),
            Ref::to("workbin", "workbin"),
            Ref::to("status", "worktype_status"),
            Ref::to("language", "language").weak(),
            Ref::to("utilizationLabel", "utilization_label").weak(),
            Ref::to("assignee", "user").weak(),
            Ref::to("externalContact", "external_contact").weak(),
            Ref::to("queue", "queue"),
            Ref::to("skills[]", "skill").weak(),
            Ref::to("preferredAgents[]", "user").weak(),
            Ref::to("script", "script").weak(),
        ],
        max_page: 200,
        defaults: r#"{"autoStatusTransition": true, "skills": [], "preferredAgents": []}"#,
        fixed: &["type"],
        prepare: Some(prepare),
        check: Some(check_workitem),
        ..Kind::PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let base = "/api/v2/taskmanagement";
    registry.on("POST", &format!("{base}/workbins/query"), workbins);
    registry.on("POST", &format!("{base}/worktypes/query"), worktypes);
    registry.on("POST", &format!("{base}/workitems/query"), workitems);
    registry.on("POST", &format!("{base}/worktypes"), create_worktype);
}

/// Turns the ids that writes name into what is shown.
fn prepare(fields: &mut Fields) {
    for (id, name) in [
        ("divisionId", "division"),
        ("defaultWorkbinId", "defaultWorkbin"),
        ("defaultStatusId", "defaultStatus"),
        ("defaultLanguageId", "defaultLanguage"),
        ("defaultQueueId", "defaultQueue"),
        ("schemaId", "schema"),
        ("defaultScriptId", "defaultScript"),
        ("defaultDestinationStatusId", "defaultDestinationStatus"),
        ("typeId", "type"),
        ("workbinId", "workbin"),
        ("statusId", "status"),
        ("languageId", "language"),
        ("utilizationLabelId", "utilizationLabel"),
        ("assigneeId", "assignee"),
        ("externalContactId", "externalContact"),
        ("queueId", "queue"),
        ("scriptId", "script"),
    ] {
        reference_from(fields, id, name);
    }
    for (ids, name) in [
        ("defaultSkillIds", "defaultSkills"),
        ("destinationStatusIds", "destinationStatuses"),
        ("skillIds", "skills"),
        ("preferredAgentIds", "preferredAgents"),
    ] {
        references_from(fields, ids, name);
    }
    if let Some(version) = fields.remove("schemaVersion")
        && let Some(schema) = fields.get_mut("schema")
    {
        schema["version"] = version;
    }
}

/// What lives in a worktype says so.
fn in_worktype(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let worktype = json!({ "id": text(fields, AT) });
    fields.insert("worktype".into(), worktype);
    Ok(())
}

/// A new schema is enabled whatever is said, and no field of a schema goes away.
fn check_schema(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let Some(old) = old else {
        fields.insert("enabled".into(), true.into());
        return Ok(());
    };
    let names = |fields: &Fields| -> Vec<String> {
        let schema = fields.get("jsonSchema");
        let properties = schema.and_then(|schema| schema["properties"].as_object());
        properties.map_or_else(Vec::new, |map| map.keys().cloned().collect())
    };
    let now = names(fields);
    match names(old).into_iter().find(|name| !now.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Refusal::invalid(
            "jsonSchema.properties",
            format!("The field {name} cannot be removed."),
        )),
    }
}

fn check_worktype(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if let Some(id) = fields.get("defaultStatus").and_then(id_of) {
        let status = cx.org.store.get("worktype_status", id);
        if old.is_none() || status.is_none_or(|status| status.text(AT) != req.id()) {
            return Err(Refusal::invalid(
                "defaultStatusId",
                "The worktype has no such status.",
            ));
        }
    }
    let schema = fields.get("schema").and_then(id_of).map(str::to_owned);
    if let (Some(id), Some(schema)) = (schema, fields.get_mut("schema"))
        && schema["version"].is_null()
        && let Some(newest) = cx.org.store.get("workitem_schema", &id)
    {
        schema["version"] = newest.fields.get("version").cloned().unwrap_or_default();
    }
    Ok(())
}

/// A status leads to others of its worktype only, and a delay needs somewhere to go.
fn check_status(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    in_worktype(cx, req, fields, old)?;
    for path in ["destinationStatuses[]", "defaultDestinationStatus"] {
        for (_, id) in Ref::to(path, "worktype_status").find(fields) {
            let status = cx.org.store.get("worktype_status", id);
            if status.is_some_and(|status| status.text(AT) != text(fields, AT)) {
                return Err(Refusal::invalid(
                    "destinationStatusIds",
                    format!("The status {id} is of another worktype."),
                ));
            }
        }
    }
    let delays = fields.contains_key("statusTransitionDelaySeconds");
    if delays && !fields.contains_key("defaultDestinationStatus") {
        return Err(Refusal::invalid(
            "statusTransitionDelaySeconds",
            "There is no default destination.",
        ));
    }
    Ok(())
}

fn is_not_led_to(cx: &Cx<'_>, req: &Req, _: &Fields) -> Result<(), Refusal> {
    let id = req.id();
    let leads = |fields: &Fields| {
        let paths = ["destinationStatuses[]", "defaultDestinationStatus"];
        let mut ids = paths
            .iter()
            .flat_map(|path| Ref::to(path, "worktype_status").find(fields));
        ids.any(|(_, to)| to == id)
    };
    let other = cx
        .org
        .store
        .all("worktype_status")
        .find(|status| status.id != id && leads(&status.fields));
    match other {
        None => Ok(()),
        Some(status) => Err(Refusal::new(
            409,
            "general.conflict",
            format!("The status {} leads to it.", status.text("name")),
        )),
    }
}

/// Where the attribute is an id, what it is compared with must be there.
fn check_attribute(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    in_worktype(cx, req, fields, old)?;
    let condition = fields.get("condition").cloned().unwrap_or_default();
    let kind = match condition["attribute"].as_str().unwrap_or_default() {
        "statusId" => "worktype_status",
        "queueId" => "queue",
        "assigneeId" => "user",
        "languageId" => "language",
        "wrapup" => "wrapup_code",
        _ => return Ok(()),
    };
    for place in ["newValue", "oldValue"] {
        let id = condition[place].as_str().unwrap_or_default();
        if !id.is_empty() && cx.org.store.get(kind, id).is_none() {
            return Err(Refusal::invalid(
                "condition",
                format!("There is no {kind} with id {id}."),
            ));
        }
    }
    Ok(())
}

/// A worktype gets statuses of its own unless the request says otherwise.
fn create_worktype(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut fields = body_fields(&req.body);
    let without = fields.get("disableDefaultStatusCreation") == Some(&Value::Bool(true));
    prepare(&mut fields);
    let id = crud::insert(cx, req, the_kind("worktype"), fields)?;
    if !without {
        for (name, category) in [("Open", "Open"), ("Closed", "Closed")] {
            let status = cx.org.new_id();
            let mut fields = body_fields(&json!({"name": name, "category": category}));
            fields.insert(AT.into(), id.as_str().into());
            crud::complete(the_kind("worktype_status"), &mut fields);
            in_worktype(cx, req, &mut fields, None)?;
            cx.insert(the_kind("worktype_status"), &status, fields);
            if category == "Open"
                && let Some(worktype) = cx.org.store.fields_mut("worktype", &id)
            {
                worktype.insert("defaultStatus".into(), json!({ "id": status }));
            }
        }
        cx.touched = Some(id.clone());
    }
    Ok(Reply::ok(cx.show("worktype", &id)))
}

fn workbins(cx: &mut Cx<'_>, req: &Req) -> Answer {
    page::query(cx, req, "workbin", &[("name", "name")])
}

fn worktypes(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let filters = [("name", "name"), ("defaultWorkbinId", "defaultWorkbin")];
    page::query(cx, req, "worktype", &filters)
}

/// A workitem takes from its worktype what is not said, and is in a status of that worktype.
fn check_workitem(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let id = fields.get("type").and_then(id_of).unwrap_or_default();
    let Some(worktype) = cx.org.store.get("worktype", id) else {
        return Ok(()); // refused with the references
    };
    for (own, default) in [
        ("workbin", "defaultWorkbin"),
        ("status", "defaultStatus"),
        ("language", "defaultLanguage"),
        ("queue", "defaultQueue"),
        ("priority", "defaultPriority"),
        ("durationSeconds", "defaultDurationSeconds"),
        ("script", "defaultScript"),
    ] {
        if let (None, Some(value)) = (fields.get(own), worktype.fields.get(default)) {
            fields.insert(own.into(), value.clone());
        }
    }
    let status = fields.get("status").and_then(id_of);
    let status = status.and_then(|id| cx.org.store.get("worktype_status", id));
    let of_type = status.filter(|status| status.text(AT) == worktype.id);
    let Some(status) = of_type else {
        return Err(Refusal::invalid(
            "statusId",
            "The worktype has no such status.",
        ));
    };
    let category = status.text("category").to_owned();
    let workbin = fields.get("workbin").and_then(id_of);
    let workbin = workbin.and_then(|id| cx.org.store.get("workbin", id));
    let division = workbin.and_then(|workbin| workbin.fields.get("division"));
    if let Some(division) = division.cloned() {
        fields.insert("division".into(), division);
    }
    fields.insert("statusCategory".into(), category.into());
    Ok(())
}

/// The service wants to know whose or which items are asked for.
fn workitems(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let filters = [
        ("workbinId", "workbin"),
        ("typeId", "type"),
        ("assigneeId", "assignee"),
    ];
    let named = |filter: &Value| filters.iter().any(|(name, _)| filter["name"] == *name);
    let given = req.body["filters"].as_array();
    if !given.is_some_and(|given| given.iter().any(named)) {
        return Err(Refusal::invalid(
            "filters",
            "A workbin, a worktype or an assignee is needed.",
        ));
    }
    page::query(cx, req, "workitem", &filters)
}
