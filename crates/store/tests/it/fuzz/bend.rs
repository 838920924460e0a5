//! Bends texts: bits, pieces, words that mean something, and values of JSON.

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};

/// The longest text that is made.
const LONGEST: usize = 1 << 16;

/// What some reader takes for more than letters.
const WORDS: [&str; 40] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\"",
    "'",
    "\\",
    "/",
    "..",
    "../",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    "#",
    "&a ",
    "*a",
    "!!binary ",
    "? ",
    "|\n",
    ">\n",
    "---\n",
    "<<: ",
    "null",
    "-1",
    "18446744073709551616",
    "1e999",
    "\u{feff}",
    "\u{202e}",
    "é",
    "=== ",
    "{$ref: a/b}",
    "${ref.a/b}",
    "~home",
    "%2F",
];

/// Makes texts of texts.
pub struct Bender {
    rng: TestRng,
    texts: Vec<Vec<u8>>,
}

impl Bender {
    pub fn new(seed: u64, texts: Vec<Vec<u8>>) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self { rng, texts }
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.rng.next_u64() % limit.max(1) as u64) as usize
    }

    /// Returns the next text.
    pub fn next(&mut self) -> Vec<u8> {
        let mut text = self.any();
        for _ in 0..1 + self.below(3) {
            match (self.below(2), self.bent_json(&text)) {
                (0, Some(bent)) => text = bent,
                _ => self.bend(&mut text),
            }
        }
        text.truncate(LONGEST);
        text
    }

    fn any(&mut self) -> Vec<u8> {
        let at = self.below(self.texts.len());
        self.texts[at].clone()
    }

    fn bend(&mut self, text: &mut Vec<u8>) {
        let at = self.below(text.len() + 1);
        let end = (at + 1 + self.below(16)).min(text.len());
        match self.below(7) {
            0 if at < text.len() => text[at] ^= 1 << self.below(8),
            1 => drop(text.drain(at..end)),
            2 => {
                let piece = text[at..end].repeat(1 + self.below(40));
                text.splice(at..at, piece);
            }
            3 | 4 => {
                let word = WORDS[self.below(WORDS.len())];
                text.splice(at..at, word.bytes());
            }
            5 => {
                let other = self.any();
                let from = self.below(other.len());
                let until = (from + self.below(200)).min(other.len());
                text.splice(at..end, other[from..until].iter().copied());
            }
            // A line goes elsewhere.
            _ => {
                let mut lines: Vec<Vec<u8>> = text
                    .split_inclusive(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                if !lines.is_empty() {
                    let line = lines.remove(self.below(lines.len()));
                    let to = self.below(lines.len() + 1);
                    lines.insert(to, line);
                    *text = lines.concat();
                }
            }
        }
    }

    /// Bends a value of one line of JSON, or of all of it; nothing where there is none.
    fn bent_json(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        if let Ok(mut value) = serde_json::from_slice::<Value>(text) {
            self.bend_value(&mut value);
            return Some(value.to_string().into_bytes());
        }
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let at = self.below(lines.len());
        let mut value = serde_json::from_slice::<Value>(lines[at]).ok()?;
        self.bend_value(&mut value);
        let bent = value.to_string().into_bytes();
        let mut lines: Vec<Vec<u8>> = lines.into_iter().map(<[u8]>::to_vec).collect();
        lines[at] = bent;
        Some(lines.join(&b'\n'))
    }

    fn bend_value(&mut self, value: &mut Value) {
        let deeper = self.below(6) > 0;
        match value {
            Value::Object(map) if deeper && !map.is_empty() => {
                let at = self.below(map.len());
                let key = map.keys().nth(at).expect("it has so many").clone();
                match self.below(12) {
                    0 => drop(map.remove(&key)),
                    1 => {
                        let value = map.remove(&key).unwrap_or_default();
                        map.insert(self.text(), value);
                    }
                    _ => self.bend_value(&mut map[&key]),
                }
            }
            Value::Array(list) if deeper && !list.is_empty() => {
                let at = self.below(list.len());
                match self.below(8) {
                    0 => drop(list.remove(at)),
                    1 => list.push(list[at].clone()),
                    2 => list.reverse(),
                    _ => self.bend_value(&mut list[at]),
                }
            }
            value => *value = self.value(),
        }
    }

    fn text(&mut self) -> String {
        let count = self.below(4);
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect();
        words.concat()
    }

    fn value(&mut self) -> Value {
        match self.below(11) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(0),
            3 => json!(u64::MAX),
            4 => json!(i64::MIN),
            5 => json!(1e308),
            6 => json!([]),
            7 => json!({}),
            8 => (0..100).fold(json!(1), |inner, _| json!([inner])),
            9 => json!({"$ref": self.text()}),
            _ => self.text().into(),
        }
    }
}
