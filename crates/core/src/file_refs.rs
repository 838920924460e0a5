//! Ids inside files: a script names queues, data actions and other scripts by id.
//!
//! In a bundle `${ref.kind/key}` stands in place of each id of an object that was read, and
//! `${self}` in place of the object's own. Other ids are the file's own: pages, variables, blocks.

use std::collections::BTreeMap;

use crate::document::Files;
use crate::guid::guids_in;
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

/// Puts slots in place of the ids that are known.
pub fn to_slots(text: &str, own: &str, known: &dyn Fn(u128) -> Option<ObjectRef>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let in_word = |c: char| c.is_ascii_alphanumeric();
    for (place, number) in guids_in(text) {
        let id = &text[place.clone()];
        // A longer word of hexadecimal digits is no id.
        if text[..place.start].ends_with(in_word)
            || text[place.end..].starts_with(in_word)
            || id.contains(|c: char| c.is_ascii_uppercase())
        {
            continue;
        }
        let slot = match id == own {
            true => Some(SELF.to_owned()),
            false => known(number).map(|object| slot_of(&object)),
        };
        if let Some(slot) = slot {
            out.push_str(&text[done..place.start]);
            out.push_str(&slot);
            done = place.end;
        }
    }
    out + &text[done..]
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

/// Renames the objects that files name.
pub(crate) fn rename_in(files: &mut Files, rename: &dyn Fn(&ObjectRef) -> Option<ObjectRef>) {
    for bytes in files.values_mut() {
        if let Some(text) = renamed(bytes, rename) {
            *bytes = text.into_bytes().into();
        }
    }
}

/// Renames the objects that a file names; nothing where it stays as it is.
fn renamed(bytes: &[u8], rename: &dyn Fn(&ObjectRef) -> Option<ObjectRef>) -> Option<String> {
    let new: BTreeMap<String, ObjectRef> = slots(bytes)
        .into_iter()
        .filter_map(|(slot, object)| Some((slot, rename(&object)?)))
        .collect();
    if new.is_empty() {
        return None;
    }
    let mut text = std::str::from_utf8(bytes).ok()?.to_owned();
    for (slot, object) in new {
        text = text.replace(&slot, &slot_of(&object));
    }
    Some(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_known_becomes_a_slot_and_any_other_stays() {
        let queue = "0b0a7b2c-1111-4222-8333-444455556666";
        let page = "0b0a7b2c-1111-4222-8333-44445555aaaa";
        let own = "0b0a7b2c-1111-4222-8333-44445555bbbb";
        let object: ObjectRef = "routing_queue/50% {off}".parse().expect("an object");
        let known = |id| (Some(id) == crate::guid::guid(queue)).then(|| object.clone());
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
