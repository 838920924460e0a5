//! The names inside Architect expressions: `FindQueue("Sales")`, `Prompt.Welcome`.
//!
//! An expression is read as a row of tokens, not parsed: the only things wanted are calls of lookup
//! functions and prompt variables, and both are plain in the tokens. Ranges are bytes of the
//! expression.

use std::ops::Range;

use super::ObjectKind;
use super::rules;

/// The longest excerpt of a computed argument, in bytes, and the farthest its end is looked for.
const EXCERPT: usize = 160;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mention {
    /// An object named by a literal.
    Name {
        kind: ObjectKind,
        name: String,
        range: Range<usize>,
        quoted: bool,
    },
    /// A lookup whose argument is computed.
    Computed {
        function: String,
        call: Range<usize>,
    },
}

/// Lists what an expression mentions, in order.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut after_dot = false;
    while let Some(c) = text[at..].chars().next() {
        if c == '"' {
            at = string_end(text, at);
            after_dot = false;
        } else if is_word(c) {
            let end = word_end(text, at);
            if !after_dot {
                found.extend(word(text, at..end));
            }
            at = end;
            after_dot = false;
        } else {
            after_dot = c == '.';
            at += c.len_utf8();
        }
    }
    found
}

/// The text of an expression that is one string literal, and the range between its quotes.
pub(super) fn whole_literal(text: &str) -> Option<(String, Range<usize>)> {
    let start = text.len() - text.trim_start().len();
    let (value, inner) = literal(text, start)?;
    text[inner.end + 1..]
        .trim()
        .is_empty()
        .then_some((value, inner))
}

/// Writes a text as the inside of a string literal.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn word(text: &str, range: Range<usize>) -> Option<Mention> {
    let name = &text[range.clone()];
    if name.eq_ignore_ascii_case("prompt") && text[range.end..].starts_with('.') {
        let start = range.end + 1;
        let end = word_end(text, start);
        let name = text[start..end].to_owned();
        let kind = ObjectKind::UserPrompt;
        return (end > start).then_some(Mention::Name {
            kind,
            name,
            range: start..end,
            quoted: false,
        });
    }
    let open = skip_space(text, range.end);
    if !text[open..].starts_with('(') {
        return None;
    }
    let lookup = rules::lookup_function(name)?;
    let argument = skip_space(text, open + 1);
    if let Some((value, inner)) = literal(text, argument) {
        let after = skip_space(text, inner.end + 1);
        if text[after..].starts_with([')', ',']) {
            return match lookup {
                rules::Lookup::ByName(kind) => Some(Mention::Name {
                    kind,
                    name: value,
                    range: inner,
                    quoted: true,
                }),
                // A literal id is reported with the other literal ids of the flow.
                rules::Lookup::ById => None,
            };
        }
    }
    let call = range.start..call_end(text, open);
    Some(Mention::Computed {
        function: name.to_owned(),
        call,
    })
}

/// The end of a call whose parenthesis opens at `open`, or of an excerpt of it.
fn call_end(text: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = open;
    while let Some(c) = text[at..].chars().next() {
        if at - open > EXCERPT {
            break;
        }
        match c {
            '"' => {
                // A long literal is cut as well.
                let mut cut = string_end(text, at).min(open + EXCERPT);
                while !text.is_char_boundary(cut) {
                    cut -= 1;
                }
                at = cut.max(at + 1);
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            break;
        }
    }
    at
}

/// A string literal at `at`: its value and the range between the quotes.
fn literal(text: &str, at: usize) -> Option<(String, Range<usize>)> {
    if !text[at..].starts_with('"') {
        return None;
    }
    let end = string_end(text, at);
    let closed = end > at + 1 && text[..end].ends_with('"');
    if !closed {
        return None;
    }
    let inner = at + 1..end - 1;
    let mut value = String::new();
    let mut chars = text[inner.clone()].chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        value.push(escaped.unwrap_or(c));
    }
    Some((value, inner))
}

/// The end of the string literal at `at`, after its quote; the end of the text if it stays open.
fn string_end(text: &str, at: usize) -> usize {
    let mut escaped = false;
    for (offset, c) in text[at + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1 + offset + 1,
            _ => {}
        }
    }
    text.len()
}

fn word_end(text: &str, at: usize) -> usize {
    text[at..]
        .find(|c| !is_word(c))
        .map_or(text.len(), |end| at + end)
}

fn skip_space(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{Mention, ObjectKind, escape, mentions, whole_literal};

    fn names(text: &str) -> Vec<String> {
        let show = |mention| match mention {
            Mention::Name {
                kind, name, range, ..
            } => {
                assert!(!range.is_empty());
                format!("{} {name}", kind.kind())
            }
            Mention::Computed { function, call } => format!("{function}: {}", &text[call]),
        };
        mentions(text).into_iter().map(show).collect()
    }

    #[test]
    fn lookups_with_a_literal_are_names() {
        assert_eq!(names(r#"FindQueue("Sales")"#), ["routing_queue Sales"]);
        assert_eq!(
            names(r#"findskill ( "A \"b\"" )"#),
            [r#"routing_skill A "b""#]
        );
        assert_eq!(
            names(r#"If(x, FindSchedule("S"), FindScheduleGroup("G"))"#),
            ["architect_schedules S", "architect_schedulegroups G"]
        );
    }

    #[test]
    fn computed_lookups_are_quoted() {
        assert_eq!(
            names("FindQueue(Flow.Queue)"),
            ["FindQueue: FindQueue(Flow.Queue)"]
        );
        assert_eq!(
            names(r#"FindUser(Append("a)", x)) + 1"#),
            [r#"FindUser: FindUser(Append("a)", x))"#]
        );
        assert_eq!(
            names("FindQueueById(Task.id)"),
            ["FindQueueById: FindQueueById(Task.id)"]
        );
        assert!(names(r#"FindQueueById("x")"#).is_empty());
        let long = format!("FindQueue(\"{}\" + x)", "ü".repeat(500));
        assert!(names(&long)[0].len() < 200);
    }

    #[test]
    fn text_and_other_functions_are_not_lookups() {
        for text in [
            r#""FindQueue(x) Prompt.y""#,
            r#"FindString(Task.EWT, "T")"#,
            "Flow.FindQueue",
            "Flow.Prompt.Name",
            "PromptSystem.processing",
            "prompt",
            "Prompt.",
            "\"open FindQueue(x)",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn prompts_are_names() {
        assert_eq!(
            names("ToAudio(Prompt.Welcome_1)"),
            ["architect_user_prompt Welcome_1"]
        );
        assert_eq!(
            names("FindUserPrompt(\"Hi\")"),
            ["architect_user_prompt Hi"]
        );
    }

    #[test]
    fn a_literal_can_be_the_whole_expression() {
        assert_eq!(
            whole_literal(r#" "A\"b" "#),
            Some(("A\"b".to_owned(), 2..6))
        );
        assert_eq!(whole_literal(r#""a" + "b""#), None);
        assert_eq!(whole_literal("Flow.x"), None);
        assert_eq!(whole_literal("\""), None);
        assert_eq!(escape(r#"a"\"#), r#"a\"\\"#);
        let kind = ObjectKind::Queue;
        let name = "ü".to_owned();
        assert_eq!(
            mentions("FindQueue(\"ü\")"),
            [Mention::Name {
                kind,
                name,
                range: 11..13,
                quoted: true
            }]
        );
    }
}
