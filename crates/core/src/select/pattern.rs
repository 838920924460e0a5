//! Patterns with `*` and `?`, which do not tell case apart.

use crate::id::Key;

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    lower: Vec<char>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            lower: text.to_lowercase().chars().collect(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether a whole text fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let (mut at, mut place) = (0, 0);
        // Where to go on when what follows the last star does not fit.
        let mut star: Option<(usize, usize)> = None;
        while place < text.len() {
            match self.lower.get(at) {
                Some('*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == text[place] => {
                    at += 1;
                    place += 1;
                }
                _ => match &mut star {
                    Some((star_at, taken)) => {
                        *taken += 1;
                        at = *star_at + 1;
                        place = *taken;
                    }
                    None => return false,
                },
            }
        }
        self.lower[at..].iter().all(|c| *c == '*')
    }
}

/// Returns a key as people read it: its parts, decoded.
pub(crate) fn readable(key: &Key) -> String {
    key.parts().join("/")
}

/// Returns the last part of a key: what people call the object.
pub(super) fn last(key: &Key) -> String {
    key.parts().pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn stars_and_question_marks_stand_for_text() {
        for (pattern, fits, does_not) in [
            ("Sales*", "sales DE", "Presales"),
            ("*sales*", "Presales DE", "Support"),
            ("S?les", "Süles", "Sles"),
            ("*", "", ""),
            ("a*b*c", "aXbYbZc", "aXbYbZ"),
            ("", "", "x"),
        ] {
            assert!(Pattern::new(pattern).matches(fits), "{pattern} {fits}");
            assert!(
                fits == does_not || !Pattern::new(pattern).matches(does_not),
                "{pattern} {does_not}"
            );
        }
    }
}
