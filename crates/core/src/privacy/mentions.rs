//! Finds known people in texts: by address, by full name, by telephone number.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use super::pseudonym::digits;
use crate::document::{Slot, text_refs};

/// The most groups of digits that a number is written in.
const GROUPS: usize = 8;
/// Digits by which a number is known that stands there without its country.
const WITHOUT_COUNTRY: usize = 9;

/// Words that name somebody, and what is put in their place.
#[derive(Clone)]
pub(super) struct Mentions {
    finder: Option<AhoCorasick>,
    words: Vec<(String, String)>,
    /// Numbers by their digits, the last first.
    numbers: BTreeMap<String, String>,
    domain: String,
}

impl Mentions {
    /// Takes addresses and names, and the digits of numbers, each with what is put in its place.
    pub(super) fn new(
        words: BTreeMap<String, String>,
        numbers: BTreeMap<String, String>,
        domain: &str,
    ) -> Self {
        let spelled = words.into_iter().flat_map(|(word, new)| {
            let spellings = spellings(&word).into_iter();
            spellings.map(move |spelling| (spelling, new.clone()))
        });
        let words: Vec<(String, String)> = spelled.collect();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(words.iter().map(|(word, _)| word))
            .ok()
            .filter(|_| !words.is_empty());
        let backwards = |text: &str| text.chars().rev().collect::<String>();
        let numbers = numbers
            .iter()
            .map(|(number, new)| (backwards(number), new.clone()))
            .collect();
        Self {
            finder,
            words,
            numbers,
            domain: domain.to_owned(),
        }
    }

    /// Returns the same without telephone numbers.
    pub(super) fn without_numbers(&self) -> Self {
        Self {
            numbers: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Returns a text without the people that it names; nothing where it names none.
    pub(super) fn replaced(&self, text: &str) -> Option<String> {
        let references: Vec<Range<usize>> = text_refs(text).map(|(range, _)| range).collect();
        let apart = |range: &Range<usize>| {
            let mut references = references.iter();
            references.all(|other| range.end <= other.start || other.end <= range.start)
        };
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        if let Some(finder) = &self.finder {
            for word in finder.find_iter(text) {
                if !is_within_a_word(text, &word.range()) {
                    found.push((word.range(), &self.words[word.pattern()].1));
                }
            }
        }
        if !self.numbers.is_empty() {
            for groups in groups_of_digits(text) {
                self.numbers_in(text, &groups, &mut found);
            }
        }
        found.retain(|(range, _)| apart(range));
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (range, new) in found {
            if range.start >= done {
                out.push_str(&text[done..range.start]);
                out.push_str(new);
                done = range.end;
            }
        }
        Some(out + &text[done..])
    }

    /// Finds numbers among digits with little between them: the longest first, as something else may
    /// stand in front.
    fn numbers_in<'s>(
        &'s self,
        text: &str,
        groups: &[Range<usize>],
        found: &mut Vec<(Range<usize>, &'s str)>,
    ) {
        let mut at = 0;
        while at < groups.len() {
            let ends = at..groups.len().min(at + GROUPS);
            let hit = ends.rev().find_map(|end| {
                let range = groups[at].start..groups[end].end;
                let new = self.number(&digits(&text[range.clone()]))?;
                stands_alone(text, &range).then_some((end, range, new))
            });
            at = match hit {
                Some((end, range, new)) => {
                    found.push((with_signs(text, range), new));
                    end + 1
                }
                None => at + 1,
            };
        }
    }

    /// Returns what is put in the place of a number, however it is written: with its country, with
    /// zeros in front, or without.
    fn number(&self, digits: &str) -> Option<&str> {
        let digits = digits.trim_start_matches('0');
        let backwards: String = digits.chars().rev().collect();
        if let Some(new) = self.numbers.get(&backwards) {
            return Some(new);
        }
        if digits.len() < WITHOUT_COUNTRY {
            return None;
        }
        let (number, new) = self.numbers.range(backwards.clone()..).next()?;
        let country = number.strip_prefix(&backwards)?;
        (country.len() <= 3).then_some(new)
    }

    /// Replaces people in every text and every name of a field; returns whether there were any.
    /// References are no texts, and are renamed.
    pub(super) fn replace_in(&self, value: &mut Value) -> bool {
        if Slot::of(value).is_some() {
            return false;
        }
        match value {
            Value::String(text) => match self.replaced(text) {
                Some(new) => {
                    *text = new;
                    true
                }
                None => false,
            },
            Value::Array(list) => list
                .iter_mut()
                .fold(false, |any, value| self.replace_in(value) | any),
            Value::Object(map) => {
                let new = |name: &str| match Slot::of_key(name) {
                    Some(_) => None,
                    None => self.replaced(name),
                };
                let mut any = false;
                if map.keys().any(|name| new(name).is_some()) {
                    any = true;
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(name, value)| (new(&name).unwrap_or(name), value))
                        .collect();
                }
                map.values_mut()
                    .fold(any, |any, value| self.replace_in(value) | any)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Tells whether a value holds an e-mail address of somebody who is not known.
    pub(super) fn has_address_in(&self, value: &Value) -> bool {
        if Slot::of(value).is_some() {
            return false;
        }
        match value {
            Value::String(text) => self.has_address(text),
            Value::Array(list) => list.iter().any(|value| self.has_address_in(value)),
            Value::Object(map) => map.values().any(|value| self.has_address_in(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Tells whether a text holds an e-mail address of somebody who is not known.
    pub(super) fn has_address(&self, text: &str) -> bool {
        text.match_indices('@').any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let host = &text[at + 1..];
            let end = host.find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-'));
            let host = host[..end.unwrap_or(host.len())].trim_end_matches(['.', '-']);
            let named = before.is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c));
            let dotted = host.split_once('.');
            let is_host = dotted.is_some_and(|(name, rest)| !name.is_empty() && !rest.is_empty());
            named && is_host && !host.eq_ignore_ascii_case(&self.domain)
        })
    }
}

/// Tells whether a name is that of somebody wherever it stands: a single word may mean anything.
pub(super) fn is_telling(name: &str) -> bool {
    let words = name.split_whitespace();
    words.filter(|word| word.chars().count() > 1).count() > 1
}

/// Returns the ways in which a word may stand in a text of some language.
fn spellings(word: &str) -> Vec<String> {
    let mut all = vec![word.to_owned()];
    if let Some((name, domain)) = word.rsplit_once('@') {
        all.push(format!("{name}%40{domain}"));
    } else if let Some((first, last)) = word.rsplit_once(' ') {
        all.push(format!("{last}, {first}"));
    }
    for of in all.clone() {
        // JSON and YAML may spell what is not ASCII by its number.
        let mut escaped = String::new();
        for c in of.chars() {
            match c.is_ascii() {
                true => escaped.push(c),
                false => c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}"))),
            }
        }
        let marked = of.replace('\'', "&#39;");
        let named = of.replace('\'', "&apos;");
        let doubled = of.replace('\'', "''");
        let others = [escaped, marked, named, doubled].into_iter();
        all.extend(others.filter(|other| *other != of));
    }
    all
}

/// Returns groups of digits, those together that have little between them.
fn groups_of_digits(text: &str) -> Vec<Vec<Range<usize>>> {
    let mut all: Vec<Vec<Range<usize>>> = Vec::new();
    let mut at = 0;
    while let Some(more) = text[at..].find(|c: char| c.is_ascii_digit()) {
        let start = at + more;
        let rest = &text[start..];
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let group = start..start + digits.unwrap_or(rest.len());
        let between = &text[at..start];
        let is_little = between.len() <= 2 && between.bytes().all(|byte| b" -.()/".contains(&byte));
        at = group.end;
        match all.last_mut() {
            Some(groups) if is_little => groups.push(group),
            _ => all.push(vec![group]),
        }
    }
    all
}

/// Tells whether digits are no part of a longer word.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let free = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    free(text[..range.start].chars().next_back()) && free(text[range.end..].chars().next())
}

/// Takes along what is written in front of a number: a bracket that ends in it, the sign of a country.
fn with_signs(text: &str, mut range: Range<usize>) -> Range<usize> {
    if text[range.clone()].contains(')') && text[..range.start].ends_with('(') {
        range.start -= 1;
    }
    if text[..range.start].ends_with('+') {
        range.start -= 1;
    }
    range
}

/// Tells whether what was found is a part of something longer: of another address, or a longer name.
fn is_within_a_word(text: &str, found: &Range<usize>) -> bool {
    let (before, word, after) = (
        &text[..found.start],
        &text[found.clone()],
        &text[found.end..],
    );
    let address = word.contains('@') || word.contains("%40");
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    let begins_earlier = before
        .chars()
        .next_back()
        .is_some_and(|c| goes_on(c) || (address && ".+-".contains(c)));
    let mut after = after.chars();
    let next = after.next();
    let ends_later = next.is_some_and(goes_on)
        || address
            && next.is_some_and(|c| matches!(c, '-' | '.'))
            && after.next().is_some_and(char::is_alphanumeric);
    begins_earlier || ends_later
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions() -> Mentions {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
                .collect()
        };
        let words = pairs(&[
            ("ana@example.com", "A@x.invalid"),
            ("Ana Groß", "A"),
            ("Ana Groß Silva", "S"),
            ("Tim O'Neill", "T"),
        ]);
        Mentions::new(words, pairs(&[("49891234567", "+1")]), "x.invalid")
    }

    #[test]
    fn people_are_found_however_they_are_written_and_nobody_else_is() {
        let mentions = mentions();
        for (text, new) in [
            (
                "ask Ana Groß, or ANA@example.com.",
                "ask A, or A@x.invalid.",
            ),
            ("Ana Groß Silva", "S"),
            ("mailto:ana%40example.com?x", "mailto:A@x.invalid?x"),
            (r#"{"x": "ana gro\u00df"}"#, r#"{"x": "A"}"#),
            ("Groß, Ana; O'Neill, Tim", "A; T"),
            ("<b>Tim O&#39;Neill</b> 'Tim O''Neill'", "<b>T</b> 'T'"),
            ("call +49 (89) 123-45.67 now", "call +1 now"),
            ("089 1234567, 0049891234567", "+1, +1"),
            ("(089 1234567) room 5 089-1234567 5x", "(+1) room 5 +1 5x"),
        ] {
            assert_eq!(mentions.replaced(text).as_deref(), Some(new), "{text}");
        }
        for text in [
            "susana@example.com ana@example.com.au x.ana@example.com",
            "Ana Großmann, Dana Groß, Ana",
            "149891234567 1234567 498912345678 x49891234567",
            "${ref.user/ana@example.com}",
        ] {
            assert_eq!(mentions.replaced(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_is_left_is_told_unless_it_is_a_pseudonym() {
        let mentions = mentions();
        for text in ["help@example.com", "<jo.x@a.b>"] {
            assert!(mentions.has_address(text), "{text}");
        }
        for text in ["a@x.invalid", "@here", "a @ b.c", "x@y", "@example.com"] {
            assert!(!mentions.has_address(text), "{text}");
        }
    }
}
