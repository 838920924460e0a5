//! What is different in one org: sections of its entry in the project file, and of `overlays/ORG.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orgsmith_core::catalogue::{Catalogue, nearest};
use orgsmith_core::id::Kind;
use orgsmith_core::overlay::{
    Change, Edit, Ignored, Overlay, TextRule, Texts, VariableType, is_name,
};
use orgsmith_core::path::FieldPath;
use orgsmith_core::people::Rewrites;
use orgsmith_core::select::Selection;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::integrations::Integrations;
use super::leaks::Leaks;
use super::numbers::Numbers;
use super::rewrite::Rewrite;

/// The folder of overlays, beside the project file.
pub(super) const FOLDER: &str = "overlays";

/// A variable that the project declares.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    /// What its values are.
    #[serde(default, rename = "type")]
    #[schemars(with = "String", extend("enum" = ["string", "number", "integer", "boolean", "url", "host", "email", "phone", "list", "object"]))]
    kind: VariableType,
    /// What it is where an org does not say.
    default: Option<Value>,
    /// For people.
    #[serde(default)]
    #[expect(dead_code, reason = "it is for those who read the file")]
    description: Option<String>,
}

/// The variables that the project declares.
pub(crate) type Variables = BTreeMap<String, Variable>;

/// What is different in one org, as it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    /// The values of variables.
    pub(super) variables: BTreeMap<String, Value>,
    /// Addresses, names, hosts and URLs that are others there.
    pub(super) rewrite: Rewrite,
    /// Names that are others there, by kind.
    pub(super) rename: BTreeMap<String, BTreeMap<String, String>>,
    /// Values that are others there.
    pub(super) change: Vec<ChangeOf>,
    /// Fields that stay as they are there.
    pub(super) ignore: Vec<IgnoreOf>,
    /// Objects that stay as they are there.
    pub(super) protect: Vec<String>,
    /// Kinds of which nothing goes there.
    pub(super) off: Vec<String>,
    /// Telephone numbers that it has in place of those of a source.
    pub(super) numbers: Numbers,
    /// What is done about things of the source that would be sent.
    pub(super) leaks: Leaks,
    /// What is done about URLs of other systems before they are sent.
    pub(super) integrations: Integrations,
}

/// `{in: routing_queue=Support*, set: {acwSettings.timeoutMs: 30000}}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOf {
    /// Of which objects: routing_queue=Support*
    #[serde(rename = "in")]
    place: String,
    /// Values by field: acwSettings.timeoutMs.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// Fields that go.
    #[serde(default)]
    remove: Vec<String>,
    /// Texts that change.
    #[serde(default)]
    replace: Vec<ReplaceOf>,
}

/// `{field: description, pattern: '^Dev ', to: ''}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReplaceOf {
    field: String,
    pattern: String,
    to: String,
}

/// `{in: routing_queue, fields: [description]}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IgnoreOf {
    /// Of which objects: routing_queue=Support*
    #[serde(rename = "in")]
    place: String,
    /// The fields.
    fields: Vec<String>,
}

/// Returns where the overlay of an org is.
pub(super) fn file(folder: &Path, org: &str) -> PathBuf {
    folder.join(FOLDER).join(format!("{org}.yaml"))
}

impl Written {
    /// Adds what is written elsewhere; of two values of one thing, the later counts.
    pub(super) fn and(mut self, later: Self) -> Self {
        let Self {
            variables,
            rewrite,
            rename,
            change,
            ignore,
            protect,
            off,
            numbers,
            leaks,
            integrations,
        } = later;
        self.variables.extend(variables);
        self.rewrite = self.rewrite.and(rewrite);
        for (kind, names) in rename {
            self.rename.entry(kind).or_default().extend(names);
        }
        self.change.extend(change);
        self.ignore.extend(ignore);
        self.protect.extend(protect);
        self.off.extend(off);
        self.numbers.extend(numbers);
        self.leaks = self.leaks.and(leaks);
        self.integrations = self.integrations.and(integrations);
        self
    }

    /// Returns what is different about people.
    pub(super) fn people(&self) -> Result<Rewrites, String> {
        self.rewrite
            .rules()
            .map_err(|message| format!("rewrite: {message}"))
    }

    /// Tells whether there is nothing for an overlay, which then needs no catalogue.
    pub(crate) fn is_plain(&self) -> bool {
        let Self {
            variables,
            rewrite,
            rename,
            change,
            ignore,
            protect,
            off,
            numbers: _,
            leaks,
            integrations: _,
        } = self;
        variables.is_empty()
            && rewrite.is_empty()
            && rename.is_empty()
            && change.is_empty()
            && ignore.is_empty()
            && protect.is_empty()
            && off.is_empty()
            && leaks.is_empty()
    }

    /// Makes an overlay of what is written.
    ///
    /// # Errors
    /// What cannot be read, with its section.
    pub(crate) fn overlay(
        &self,
        catalogue: &Catalogue,
        declared: &Variables,
    ) -> Result<Overlay, String> {
        let mut changes = self.renames(catalogue)?;
        for change in &self.change {
            changes.push(change.read(catalogue)?);
        }
        let off = self.off.iter().map(|name| kind(catalogue, name));
        let off = off.collect::<Result<_, _>>();
        let ignored = self.ignore.iter().map(|ignored| {
            Ok(Ignored {
                on: selection(catalogue, "ignore", [&ignored.place])?,
                fields: paths("ignore", &ignored.fields)?,
            })
        });
        let protected = (!self.protect.is_empty())
            .then(|| selection(catalogue, "protect", &self.protect))
            .transpose()?;
        Ok(Overlay {
            off: off.map_err(|message| format!("off: {message}"))?,
            people: self.people()?,
            texts: Texts::new(self.text_rules()?).map_err(|bad| format!("rewrite: {bad}"))?,
            changes,
            variables: self.values(declared)?,
            ignored: ignored.collect::<Result<_, String>>()?,
            protected,
            leaks: self.leaks.policy(),
        })
    }

    fn text_rules(&self) -> Result<Vec<TextRule>, String> {
        let emails = self.people()?.emails.into_iter().map(TextRule::Email);
        let mut rules: Vec<TextRule> = emails.collect();
        rules.extend(self.rewrite.texts().map_err(|m| format!("rewrite: {m}"))?);
        Ok(rules)
    }

    /// Returns the values of variables: what the org says, and else what the project does.
    fn values(&self, declared: &Variables) -> Result<BTreeMap<String, Value>, String> {
        let mut values = self.variables.clone();
        for (name, value) in &values {
            if !is_name(name) {
                return Err(format!(
                    "variables: {name:?} is no name: letters, digits, `_`, `-` and `.` are, after a letter"
                ));
            }
            match declared.get(name) {
                Some(variable) => variable
                    .kind
                    .check(value)
                    .map_err(|told| format!("variables: {name}: {told}"))?,
                None if declared.is_empty() => {}
                None => {
                    let near = nearest(name, declared.keys().map(String::as_str));
                    let near = near.map(|near| format!(" (did you mean {near:?}?)"));
                    return Err(format!(
                        "variables: the project declares no {name}{}",
                        near.unwrap_or_default()
                    ));
                }
            }
        }
        for (name, variable) in declared {
            if let Some(default) = &variable.default {
                values
                    .entry(name.clone())
                    .or_insert_with(|| default.clone());
            }
        }
        Ok(values)
    }

    /// Returns the changes of names that `rename` stands for.
    fn renames(&self, catalogue: &Catalogue) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        for (name, names) in &self.rename {
            let wrong = |message| format!("rename: {message}");
            let kind = kind(catalogue, name).map_err(wrong)?;
            let field = catalogue
                .get(kind.as_str())
                .ok()
                .filter(|descriptor| !descriptor.singleton)
                .and_then(|descriptor| descriptor.key.fields.last().cloned())
                .ok_or_else(|| wrong(format!("a {kind} has no name")))?;
            for (from, to) in names {
                let place = format!("{kind}={from}");
                changes.push(Change {
                    on: selection(catalogue, "rename", [&place])?,
                    place,
                    edits: vec![Edit::Set(field.clone(), Value::String(to.clone()))],
                });
            }
        }
        Ok(changes)
    }
}

impl ChangeOf {
    fn read(&self, catalogue: &Catalogue) -> Result<Change, String> {
        let section = format!("change in {:?}", self.place);
        let mut edits = Vec::new();
        for (field, value) in &self.set {
            edits.push(Edit::Set(path(&section, field)?, value.clone()));
        }
        for replace in &self.replace {
            let field = path(&section, &replace.field)?;
            let edit = Edit::replace(field, &replace.pattern, &replace.to);
            edits.push(edit.map_err(|bad| format!("{section}: {bad}"))?);
        }
        edits.extend(paths(&section, &self.remove)?.into_iter().map(Edit::Remove));
        if edits.is_empty() {
            return Err(format!("{section}: give `set`, `replace` or `remove`"));
        }
        Ok(Change {
            place: self.place.clone(),
            on: selection(catalogue, "change", [&self.place])?,
            edits,
        })
    }
}

impl Variable {
    /// Checks that the default is of the type.
    pub(super) fn check(&self) -> Result<(), String> {
        self.default
            .as_ref()
            .map_or(Ok(()), |default| self.kind.check(default))
    }
}

fn selection<S: AsRef<str>>(
    catalogue: &Catalogue,
    section: &str,
    terms: impl IntoIterator<Item = S>,
) -> Result<Selection, String> {
    let terms: Vec<S> = terms.into_iter().collect();
    Selection::parse(catalogue, &terms, &[]).map_err(|error| format!("{section}: {error}"))
}

fn path(section: &str, text: &str) -> Result<FieldPath, String> {
    FieldPath::parse(text).map_err(|error| format!("{section}: {error}"))
}

fn paths(section: &str, texts: &[String]) -> Result<Vec<FieldPath>, String> {
    texts.iter().map(|text| path(section, text)).collect()
}

fn kind(catalogue: &Catalogue, name: &str) -> Result<Kind, String> {
    let found = catalogue.get(name).map_err(|unknown| unknown.to_string())?;
    Ok(found.kind.clone())
}
