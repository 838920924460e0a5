//! The page of kinds, made from the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use orgsmith_core::catalogue::{Catalogue, ClonePhase, Descriptor, Reference};

/// The kinds that Genesys' own Terraform provider can create, by its names.
const NAMES: &str = include_str!("names.txt");

/// What `covered.toml` says of kinds that have no file.
struct Answers {
    covered: BTreeMap<String, String>,
    impossible: BTreeMap<String, String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn answers() -> Answers {
    let path = root().join("crates/core/catalogue/covered.toml");
    let text = std::fs::read_to_string(path).expect("the file beside the kinds");
    let table: toml::Table = text.parse().expect("TOML");
    let text = |value: &toml::Value| value.as_str().expect("a sentence").to_owned();
    let texts = |table: &toml::Table| -> BTreeMap<String, String> {
        let plain = table.iter().filter(|(_, value)| !value.is_table());
        plain
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    };
    Answers {
        covered: texts(&table),
        impossible: table["impossible"]
            .as_table()
            .map(texts)
            .unwrap_or_default(),
    }
}

fn names() -> Vec<&'static str> {
    NAMES.lines().filter(|name| !name.is_empty()).collect()
}

/// Says what becomes of a kind: its place in the page, and a sentence.
fn answer(name: &str, answers: &Answers) -> Option<(&'static str, String)> {
    if Catalogue::builtin().get(name).is_ok() {
        return Some(("a kind", format!("`{name}`")));
    }
    if let Some(said) = answers.covered.get(name) {
        let (place, why) = said.split_once(": ").unwrap_or((said, ""));
        return Some(("covered", format!("`{place}`: {why}")));
    }
    let fact = answers.impossible.get(name)?;
    Some(("not carried", fact.clone()))
}

#[test]
fn every_kind_that_others_create_has_an_answer() {
    let answers = answers();
    let lacking: Vec<&str> = names()
        .into_iter()
        .filter(|name| answer(name, &answers).is_none())
        .collect();
    assert!(
        lacking.is_empty(),
        "neither a kind, nor in crates/core/catalogue/covered.toml: {}",
        lacking.join(", ")
    );
    for (name, said) in &answers.covered {
        let place = said.split(": ").next().unwrap_or_default();
        let (kind, field) = place.split_once('.').unwrap_or((place, ""));
        let descriptor = Catalogue::builtin().get(kind);
        let descriptor = descriptor.unwrap_or_else(|error| panic!("{name}: {error}"));
        let field = field.split(['.', '[', '{']).next().unwrap_or_default();
        let has = field.is_empty()
            || descriptor.fields.iter().any(|own| own == field)
            || descriptor.parts.iter().any(|part| part.field == field);
        assert!(has, "{name}: {kind} has no field {field}");
    }
}

/// Writes the page; with `UPDATE_DOCS=1` into the repository.
#[test]
fn the_kinds_page_is_up_to_date() {
    let page = page();
    let path = root().join("docs/kinds.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the docs");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/kinds.md is not what the catalogue says; run: UPDATE_DOCS=1 cargo test -p orgsmith-cli kinds_page"
    );
}

fn page() -> String {
    let catalogue = Catalogue::builtin();
    let answers = answers();
    let names = names();
    let count = |what: &str| {
        let with = names.iter().filter_map(|name| answer(name, &answers));
        with.filter(|(answer, _)| *answer == what).count()
    };
    let mut page = String::from(
        "# Kinds\n\nMade from the catalogue by `UPDATE_DOCS=1 cargo test -p orgsmith-cli kinds_page`; do not edit.\n\n",
    );
    let mapped = catalogue
        .iter()
        .filter(|kind| kind.clone == ClonePhase::Mapped);
    let _ = writeln!(
        page,
        "orgsmith knows **{} kinds**, {} of them only to find their twins in another org. Of the {} kinds that \
         Genesys' own Terraform provider creates, {} are kinds here and {} are a part of one; {} are not carried, \
         and the last table says why.\n",
        catalogue.iter().count(),
        mapped.count(),
        names.len(),
        count("a kind"),
        count("covered"),
        count("not carried"),
    );
    page.push_str(
        "In the tables, *calls* are those that an export makes for each object besides the lists: none where a list \
         says everything. *Key* is what people call an object, the same in every org.\n",
    );
    let mut families: BTreeMap<&str, Vec<&Descriptor>> = BTreeMap::new();
    for kind in catalogue.iter() {
        families.entry(&kind.family).or_default().push(kind);
    }
    for (family, kinds) in families {
        let mut title = family.replace('_', " ");
        title[..1].make_ascii_uppercase();
        let _ = writeln!(
            page,
            "\n## {title}\n\n| Kind | Title | Key | Refers to | To export | To apply | Calls |\n| --- | --- | --- | --- | --- | --- | --- |"
        );
        for kind in &kinds {
            row(kind, &mut page);
        }
        for kind in kinds {
            stays(kind, &mut page);
        }
    }
    page.push_str(
        "\n## Kinds of the Terraform provider\n\n| Kind | Here | |\n| --- | --- | --- |\n",
    );
    for name in names {
        let (what, said) = answer(name, &answers).unwrap_or(("not yet", String::new()));
        let _ = writeln!(page, "| `{name}` | {what} | {} |", cell(&said));
    }
    page
}

fn row(kind: &Descriptor, page: &mut String) {
    let key: Vec<String> = kind
        .key
        .fields
        .iter()
        .map(|path| format!("`{path}`"))
        .collect();
    let key = if kind.singleton {
        "one in an org".to_owned()
    } else {
        key.join(", ")
    };
    let refers: BTreeSet<&str> = kind.references.iter().flat_map(targets).collect();
    let _ = writeln!(
        page,
        "| `{}` | {}{} | {key} | {} | {} | {} | {} |",
        kind.kind,
        kind.title,
        match kind.clone {
            ClonePhase::Mapped => " (mapped, never created)",
            _ if kind.on_request => " (on request)",
            _ => "",
        },
        ticked(refers),
        ticked(kind.read_permissions.iter().map(String::as_str)),
        ticked(kind.write_permissions.iter().map(String::as_str)),
        calls(kind)
    );
}

fn targets(reference: &Reference) -> impl Iterator<Item = &str> {
    let kinds = reference.kinds.values();
    kinds.chain(&reference.kind).map(|kind| kind.as_str())
}

fn ticked<'t>(words: impl IntoIterator<Item = &'t str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    words.join(" ")
}

/// Counts what an export asks for each object.
fn calls(kind: &Descriptor) -> String {
    let reads = usize::from(kind.read.as_ref().is_some_and(|read| read.each));
    let parts: Vec<String> = kind
        .parts
        .iter()
        .filter(|part| part.list.is_some())
        .map(|part| match &part.when {
            Some(_) => format!("{} unless empty", part.field),
            None => part.field.clone(),
        })
        .collect();
    match (reads, parts.is_empty()) {
        (0, true) => "none".to_owned(),
        (_, true) => "1".to_owned(),
        (_, false) => format!("{} ({})", reads + parts.len(), parts.join(", ")),
    }
}

/// Says what does not travel, and why.
fn stays(kind: &Descriptor, page: &mut String) {
    if kind.notes.is_empty() && kind.unmanaged.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n`{}`\n", kind.kind);
    for note in &kind.notes {
        let _ = writeln!(page, "- {note}");
    }
    for (field, why) in &kind.unmanaged {
        let _ = writeln!(page, "- `{field}` is left alone: {why}");
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
