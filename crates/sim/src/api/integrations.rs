//! Integrations, their configuration, and credentials.

use serde_json::{Value, json};

use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind, Oversize, Style};
use crate::page::{self, cut, hundreds};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

const KINDS: &[Kind] = &[
    Kind {
        name: "integration",
        path: "/api/v2/integrations",
        audit: ("Integrations", "Integration"),
        // Names need not be unique.
        key: &[],
        refs: &[Ref::to("$config.credentials{}", "credential")],
        filters: &[
            ("ids", Filter::Exact("id")),
            ("integrationType", Filter::Reference("integrationType")),
            ("credentialId", Filter::Reference("$config.credentials{}")),
        ],
        view: Some(view),
        ..Kind::PLAIN
    },
    Kind {
        name: "credential",
        path: "/api/v2/integrations/credentials",
        audit: ("Integrations", "Credential"),
        key: &[],
        write_only: &["credentialFields"],
        check: Some(check_credential),
        view: Some(view_credential),
        ..Kind::PLAIN
    },
];

/// A type of integration that can be had.
struct Type {
    id: &'static str,
    name: &'static str,
    /// The credentials it takes: key and types.
    credentials: &'static [(&'static str, &'static [&'static str])],
    /// How many of it an org may have.
    most: usize,
}

static TYPES: [Type; 5] = [
    Type {
        id: "custom-rest-actions",
        name: "Web Services Data Actions",
        credentials: &[
            ("basicAuth", &["basicAuth"]),
            ("userDefined", &["userDefined"]),
            ("userDefinedOAuth", &["userDefinedOAuth"]),
        ],
        most: 100,
    },
    Type {
        id: "purecloud-data-actions",
        name: "Genesys Cloud Data Actions",
        credentials: &[("pureCloudOAuthClient", &["pureCloudOAuthClient"])],
        most: 100,
    },
    Type {
        id: "function-data-actions",
        name: "Function Data Actions",
        credentials: &[("functionDataActions", &["userDefined"])],
        most: 100,
    },
    Type {
        id: "embedded-client-app",
        name: "Client Application",
        credentials: &[],
        most: 200,
    },
    Type {
        id: "webhook",
        name: "Inbound Webhook",
        credentials: &[],
        most: 10,
    },
];

/// The types of credential: name and the fields it needs.
const CREDENTIAL_TYPES: [(&str, &[&str]); 5] = [
    ("basicAuth", &["userName", "password"]),
    ("userDefined", &[]),
    ("userDefinedOAuth", &["clientId", "clientSecret"]),
    ("pureCloudOAuthClient", &["clientId", "clientSecret"]),
    ("amazonWebServicesIamRole", &["roleArn"]),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let one = "/api/v2/integrations/{integrationId}";
    registry.on("GET", "/api/v2/integrations", list);
    registry.on("POST", "/api/v2/integrations", create);
    registry.on("GET", one, read);
    registry.on("PATCH", one, patch);
    registry.on("DELETE", one, delete);
    registry.on("GET", &format!("{one}/config/current"), config);
    registry.on("PUT", &format!("{one}/config/current"), set_config);
    registry.on("GET", "/api/v2/integrations/types", types);
    registry.on("GET", "/api/v2/integrations/types/{typeId}", one_type);
    let credentials = "/api/v2/integrations/credentials";
    registry.on("GET", &format!("{credentials}/types"), credential_types);
    registry.on("GET", &format!("{credentials}/listing"), credential_listing);
}

fn kind() -> &'static Kind {
    the_kind("integration")
}

// Types

fn type_of(id: &str) -> Option<&'static Type> {
    TYPES.iter().find(|sort| sort.id == id)
}

fn show_type(sort: &Type) -> Value {
    let credentials: serde_json::Map<String, Value> = sort
        .credentials
        .iter()
        .map(|(key, types)| {
            let needed = json!({"required": false, "title": key, "credentialTypes": types});
            ((*key).to_owned(), needed)
        })
        .collect();
    json!({
        "id": sort.id,
        "name": sort.name,
        "provider": "simulator",
        "category": "Data Actions",
        "credentials": credentials,
        "nonInstallable": false,
        "maxInstances": sort.most,
        "selfUri": format!("/api/v2/integrations/types/{}", sort.id),
    })
}

fn types(_: &mut Cx<'_>, req: &Req) -> Answer {
    hundreds(req, &TYPES, show_type)
}

fn one_type(_: &mut Cx<'_>, req: &Req) -> Answer {
    let found =
        type_of(req.id()).ok_or_else(|| Refusal::not_found("integration type", req.id()))?;
    Ok(Reply::ok(show_type(found)))
}

// Integrations

fn view(_: &Org, _: &str, shown: &mut Fields) {
    let kind = shown
        .get("integrationType")
        .and_then(id_of)
        .unwrap_or("")
        .to_owned();
    if let Some(Type { id, name, .. }) = type_of(&kind) {
        let uri = format!("/api/v2/integrations/types/{id}");
        let full = json!({"id": id, "name": name, "selfUri": uri});
        shown.insert("integrationType".into(), full);
    }
}

/// Shows an integration; what it reports follows later what is intended for it.
fn show(cx: &Cx<'_>, object: &Object) -> Value {
    let mut shown = cx.org.view(kind(), &object.id, &object.fields);
    let on = object.text("intendedState") == "ENABLED";
    let settled = object
        .fields
        .get("$settled_at")
        .and_then(Value::as_str)
        .and_then(|at| at.parse::<jiff::Timestamp>().ok())
        .is_none_or(|at| at <= cx.now);
    let code = match (on, settled) {
        (true, true) => "ACTIVE",
        (true, false) => "ACTIVATING",
        (false, true) => "INACTIVE",
        (false, false) => "DEACTIVATING",
    };
    shown.insert("reportedState".into(), json!({ "code": code }));
    shown.into()
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut found = page::select(cx, &without_ids(req), kind())?;
    let ids: Vec<&str> = req.queries("ids").flat_map(|ids| ids.split(',')).collect();
    let reported = req.query("reportedState");
    found.retain(|(object, _)| {
        (ids.is_empty() || ids.contains(&object.id.as_str()))
            && reported
                .as_deref()
                .is_none_or(|code| show(cx, object)["reportedState"]["code"] == code)
    });
    let shown = |(object, _): &(&Object, &Fields)| show(cx, object);
    hundreds(req, &found, shown)
}

/// The filters that `list` applies itself are not for the row.
fn without_ids(req: &Req) -> Req {
    let own = ["ids", "reportedState"];
    Req {
        operation: req.operation,
        path: req.path.clone(),
        params: req.params.clone(),
        query: req
            .query
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .cloned()
            .collect(),
        body: Value::Null,
    }
}

fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let sort = id_of(&req.body["integrationType"]).unwrap_or("").to_owned();
    let Some(Type { most, .. }) = type_of(&sort) else {
        return Err(Refusal::bad_request(format!(
            "There is no integration type {sort}."
        )));
    };
    let same = cx.org.store.all("integration").filter(|integration| {
        integration.fields.get("integrationType").and_then(id_of) == Some(sort.as_str())
    });
    if same.count() >= *most {
        return Err(Refusal::bad_request(format!(
            "There are {most} integrations of type {sort} already."
        )));
    }
    let name = req.body["name"].as_str().unwrap_or("").to_owned();
    let mut fields = crud::body_fields(&req.body);
    fields.insert("integrationType".into(), json!({ "id": sort }));
    fields.insert("intendedState".into(), "DISABLED".into());
    fields.insert(
        "$config".into(),
        json!({"name": name, "version": 1, "properties": {}, "advanced": {}, "notes": "", "credentials": {}}),
    );
    let id = crud::insert(cx, req, kind(), fields)?;
    settle(cx, &id);
    Ok(Reply::ok(show(cx, cx.find_now(&id)?)))
}

/// What is intended takes effect when lists would show it.
fn settle(cx: &mut Cx<'_>, id: &str) {
    let at = cx.org.sight(kind(), cx.now).listed_at;
    if let Some(fields) = cx.org.store.fields_mut("integration", id) {
        fields.insert("$settled_at".into(), at.to_string().into());
    }
}

impl Cx<'_> {
    fn find_now(&self, id: &str) -> Result<&Object, Refusal> {
        let object = self.org.store.get("integration", id);
        object.ok_or_else(|| Refusal::not_found("integration", id))
    }
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let shown = show(cx, cx.find("integration", req.id())?);
    Ok(Reply::ok(shown))
}

fn patch(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.id().to_owned();
    let mut fields = cx.find("integration", &id)?.fields.clone();
    let state = req.body["intendedState"].as_str().unwrap_or("");
    if !["ENABLED", "DISABLED"].contains(&state) {
        return Err(Refusal::not_simulated(format!(
            "The simulator does not know the state {state}."
        )));
    }
    fields.insert("intendedState".into(), state.into());
    cx.replace(kind(), &id, fields);
    settle(cx, &id);
    Ok(Reply::ok(show(cx, cx.find_now(&id)?)))
}

fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.id().to_owned();
    let mut last = show(cx, cx.find("integration", &id)?);
    crud::check_unused(cx, req, kind(), &id)?;
    last["intendedState"] = "DELETED".into();
    cx.remove(kind(), &id);
    Ok(Reply::ok(last))
}

fn config(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("integrationId");
    cx.find("integration", id)?;
    Ok(Reply::ok(show_config(cx, id)))
}

fn show_config(cx: &Cx<'_>, id: &str) -> Value {
    let config = cx
        .org
        .store
        .get("integration", id)
        .and_then(|integration| integration.fields.get("$config"));
    let mut shown = config.cloned().unwrap_or_default();
    if let Some(Value::Object(credentials)) = shown.get_mut("credentials") {
        for credential in credentials.values_mut() {
            let full = id_of(credential).map(|id| cx.show("credential", id));
            *credential = full.unwrap_or_default();
        }
    }
    shown["id"] = id.into();
    shown["selfUri"] = format!("/api/v2/integrations/{id}/config/current").into();
    shown
}

fn set_config(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("integrationId").to_owned();
    let old = cx.find("integration", &id)?.fields.clone();
    let current = old
        .get("$config")
        .and_then(|config| config["version"].as_i64())
        .unwrap_or(1);
    if req.body["version"].as_i64() != Some(current) {
        let message = format!("The version of the configuration is {current}.");
        return Err(Refusal::new(409, "general.conflict", message));
    }
    let sort = old.get("integrationType").and_then(id_of).unwrap_or("");
    let slots = type_of(sort).map_or(&[][..], |sort| sort.credentials);
    let mut credentials = serde_json::Map::new();
    for (key, given) in req.body["credentials"].as_object().into_iter().flatten() {
        let credential = id_of(given).unwrap_or("");
        let Some(held) = cx.org.store.get("credential", credential) else {
            return Err(Refusal::bad_request(format!(
                "There is no credential with id {credential}."
            )));
        };
        let sort = held
            .fields
            .get("type")
            .map_or("", |t| t["name"].as_str().unwrap_or(""));
        if !slots
            .iter()
            .any(|(slot, types)| slot == key && types.contains(&sort))
        {
            return Err(Refusal::bad_request(format!(
                "The integration takes no credential {key} of type {sort}."
            )));
        }
        credentials.insert(key.clone(), json!({ "id": credential }));
    }
    let mut config = req.body.clone();
    if let Value::Object(config) = &mut config {
        config.remove("id");
        config.remove("selfUri");
        config.insert("version".into(), (current + 1).into());
        config.insert("credentials".into(), credentials.into());
    }
    let mut fields = old.clone();
    fields.insert("name".into(), req.body["name"].clone());
    fields.insert("$config".into(), config);
    cx.replace(kind(), &id, fields);
    audit::note(cx, kind().audit, "Update", &id, "", Vec::new());
    Ok(Reply::ok(show_config(cx, &id)))
}

// Credentials

fn check_credential(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let sort = fields
        .get("type")
        .map_or("", |sort| sort["name"].as_str().unwrap_or(""))
        .to_owned();
    let Some((_, needed)) = CREDENTIAL_TYPES.iter().find(|(name, _)| *name == sort) else {
        return Err(Refusal::invalid(
            "type",
            format!("There is no credential type {sort}."),
        ));
    };
    let given = fields.get("credentialFields").and_then(Value::as_object);
    for field in *needed {
        if given.is_none_or(|given| !given.contains_key(*field)) {
            return Err(Refusal::new(
                400,
                "required.field.missing",
                format!("The field {field} is required."),
            )
            .detail("required.field.missing", field));
        }
    }
    fields.insert("type".into(), json!({ "name": sort }));
    Ok(())
}

fn view_credential(_: &Org, _: &str, shown: &mut Fields) {
    let sort = shown
        .get("type")
        .map_or("", |sort| sort["name"].as_str().unwrap_or(""))
        .to_owned();
    shown.insert("type".into(), json!({"id": sort, "name": sort}));
}

fn credential_types(_: &mut Cx<'_>, _: &Req) -> Answer {
    let shown = |(name, needed): &(&str, &[&str])| {
        let properties: serde_json::Map<String, Value> = needed
            .iter()
            .map(|field| ((*field).to_owned(), json!({"type": "string"})))
            .collect();
        json!({"id": name, "name": name, "properties": properties, "displayOrder": needed, "required": needed})
    };
    Ok(Reply::ok(CREDENTIAL_TYPES.iter().map(shown).collect()))
}

fn credential_listing(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("credential");
    let found = page::select(cx, req, kind)?;
    let shown =
        |(object, fields): &(&Object, &Fields)| cx.org.view(kind, &object.id, fields).into();
    cut(req, Style::Cursor, 200, Oversize::Refuse, &found, shown).map(Reply::ok)
}

/// Tells whether an integration is there and ready for actions.
pub(crate) fn is_ready(cx: &Cx<'_>, id: &str) -> bool {
    cx.org
        .store
        .get("integration", id)
        .is_some_and(|integration| {
            let at = text(&integration.fields, "$settled_at").parse::<jiff::Timestamp>();
            at.is_ok_and(|at| at <= cx.now)
        })
}
