//! Two exports of one flow are equal, two flows are not.

use orgsmith_core::flow::canonical;

const FLOW: &str = r#"inboundCall:
  name: Main
  startUpRef: "/inboundCall/tasks/task[Start_12]"
  tasks:
    - task:
        name: Start
        refId: Start_12
        actions:
          - decision:
              trackingId: 7
              outputs:
                yes:
                  actions:
                    - jumpToTask: {targetTaskRef: "/inboundCall/tasks/task[Second_30]"}
    - task:
        name: Second
        refId: Second_30
        value: {lit: 5}
"#;

#[test]
fn the_form_is_made_to_be_read() {
    insta::assert_snapshot!(canonical(FLOW).unwrap().text);
}

#[test]
fn spelling_does_not_count() {
    let other = r#"
# exported again
"inboundCall":
    startUpRef: '/inboundCall/tasks/task[Start_14]'
    tasks:
    - task: {refId: Start_14, name: "Start", actions: [{decision: {trackingId: 9, outputs: {"yes": {actions: [{jumpToTask: {targetTaskRef: "/inboundCall/tasks/task[Second_8]"}}]}}}}]}
    - task:
        value:
            lit: 5
        name: >-
            Second
        refId: Second_8
    name: Main
"#;
    assert_eq!(canonical(FLOW).unwrap(), canonical(other).unwrap());
}

#[test]
fn meaning_counts() {
    let base = canonical(FLOW).unwrap();
    for (old, new) in [
        ("name: Second", "name: Other"),
        ("{lit: 5}", "{lit: \"5\"}"),
        ("{lit: 5}", "{exp: 5}"),
        ("task[Second_30]", "task[Start_12]"),
        ("yes:", "no:"),
        ("trackingId: 7", "trackingIds: 7"),
    ] {
        let changed = canonical(&FLOW.replacen(old, new, 1)).unwrap();
        assert_ne!(changed.digest, base.digest, "{old} -> {new}");
    }
}

#[test]
fn aliases_are_written_out_but_not_without_end() {
    let plain = "bot:\n  name: x\n  a: {k: 1}\n  b: {k: 1}\n";
    let alias = "bot:\n  name: x\n  a: &a {k: 1}\n  b: *a\n";
    assert_eq!(canonical(plain).unwrap(), canonical(alias).unwrap());
    let cycle = "bot: &a\n  name: x\n  b: *a\n";
    assert!(canonical(cycle).is_err());
    let mut bomb = "bot:\n  name: x\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("  a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
    }
    assert!(canonical(&bomb).is_err());
}
