//! Answers of the API: success and refusal.

use serde_json::{Map, Value, json};

/// Represents a successful answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) text: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    pub(crate) fn with(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            text: None,
            headers: Vec::new(),
        }
    }

    /// Gives a body that is plain text.
    pub(crate) fn text(body: &str) -> Self {
        Self {
            status: 200,
            body: None,
            text: Some(body.to_owned()),
            headers: Vec::new(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            text: None,
            headers: Vec::new(),
        }
    }
}

/// What a handler gives back.
pub(crate) type Answer = Result<Reply, Refusal>;

/// Represents an answer that says no, as the API's `ErrorBody`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) more: Box<More>,
}

/// What only some refusals carry.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct More {
    pub(crate) details: Vec<Value>,
    pub(crate) entity_id: Option<String>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) allow: Vec<String>,
    /// The limit that was hit: namespace, key, value.
    pub(crate) limit: Option<(&'static str, &'static str, usize)>,
    /// It is told in the words of SCIM.
    pub(crate) scim: bool,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            more: Box::default(),
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad.request", message)
    }

    /// Refuses one value of a body or query.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::new(400, "invalid.value", message).detail("invalid.value", field)
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        let mut refusal = Self::new(
            404,
            "not.found",
            format!("The requested {what} was not found: {id}"),
        );
        refusal.more.entity_id = Some(id.to_owned());
        refusal
    }

    /// Refuses what the real API may do but the simulator does not know.
    pub(crate) fn not_simulated(what: impl Into<String>) -> Self {
        Self::new(501, "not.simulated", what)
    }

    pub(crate) fn detail(mut self, code: &str, field: &str) -> Self {
        self.more
            .details
            .push(json!({"errorCode": code, "fieldName": field}));
        self
    }

    pub(crate) fn too_many(retry_after_s: u64) -> Self {
        let mut refusal = Self::new(
            429,
            "too.many.requests.retry.after",
            format!(
                "Rate limit exceeded the maximum. Retry the request in [{retry_after_s}] seconds"
            ),
        );
        refusal.more.retry_after_s = Some(retry_after_s);
        refusal
    }

    pub(crate) fn body(&self, context_id: &str) -> Value {
        if self.more.scim {
            return self.scim_body();
        }
        let mut body = Map::new();
        body.insert("message".into(), self.message.clone().into());
        body.insert("code".into(), self.code.into());
        body.insert("status".into(), self.status.into());
        body.insert("contextId".into(), context_id.into());
        body.insert("details".into(), self.more.details.clone().into());
        body.insert("errors".into(), json!([]));
        if let Some(id) = &self.more.entity_id {
            body.insert("entityId".into(), id.clone().into());
        }
        if let Some((namespace, key, value)) = self.more.limit {
            let limit = json!({"namespace": namespace, "key": key, "value": value});
            body.insert("limit".into(), limit);
        }
        if !self.more.params.is_empty() {
            let params = self.more.params.iter().cloned();
            body.insert(
                "messageParams".into(),
                params
                    .map(|(k, v)| (k, Value::String(v)))
                    .collect::<Map<_, _>>()
                    .into(),
            );
        }
        body.into()
    }

    /// Spells the refusal as RFC 7644, 3.12 has it.
    fn scim_body(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(),
            "detail": self.message,
        });
        let sort = match self.status {
            400 => Some("invalidValue"),
            409 => Some("uniqueness"),
            _ => None,
        };
        if let Some(sort) = sort {
            body["scimType"] = sort.into();
        }
        body
    }
}
