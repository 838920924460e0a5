//! How a key becomes a path, and back.
//!
//! Every part of a key becomes one segment, in the key's own encoding (`%2F` for a slash), with
//! these further characters percent-encoded, because some file system cannot hold them:
//! `\ : * ? " < > |`, a leading dot or space, a trailing dot or space, the first character of a
//! name that Windows reserves (`CON`, `nul.txt`), and the dot of a last `.yaml` or `.flow`, which
//! would be taken for an ending. An empty part is `%_`. All of this undoes itself.
//!
//! A segment of more than 200 bytes is cut and gets `%~` and ten digits of its sha256; the whole
//! key is then in the manifest only. A segment that differs from an earlier one only in case gets
//! the same suffix uncut, and needs no manifest. `%_` and `%~` cannot come from a key: there a `%`
//! is always followed by two hexadecimal digits.

use std::collections::HashMap;

use orgsmith_core::id::{Key, ObjectRef};
use sha2::{Digest, Sha256};

const MAX_SEGMENT: usize = 200;
const CUT: usize = 180;
const EMPTY: &str = "%_";
const SUFFIX: &str = "%~";
const SUFFIX_DIGITS: usize = 10;

/// The file of an object that stands beside it: `Main.flow.yaml`.
pub(super) const FLOW_FILE: &str = "flow.yaml";

/// Gives out paths, so that no two are alike where case does not count.
#[derive(Default)]
pub(super) struct Paths {
    taken: HashMap<String, Vec<String>>,
}

impl Paths {
    /// Returns the path of an object without an ending; ask in the order of the objects.
    pub(super) fn stem(&mut self, object: &ObjectRef) -> String {
        let mut path = object.kind.as_str().to_owned();
        for piece in object.key.as_str().split('/') {
            path = self.child(&path, piece, "");
        }
        path
    }

    /// Returns the path of a file of an object; ask after all objects.
    pub(super) fn file(&mut self, stem: &str, name: &str) -> String {
        if name == FLOW_FILE {
            return format!("{stem}.{FLOW_FILE}");
        }
        self.child(stem, Key::from_parts(&[name]).as_str(), "file")
    }

    fn child(&mut self, parent: &str, piece: &str, role: &str) -> String {
        let segment = segment(piece);
        let slot = format!("{}/{}", fold(parent), fold(&segment));
        let owner = format!("{role}\0{piece}");
        let owners = self.taken.entry(slot).or_default();
        let place = owners.iter().position(|taken| *taken == owner);
        let place = place.unwrap_or_else(|| {
            owners.push(owner);
            owners.len() - 1
        });
        // A cut segment has its suffix already.
        if place == 0 || segment.contains(SUFFIX) {
            format!("{parent}/{segment}")
        } else {
            format!("{parent}/{}", with_suffix(&segment, piece))
        }
    }
}

/// Returns a text in which case does not count.
pub(super) fn fold(text: &str) -> String {
    // First upper case, which takes ß to SS and the Kelvin sign to K.
    text.to_uppercase().to_lowercase()
}

/// Returns a name that can stand beside one that differs only in case.
pub(super) fn with_suffix(segment: &str, piece: &str) -> String {
    format!("{segment}{SUFFIX}{}", short_hash(piece))
}

fn short_hash(piece: &str) -> String {
    let mut hex = super::format::hex(&Sha256::digest(piece));
    hex.truncate(SUFFIX_DIGITS);
    hex
}

/// Returns the segment of one part of a key, given in the key's encoding.
pub(super) fn segment(piece: &str) -> String {
    if piece.is_empty() {
        return EMPTY.to_owned();
    }
    let last = piece.chars().count() - 1;
    let ending = ending_dot(piece);
    let reserved = is_reserved(piece);
    let mut out = String::with_capacity(piece.len());
    for (index, (at, c)) in piece.char_indices().enumerate() {
        let encode = match c {
            '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => true,
            '.' | ' ' => index == 0 || index == last || ending == Some(at),
            _ => index == 0 && reserved,
        };
        if encode {
            out.push_str(&format!("%{:02X}", c as u32));
        } else {
            out.push(c);
        }
    }
    if out.len() <= MAX_SEGMENT {
        return out;
    }
    let mut cut = CUT;
    // Between characters, and not inside a `%2F`.
    while !out.is_char_boundary(cut) || out.as_bytes()[cut - 2..cut].contains(&b'%') {
        cut -= 1;
    }
    with_suffix(&out[..cut], piece)
}

/// Returns where the dot of a last `.yaml` or `.flow` is.
fn ending_dot(piece: &str) -> Option<usize> {
    let at = piece.len().checked_sub(5)?;
    let tail = piece.get(at..)?;
    (tail.eq_ignore_ascii_case(".yaml") || tail.eq_ignore_ascii_case(".flow")).then_some(at)
}

fn is_reserved(piece: &str) -> bool {
    let base = piece.split('.').next().unwrap_or_default().trim_end();
    let base = base.to_ascii_uppercase();
    match base.strip_prefix("COM").or(base.strip_prefix("LPT")) {
        Some(number) => matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        ),
        None => matches!(
            base.as_str(),
            "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
        ),
    }
}

/// What a segment says of its part of the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The part, in the key's encoding.
    Known(String),
    /// The segment was cut.
    Cut,
    /// The segment is not how the part is written; here is how.
    Rename(String),
}

/// Reads a segment; only the first of a key may start with the `~` of a built-in object.
pub(super) fn piece(text: &str, is_first: bool) -> Piece {
    let (bare, suffix) = match text.rsplit_once(SUFFIX) {
        Some((bare, suffix)) => (bare, Some(suffix)),
        None => (text, None),
    };
    let piece = match bare.strip_prefix('~') {
        _ if bare == EMPTY => String::new(),
        Some(rest) if is_first => format!("~{}", canonical(rest)),
        _ => canonical(bare),
    };
    let right = segment(&piece);
    match suffix {
        Some(suffix) if right == bare && suffix == short_hash(&piece) => Piece::Known(piece),
        Some(_) => Piece::Cut,
        None if right == text => Piece::Known(piece),
        None => Piece::Rename(right),
    }
}

fn canonical(text: &str) -> String {
    let decoded = Key::from_encoded(text).parts().concat();
    Key::from_parts(&[decoded]).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orgsmith_core::id::Kind;
    use proptest::prelude::*;

    #[test]
    fn what_a_file_system_cannot_hold_is_encoded() {
        for (piece, expected) in [
            ("Billing", "Billing"),
            ("A: B?", "A%3A B%3F"),
            (".hidden", "%2Ehidden"),
            ("end.", "end%2E"),
            ("end ", "end%20"),
            ("con", "%63on"),
            ("nul.txt", "%6Eul.txt"),
            ("console", "console"),
            ("Main.flow", "Main%2Eflow"),
            ("x.YAML", "x%2EYAML"),
            ("A%2FB", "A%2FB"),
            ("", "%_"),
            ("~home", "~home"),
            ("Größe", "Größe"),
        ] {
            assert_eq!(segment(piece), expected);
            assert_eq!(super::piece(expected, true), Piece::Known(piece.to_owned()));
        }
    }

    #[test]
    fn a_name_that_is_not_portable_is_told_its_right_form() {
        assert_eq!(piece("A:B", true), Piece::Rename("A%3AB".into()));
        assert_eq!(piece("100%", true), Piece::Rename("100%25".into()));
        assert_eq!(piece("~home", false), Piece::Rename("%7Ehome".into()));
    }

    #[test]
    fn a_long_name_is_cut_and_says_so() {
        let long = "ü".repeat(150);
        let cut = segment(&long);
        assert!(cut.len() <= MAX_SEGMENT, "{cut}");
        assert_eq!(piece(&cut, true), Piece::Cut);
    }

    #[test]
    fn names_that_differ_in_case_get_different_paths() {
        let mut paths = Paths::default();
        let mut stem = |key: &str| {
            paths.stem(&ObjectRef::new(
                Kind::new("routing_queue"),
                Key::from_encoded(key),
            ))
        };
        assert_eq!(stem("BILLING"), "routing_queue/BILLING");
        let second = stem("Billing");
        assert!(second.starts_with("routing_queue/Billing%~"), "{second}");
        assert_eq!(stem("BILLING/x"), "routing_queue/BILLING/x");
        assert_eq!(stem("Billing/x"), format!("{second}/x"));
        let segment = second.strip_prefix("routing_queue/").expect("the kind");
        assert_eq!(piece(segment, true), Piece::Known("Billing".into()));
    }

    proptest! {
        #[test]
        fn segments_are_reversible(part in r#"[\PC.: ~%/\\"cCoOnN\u{1}]{0,40}"#, first in any::<bool>()) {
            let key = Key::from_parts(&[part]);
            let text = segment(key.as_str());
            prop_assert_eq!(piece(&text, first), Piece::Known(key.as_str().to_owned()));
            prop_assert!(!text.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']));
            prop_assert!(!text.starts_with(['.', ' ']) && !text.ends_with(['.', ' ']));
            prop_assert!(text.len() <= MAX_SEGMENT);
        }
    }
}
