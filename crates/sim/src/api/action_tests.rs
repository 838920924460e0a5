//! Test executions of data actions. The simulator reaches no other system: what the one behind an
//! action says is set with the org.

use serde_json::{Value, json};

use crate::api::actions::published;
use crate::config::ActionAnswer;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

pub(crate) fn register(registry: &mut Registry) {
    registry.on("POST", "/api/v2/integrations/actions/{actionId}/test", test);
}

fn test(cx: &mut Cx<'_>, req: &Req) -> Answer {
    if req.flag("flatten") {
        let told = "The simulator flattens no results of data actions.";
        return Err(Refusal::not_simulated(told));
    }
    let fields = published(cx, req.id())?.fields.clone();
    let input = &req.body;
    if !input.is_object() {
        return Err(Refusal::bad_request("The input of an action is an object."));
    }
    if let Some(problem) = unfit(&fields, input) {
        return Ok(failed("Validate input schema", &problem, Vec::new()));
    }
    let before =
        vec![json!({"step": 1, "name": "Validate input schema", "success": true, "result": input})];
    let name = text(&fields, "name");
    match cx.org.spec.answers.get(name) {
        None => {
            let told = format!("Nobody has set what the system behind '{name}' answers.");
            Ok(failed("Execute", &told, before))
        }
        Some(ActionAnswer::Error(told)) => Ok(failed("Execute", told, before)),
        Some(ActionAnswer::Result(result)) => {
            let mut operations = before;
            operations
                .push(json!({"step": 2, "name": "Execute", "success": true, "result": result}));
            Ok(Reply::ok(json!({
                "operations": operations,
                "finalResult": result,
                "success": true,
            })))
        }
    }
}

/// A test that fails is an answer like any other.
fn failed(step: &str, problem: &str, mut operations: Vec<Value>) -> Reply {
    let error = json!({"message": problem, "code": "bad.request", "status": 400});
    let number = operations.len() + 1;
    operations.push(json!({"step": number, "name": step, "success": false, "error": error}));
    Reply::ok(json!({"operations": operations, "error": error, "success": false}))
}

/// Tells what keeps an input from being one of an action: a property that lacks, or is of another type.
fn unfit(fields: &Fields, input: &Value) -> Option<String> {
    let contract = fields.get("contract")?;
    let schema = &contract["input"]["inputSchema"];
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if input.get(name).is_none() {
            return Some(format!("The property {name} is required."));
        }
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        let (Some(value), Some(sort)) = (input.get(name), property["type"].as_str()) else {
            continue;
        };
        let fits = match sort {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        if !fits {
            return Some(format!("The property {name} is no {sort}."));
        }
    }
    None
}
