//! Template placeholders that nobody filled in: `{{queue_name}}` and `<integrationName>`.
//!
//! Architect writes neither. `{{…}}` is not even a YAML scalar: unquoted it reads as a mapping in
//! a mapping and as a key it is an error. So the braces are masked before parsing, by characters of
//! the same width that no alphabet uses; offsets stay true and the rest of the flow can be read.

use std::borrow::Cow;
use std::ops::Range;

/// An unfilled placeholder and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placeholder {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The placeholder with its brackets.
    pub text: String,
}

/// The longest text between brackets that counts as a placeholder.
const LONGEST: usize = 100;

/// Unassigned code points of two bytes in UTF-8: as wide as the brackets that they stand for.
const MASKS: [[char; 2]; 4] = [
    ['\u{378}', '\u{379}'],
    ['\u{380}', '\u{381}'],
    ['\u{382}', '\u{383}'],
    ['\u{530}', '\u{557}'],
];

/// A text whose double braces are hidden from the YAML parser.
#[derive(Debug)]
pub(super) struct Masked<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) found: Vec<Range<usize>>,
    mask: Option<[char; 2]>,
}

impl<'t> Masked<'t> {
    /// Hides the double braces of every placeholder of `text`.
    pub(super) fn new(text: &'t str) -> Self {
        let found = double_braces(text);
        let mask = MASKS
            .into_iter()
            .find(|pair| !found.is_empty() && !text.contains(pair));
        let Some(mask) = mask else {
            return Self {
                text: Cow::Borrowed(text),
                found,
                mask: None,
            };
        };
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for range in found
            .iter()
            .filter(|range| is_scalar_like(&text[(*range).clone()]))
        {
            masked.push_str(&text[done..range.start]);
            masked.push(mask[0]);
            masked.push_str(&text[range.start + 2..range.end - 2]);
            masked.push(mask[1]);
            done = range.end;
        }
        masked.push_str(&text[done..]);
        Self {
            text: Cow::Owned(masked),
            found,
            mask: Some(mask),
        }
    }

    /// The text as it was written.
    pub(super) fn unmask(&self, value: &str) -> String {
        match self.mask {
            Some([open, close]) if value.contains([open, close]) => {
                value.replace(open, "{{").replace(close, "}}")
            }
            _ => value.to_owned(),
        }
    }
}

/// The placeholder that is all of a value, with its brackets.
pub(crate) fn alone(value: &str) -> Option<&str> {
    if let Some(range) = whole_angle(value) {
        return value.get(range);
    }
    let trimmed = value.trim();
    let range = double_braces(trimmed).into_iter().next()?;
    (range == (0..trimmed.len())).then_some(trimmed)
}

/// Whether the placeholder can stand in a plain scalar once its braces are hidden.
fn is_scalar_like(text: &str) -> bool {
    !text.contains([':', '#', '[', ']', ','])
}

/// Every `{{…}}` that stands on one line.
fn double_braces(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let inner = open + 2;
        let stop = text[inner..]
            .find(['{', '}', '\n', '\r'])
            .map(|at| inner + at);
        match stop {
            Some(close) if text[close..].starts_with("}}") => {
                let name = text[inner..close].trim();
                if !name.is_empty() && name.len() <= LONGEST && !name.contains(['"', '\\']) {
                    found.push(open..close + 2);
                }
                from = close + 2;
            }
            // `{{{x}}}`: the placeholder starts at the second brace.
            Some(close) if close == inner && text[close..].starts_with('{') => from = open + 1,
            Some(close) => from = close,
            None => break,
        }
    }
    found
}

/// Elements of SSML and of simple HTML, which messages and prompts may hold.
const MARKUP: [&str; 24] = [
    "a",
    "amazon",
    "audio",
    "b",
    "blockquote",
    "br",
    "break",
    "code",
    "div",
    "em",
    "emphasis",
    "i",
    "lang",
    "li",
    "mark",
    "p",
    "paragraph",
    "phoneme",
    "prosody",
    "s",
    "sentence",
    "speak",
    "span",
    "voice",
];

/// The `<name>` placeholder that is the whole of a value.
pub(super) fn whole_angle(value: &str) -> Option<Range<usize>> {
    let trimmed = value.trim();
    let start = value.len() - value.trim_start().len();
    let inner = trimmed.strip_prefix('<')?.strip_suffix('>')?;
    is_angle_name(inner, true).then(|| start..start + trimmed.len())
}

/// Every `<name>` placeholder inside the name of an object.
pub(super) fn inner_angles(name: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = name[from..].find('<').map(|at| from + at) {
        let Some(stop) = name[open + 1..].find(['<', '>']).map(|at| open + 1 + at) else {
            break;
        };
        if name[stop..].starts_with('>') && is_angle_name(&name[open + 1..stop], false) {
            found.push(open..stop + 1);
        }
        from = stop;
    }
    found
}

fn is_angle_name(name: &str, spaces: bool) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= LONGEST
        && !name.ends_with(' ')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || (spaces && c == ' '))
        && !MARKUP
            .iter()
            .any(|element| element.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{Masked, alone, inner_angles, whole_angle};

    fn braces(text: &str) -> Vec<&str> {
        Masked::new(text)
            .found
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn double_braces_are_found_where_they_are_placeholders() {
        assert_eq!(braces("a: {{x}}-{{ y_z }}"), ["{{x}}", "{{ y_z }}"]);
        assert_eq!(braces("{{{x}}}"), ["{{x}}"]);
        assert!(braces("a: {b: {c: d}}").is_empty());
        assert!(braces("{{\n}} {{}} {{ }} {{").is_empty());
        assert!(braces(r#"exp: "{{\"a\":1}}""#).is_empty());
    }

    #[test]
    fn a_placeholder_may_be_all_of_a_value() {
        for (value, found) in [
            ("<integrationName>", Some("<integrationName>")),
            (" {{queue_name}} ", Some("{{queue_name}}")),
            ("{{a}} and {{b}}", None),
            ("Dear {{name}}", None),
            ("<b>", None),
            ("{{", None),
            ("", None),
        ] {
            assert_eq!(alone(value), found, "{value}");
        }
    }

    #[test]
    fn masking_keeps_every_offset_and_can_be_undone() {
        let text = "a: {{x}} # ü {{y}}\n";
        let masked = Masked::new(text);
        assert_eq!(masked.text.len(), text.len());
        assert!(!masked.text.contains('{'));
        assert_eq!(masked.unmask(&masked.text), text);
    }

    #[test]
    fn a_text_that_uses_the_mask_is_not_confused_with_it() {
        let text = "a: \u{378}{{x}}\u{379}";
        let masked = Masked::new(text);
        assert_eq!(masked.unmask(&masked.text), text);
    }

    #[test]
    fn angle_brackets_are_placeholders_only_around_a_bare_name() {
        assert_eq!(whole_angle(" <integrationName> "), Some(1..18));
        assert_eq!(whole_angle("<queue name>"), Some(0..12));
        for text in [
            "<speak>",
            "<br>",
            "a < b",
            "<>",
            "< a >",
            "<a b='c'>",
            "<speak>hi</speak>",
            "x<y>",
        ] {
            assert_eq!(whole_angle(text), None, "{text}");
        }
        assert_eq!(inner_angles("Sales <env> <x> <b> <"), [6..11, 12..15]);
    }
}
