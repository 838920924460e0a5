//! Steps of objects that are a file: response assets and scripts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Draft, StepMaker};
use crate::catalogue::Driver;
use crate::diff::Change;
use crate::document::{Files, Portable, Slot, Template};
use crate::file_refs;
use crate::id::{Key, Kind, ObjectRef};
use crate::plan::planner::Open;
use crate::plan::{Action, Write, digest_of};

impl StepMaker<'_, '_> {
    /// Returns what uploads the file of an object.
    pub(super) fn upload(
        &mut self,
        item: &Open<'_>,
        body: Map<String, Value>,
    ) -> Result<Write, String> {
        let Some((_, bytes)) = item.files.iter().next() else {
            return Err("its file is missing: add it beside the document".to_owned());
        };
        let mut slots = BTreeMap::new();
        for (text, object) in file_refs::slots(bytes) {
            if object != item.object {
                slots.insert(text, Template::new(Slot::Ref(object).to_value()));
            }
        }
        Ok(Write::FileImport {
            file: self.blob(bytes),
            body: Template::new(Value::Object(body)),
            slots,
        })
    }

    fn upload_script(&mut self, item: &Open<'_>) -> Result<Write, String> {
        let name = item.body.get("name").cloned().unwrap_or_default();
        self.upload(item, Map::from_iter([("name".to_owned(), name)]))
    }

    /// Uploads a new script, which then is in the home division until it is moved.
    pub(super) fn create_script(&mut self, item: &Open<'_>) {
        let write = match self.upload_script(item) {
            Ok(write) => write,
            Err(reason) => return self.notes.conflict(&item.object, reason),
        };
        self.push_create(item, write);
        let home = Slot::Ref(ObjectRef::new(
            Kind::new("auth_division"),
            Key::builtin("home"),
        ))
        .to_value();
        let division = item.body.get("division").filter(|at| **at != home);
        if let (Some(division), Some(name)) = (division, &item.descriptor.move_as) {
            let change = Change {
                path: "division".into(),
                old: None,
                new: Some(division.clone()),
            };
            self.move_to_division(item, name, change, None);
        }
    }

    /// Uploads the file of an object where it differs; tells whether the rest is to be looked at.
    pub(super) fn file(&mut self, item: &Open<'_>, live: &Portable) -> bool {
        let script = item.descriptor.driver == Driver::Script;
        let digest = |files: &Files| {
            let bytes = files.values().next()?;
            Some(match script {
                true => digest_of(&file_refs::canonical(bytes)),
                false => digest_of(bytes),
            })
        };
        let (have, wanted) = (digest(&live.files), digest(&item.files));
        if wanted.is_none() || have == wanted {
            return true;
        }
        if item.descriptor.driver == Driver::Asset {
            let reason = "its content differs, and the API cannot change the content of a file";
            self.notes.conflict(&item.object, reason.to_owned());
            return false;
        }
        let write = match self.upload_script(item) {
            Ok(write) => write,
            Err(reason) => {
                self.notes.conflict(&item.object, reason);
                return false;
            }
        };
        let change = Change {
            path: "source".into(),
            old: have.map(Value::String),
            new: wanted.map(Value::String),
        };
        self.push(
            item,
            Draft {
                suffix: "source".into(),
                action: Action::Update,
                changes: vec![change],
                reason: "its file differs".into(),
                expected: None,
                write,
            },
        );
        true
    }
}
