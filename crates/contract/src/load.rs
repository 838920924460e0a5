//! Reading the embedded data, once per process.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::route::Routes;
use crate::types::{Contract, Field, Location, Model, Operation, Param, Permissions, Type};

static DATA: &[u8] = include_bytes!("../data/genesys-cloud-v2.json.gz");

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(DATA)
        .read_to_end(&mut text)
        .expect("the embedded contract is a whole gzip file");
    let raw: RawContract =
        serde_json::from_slice(&text).expect("the embedded contract has the documented shape");
    raw.build()
});

/// Gives the contract, decoding it at the first call of the process.
pub fn contract() -> &'static Contract {
    &CONTRACT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContract {
    sdk_version: String,
    operations: Vec<RawOperation>,
    models: BTreeMap<String, RawModel>,
}

impl RawContract {
    fn build(self) -> Contract {
        let operations: Vec<Operation> = self
            .operations
            .into_iter()
            .map(RawOperation::build)
            .collect();
        let models = self
            .models
            .into_iter()
            .map(|(name, model)| (name, model.build()))
            .collect();
        Contract {
            sdk_version: self.sdk_version,
            routes: Routes::new(&operations),
            operations,
            models,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
struct RawOperation {
    id: String,
    method: String,
    path: String,
    api: String,
    params: Vec<RawParam>,
    body: Option<Type>,
    body_required: bool,
    response: Option<Type>,
    permissions: Option<RawPermissions>,
    #[serde(default = "yes")]
    auth: bool,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    consumes: Vec<String>,
    #[serde(default)]
    produces: Vec<String>,
}

impl RawOperation {
    fn build(self) -> Operation {
        Operation {
            id: self.id,
            method: self.method,
            path: self.path,
            api: self.api,
            params: self.params.into_iter().map(RawParam::build).collect(),
            body: self.body,
            body_required: self.body_required,
            response: self.response,
            permissions: match self.permissions {
                None => Permissions::None,
                Some(raw) => raw.build(),
            },
            auth: self.auth,
            deprecated: self.deprecated,
            consumes: self.consumes,
            produces: self.produces,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParam {
    name: String,
    r#in: RawLocation,
    required: bool,
    r#type: Type,
    #[serde(default)]
    r#enum: Vec<Value>,
    #[serde(default)]
    default: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawLocation {
    Path,
    Query,
    Header,
}

impl RawParam {
    fn build(self) -> Param {
        Param {
            name: self.name,
            location: match self.r#in {
                RawLocation::Path => Location::Path,
                RawLocation::Query => Location::Query,
                RawLocation::Header => Location::Header,
            },
            required: self.required,
            ty: self.r#type,
            enum_values: texts(self.r#enum),
            default: self.default,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPermissions {
    any: Option<Vec<String>>,
    all: Option<Vec<String>>,
    #[serde(default)]
    unknown: bool,
    #[serde(default)]
    listed: Vec<String>,
}

impl RawPermissions {
    fn build(self) -> Permissions {
        match (self.all, self.any) {
            (Some(all), _) => Permissions::All(all),
            (None, Some(any)) => Permissions::Any(any),
            (None, None) if self.unknown => Permissions::Unknown(self.listed),
            (None, None) => Permissions::None,
        }
    }
}

/// The fields (or the whole model) about which a source is silent.
#[derive(Default)]
enum Silent {
    #[default]
    Nowhere,
    Whole,
    Fields(Vec<String>),
}

impl Silent {
    fn covers(&self, field: &str) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Whole => true,
            Self::Fields(fields) => fields.iter().any(|name| name == field),
        }
    }
}

impl<'de> Deserialize<'de> for Silent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(true) => Ok(Self::Whole),
            Value::Bool(false) => Ok(Self::Nowhere),
            list => serde_json::from_value(list)
                .map(Self::Fields)
                .map_err(D::Error::custom),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawModel {
    fields: RawFields,
    #[serde(default)]
    read_only_unknown: Silent,
    #[serde(default)]
    required_unknown: Silent,
}

impl RawModel {
    fn build(self) -> Model {
        let fields = self.fields.0.into_iter().map(|(name, raw)| {
            let field = Field {
                read_only_unknown: !raw.read_only && self.read_only_unknown.covers(&name),
                required_unknown: !raw.required && self.required_unknown.covers(&name),
                ty: raw.r#type,
                read_only: raw.read_only,
                required: raw.required,
                enum_values: texts(raw.r#enum),
                format: raw.format,
                min_length: raw.min_length,
                max_length: raw.max_length,
                minimum: raw.minimum,
                maximum: raw.maximum,
                // Some patterns were escaped twice on their way through the SDK sources.
                pattern: raw.pattern.map(|p| p.replace(r"\\", r"\")),
            };
            (name, field)
        });
        Model {
            fields: fields.collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawField {
    r#type: Type,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    r#enum: Vec<Value>,
    format: Option<String>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    pattern: Option<String>,
}

/// Fields in the order of the file, which a map type would lose.
struct RawFields(Vec<(String, RawField)>);

impl<'de> Deserialize<'de> for RawFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = RawFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type name, {\"array\": type} or {\"map\": type}")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Type, E> {
                Ok(match name {
                    "string" => Type::String,
                    "integer" => Type::Integer,
                    "number" => Type::Number,
                    "boolean" => Type::Boolean,
                    "datetime" => Type::DateTime,
                    "date" => Type::Date,
                    "object" => Type::Object,
                    model => Type::Model(model.to_owned()),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Type, A::Error> {
                match map.next_entry::<String, Type>()? {
                    Some((key, inner)) if key == "array" => Ok(Type::Array(Box::new(inner))),
                    Some((key, inner)) if key == "map" => Ok(Type::Map(Box::new(inner))),
                    _ => Err(A::Error::custom("neither array nor map")),
                }
            }
        }
        deserializer.deserialize_any(Name)
    }
}

/// Spells values as text, because some enums are of integers.
fn texts(values: Vec<Value>) -> Vec<String> {
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    values.into_iter().map(text).collect()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_model_is_read() {
        let contract = contract();
        assert_eq!(contract.sdk_version(), "python 269.0.0");
        assert_eq!(contract.operations().len(), 3355);
        assert_eq!(contract.models().count(), 4992);
    }

    #[test]
    fn every_type_names_a_model_that_exists() {
        let contract = contract();
        let of_fields = contract
            .models()
            .flat_map(|(_, model)| model.fields.iter().map(|(_, field)| &field.ty));
        let of_operations = contract
            .operations()
            .iter()
            .flat_map(|op| op.body.iter().chain(&op.response));
        for name in of_fields.chain(of_operations).filter_map(Type::model_name) {
            assert!(contract.model(name).is_some(), "{name}");
        }
    }

    #[test]
    fn an_operation_has_its_documented_facts() {
        let op = contract()
            .operation("POST", "/api/v2/routing/queues")
            .expect("queues can be created");
        assert_eq!(op.id, "postRoutingQueues");
        assert_eq!(op.body, Some(Type::Model("CreateQueueRequest".into())));
        assert!(op.body_required && op.auth && !op.deprecated);
        assert_eq!(
            op.permissions,
            Permissions::Any(vec!["routing:queue:add".into()])
        );
        let list = contract()
            .operation("GET", "/api/v2/telephony/providers/edges/didpools/dids")
            .expect("free numbers can be listed");
        let kind = list.query("type").expect("a type is asked for");
        assert!(kind.required);
        assert_eq!(kind.enum_values, ["ASSIGNED_AND_UNASSIGNED", "UNASSIGNED"]);
    }

    #[test]
    fn fields_keep_the_order_of_the_sdk() {
        let model = contract().model("WrapupCode").expect("a known model");
        let names: Vec<&str> = model.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["id", "name", "division"]);
        assert_eq!(names.last(), Some(&"selfUri"));
        assert!(model.field("id").is_some_and(|field| field.read_only));
    }
}
