//! Flows as YAML.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::kinds::{FlowType, by_root};
use super::slots::{PROMPT, Slot, is_value_form, slot};
use super::{Source, Use, What, once, placeholder};

/// Flows with more nodes than this are not believed.
const MAX_NODES: usize = 5_000_000;
/// Deeper ones neither: a decision inside a decision costs five levels.
const MAX_DEPTH: usize = 300;

pub(super) fn read(text: &str) -> Result<Source, Vec<String>> {
    let unfilled = |found: BTreeSet<String>| -> Vec<String> {
        let say = |name: String| format!("The placeholder {name} is not filled in.");
        found.into_iter().map(say).collect()
    };
    let mut open = placeholder::braces(text);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
        },
    };
    let parsed: Value = match serde_saphyr::from_str_with_options(text, options) {
        Ok(parsed) => parsed,
        Err(_) if !open.is_empty() => return Err(unfilled(open)),
        Err(error) => {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            return Err(vec![format!("The file is not valid YAML: {first}")]);
        }
    };
    placeholder::brackets(&parsed, &mut open);
    if !open.is_empty() {
        return Err(unfilled(open));
    }
    let root = parsed.as_object().filter(|root| root.len() == 1);
    let Some((key, Value::Object(flow))) = root.and_then(|root| root.iter().next()) else {
        return Err(vec![
            "The file must have one root element: the type of its flow.".to_owned(),
        ]);
    };
    let Some(flow_type) = by_root(key) else {
        return Err(vec![format!("'{key}' is not a known flow type.")]);
    };
    let Some(name) = flow.get("name").and_then(words) else {
        return Err(vec![format!("The {key} has no name.")]);
    };
    let mut reader = Reader {
        flow_type,
        uses: Vec::new(),
    };
    // What is below `referencedObjects` describes objects instead of using them.
    for (key, value) in flow.iter().filter(|(key, _)| *key != "referencedObjects") {
        reader.read(key, "", None, value);
    }
    Ok(Source {
        flow_type,
        name,
        description: flow.get("description").and_then(words),
        division: flow.get("division").and_then(words),
        uses: once(reader.uses),
    })
}

struct Reader {
    flow_type: &'static FlowType,
    uses: Vec<Use>,
}

impl Reader {
    /// Reads a value; `holds` is the path of the kind that a literal in it names.
    fn read(&mut self, key: &str, under: &str, holds: Option<&'static str>, value: &Value) {
        let mut holds = holds;
        match slot(key, under) {
            Some(Slot::Object(path)) => holds = Some(path),
            Some(Slot::Key(path)) => self.keyed(value, &What::Object(path)),
            Some(Slot::FlowKey(flow)) => self.keyed(value, &What::Flow(flow)),
            Some(Slot::Transfer) => self.flow(value, self.flow_type.transfers_to),
            Some(Slot::Secure) => self.flow(value, Some("SECURECALL")),
            Some(Slot::InQueue) => self.flow(value, self.flow_type.waits_in),
            None => {}
        }
        match (key, value) {
            ("category", Value::Object(categories)) => self.actions(categories),
            ("exp", Value::String(text)) => {
                for name in prompts(text) {
                    self.uses(What::Object(PROMPT), name);
                }
            }
            ("prompt", Value::String(text)) => self.prompt(text),
            ("lit", Value::Object(literal)) => self.literal(literal, holds),
            _ => {}
        }
        match value {
            Value::Array(items) => items
                .iter()
                .for_each(|item| self.read("", under, holds, item)),
            Value::Object(fields) => {
                // A literal deep inside an action does not belong to the slot around the action.
                for (inner, value) in fields {
                    let holds = match inner.as_str() {
                        "outputs" | "actions" | "inputs" => None,
                        _ => holds,
                    };
                    let under = if key.is_empty() { under } else { key };
                    self.read(inner, under, holds, value);
                }
            }
            _ => {}
        }
    }

    fn uses(&mut self, what: What, name: String) {
        self.uses.push(Use {
            what,
            name,
            id: None,
        });
    }

    fn literal(&mut self, literal: &Map<String, Value>, holds: Option<&'static str>) {
        let Some(name) = literal.get("name").and_then(words) else {
            return;
        };
        if name.starts_with("Prompt.") || name.starts_with("PromptSystem.") {
            self.prompt(&name);
        } else if let Some(path) = holds {
            self.uses(What::Object(path), name);
        }
    }

    /// System prompts are everywhere and need no look.
    fn prompt(&mut self, text: &str) {
        if let Some(name) = text.strip_prefix("Prompt.") {
            self.uses(What::Object(PROMPT), name.to_owned());
        }
    }

    fn keyed(&mut self, value: &Value, what: &What) {
        let names = value.as_object().into_iter().flatten();
        for (name, inner) in names {
            let is_name = inner.is_object() && !is_value_form(name);
            if is_name {
                self.uses(what.clone(), name.clone());
            }
        }
    }

    fn flow(&mut self, value: &Value, flow_type: Option<&'static str>) {
        let literal = value.get("lit").unwrap_or(value);
        if let (Some(name), Some(flow_type)) = (literal.get("name").and_then(words), flow_type) {
            self.uses(What::Flow(flow_type), name);
        }
    }

    fn actions(&mut self, categories: &Map<String, Value>) {
        for (category, inner) in categories {
            let actions = inner.get("dataAction").and_then(Value::as_object);
            for name in actions.into_iter().flat_map(Map::keys) {
                let category = Some(category.clone());
                self.uses(What::Action { category }, name.clone());
            }
        }
    }
}

/// Gives a scalar as text: a queue may be called 401.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Lists the user prompts of an expression: `Prompt.name` outside of its texts.
fn prompts(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_text = false;
    let mut before = ' ';
    let mut chars = expression.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if is_text => {
                chars.next();
            }
            '"' => is_text = !is_text,
            'P' | 'p' if !is_text && !is_word(before) && before != '.' => {
                let rest = &expression[at..];
                let head = rest.get(.."Prompt.".len());
                if head.is_some_and(|head| head.eq_ignore_ascii_case("Prompt.")) {
                    let name: String = rest["Prompt.".len()..]
                        .chars()
                        .take_while(|c| is_word(*c))
                        .collect();
                    if !name.is_empty() {
                        found.push(name);
                    }
                }
            }
            _ => {}
        }
        before = c;
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: &str = r#"
inqueueCall:
  name: Waiting
  division: Home
  settingsInQueueCall:
    holdMusic:
      lit: {name: PromptSystem.on_hold_music}
  variables:
    - queueVariable:
        name: Flow.backup
        initialValue:
          lit: {name: Backup}
  startUpTaskActions:
    - updateData:
        statements:
          - skill:
              variable: Flow.skill
              value:
                lit: {name: Billing}
          - string:
              variable: Flow.text
              value: {lit: hello}
    - playAudio:
        audio:
          exp: 'Append(ToAudio(Prompt.Welcome), ToAudioTTS("Prompt.not_one \" Prompt.nor_this"))'
    - playAudio:
        audio:
          prompt: Prompt.Bye
    - transferToAcd:
        targetQueue: {lit: {name: 401}}
        acdSkills:
          - acdSkill: {lit: {name: French}}
        languageSkill: {lit: {name: Spanish}}
        overrideInQueueFlow: {name: Other music}
        outputs:
          failure:
            actions:
              - setWrapupCode:
                  wrapupCode: {lit: {name: Lost}}
    - transferToFlow:
        targetFlow: {name: Main}
    - callCommonModule:
        commonModule:
          Shared:
            ver_latestPublished: {inputs: {a: {lit: x}}}
    - dataTableLookup:
        dataTable: {noValue: true}
    - callData:
        category:
          CRM:
            dataAction:
              Find: {inputs: {q: {exp: Flow.x}}}
"#;

    #[test]
    fn every_way_to_name_an_object_is_seen() {
        let source = read(FLOW).unwrap();
        assert_eq!(source.flow_type.api, "INQUEUECALL");
        assert_eq!(source.division.as_deref(), Some("Home"));
        let seen: Vec<String> = source
            .uses
            .iter()
            .map(|used| match &used.what {
                What::Object(path) => {
                    format!("{} {}", path.rsplit('/').next().unwrap(), used.name)
                }
                What::Flow(flow) => format!("{flow} {}", used.name),
                What::Action { category } => format!("{category:?} {}", used.name),
            })
            .collect();
        assert_eq!(
            seen,
            [
                "prompts Bye",
                "prompts Welcome",
                "languages Spanish",
                "queues 401",
                "queues Backup",
                "skills Billing",
                "skills French",
                "wrapupcodes Lost",
                "COMMONMODULE Shared",
                "INBOUNDCALL Main",
                "INQUEUECALL Other music",
                "Some(\"CRM\") Find",
            ]
        );
    }

    #[test]
    fn problems_are_told_in_words() {
        let problem = |text: &str| read(text).unwrap_err().join(" ");
        assert!(problem("inboundCall: [").contains("not valid YAML"));
        assert!(problem("inboundFax:\n  name: x").contains("'inboundFax' is not a known"));
        assert!(problem("workflow:\n  description: x").contains("has no name"));
        assert!(problem("workflow:\n  name: {{flow_name}}").contains("{{flow_name}}"));
        assert!(problem("workflow:\n  name: <flowName>").contains("<flowName>"));
        assert!(problem("- a").contains("one root element"));
    }
}
