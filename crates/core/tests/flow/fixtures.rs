//! Flows that others wrote, read from beside the project where they are present.

use std::fs;
use std::path::{Path, PathBuf};

use orgsmith_core::flow::{FlowTarget, ObjectKind, Rename, canonical, i3, rename, scan};

use super::{list, show};

/// The files under the fixtures whose names end in one of some ways, sorted.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/blueprints");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let mut out = std::io::stderr();
        let _ = std::io::Write::write_all(&mut out, b"skipped: fixtures absent\n");
    }
    found
}

pub fn flows() -> Vec<(String, String)> {
    read(&[".yaml", ".yml"])
}

/// Flows, data actions and scripts.
pub fn texts() -> Vec<(String, String)> {
    read(&[".yaml", ".yml", ".json", ".csv", ".md"])
}

fn read(endings: &[&str]) -> Vec<(String, String)> {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let read = |path: PathBuf| {
        (
            name(&path),
            fs::read_to_string(&path).expect("a fixture is text"),
        )
    };
    files(endings).into_iter().map(read).collect()
}

#[test]
fn every_flow_is_read_and_its_findings_are_pinned() {
    for (name, text) in flows() {
        let scan = scan(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        insta::assert_snapshot!(name, list(&scan));
    }
}

#[test]
fn the_placeholders_are_exactly_those_of_the_text() {
    for (name, text) in flows() {
        let mut expected = Vec::new();
        for (at, line) in text.lines().enumerate() {
            // The fixtures hold no other double braces and no other bracketed words.
            for (open, close) in [("{{", "}}"), ("<", ">")] {
                for (start, _) in line.match_indices(open) {
                    let length =
                        line[start..].find(close).expect("the bracket closes") + close.len();
                    let column = line[..start].chars().count() + 1;
                    expected.push((at + 1, column, line[start..start + length].to_owned()));
                }
            }
        }
        let found = scan(&text).unwrap().placeholders;
        let found: Vec<_> = found
            .into_iter()
            .map(|p| (p.line, p.column, p.text))
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn positions_point_at_the_names() {
    for (name, text) in flows() {
        let lines: Vec<&str> = text.lines().collect();
        for found in scan(&text).unwrap().references {
            let line: String = lines[found.line - 1]
                .chars()
                .skip(found.column - 1)
                .collect();
            assert!(line.contains(found.target.name()), "{name}: {found:?}");
        }
    }
}

#[test]
fn renaming_nothing_changes_no_byte() {
    for (name, text) in flows() {
        assert_eq!(rename(&text, &[]).unwrap().text, text, "{name}");
        let queue = FlowTarget::object(ObjectKind::Queue, "No such queue");
        let renamed = rename(&text, &[Rename::new(queue, "Other")]).unwrap();
        assert_eq!((renamed.text, renamed.replaced), (text, 0), "{name}");
    }
}

/// Renames every target of every fixture and looks at the lines that differ.
#[test]
fn renaming_a_target_changes_its_lines_alone() {
    for (name, text) in flows() {
        let before = scan(&text).unwrap();
        for found in &before.references {
            let new = format!("{}: new # name", found.target.name());
            let to = Rename::new(found.target.clone(), new);
            let renamed = rename(&text, std::slice::from_ref(&to))
                .unwrap_or_else(|error| panic!("{name}: {}: {error}", show(&found.target)));
            let after = scan(&renamed.text).unwrap();
            let same = before
                .references
                .iter()
                .filter(|other| other.target == found.target);
            let lines: Vec<usize> = same.map(|other| other.line).collect();
            let changed: Vec<usize> = text
                .lines()
                .zip(renamed.text.lines())
                .enumerate()
                .filter(|(_, (old, new))| old != new)
                .map(|(at, _)| at + 1)
                .collect();
            assert_eq!(changed, lines, "{name}: {}", show(&found.target));
            assert_eq!(renamed.replaced, lines.len(), "{name}");
            let expected = before.references.iter().map(|other| {
                if other.target == found.target {
                    &to.to
                } else {
                    &other.target
                }
            });
            assert!(
                expected.eq(after.references.iter().map(|other| &other.target)),
                "{name}"
            );
            let back = Rename {
                from: to.to.clone(),
                to: to.from.clone(),
            };
            let back = rename(&renamed.text, &[back]).unwrap();
            let (old, new) = (canonical(&text).unwrap(), canonical(&back.text).unwrap());
            assert_eq!(old, new, "{name}");
        }
    }
}

#[test]
fn a_queue_is_renamed_where_it_is_named() {
    let flows = flows();
    let Some((_, text)) = flows
        .iter()
        .find(|(name, _)| name == "DR-Emergency-IVR.yaml")
    else {
        return;
    };
    let queue = FlowTarget::object(ObjectKind::Queue, "Life Insurance");
    let renamed = rename(text, &[Rename::new(queue, "Life (EU)")]).unwrap();
    let changed: Vec<_> = text
        .lines()
        .zip(renamed.text.lines())
        .filter(|(old, new)| old != new)
        .collect();
    assert_eq!(
        changed,
        [(
            "                          name: Life Insurance",
            "                          name: Life (EU)",
        )]
    );
    // The menu and its speech term have the same name and are no queues.
    assert_eq!(renamed.text.matches("Life Insurance").count(), 2);
}

#[test]
fn exports_list_what_they_use() {
    for path in files(&["Flow"]) {
        let manifest = i3::manifest(&fs::read(&path).unwrap()).unwrap();
        let mut lines = vec![format!("{} {:?}", manifest.flow_type, manifest.name)];
        for entry in manifest.entries {
            let kind = entry.kind.unwrap_or("-");
            lines.push(format!(
                "{} {kind} {} {:?}",
                entry.export_type, entry.id, entry.name
            ));
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        insta::assert_snapshot!(name, lines.join("\n"));
    }
}
