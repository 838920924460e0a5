//! Operations, models and their parts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::route::Routes;

/// Represents the whole contract: operations by method and path, models by name.
#[derive(Debug)]
pub struct Contract {
    pub(crate) sdk_version: String,
    pub(crate) operations: Vec<Operation>,
    pub(crate) models: BTreeMap<String, Model>,
    pub(crate) routes: Routes,
}

impl Contract {
    /// Names the SDK release that the operations and models were read from.
    pub fn sdk_version(&self) -> &str {
        &self.sdk_version
    }

    /// Lists every operation, sorted by path, then method.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Finds the operation of a path template such as `/api/v2/users/{userId}`.
    pub fn operation(&self, method: &str, template: &str) -> Option<&Operation> {
        self.routes
            .template(method, template)
            .map(|index| &self.operations[index])
    }

    /// Finds a model by name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// Lists the models with their names, sorted.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.models
            .iter()
            .map(|(name, model)| (name.as_str(), model))
    }
}

/// Represents one operation: a method on a path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Operation {
    /// The SDK's operation id, such as `getRoutingQueue`.
    pub id: String,
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path template, such as `/api/v2/routing/queues/{queueId}`.
    pub path: String,
    /// The API class that the SDKs put the operation in.
    pub api: String,
    /// Path, query and header parameters.
    pub params: Vec<Param>,
    /// The type of the request body.
    pub body: Option<Type>,
    /// Whether a body must be sent.
    pub body_required: bool,
    /// The type of the success body.
    pub response: Option<Type>,
    /// What the caller must be allowed to do.
    pub permissions: Permissions,
    /// Whether a token is needed.
    pub auth: bool,
    /// Whether the operation is marked deprecated.
    pub deprecated: bool,
    /// The media types of the request; empty means JSON.
    pub consumes: Vec<String>,
    /// The media types of the answer; empty means JSON.
    pub produces: Vec<String>,
}

impl Operation {
    /// Finds a query parameter by name.
    pub fn query(&self, name: &str) -> Option<&Param> {
        self.params
            .iter()
            .find(|p| p.location == Location::Query && p.name == name)
    }
}

/// Says where a parameter travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In a segment of the path.
    Path,
    /// In the query string; lists are repeated keys.
    Query,
    /// In a request header.
    Header,
}

/// Represents one parameter of an operation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Param {
    /// The name on the wire.
    pub name: String,
    /// Where it travels.
    pub location: Location,
    /// Whether it must be given.
    pub required: bool,
    /// Its type: a scalar or a list of scalars.
    pub ty: Type,
    /// The values allowed; empty means any.
    pub enum_values: Vec<String>,
    /// The value that the server takes when it is not given.
    pub default: Option<Value>,
}

/// Says which permissions (`domain:entity:action`) an operation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// All of them.
    All(Vec<String>),
    /// At least one of them.
    Any(Vec<String>),
    /// Documented as none needed.
    None,
    /// Not documented; the names if these are known but not how they combine.
    Unknown(Vec<String>),
}

impl Permissions {
    /// Lists the names, however they combine.
    pub fn names(&self) -> &[String] {
        match self {
            Self::All(names) | Self::Any(names) | Self::Unknown(names) => names,
            Self::None => &[],
        }
    }
}

/// Represents a JSON type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A string.
    String,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A string with an ISO 8601 date, time and offset.
    DateTime,
    /// A string with an ISO 8601 date.
    Date,
    /// Any JSON value; the contract says no more.
    Object,
    /// An object of the named model.
    Model(String),
    /// A list.
    Array(Box<Type>),
    /// An object with free keys.
    Map(Box<Type>),
}

impl Type {
    /// Names the model that the type is, or holds in its lists and maps.
    pub fn model_name(&self) -> Option<&str> {
        match self {
            Self::Model(name) => Some(name),
            Self::Array(inner) | Self::Map(inner) => inner.model_name(),
            _ => None,
        }
    }
}

/// Represents an object type: named fields in the order of the SDK.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Model {
    /// The fields with their names.
    pub fields: Vec<(String, Field)>,
}

impl Model {
    /// Finds a field by name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, field)| field)
    }
}

/// Represents one field of a model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Field {
    /// Its type.
    pub ty: Type,
    /// Whether only the server sets it.
    pub read_only: bool,
    /// Whether `read_only: false` says nothing, because the source of that fact is older.
    pub read_only_unknown: bool,
    /// Whether it must be present. On a body this binds only fields that are not read-only.
    pub required: bool,
    /// Whether `required: false` says nothing.
    pub required_unknown: bool,
    /// The values allowed (of the items, on a list or map); empty means any.
    pub enum_values: Vec<String>,
    /// `local-date-time` or `year-month`, on strings.
    pub format: Option<String>,
    /// The least number of characters.
    pub min_length: Option<u64>,
    /// The largest number of characters.
    pub max_length: Option<u64>,
    /// The least value.
    pub minimum: Option<f64>,
    /// The largest value.
    pub maximum: Option<f64>,
    /// A regular expression that the whole string must match.
    pub pattern: Option<String>,
}
