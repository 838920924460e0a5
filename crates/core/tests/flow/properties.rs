//! Whatever the text: an answer or an error, quickly, and no panic.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use orgsmith_core::flow::{
    FlowTarget, MAX_DEPTH, MAX_TEXT, ObjectKind, Rename, canonical, i3, rename, scan,
};
use proptest::prelude::*;

use super::{fixtures, flow};

/// Reads a text in every way.
fn read(text: &str) {
    let Ok(found) = scan(text) else { return };
    let _ = canonical(text);
    assert_eq!(
        rename(text, &[]).map(|renamed| renamed.text).as_deref(),
        Ok(text)
    );
    let edits: Vec<Rename> = found
        .references
        .iter()
        .map(|reference| {
            Rename::new(
                reference.target.clone(),
                format!("{}+", reference.target.name()),
            )
        })
        .collect();
    if let Ok(renamed) = rename(text, &edits) {
        let after = scan(&renamed.text).expect("a renamed flow can be read");
        let names = |scan: &orgsmith_core::flow::FlowScan| scan.references.len();
        assert_eq!(names(&after), names(&found));
    }
}

/// The texts that are mutated.
static BASE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let own = flow(
        "inboundCall",
        r#"
- a: {targetQueue: {lit: {name: "Sales"}}}
- b: &x
    exp: 'If(FindQueue("S"), Prompt.Hi, FindSkill(Task.s))'
- callData: {category: {CRM: {dataAction: {{{prefix}}: {}}}}}
- c: *x
- d: {exp: "FindQueue(\"ü\\\"\")", tts: <text>}
"#,
    );
    let mut texts: Vec<String> = fixtures::flows()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    texts.push(own);
    texts
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        read(&text);
        let _ = i3::manifest(text.as_bytes());
    }

    #[test]
    fn any_yaml_like_text_is_answered(text in "([a-z*&!|>%@`'\"{}\\[\\],:#?<-]|  |\n|\r|\t|é|: |- |\\{\\{|\\}\\}|lit: |exp: |name: |FindQueue\\(|\\\\){0,60}") {
        read(&text);
        read(&format!("inboundCall:\n  name: x\n  a: {text}\n"));
        read(&format!("bot: {{name: x, targetQueue: {{lit: {{name: \"{text}\"}}}}}}"));
    }

    #[test]
    fn any_expression_is_answered(text in "(FindQueue|find|Prompt|\\.|\\(|\\)|\"|\\\\|,| |x|ü|\n){0,40}") {
        read(&format!("bot:\n  name: x\n  exp: {text:?}\n"));
    }

    #[test]
    fn any_name_can_be_given(to in "\\PC{1,12}", style in 0_usize..5) {
        let spelled = ["Sales", "'Sales'", "\"Sales\"", "{lit: {name: Sales}}", "FindQueue"][style];
        let text = match style {
            3 => format!("bot:\n  name: x\n  targetQueue: {spelled}\n"),
            4 => "bot:\n  name: x\n  exp: FindQueue(\"Sales\")\n".to_owned(),
            _ => format!("bot:\n  name: x\n  targetQueue:\n    lit:\n      name: {spelled}\n"),
        };
        let from = FlowTarget::object(ObjectKind::Queue, "Sales");
        let renamed = rename(&text, &[Rename::new(from, to.clone())]).expect("any name fits");
        let after = scan(&renamed.text).expect("a renamed flow can be read");
        prop_assert_eq!(after.references[0].target.name(), &to);
    }

    #[test]
    fn mutated_flows_are_answered(which in any::<prop::sample::Index>(), cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[a-z{}\\[\\]:#'\"&*\n\t <>|-]{0,3}"), 1..4)) {
        let mut text = which.get(&BASE).clone();
        for (at, length, with) in cuts {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            if places.is_empty() { break; }
            let start = at.index(places.len());
            let end = places.get(start + length).copied().unwrap_or(text.len());
            text.replace_range(places[start]..end, &with);
        }
        read(&text);
    }
}

#[test]
fn limits_are_errors() {
    let large = " ".repeat(MAX_TEXT + 1);
    assert!(scan(&large).unwrap_err().message.contains("larger"));
    let deep = "[".repeat(5000);
    assert!(scan(&format!("bot: {deep}")).is_err());
    let mut block = "bot:\n name: x\n".to_owned();
    for depth in 1..MAX_DEPTH + 2 {
        let _ = writeln!(block, "{}k:", " ".repeat(depth));
    }
    assert!(scan(&block).is_err());
    let aliases = format!(
        "bot:\n  name: x\n  a: &a 1\n  b: [{}]\n",
        "*a, ".repeat(300)
    );
    assert!(scan(&aliases).unwrap_err().message.contains("aliases"));
}

#[test]
fn the_deepest_flow_is_read() {
    let mut text = "bot:\n name: x\n".to_owned();
    for depth in 1..MAX_DEPTH - 2 {
        let _ = writeln!(text, "{}k:", " ".repeat(depth));
    }
    let _ = writeln!(text, "{}targetFlow: {{name: y}}", " ".repeat(MAX_DEPTH - 2));
    assert_eq!(scan(&text).unwrap().references.len(), 1);
    assert!(canonical(&text).is_ok());
}

/// Twice the text takes about twice the time, in shapes that invite more.
#[test]
fn time_is_linear_in_the_text() {
    let shapes: [fn(usize) -> String; 8] = [
        |n| format!("bot:\n  name: x\n  a: [{}]\n", "{{x}}, ".repeat(n)),
        |n| format!("bot:\n  name: x\n  a: \"{}\"\n", "{{x}} ".repeat(n)),
        |n| format!("bot:\n  name: x\n  exp: {}\n", "FindQueue(".repeat(n)),
        |n| {
            format!(
                "bot:\n  name: x\n  exp: '{}'\n",
                "FindQueue(\"a\" ".repeat(n)
            )
        },
        |n| format!("bot:\n  name: x\n  a: {}\n", "{{".repeat(n)),
        |n| {
            format!(
                "bot:\n  name: x\n  targetQueue: {{lit: {{name: {}}}}}\n",
                "<a> ".repeat(n)
            )
        },
        |n| {
            format!(
                "bot:\n  name: x\n{}",
                "  targetQueue: {lit: {name: a}}\n".repeat(n / 4)
            )
        },
        |n| {
            format!(
                "bot:\n  name: x\n  a: &a {{{}}}\n  b: [{}]\n",
                "k: v, ".repeat(n / 2),
                "{dataTable: *a}, ".repeat(200)
            )
        },
    ];
    for (shape, text) in shapes.iter().enumerate() {
        let time = |n: usize| {
            let text = text(n);
            let start = Instant::now();
            let _ = scan(&text);
            let _ = rename(
                &text,
                &[Rename::new(FlowTarget::object(ObjectKind::Queue, "a"), "b")],
            );
            start.elapsed()
        };
        let small = time(2_000);
        // Eight times the text; a square would take sixty-four times as long.
        let bound = small * 32 + Duration::from_millis(200);
        // A busy machine gets three tries.
        let linear = (0..3).any(|_| time(16_000) < bound);
        assert!(linear, "shape {shape}: more than {bound:?} after {small:?}");
    }
}
