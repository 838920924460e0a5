//! Variables and rewriting leave what Genesys reads in `${…}`, `$!{…}` and expressions alone.

use std::collections::BTreeMap;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::{Files, Portable};
use orgsmith_core::id::ObjectRef;
use orgsmith_core::overlay::{Overlay, TextRule, Texts};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fixtures::texts;

/// Applies an overlay to a text, as a field of a document and as a file beside it.
fn applied(text: &str, overlay: &Overlay) -> (String, String) {
    let object: ObjectRef = "routing_queue/Main".parse().expect("kind/key");
    let files = Files::from([("flow.yaml".to_owned(), text.as_bytes().into())]);
    let mut body = Map::from_iter([("name".to_owned(), json!("Main"))]);
    body.insert("description".to_owned(), json!(text));
    let mut bundle = Bundle::default();
    bundle.insert(Portable {
        object: object.clone(),
        body,
        files,
    });
    // A queue, so that nobody minds what the text is.
    let _ = overlay.apply(Catalogue::builtin(), &mut bundle);
    let document = bundle.documents.remove(&object).expect("it is there still");
    let file = String::from_utf8(document.files["flow.yaml"].to_vec()).expect("text");
    let field = document.text("description").expect("text");
    (field, file)
}

/// An overlay whose variables are called as Genesys' own are, and whose hosts are not there.
fn overlay(text: &str) -> Overlay {
    let mut variables = BTreeMap::from([("x".to_owned(), json!("v1"))]);
    for piece in text.split("${").skip(1) {
        if let Some((name, _)) = piece.split_once('}') {
            variables.insert(name.to_owned(), Value::String("ours".to_owned()));
        }
    }
    let host = |from: &str| TextRule::Host {
        from: from.to_owned(),
        to: "ours.example".to_owned(),
    };
    Overlay {
        texts: Texts::new(vec![host("crm.gold.example"), host("gold.example")]).expect("rules"),
        variables,
        ..Overlay::default()
    }
}

#[test]
fn nothing_that_others_wrote_is_changed() {
    for (name, text) in texts() {
        let (field, file) = applied(&text, &overlay(&text));
        assert!(field == text, "{name}: the field was changed");
        assert!(file == text, "{name}: the file was changed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_variable_anywhere_is_filled_and_nothing_else(which: prop::sample::Index, place: prop::sample::Index) {
        let texts = texts();
        prop_assume!(!texts.is_empty());
        let (name, text) = which.get(&texts);
        let mut at = place.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let with = |inside: &str| format!("{}{inside}{}", &text[..at], &text[at..]);
        let (field, file) = applied(&with("${var.x}"), &overlay(text));
        prop_assert!(field == with("v1"), "{name} at {at}");
        prop_assert!(file == with("v1"), "{name} at {at}");
    }
}
