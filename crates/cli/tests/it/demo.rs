//! `orgsmith demo`

use crate::lab::Lab;

#[test]
fn the_demo_ends_with_no_differences_and_leaves_nothing() {
    let lab = Lab::new();
    let before = files(&lab);
    std::fs::create_dir(lab.path("tmp")).expect("a folder");
    let mut command = lab.command(&["demo"]);
    command.env("TMPDIR", lab.path("tmp"));
    let shown = lab.finish(command).ends(0);
    assert_eq!(
        shown.stdout.lines().last(),
        Some("0 differences"),
        "{shown}"
    );
    assert_eq!(
        std::fs::read_dir(lab.path("tmp"))
            .expect("a folder")
            .count(),
        0
    );
    assert_eq!(
        files(&lab),
        before + 1,
        "only the folder for temporary files is new"
    );
}

fn files(lab: &Lab) -> usize {
    std::fs::read_dir(lab.path(".")).expect("a folder").count()
}
