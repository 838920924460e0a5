//! Text whose words say what they mean.

/// What a span means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// Ordinary words.
    Plain,
    /// The name of a section.
    Heading,
    /// Less important than the rest.
    Dim,
    /// Something that comes into being.
    Create,
    /// Something that comes back.
    Adopt,
    /// Something that changes.
    Update,
    /// Something that is completed.
    Link,
    /// Something that goes.
    Delete,
    /// Something that is left alone because it is wrong.
    Conflict,
    /// Something a person should know.
    Warning,
    /// Something that stops.
    Error,
    /// What a field was.
    Old,
    /// What a field becomes.
    New,
    /// A command line to type.
    Command,
}

/// Words of one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What they mean.
    pub style: Style,
    /// The words, without control characters.
    pub text: String,
}

/// One line.
pub type Line = Vec<Span>;

/// Lines of spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    lines: Vec<Line>,
}

impl Text {
    /// Returns the lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Returns the words alone, each line with its end.
    pub fn to_plain(&self) -> String {
        let mut plain = String::new();
        for line in &self.lines {
            for span in line {
                plain.push_str(&span.text);
            }
            plain.truncate(plain.trim_end_matches(' ').len());
            plain.push('\n');
        }
        plain
    }

    /// Adds an empty line, unless there is one already or nothing at all.
    pub(super) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(Line::new());
        }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.lines.push(spans.into_iter().collect());
    }
}

/// Makes a span; what could drive a terminal is made visible.
pub(super) fn span(style: Style, text: impl AsRef<str>) -> Span {
    Span {
        style,
        text: visible(text.as_ref()),
    }
}

pub(super) fn plain(text: impl AsRef<str>) -> Span {
    span(Style::Plain, text)
}

/// Tells a control character, or one that turns the direction of reading.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes control characters, and those that turn the direction of reading, as escapes: names and
/// values come from an org, and may have been written to fool the reader.
pub fn visible(text: &str) -> String {
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if is_harmful(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}
