//! `orgsmith compare`

use std::fs;

use insta::assert_snapshot;

use crate::lab::Lab;

/// Two sketches that differ in one skill, and an org that has one of them.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.sketch("one");
    lab.sketch("two");
    let text = "name: English\ndescription: <script>alert(1)</script>\n";
    lab.write(
        "two/auth_division/Sales.yaml",
        "name: Sales\ndescription: Sells more\n",
    );
    lab.write(
        "two/group/%3Cscript%3E it's.yaml",
        text.replace("English", "<script> it's"),
    );
    lab
}

#[test]
fn what_agrees_what_differs_and_what_is_missing() {
    let lab = lab();
    lab.run(&["apply", "one", "--to", "gold", "--yes"]).ends(0);
    let shown = lab.run(&["compare", "one", "two", "gold", "-v"]).ends(0);
    assert_snapshot!("compare", shown.stdout);
    let writes = lab.writes("gold");
    lab.run(&["compare", "gold", "tenant", "two"]).ends(0);
    assert_eq!(lab.writes("gold"), writes, "comparing writes nothing");
}

#[test]
fn the_exit_code_tells_whether_anything_differs() {
    let lab = lab();
    let flag = "--detailed-exitcode";
    lab.run(&["compare", "one", "two", flag]).ends(2);
    lab.run(&["compare", "one", "two"]).ends(0);
    let skills = [
        "compare",
        "one",
        "two",
        flag,
        "--select",
        "kind=routing_skill",
    ];
    let shown = lab.run(&skills).ends(0);
    assert!(shown.stdout.contains("Nothing differs."), "{shown}");
    assert!(!shown.stdout.contains("Quotes"), "{shown}");
    let all = [&skills[..], &["--all"]].concat();
    assert!(lab.run(&all).ends(0).stdout.contains("= Quotes"));
}

#[test]
fn json_has_a_version_and_says_what_each_source_has() {
    let lab = lab();
    let shown = lab.run(&["compare", "one", "two", "-o", "json"]).ends(0);
    assert_snapshot!("compare_json", shown.stdout);
}

#[test]
fn markdown_is_a_table() {
    let lab = lab();
    let shown = lab
        .run(&["compare", "one", "two", "-o", "markdown"])
        .ends(0);
    assert!(
        shown
            .stdout
            .contains("| `~` | auth\\_division | `Sales` | A | B |"),
        "{shown}"
    );
}

#[test]
fn the_page_is_whole_in_itself_and_escapes_names() {
    let lab = lab();
    let shown = lab
        .run(&["compare", "one", "two", "-o", "html", "--out", "page.html"])
        .ends(0);
    assert_eq!(shown.stdout, "");
    let page = fs::read_to_string(lab.path("page.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("&lt;script&gt; it&#39;s"), "{page}");
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    for fetched in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(fetched), "{fetched}: {page}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_command_below_plans_what_differs() {
    let lab = lab();
    let shown = lab.run(&["compare", "two", "gold", "--no-color"]).ends(0);
    let command = shown
        .stdout
        .lines()
        .rfind(|line| line.contains("orgsmith plan"));
    let command = command.expect("a command").trim();
    assert_eq!(
        command,
        "orgsmith plan two --to gold --select kind=auth_division,group,routing_language,routing_skill"
    );
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let plan = lab.run(&words).ends(0);
    assert!(plan.stdout.contains("it's"), "{plan}");
    let terms = ["--select", "kind=group,division", "--detailed-exitcode"];
    let shown = lab
        .run(&[&["compare", "two", "one"], &terms[..]].concat())
        .ends(2);
    assert!(
        shown.stdout.contains(
            "orgsmith plan two --to ORG --select kind=auth_division,name=Sales \
             --select 'kind=group,name=<script> it'\\''s'"
        ),
        "{shown}"
    );
}

#[test]
fn a_dependency_is_looked_for_in_every_source() {
    let lab = lab();
    lab.write("two/routing_skill/Quotes.yaml", "name: Quotes\n");
    let shown = lab
        .run(&[
            "compare",
            "one",
            "two",
            "--all",
            "--select",
            "skill=Quotes",
            "--with-dependencies",
        ])
        .ends(0);
    let row = shown.stdout.lines().find(|line| line.contains("~ Sales"));
    let row = row.unwrap_or_else(|| panic!("{shown}"));
    assert!(
        row.ends_with("A    B"),
        "the second has it, though its skill needs it not: {row}"
    );
}

#[test]
fn what_may_not_be_read_is_unknown_and_not_missing() {
    let lab = lab();
    lab.write("two/routing_wrapupcode/Paid.yaml", "name: Paid\n");
    let shown = lab.run(&["compare", "two", "weak"]).ends(3);
    let row = shown.stdout.lines().find(|line| line.contains("? Paid"));
    assert!(row.is_some_and(|row| row.ends_with("A    ?")), "{shown}");
    let row = shown.stdout.lines().find(|line| line.contains("Quotes"));
    assert!(row.is_some_and(|row| row.contains('–')), "{shown}");
}

#[test]
fn a_slip_is_told_before_anything_is_read() {
    let lab = lab();
    assert_snapshot!("compare_one", lab.run(&["compare", "gold"]).ends(64));
    assert_snapshot!(
        "compare_unknown",
        lab.run(&["compare", "gold", "tennant"]).ends(64)
    );
    lab.run(&["compare", "gold", "tenant", "gold"]).ends(64);
    lab.run(&["compare", "gold", "tenant", "-o", "svg"])
        .ends(64);
    assert_eq!(lab.sim.ledger().len(), 0);
    let nothing = ["compare", "one", "two", "--select", "skill=Quote"];
    assert_snapshot!("compare_nothing", lab.run(&nothing).ends(64));
}
