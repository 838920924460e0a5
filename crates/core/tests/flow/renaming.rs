//! Names change, everything else stays.

use orgsmith_core::flow::{FlowTarget, FlowType, ObjectKind, Rename, rename, scan};

use super::flow;

fn queue(from: &str, to: &str) -> Rename {
    Rename::new(FlowTarget::object(ObjectKind::Queue, from), to)
}

#[test]
fn comments_quotes_line_ends_and_byte_order_mark_stay() {
    let text = "\u{feff}# Sales\r\ninboundCall:\r\n  name: x   # own\r\n  a:\r\n    targetQueue: { lit: { name: 'Sales' } } # Sales\r\n  b:\r\n    targetQueue:\r\n      lit:\r\n        name: \"Sales\"\r\n";
    let renamed = rename(text, &[queue("Sales", "Bob's \"Team\"")]).unwrap();
    let expected = text
        .replace("'Sales'", "'Bob''s \"Team\"'")
        .replace("\"Sales\"", "\"Bob's \\\"Team\\\"\"");
    assert_eq!((renamed.text, renamed.replaced), (expected, 2));
}

#[test]
fn a_plain_name_gets_quotes_only_when_it_needs_them() {
    let text = |name: &str| {
        format!(
            "inboundCall:\n  name: x\n  a:\n    targetQueue:\n      lit:\n        name: {name} # here\n  b: {{targetQueue: {{lit: {{name: {name}}}}}}}\n"
        )
    };
    let cases = [
        (
            "Support (EU) & co",
            "Support (EU) & co",
            "Support (EU) & co",
        ),
        ("a, b", "a, b", "\"a, b\""),
        ("a: b", "\"a: b\"", "\"a: b\""),
        ("a #b", "\"a #b\"", "\"a #b\""),
        ("- x", "\"- x\"", "\"- x\""),
        (" x ", "\" x \"", "\" x \""),
        ("yes", "\"yes\"", "\"yes\""),
        ("0042", "\"0042\"", "\"0042\""),
        ("*x", "\"*x\"", "\"*x\""),
        ("Ünïcode", "Ünïcode", "Ünïcode"),
        ("tab\t\u{1}", "\"tab\\t\\u0001\"", "\"tab\\t\\u0001\""),
    ];
    for (name, block, inline) in cases {
        let renamed = rename(&text("Sales"), &[queue("Sales", name)])
            .unwrap()
            .text;
        let (first, second) = text("Sales")
            .split_once("\n  b:")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let expected = first.replace("Sales", block) + "\n  b:" + &second.replace("Sales", inline);
        assert_eq!(renamed, expected, "{name}");
    }
}

#[test]
fn names_in_expressions_are_replaced_inside_their_quotes() {
    let text = flow(
        "inboundCall",
        r#"
- a: {targetQueue: {exp: FindQueue("Sales")}}
- b:
    targetQueue:
      exp: "If(Task.x,\n  FindQueue(\"Sales\"), FindQueue(\"Other\"))"
- c:
    targetQueue:
      exp: 'FindQueue("Sales")'
- d:
    targetQueue:
      exp: |
        If(Task.x,
          FindQueue("Sales"), FindQueue("Other"))
"#,
    );
    let renamed = rename(&text, &[queue("Sales", "it's \"S\"")]).unwrap();
    assert_eq!(renamed.replaced, 4);
    let expected = text
        .replacen("FindQueue(\"Sales\")", "FindQueue(\"it's \\\"S\\\"\")", 1)
        .replacen(
            "FindQueue(\\\"Sales\\\")",
            "FindQueue(\\\"it's \\\\\\\"S\\\\\\\"\\\")",
            1,
        )
        .replacen(
            "'FindQueue(\"Sales\")'",
            "'FindQueue(\"it''s \\\"S\\\"\")'",
            1,
        )
        .replacen(
            "  FindQueue(\"Sales\")",
            "  FindQueue(\"it's \\\"S\\\"\")",
            1,
        );
    assert_eq!(renamed.text, expected);
}

#[test]
fn prompts_keep_their_prefix() {
    let text = flow(
        "inboundCall",
        "- a: {audio: {prompt: Prompt.Hi}}\n- b: {audio: {exp: 'ToAudio(Prompt.Hi) + \"Prompt.Hi\"'}}\n- c: {x: {lit: {name: Prompt.Hi}}}",
    );
    let prompt = FlowTarget::object(ObjectKind::UserPrompt, "Hi");
    let renamed = rename(&text, &[Rename::new(prompt, "Hello")]).unwrap();
    assert_eq!(renamed.replaced, 3);
    let expected = text
        .replace("Prompt.Hi", "Prompt.Hello")
        .replace("\"Prompt.Hello\"", "\"Prompt.Hi\"");
    assert_eq!(renamed.text, expected);
}

#[test]
fn names_can_be_swapped() {
    let text = flow(
        "inboundCall",
        "- a: {targetQueue: {lit: {name: A}}}\n- b: {targetQueue: {lit: {name: B}}}",
    );
    let renamed = rename(&text, &[queue("A", "B"), queue("B", "A")]).unwrap();
    assert_eq!(
        renamed.text,
        text.replace("name: A}", "name: _}")
            .replace("name: B}", "name: A}")
            .replace("name: _}", "name: B}")
    );
}

#[test]
fn only_the_kind_that_is_meant_changes() {
    let text = flow(
        "inboundCall",
        "- a:\n    name: Sales\n    targetQueue: {lit: {name: Sales}}\n    acdSkills:\n      - acdSkill: {lit: {name: Sales}}",
    );
    let skill = FlowTarget::object(ObjectKind::Skill, "Sales");
    let renamed = rename(&text, &[Rename::new(skill, "Selling")]).unwrap();
    assert_eq!(
        renamed.text,
        text.replace(
            "acdSkill: {lit: {name: Sales}}",
            "acdSkill: {lit: {name: Selling}}"
        )
    );
}

#[test]
fn a_data_action_can_change_category_and_name() {
    let text = flow(
        "workflow",
        "- callData:\n    category:\n      CRM:\n        dataAction:\n          Find:\n            inputs: {}\n          Close: {}",
    );
    let from = FlowTarget::data_action("CRM", "Find");
    let renamed = rename(&text, &[Rename::new(from.clone(), "Search")]).unwrap();
    assert_eq!(renamed.text, text.replace("Find:", "Search:"));
    // Both actions share the category's key.
    let to = FlowTarget::data_action("New: CRM", "Find");
    let alone = rename(
        &text,
        &[Rename {
            from: from.clone(),
            to: to.clone(),
        }],
    );
    assert!(alone.is_err(), "{alone:?}");
    let other = Rename {
        from: FlowTarget::data_action("CRM", "Close"),
        to: FlowTarget::data_action("New: CRM", "Close"),
    };
    let both = rename(&text, &[Rename { from, to }, other]).unwrap();
    assert_eq!(both.text, text.replace("CRM:", "\"New: CRM\":"));
}

#[test]
fn a_flow_and_its_division_can_be_renamed() {
    let text = "inboundCall:\n  name: Main\n  division: Home\n  a:\n    transferToFlow: {targetFlow: {name: Main}}\n    callCommonModule: {commonModule: {Main: {}}}\n";
    let main = Rename::new(FlowTarget::flow(FlowType::InboundCall, "Main"), "EU Main");
    let home = Rename::new(FlowTarget::object(ObjectKind::Division, "Home"), "EU");
    let renamed = rename(text, &[main, home]).unwrap();
    assert_eq!(renamed.replaced, 3);
    assert_eq!(
        renamed.text,
        text.replace("name: Main", "name: EU Main")
            .replace("Home", "EU")
    );
    assert_eq!(scan(&renamed.text).unwrap().name, "EU Main");
}

#[test]
fn a_placeholder_can_be_filled_in() {
    let text = "inboundCall:\n  name: x\n  a: {dataTable: {{{prefix}}-Table: {}}}\n  b:\n    targetQueue: {lit: {name: {{queue}}}}\n";
    let edits = [
        queue("{{queue}}", "Sales"),
        Rename::new(
            FlowTarget::object(ObjectKind::DataTable, "{{prefix}}-Table"),
            "EU-Table",
        ),
    ];
    let renamed = rename(text, &edits).unwrap();
    assert_eq!(
        renamed.text,
        text.replace("{{prefix}}", "EU")
            .replace("{{queue}}", "Sales")
    );
    assert!(scan(&renamed.text).unwrap().placeholders.is_empty());
}

#[test]
fn impossible_renames_are_refused() {
    let text = flow(
        "inboundCall",
        "- a:\n    targetQueue:\n      exp: >\n        FindQueue(\"Sales\")\n",
    );
    let place = scan(&text).unwrap().references[0].line;
    assert_eq!(
        rename(&text, &[queue("Sales", "x")]).unwrap_err().line,
        place
    );
    assert!(rename(&text, &[queue("Sales", "")]).is_err());
    assert!(rename(&text, &[queue("Sales", "a"), queue("Sales", "b")]).is_err());
    let skill = FlowTarget::object(ObjectKind::Skill, "Sales");
    let other = Rename {
        from: FlowTarget::object(ObjectKind::Queue, "Sales"),
        to: skill,
    };
    assert!(rename(&text, &[other]).is_err());
}
