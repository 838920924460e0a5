//! The schemas of components, of their instances, and of examples, which are orgsmith's own.

use serde_json::{Value, json};

use super::DRAFT;

/// Returns the schema of a component.
pub fn component() -> Value {
    let types = [
        "string", "number", "integer", "boolean", "url", "host", "email", "phone", "list", "object",
    ];
    json!({
        "$schema": DRAFT,
        "title": "component",
        "description": "Parameters, and templates of objects: ${param.name} stands for one inside a text \
                        or a key, {$param: name} for a whole value.",
        "type": "object",
        "required": ["objects"],
        "additionalProperties": false,
        "properties": {
            "description": {"type": "string"},
            "parameters": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "type": {"enum": types, "description": "What it holds; a string where nothing is said."},
                        "default": {"description": "What it is where an instance does not say; without it an instance must."},
                        "description": {"type": "string"},
                    },
                },
            },
            "objects": {
                "description": "The fields of each object by kind/name; $files holds its files as texts.",
                "type": "object",
                "propertyNames": {"pattern": "^[a-z][a-z0-9_]*/.+$"},
                "additionalProperties": {"type": "object"},
            },
        },
    })
}

/// Returns the schema of an instance of a component.
pub fn instance() -> Value {
    json!({
        "$schema": DRAFT,
        "title": "instance of a component",
        "type": "object",
        "required": ["component"],
        "additionalProperties": false,
        "properties": {
            "description": {"type": "string"},
            "component": {
                "type": "object",
                "required": ["$ref"],
                "additionalProperties": false,
                "properties": {"$ref": {"type": "string", "pattern": "^component/.+$"}},
            },
            "parameters": {"type": "object"},
        },
    })
}

/// Returns the schema of an example of a data action.
pub fn example() -> Value {
    json!({
        "$schema": DRAFT,
        "title": "example of a data action",
        "type": "object",
        "required": ["action"],
        "additionalProperties": false,
        "properties": {
            "description": {"type": "string"},
            "action": {
                "type": "object",
                "required": ["$ref"],
                "additionalProperties": false,
                "properties": {"$ref": {"type": "string", "pattern": "^integration_action/.+$"}},
            },
            "input": {"type": "object", "description": "What it is called with, as its input contract says."},
            "expect": {"description": "What its result has to hold; it may hold more."},
        },
    })
}
