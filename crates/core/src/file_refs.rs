//! Ids inside files: a script names queues, data actions and other scripts by id.
//!
//! In a bundle `${ref.kind/key}` stands in place of each id of an object that was read, and
//! `${self}` in place of the object's own. Other ids are the file's own: pages, variables, blocks.

use std::collections::BTreeMap;

use crate::id::ObjectRef;

/// The name of a script's file beside its document.
pub const SCRIPT: &str = "script.json";
/// The kinds that scripts name.
pub(crate) const KINDS: [&str; 5] = [
    "routing_queue",
    "integration_action",
    "script",
    "user",
    "group",
];
const BEGIN: &str = "${ref.";
/// Stands in place of the id of the object that the file is.
pub const SELF: &str = "${self}";
/// The length of an id.
const LENGTH: usize = 36;

/// Puts slots in place of the ids that are known.
pub fn to_slots(text: &str, own: &str, known: &dyn Fn(&str) -> Option<ObjectRef>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let id = rest.get(..LENGTH).filter(|id| is_id(id));
        // A longer word of hexadecimal digits is no id.
        let before = out.chars().next_back();
        let whole = !before.is_some_and(|c| c.is_ascii_alphanumeric());
        let after = rest.get(LENGTH..).and_then(|rest| rest.chars().next());
        let whole = whole && !after.is_some_and(|c| c.is_ascii_alphanumeric());
        let slot = id.filter(|_| whole).and_then(|id| match id == own {
            true => Some(SELF.to_owned()),
            false => known(id).map(|object| slot_of(&object)),
        });
        match slot {
            Some(slot) => {
                out.push_str(&slot);
                rest = &rest[LENGTH..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}

/// Writes a JSON file as orgsmith does, so that spaces and the order of names are no difference.
pub fn canonical(bytes: &[u8]) -> Vec<u8> {
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    match parsed.and_then(|value| serde_json::to_string_pretty(&value)) {
        Ok(text) => (text + "\n").into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// Returns the slots of a file with the objects they mean.
pub fn slots(bytes: &[u8]) -> BTreeMap<String, ObjectRef> {
    let mut found = BTreeMap::new();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return found;
    };
    for piece in text.split(BEGIN).skip(1) {
        if let Some((written, _)) = piece.split_once('}')
            && let Ok(object) = decoded(written).parse()
        {
            found.insert(format!("{BEGIN}{written}}}"), object);
        }
    }
    found
}

fn slot_of(object: &ObjectRef) -> String {
    let mut written = String::new();
    for c in object.to_string().chars() {
        match c {
            '"' | '\\' | '{' | '}' | '$' | '%' => written.push_str(&format!("%{:02X}", c as u32)),
            c => written.push(c),
        }
    }
    format!("{BEGIN}{written}}}")
}

fn decoded(written: &str) -> String {
    let mut text = written.to_owned();
    // The sign that escapes comes last, so that nothing is read twice.
    for c in ['"', '\\', '{', '}', '$', '%'] {
        text = text.replace(&format!("%{:02X}", c as u32), &c.to_string());
    }
    text
}

fn is_id(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_known_becomes_a_slot_and_any_other_stays() {
        let queue = "0b0a7b2c-1111-4222-8333-444455556666";
        let page = "0b0a7b2c-1111-4222-8333-44445555aaaa";
        let own = "0b0a7b2c-1111-4222-8333-44445555bbbb";
        let object: ObjectRef = "routing_queue/50% {off}".parse().expect("an object");
        let known = |id: &str| (id == queue).then(|| object.clone());
        let text = format!("{{\"q\": \"{queue}\", \"p\": \"{page}\", \"id\": \"{own}\"}}");
        let portable = to_slots(&text, own, &known);
        assert!(!portable.contains(queue) && !portable.contains(own));
        assert!(portable.contains(page) && portable.contains(SELF));
        let found = slots(portable.as_bytes());
        assert_eq!(found.values().collect::<Vec<_>>(), [&object]);
        let (slot, _) = found.iter().next().expect("one");
        let back = portable.replace(slot, queue).replace(SELF, own);
        assert_eq!(back, text);
    }
}
