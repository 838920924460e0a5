//! What is put in the place of names, addresses and numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;

/// Digits that a telephone number has at least; what is shorter is an extension.
const NUMBER: usize = 7;
/// How many fictitious numbers there are.
const FICTITIOUS: u64 = AREA_CODES * 100;
/// Area codes that could be: 200 to 989, without those that end in 11 and those with 9 in the middle.
const AREA_CODES: u64 = 8 * 9 * 10 - 8;

/// Makes pseudonyms by a key.
pub(super) struct Pseudonyms {
    key: [u8; 32],
    domain: String,
    /// The fictitious number of each, by its digits.
    numbers: BTreeMap<String, String>,
}

impl Pseudonyms {
    pub(super) fn new(key: [u8; 32], domain: &str) -> Self {
        Self {
            key,
            domain: domain.to_owned(),
            numbers: BTreeMap::new(),
        }
    }

    /// Gives each telephone number one that is nobody's, and no two of them the same while there are
    /// enough.
    ///
    /// They are those that are reserved for films: 555-0100 to 555-0199 in any area code of North
    /// America, <https://www.nanpa.com>.
    pub(super) fn number_all<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        let all: BTreeSet<String> = texts
            .filter(|text| !text.contains('@'))
            .map(digits)
            .filter(|digits| digits.len() >= NUMBER)
            .collect();
        let mut taken: BTreeSet<u64> = all.iter().filter_map(|digits| place_of(digits)).collect();
        for digits in all {
            if place_of(&digits).is_some() {
                continue;
            }
            let first = self.hash("number", &digits) % FICTITIOUS;
            let mut places = (0..FICTITIOUS).map(|more| (first + more) % FICTITIOUS);
            let place = places.find(|place| !taken.contains(place)).unwrap_or(first);
            taken.insert(place);
            self.numbers.insert(digits, number_at(place));
        }
    }

    /// Returns what is put in the place of an address or a number; nothing where it is neither.
    pub(super) fn contact(&self, text: &str) -> Option<String> {
        if let Some((_, domain)) = text.rsplit_once('@') {
            if domain.eq_ignore_ascii_case(&self.domain) {
                return Some(text.to_owned());
            }
            let tag = self.tag("person", &text.to_lowercase());
            return Some(format!("person-{tag}@{}", self.domain));
        }
        let digits = digits(text);
        if place_of(&digits).is_some() {
            return Some(text.to_owned());
        }
        self.numbers.get(&digits).cloned()
    }

    /// Returns what a person is called instead of a name.
    pub(super) fn name(&self, policy: Policy, name: &str, person: &str) -> String {
        let made = person
            .rsplit_once('@')
            .is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(&self.domain));
        if made || self.is_made(name) {
            return name.to_owned();
        }
        match policy {
            Policy::Hash => self.tag("name", &name.to_lowercase()),
            _ => format!("Person {}", self.tag("person", &person.to_lowercase())),
        }
    }

    /// Returns what is put in the place of another text.
    pub(super) fn text(&self, policy: Policy, text: &str) -> String {
        if self.is_made(text) {
            return text.to_owned();
        }
        let tag = self.tag("text", text);
        match policy {
            Policy::Hash => tag,
            _ => format!("Text {tag}"),
        }
    }

    /// Tells whether a text is a pseudonym already.
    pub(super) fn is_made(&self, text: &str) -> bool {
        // A name of several parts may have several.
        let mut words = text
            .split(' ')
            .filter(|word| !matches!(*word, "Person" | "Text"));
        let is_tag = |word: &str| {
            word.len() == 12 && word.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        };
        words.next().is_some_and(is_tag) && words.all(is_tag)
    }

    fn tag(&self, what: &str, text: &str) -> String {
        format!("{:012x}", self.hash(what, text) >> 16)
    }

    fn hash(&self, what: &str, text: &str) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [what, text] {
            // The length in front keeps parts apart, whatever they hold.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let hash = hasher.finalize();
        let (first, _) = hash
            .as_bytes()
            .split_first_chunk()
            .expect("a hash has 32 bytes");
        u64::from_le_bytes(*first)
    }
}

/// Returns the digits of a text.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Writes one of the fictitious numbers.
fn number_at(place: u64) -> String {
    let area = area_codes().nth(usize::try_from(place / 100).unwrap_or_default());
    format!("+1{}55501{:02}", area.unwrap_or(200), place % 100)
}

/// Returns which fictitious number this is, if it is one.
fn place_of(digits: &str) -> Option<u64> {
    let (area, rest) = digits.strip_prefix('1')?.split_at_checked(3)?;
    let last: u64 = rest
        .strip_prefix("55501")
        .filter(|last| last.len() == 2)?
        .parse()
        .ok()?;
    let area: u64 = area.parse().ok()?;
    let at = area_codes().position(|code| code == area)?;
    Some(at as u64 * 100 + last)
}

fn area_codes() -> impl Iterator<Item = u64> {
    (200..990).filter(|code| code % 100 != 11 && code / 10 % 10 != 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fictitious_numbers_are_told_from_others_and_never_given_twice() {
        assert_eq!(area_codes().count() as u64, AREA_CODES);
        for place in [0, 99, 100, 12_345, FICTITIOUS - 1] {
            let number = number_at(place);
            assert_eq!(place_of(&digits(&number)), Some(place), "{number}");
            assert_eq!(number.len(), 12);
        }
        for real in ["13175550200", "49891234567", "12115550100", "1"] {
            assert_eq!(place_of(real), None, "{real}");
        }
        let mut pseudonyms = Pseudonyms::new([7; 32], "people.invalid");
        let many: Vec<String> = (0..3000).map(|at| format!("+4989{at:07}")).collect();
        pseudonyms.number_all(many.iter().map(String::as_str));
        let given: BTreeSet<&String> = pseudonyms.numbers.values().collect();
        assert_eq!(given.len(), many.len());
    }

    #[test]
    fn pseudonyms_hang_on_the_key_and_are_left_alone_the_second_time() {
        let one = Pseudonyms::new([1; 32], "people.invalid");
        let other = Pseudonyms::new([2; 32], "people.invalid");
        let made = one.contact("Ana@Example.com").expect("an address");
        assert_eq!(one.contact("ana@example.com"), Some(made.clone()));
        assert_ne!(other.contact("ana@example.com"), Some(made.clone()));
        assert!(made.ends_with("@people.invalid"));
        assert_eq!(one.contact(&made), Some(made));
        for policy in [Policy::Hash, Policy::Pseudonymise] {
            let name = one.name(policy, "Ana Silva", "ana@example.com");
            assert_eq!(other.name(policy, &name, "whoever"), name);
            let text = one.text(policy, "Claims");
            assert_eq!(other.text(policy, &text), text);
        }
        assert_eq!(one.contact("1234"), None);
    }
}
