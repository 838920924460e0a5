//! Documents of which an org has one: settings, defaults, an identity provider of each sort.

use serde_json::Value;

use crate::audit;
use crate::crud::body_fields;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::refs::Ref;
use crate::routes::Req;
use crate::store::Fields;

/// Checks, and may complete, what is about to be written.
type Check = fn(&mut Cx<'_>, &mut Fields) -> Result<(), Refusal>;

/// Describes one document.
pub(crate) struct Single {
    /// Its path.
    pub(crate) path: &'static str,
    /// The service and the entity type of its audits; empty where there are none.
    pub(crate) audit: (&'static str, &'static str),
    /// What it says in a new org; nothing where it is 404 until it is written.
    pub(crate) at_first: Option<&'static str>,
    /// Whether a write names the version that it replaces.
    pub(crate) version: bool,
    pub(crate) refs: &'static [Ref],
    /// Fields that a write never shows again.
    pub(crate) write_only: &'static [&'static str],
    pub(crate) check: Option<Check>,
}

impl Single {
    /// An unversioned document that is empty at first.
    pub(crate) const PLAIN: Self = Self {
        path: "",
        audit: ("", ""),
        at_first: Some("{}"),
        version: false,
        refs: &[],
        write_only: &[],
        check: None,
    };

    fn stored(&self, cx: &Cx<'_>) -> Option<Fields> {
        let first = || serde_json::from_str(self.at_first?).ok();
        match cx.org.singles.get(self.path).cloned().or_else(first) {
            Some(Value::Object(fields)) => Some(fields),
            _ => None,
        }
    }

    fn shown(&self, mut fields: Fields) -> Reply {
        fields.retain(|name, _| !self.write_only.contains(&name.as_str()));
        fields.insert("selfUri".into(), self.path.into());
        Reply::ok(Value::Object(fields))
    }
}

impl std::fmt::Debug for Single {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Single").field(&self.path).finish()
    }
}

/// Serves a document.
pub(crate) fn serve(cx: &mut Cx<'_>, req: &Req, single: &'static Single) -> Answer {
    let not_there = || Refusal::not_found(single.audit.1, single.path);
    let old = single.stored(cx);
    let method = req.operation.method.as_str();
    if method == "GET" {
        return old.map(|fields| single.shown(fields)).ok_or_else(not_there);
    }
    if method == "DELETE" {
        old.ok_or_else(not_there)?;
        cx.org.singles.remove(single.path);
        audit::note(cx, single.audit, "Delete", single.path, "", Vec::new());
        return Ok(Reply::empty(204));
    }
    let mut fields = body_fields(&req.body);
    let version = |fields: &Fields| fields.get("version").and_then(Value::as_i64);
    let current = old.as_ref().and_then(version).unwrap_or(1);
    if single.version && old.is_some() && version(&fields) != Some(current) {
        let given = version(&fields).map_or_else(|| "none".to_owned(), |n| n.to_string());
        return Err(Refusal::new(
            409,
            "general.conflict",
            format!("The version {given} is not the current one, {current}."),
        ));
    }
    if method == "PATCH" {
        let mut whole = old.clone().ok_or_else(not_there)?;
        whole.extend(fields);
        fields = whole;
    }
    if let Some(check) = single.check {
        check(cx, &mut fields)?;
    }
    cx.org.check_references(single.refs, &fields)?;
    if single.version {
        let next = if old.is_some() { current + 1 } else { 1 };
        fields.insert("version".into(), next.into());
    }
    cx.org
        .singles
        .insert(single.path, Value::Object(fields.clone()));
    audit::note(cx, single.audit, "Update", single.path, "", Vec::new());
    Ok(single.shown(fields))
}
