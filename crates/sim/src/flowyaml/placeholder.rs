//! Places of a template that were to be filled in: `{{name}}` anywhere, `<name>` as a whole value.

use std::collections::BTreeSet;

use serde_json::Value;

/// Lists the `{{name}}` of a text, each once. They are looked for in the raw text, because many
/// of them are no YAML.
pub(super) fn braces(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        rest = after;
        if let Some((name, _)) = after.split_once("}}")
            && is_name(name.trim())
        {
            found.insert(format!("{{{{{name}}}}}"));
        }
    }
    found
}

/// Lists the keys and values that are `<name>` and nothing else.
pub(super) fn brackets(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => bracket(text, found),
        Value::Array(items) => items.iter().for_each(|item| brackets(item, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                bracket(key, found);
                brackets(value, found);
            }
        }
        _ => {}
    }
}

fn bracket(text: &str, found: &mut BTreeSet<String>) {
    let name = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
    if name.is_some_and(is_name) {
        found.insert(text.to_owned());
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_placeholders() {
        let text = "a: {{ one }}\nb: \"{{two-x}}\"\nc: {{1}}\nd: {{}}\ne: {\"{{f(x)}}\"}";
        assert_eq!(
            braces(text).into_iter().collect::<Vec<_>>(),
            ["{{ one }}", "{{two-x}}"]
        );
        let value = serde_json::json!({"<a>": ["<b c>", "<speak>hi</speak>", "x < y > z"]});
        let mut found = BTreeSet::new();
        brackets(&value, &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["<a>", "<b c>"]);
    }
}
