//! Rules of what is written in flows, scripts and data actions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::{Found, Image, leaves_of};
use crate::document::Portable;
use crate::file_refs::SCRIPT;
use crate::flow::{self, literal_guids, literal_urls};
use crate::plan::FLOW_SOURCE;

const ACTION: &str = "integration_action";

pub(super) fn ids(image: &Image<'_>, found: &mut Found<'_>) {
    let told = |id: &str| format!("the id {id} is hard-coded");
    for (object, scan) in &image.scans {
        for literal in &scan.guids {
            let place = (literal.line, literal.column);
            found.in_file(object, FLOW_SOURCE, place, told(&literal.text));
        }
    }
    for (object, document) in image.of(ACTION) {
        leaves_of(&document, &mut |pointer, value| {
            for id in value.as_str().map(literal_guids).unwrap_or_default() {
                found.at(object, pointer, told(id));
            }
        });
    }
    for (object, document) in image.of("script") {
        let text = text_of(&document, SCRIPT);
        // Pages, variables and blocks have ids of the script's own.
        let own: BTreeSet<&str> = OWN_ID
            .captures_iter(text)
            .filter_map(|one| Some(one.get(1)?.as_str()))
            .collect();
        in_lines(text, &mut |line, column, text| {
            for id in literal_guids(text)
                .into_iter()
                .filter(|id| !own.contains(id))
            {
                found.in_file(object, SCRIPT, (line, column), told(id));
            }
        });
    }
}

/// An id that an object of a script gives itself.
static OWN_ID: LazyLock<Regex> = LazyLock::new(|| pattern(r#""id"\s*:\s*"([0-9a-fA-F-]{36})""#));

pub(super) fn urls(image: &Image<'_>, found: &mut Found<'_>) {
    let told = |url: &str| format!("the address {url} is hard-coded");
    for (object, scan) in &image.scans {
        for literal in scan.urls.iter().filter(|url| has_own_host(&url.text)) {
            let place = (literal.line, literal.column);
            found.in_file(object, FLOW_SOURCE, place, told(&literal.text));
        }
    }
    for (object, document) in image.of(ACTION) {
        leaves_of(&document, &mut |pointer, value| {
            let urls = value.as_str().map(literal_urls).unwrap_or_default();
            for url in urls.into_iter().filter(|url| has_own_host(url)) {
                found.at(object, pointer, told(url));
            }
        });
    }
    for (object, document) in image.of("script") {
        in_lines(text_of(&document, SCRIPT), &mut |line, column, text| {
            for url in literal_urls(text)
                .into_iter()
                .filter(|url| has_own_host(url))
            {
                found.in_file(object, SCRIPT, (line, column), told(url));
            }
        });
    }
}

/// Tells whether an address names a host itself, and not by a variable or an input.
fn has_own_host(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    // The dialect of a JSON Schema is a name, though it looks like an address.
    !host.is_empty() && !host.starts_with(['$', '{']) && !host.starts_with("json-schema.org/")
}

pub(super) fn placeholders(image: &Image<'_>, found: &mut Found<'_>) {
    let told = |text: &str| format!("{text:?} is not filled in");
    for (object, document) in &image.bundle.documents {
        let document = document.open();
        leaves_of(&document, &mut |pointer, value| {
            let Some(text) = value.as_str() else { return };
            let placeholder = flow::placeholder_alone(text).or_else(|| unfilled(text));
            if let Some(placeholder) = placeholder {
                found.at(object, pointer, told(placeholder));
            }
        });
        for file in [FLOW_SOURCE, SCRIPT] {
            in_lines(text_of(&document, file), &mut |line, column, text| {
                if let Some(word) = unfilled(text) {
                    found.in_file(object, file, (line, column), told(word));
                }
            });
        }
    }
    for (object, scan) in &image.scans {
        for placeholder in &scan.placeholders {
            let place = (placeholder.line, placeholder.column);
            found.in_file(object, FLOW_SOURCE, place, told(&placeholder.text));
        }
    }
}

/// Returns a word that says that a text is to be filled in.
fn unfilled(text: &str) -> Option<&str> {
    static WORDS: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\b(TODO|FIXME|TBD|(?i:change[_ -]?me|lorem ipsum))\b"));
    WORDS.find(text).map(|found| found.as_str())
}

/// Returns the text of a file beside a document; an empty one where there is none.
fn text_of<'d>(document: &'d Portable, file: &str) -> &'d str {
    let bytes = document.files.get(file);
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.unwrap_or_default()
}

/// Calls `visit` with every line of a file, its number and the column where its text begins.
fn in_lines<'t>(text: &'t str, visit: &mut dyn FnMut(usize, usize, &'t str)) {
    for (number, line) in text.lines().enumerate() {
        let blank = line.chars().take_while(|c| c.is_whitespace()).count();
        visit(number + 1, blank + 1, line);
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file")
}
