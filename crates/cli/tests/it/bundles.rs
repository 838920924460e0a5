//! `orgsmith bundle` and `orgsmith validate`

use std::fs;

use insta::assert_snapshot;

use crate::lab::{Lab, example};

#[test]
fn packing_is_deterministic_and_unpacking_gives_it_back() {
    let lab = Lab::new();
    let gold = example("gold-org");
    lab.run(&["bundle", "pack", &gold, "a.zip"]).ends(0);
    lab.run(&["bundle", "unpack", "a.zip", "tree"]).ends(0);
    lab.run(&["bundle", "pack", "tree", "b.zip"]).ends(0);
    assert!(
        fs::read(lab.path("a.zip")).expect("a zip") == fs::read(lab.path("b.zip")).expect("a zip")
    );
    lab.run(&["bundle", "verify", "tree"]).ends(0);
}

#[test]
fn unpacking_never_writes_into_a_folder_of_something_else() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["bundle", "pack", "sketch", "a.zip"]).ends(0);
    lab.write("mine/notes.txt", "mine");
    assert_snapshot!(
        "not_a_bundle",
        lab.run(&["bundle", "unpack", "a.zip", "mine"]).ends(1)
    );
    lab.run(&["export", "gold", "--out", "mine"]).ends(1);
    assert_eq!(lab.sim.ledger().len(), 0, "the org is not read in vain");
    assert_eq!(fs::read_dir(lab.path("mine")).expect("a folder").count(), 1);
}

#[test]
fn the_examples_are_valid() {
    let lab = Lab::new();
    lab.run(&["validate", &example("gold-org")]).ends(0);
    lab.run(&["validate", &example("tenant")]).ends(0);
}
