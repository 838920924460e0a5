//! `catalogue/permissions.txt` says what the API contract says, and every permission of a kind file
//! is needed.
//!
//! After a new contract: `UPDATE_PERMISSIONS=1 cargo test -p orgsmith-core --test it permissions`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use orgsmith_contract::{Permissions, contract};
use orgsmith_core::catalogue::{Catalogue, ClonePhase};
use orgsmith_core::permissions::{Purpose, Role};
use orgsmith_core::select::Read;

use crate::lint::permissions::calls;

const HEAD: &str =
    "# Made from the API contract by tests/it/permissions.rs; not to be changed by hand.\n";

#[test]
fn the_file_of_permissions_is_that_of_the_contract() {
    let mut lines = Vec::new();
    for operation in contract().operations() {
        let (how, names) = match &operation.permissions {
            Permissions::All(names) => ("all", names),
            Permissions::Any(names) => ("any", names),
            Permissions::Unknown(names) => ("unknown", names),
            Permissions::None => continue,
        };
        let mut line = format!("{} {} {how}", operation.method, operation.path);
        for name in names {
            write!(line, " {name}").expect("a String takes any text");
        }
        lines.push(line);
    }
    lines.sort();
    let text = format!("{HEAD}{}\n", lines.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/permissions.txt");
    if std::env::var_os("UPDATE_PERMISSIONS").is_some() {
        std::fs::write(&path, &text).expect("the folder of the crate");
    }
    let found = std::fs::read_to_string(&path).expect("the file is part of the crate");
    assert!(
        found == text,
        "catalogue/permissions.txt is not what the contract says; \
         UPDATE_PERMISSIONS=1 cargo test -p orgsmith-core --test it permissions"
    );
}

/// Without any one permission of the role, some call that orgsmith makes is refused; with all of
/// them none is.
#[test]
fn the_role_is_enough_and_the_least() {
    let catalogue = Catalogue::builtin();
    let kinds: BTreeMap<_, _> = catalogue
        .iter()
        .map(|kind| (kind.kind.clone(), Read::Whole))
        .collect();
    for purpose in [Purpose::Export, Purpose::Apply, Purpose::Sync] {
        let role = Role::new(catalogue, purpose, &kinds);
        let mut made = Vec::new();
        for kind in catalogue.iter() {
            let of_kind = calls(kind);
            made.extend(of_kind.reads);
            if purpose != Purpose::Export && kind.clone != ClonePhase::Mapped {
                made.extend(of_kind.writes);
            }
            if purpose == Purpose::Sync && kind.clone != ClonePhase::Mapped {
                made.extend(of_kind.deletes);
            }
        }
        let refused = |without: Option<&str>| {
            let has =
                |name: &String| Some(name.as_str()) != without && role.needs.contains_key(name);
            made.iter().find(|(method, path)| {
                let operation = contract().operation(method, path);
                operation.is_some_and(|operation| match &operation.permissions {
                    Permissions::All(names) => !names.iter().all(has),
                    Permissions::Any(names) => !names.iter().any(has),
                    Permissions::None | Permissions::Unknown(_) => false,
                })
            })
        };
        assert_eq!(refused(None), None, "{purpose}");
        let spare: Vec<&String> = role
            .needs
            .keys()
            .filter(|name| refused(Some(name)).is_none())
            .collect();
        assert!(spare.is_empty(), "{purpose} does not need {spare:?}");
    }
}
