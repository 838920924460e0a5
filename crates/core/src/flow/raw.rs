//! How a scalar's value lies in its source text, and how text is written in a scalar's style.

use std::ops::Range;

use super::yaml::Style;

/// Where every byte of a scalar's value comes from.
#[derive(Debug)]
pub(super) struct Layout {
    /// Of every byte of the value, the start and end of its spelling.
    spelled: Vec<Range<usize>>,
    /// Where text added to an empty value goes.
    start: usize,
}

impl Layout {
    /// Lays a value over its spelling; nothing when the spelling is too intricate to be sure.
    pub(super) fn of(raw: &str, style: Style, value: &str) -> Option<Self> {
        let (start, pieces) = match style {
            Style::Plain => (0, folded(raw, 0..raw.len(), style)?),
            Style::Single | Style::Double => {
                let inner = 1..raw.len().checked_sub(1).filter(|end| *end >= 1)?;
                (1, folded(raw, inner, style)?)
            }
            Style::Literal => (0, literal(raw, value)?),
            Style::Folded => return None,
        };
        let mut spelled = Vec::with_capacity(value.len());
        let mut decoded = String::with_capacity(value.len());
        for (c, range) in pieces {
            decoded.push(c);
            spelled.extend(std::iter::repeat_n(range, c.len_utf8()));
        }
        // Chomping may drop line ends of a literal block; anything else must be the same.
        let same = decoded == value || (style == Style::Literal && decoded.starts_with(value));
        same.then_some(Self { spelled, start })
    }

    /// The spelling of a range of the value.
    pub(super) fn spelling(&self, range: &Range<usize>) -> Option<Range<usize>> {
        if range.is_empty() {
            return Some(self.start..self.start);
        }
        let first = self.spelled.get(range.start)?.start;
        let last = self.spelled.get(range.end - 1)?.end;
        Some(first..last)
    }
}

/// The characters of a scalar in flow style, whose line ends fold into spaces.
fn folded(raw: &str, inner: Range<usize>, style: Style) -> Option<Vec<(char, Range<usize>)>> {
    let mut pieces = Vec::new();
    let mut at = inner.start;
    while at < inner.end {
        let c = raw[at..inner.end].chars().next()?;
        let end = at + c.len_utf8();
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            let rest = &raw[at..inner.end];
            let run = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            at = white(raw, at..at + run, &mut pieces);
        } else if style == Style::Single && c == '\'' {
            // A quote is written twice.
            pieces.push((c, at..end + 1));
            at = end + 1;
        } else if style == Style::Double && c == '\\' {
            at = escape(raw, at, inner.end, &mut pieces)?;
        } else {
            pieces.push((c, at..end));
            at = end;
        }
    }
    Some(pieces)
}

/// A run of white space: itself on one line, folded across lines.
fn white(raw: &str, run: Range<usize>, pieces: &mut Vec<(char, Range<usize>)>) -> usize {
    let text = &raw[run.clone()];
    match line_ends(text) {
        0 => pieces.extend(text.char_indices().map(|(offset, c)| {
            let at = run.start + offset;
            (c, at..at + c.len_utf8())
        })),
        1 => pieces.push((' ', run.clone())),
        count => pieces.extend(std::iter::repeat_n(('\n', run.clone()), count - 1)),
    }
    run.end
}

fn line_ends(text: &str) -> usize {
    text.matches(['\n', '\r']).count() - text.matches("\r\n").count()
}

/// An escape sequence at `at`; returns its end.
fn escape(
    raw: &str,
    at: usize,
    end: usize,
    pieces: &mut Vec<(char, Range<usize>)>,
) -> Option<usize> {
    let name = raw[at + 1..end].chars().next()?;
    let after = at + 1 + name.len_utf8();
    let digits = match name {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '\n' | '\r' => {
            // An escaped line end joins the lines without a space.
            let rest = &raw[after..end];
            let joined = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            return Some(after + rest.len() - joined.len());
        }
        _ => 0,
    };
    let stop = after + digits;
    let c = match name {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        ' ' | '"' | '/' | '\\' => name,
        'x' | 'u' | 'U' => {
            let code = u32::from_str_radix(raw.get(after..stop)?, 16).ok()?;
            char::from_u32(code)?
        }
        _ => return None,
    };
    pieces.push((c, at..stop));
    Some(stop)
}

/// The characters of a literal block, whose text starts at its first character that is not indent.
fn literal(raw: &str, value: &str) -> Option<Vec<(char, Range<usize>)>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut lines = value.split_inclusive('\n');
    for line in raw.split_inclusive('\n') {
        let Some(wanted) = lines.next() else { break };
        let text = line.trim_end_matches(['\n', '\r']);
        let wanted = wanted.trim_end_matches('\n');
        let indent = text.strip_suffix(wanted)?;
        if !indent.trim_start_matches(' ').is_empty() {
            return None;
        }
        let start = at + indent.len();
        pieces.extend(
            wanted
                .char_indices()
                .map(|(offset, c)| (c, start + offset..start + offset + c.len_utf8())),
        );
        pieces.push(('\n', start + wanted.len()..at + line.len()));
        at += line.len();
    }
    Some(pieces)
}

/// Writes a text so that it stands for itself in a scalar of a style; nothing if it cannot.
pub(super) fn spell(text: &str, style: Style) -> Option<String> {
    match style {
        Style::Double => Some(spell_double(text)),
        _ if text.chars().any(char::is_control) => None,
        Style::Single => Some(text.replace('\'', "''")),
        Style::Plain | Style::Literal => Some(text.to_owned()),
        Style::Folded => None,
    }
}

fn spell_double(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => spelled.push_str("\\\""),
            '\\' => spelled.push_str("\\\\"),
            '\n' => spelled.push_str("\\n"),
            '\r' => spelled.push_str("\\r"),
            '\t' => spelled.push_str("\\t"),
            // YAML takes these for line ends or refuses them.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                spelled.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => spelled.push(c),
        }
    }
    spelled
}

/// Whether a plain scalar would be read as something else than text, by one YAML reader or another.
pub(super) fn is_typed(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let word = matches!(
        lower.as_str(),
        "" | "~" | "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "=" | "<<"
    );
    let numeric = |c: char| c.is_ascii_hexdigit() || "+-.:_xot ".contains(c);
    let digits = text.contains(|c: char| c.is_ascii_digit());
    let special = matches!(lower.trim_start_matches(['+', '-']), ".inf" | ".nan");
    word || special || (digits && lower.chars().all(numeric))
}

#[cfg(test)]
mod tests {
    use super::{Layout, Style, is_typed, spell};

    fn spelling<'r>(raw: &'r str, style: Style, value: &str, part: &str) -> &'r str {
        let layout = Layout::of(raw, style, value).expect("the layout is known");
        let at = value.find(part).unwrap();
        &raw[layout.spelling(&(at..at + part.len())).unwrap()]
    }

    #[test]
    fn values_are_found_in_every_style() {
        assert_eq!(spelling("a bc", Style::Plain, "a bc", "bc"), "bc");
        assert_eq!(spelling("a\n   bc", Style::Plain, "a bc", "a b"), "a\n   b");
        assert_eq!(
            spelling("'it''s ok'", Style::Single, "it's ok", "it's"),
            "it''s"
        );
        assert_eq!(
            spelling(
                r#""a\n\"b\" \u00e4""#,
                Style::Double,
                "a\n\"b\" ä",
                "\"b\" ä"
            ),
            r#"\"b\" \u00e4"#
        );
        assert_eq!(
            spelling("\"a\\\n  b c\"", Style::Double, "ab c", "b c"),
            "b c"
        );
        assert_eq!(spelling("\"a\n\n  b\"", Style::Double, "a\nb", "b"), "b");
        assert_eq!(
            spelling("a\n      b\n", Style::Literal, "a\n  b\n", "b"),
            "b"
        );
    }

    #[test]
    fn what_is_not_sure_is_refused() {
        assert!(Layout::of(">\n  a\n  b\n", Style::Folded, "a b\n").is_none());
        assert!(Layout::of("a b", Style::Plain, "a c").is_none());
        assert!(Layout::of("\"", Style::Double, "").is_none());
        assert!(Layout::of("a\n  b", Style::Literal, "a\nc").is_none());
    }

    #[test]
    fn text_is_written_in_the_style_of_its_place() {
        assert_eq!(spell("it's", Style::Single).as_deref(), Some("it''s"));
        assert_eq!(
            spell("a\"\\\n", Style::Double).as_deref(),
            Some("a\\\"\\\\\\n")
        );
        assert_eq!(spell("a\n", Style::Single), None);
    }

    #[test]
    fn words_with_a_type_are_not_plain_text() {
        for text in [
            "",
            "null",
            "Yes",
            "12",
            "-1.5",
            "0x1F",
            "2024-01-31",
            "12:30:00",
            ".inf",
            "1e5",
        ] {
            assert!(is_typed(text), "{text}");
        }
        for text in ["Sales", "401K queue", "A", "no answer", "Queue 2", "face"] {
            assert!(!is_typed(text), "{text}");
        }
    }
}
