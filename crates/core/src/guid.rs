//! GUIDs in text: nearly every id of the API is one, and has a form.
//!
//! A look at the form and into a table costs a thousandth of an automaton that searches for any of
//! a hundred thousand texts.

use std::ops::Range;

/// Characters of a GUID.
const LENGTH: usize = 36;

/// Reads a text that is a GUID, in either case.
pub(crate) fn guid(text: &str) -> Option<u128> {
    (text.len() == LENGTH).then(|| at_start(text.as_bytes()))?
}

/// Returns the GUIDs in a text, with the places where they stand.
pub(crate) fn guids_in(text: &str) -> impl Iterator<Item = (Range<usize>, u128)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let dash = from + bytes.get(from..)?.iter().position(|byte| *byte == b'-')?;
            from = dash + 1;
            // The first dash of a GUID stands behind eight digits.
            let found = dash
                .checked_sub(8)
                .and_then(|start| Some((start, at_start(bytes.get(start..start + LENGTH)?)?)));
            if let Some((start, number)) = found {
                from = start + LENGTH;
                return Some((start..start + LENGTH, number));
            }
        }
    })
}

fn at_start(text: &[u8]) -> Option<u128> {
    let mut number = 0_u128;
    for (index, byte) in text.get(..LENGTH)?.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_found_side_by_side_and_in_any_text() {
        let id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let text = format!("ü{id}{id}/x-{}", id.to_uppercase());
        let found: Vec<_> = guids_in(&text)
            .map(|(range, _)| text[range].to_lowercase())
            .collect();
        assert_eq!(found, [id, id, id]);
        assert_eq!(guids_in("0f1e2d3c-4b5a-6978 --- ").count(), 0);
        assert_eq!(guid(id), guid(&id.to_uppercase()));
        assert_eq!(guid(&id[1..]), None);
    }
}
