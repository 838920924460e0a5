//! `catalogue/models.txt` says what the API contract says of the fields of every kind.
//!
//! After a new contract or kind: `UPDATE_MODELS=1 cargo test -p orgsmith-core --test it models`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use orgsmith_contract::{Field, Type, contract};
use orgsmith_core::catalogue::{Catalogue, WriteSpec};

use crate::lint::{Lint, body, facts, place};

const HEAD: &str =
    "# Made from the API contract by tests/it/models.rs; not to be changed by hand.\n";

#[test]
fn the_file_of_models_is_that_of_the_contract() {
    let catalogue = Catalogue::builtin();
    let mut text = String::from(HEAD);
    let mut open = BTreeSet::new();
    for kind in catalogue.iter() {
        let lint = Lint::of(kind, catalogue);
        writeln!(text, "= {} {}", kind.kind, kind.model).expect("a String takes any text");
        for name in &kind.fields {
            // What an object lives in is no field of the API's.
            let Some(field) = place::field_of(&lint, name) else {
                continue;
            };
            let sent = [&kind.update, &kind.create].into_iter().flatten();
            let sent = sent.filter_map(|write| sent_field(&lint, write, name));
            let sent: Vec<&Field> = sent.filter(|sent| sent.ty == field.ty).collect();
            let bounds = bounds(field, &sent);
            text.push_str(&line(name, &field.ty, Some(&bounds)));
            if lint
                .kind
                .create
                .as_ref()
                .is_some_and(|create| is_asked(&lint, create, name))
            {
                text.push_str(" required");
            }
            text.push('\n');
            open.extend(field.ty.model_name().map(str::to_owned));
        }
        for part in &kind.parts {
            let ty = place::part_type(&lint, part);
            let ty = ty.as_ref().unwrap_or(&Type::Object);
            open.extend(ty.model_name().map(str::to_owned));
            writeln!(text, "{}", line(&part.field, ty, None)).expect("a String takes any text");
        }
    }
    let mut models = BTreeMap::new();
    while let Some(name) = open.pop_first() {
        let Some(model) = contract().model(&name) else {
            continue;
        };
        let mut lines = format!(": {name}\n");
        for (name, field) in &model.fields {
            writeln!(lines, "{}", line(name, &field.ty, Some(field)))
                .expect("a String takes any text");
        }
        models.insert(name, lines);
        let inner = model
            .fields
            .iter()
            .filter_map(|(_, field)| field.ty.model_name());
        let new = inner.filter(|name| !models.contains_key(*name));
        open.extend(new.map(str::to_owned));
    }
    text.extend(models.into_values());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/models.txt");
    if std::env::var_os("UPDATE_MODELS").is_some() {
        std::fs::write(&path, &text).expect("the folder of the crate");
    }
    let found = std::fs::read_to_string(&path).expect("the file is part of the crate");
    assert!(
        found == text,
        "catalogue/models.txt is not what the contract says; \
         UPDATE_MODELS=1 cargo test -p orgsmith-core --test it models"
    );
}

fn sent_field(lint: &Lint<'_>, write: &WriteSpec, name: &str) -> Option<&'static Field> {
    let field = body::body_model(lint, &write.method, &write.path)?.field(name)?;
    (!field.read_only).then_some(field)
}

/// Tells whether an object cannot be created without a field.
fn is_asked(lint: &Lint<'_>, create: &WriteSpec, name: &str) -> bool {
    let optional = facts::is_optional(&create.path, name) || create.with.contains_key(name);
    !optional && sent_field(lint, create, name).is_some_and(|field| field.required)
}

/// Returns a field as it may be read or sent: with the values of both, and the bounds of the latter.
fn bounds(read: &Field, sent: &[&Field]) -> Field {
    let mut bounds = sent.first().map_or(read, |sent| *sent).clone();
    let all = || sent.iter().copied().chain([read]);
    if all().any(|field| field.enum_values.is_empty()) {
        bounds.enum_values.clear();
    }
    for field in all()
        .filter(|_| !bounds.enum_values.is_empty())
        .collect::<Vec<_>>()
    {
        let new = field
            .enum_values
            .iter()
            .filter(|value| !bounds.enum_values.contains(value));
        let new: Vec<String> = new.cloned().collect();
        bounds.enum_values.extend(new);
    }
    bounds
}

fn line(name: &str, ty: &Type, bounds: Option<&Field>) -> String {
    let mut text = format!("{name} {}", spell(ty));
    let Some(field) = bounds else {
        return text;
    };
    if !field.enum_values.is_empty() {
        let values = field.enum_values.join("|");
        assert!(!values.contains(' '), "{name}: {values}");
        write!(text, " values={values}").expect("a String takes any text");
    }
    let lengths = [
        ("min_length", field.min_length),
        ("max_length", field.max_length),
    ];
    let lengths = lengths.map(|(bound, value)| (bound, value.map(|value| value.to_string())));
    let range = [("minimum", field.minimum), ("maximum", field.maximum)];
    let range = range.map(|(bound, value)| (bound, value.map(|value| value.to_string())));
    for (bound, value) in lengths.into_iter().chain(range) {
        if let Some(value) = value {
            write!(text, " {bound}={value}").expect("a String takes any text");
        }
    }
    text
}

fn spell(ty: &Type) -> String {
    match ty {
        Type::String => "text".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::DateTime => "time".to_owned(),
        Type::Date => "date".to_owned(),
        Type::Object => "any".to_owned(),
        Type::Model(name) => name.clone(),
        Type::Array(inner) => format!("[{}]", spell(inner)),
        Type::Map(inner) => format!("{{{}}}", spell(inner)),
    }
}
