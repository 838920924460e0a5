//! What was told of: objects that are to be read again, and nothing else.

use std::collections::BTreeSet;

use orgsmith_core::changes::Change;
use orgsmith_core::id::{Kind, OrgName, SourceId, TargetId};
use orgsmith_core::select::name_in_term;
use orgsmith_store::state::{Error, MappingFilter, State};
use serde::{Deserialize, Serialize};

use crate::reconcile::term;

/// More objects than so many are kinds: to read those costs less.
const MOST: usize = 200;

/// An object that somebody told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The org in which it was changed.
    org: String,
    kind: Kind,
    /// Its id there; nothing for any object of the kind.
    id: Option<String>,
    /// What it is called there, where that was told.
    name: Option<String>,
}

impl Told {
    /// Returns what changes are about.
    pub(crate) fn of(org: &str, changes: &[Change]) -> BTreeSet<Self> {
        let about = |change: &Change, kind: &Kind| Self {
            org: org.to_owned(),
            kind: kind.clone(),
            id: Some(change.id.as_str().to_owned()).filter(|id| !id.is_empty()),
            name: change.name.clone(),
        };
        let changes = changes.iter();
        changes
            .flat_map(|change| change.kinds.iter().map(move |kind| about(change, kind)))
            .collect()
    }

    /// Leaves only the kinds where there are more objects than are worth to be asked for one by one.
    pub(crate) fn few(told: &mut BTreeSet<Self>) {
        if told.len() > MOST {
            *told = std::mem::take(told)
                .into_iter()
                .map(|told| Self {
                    id: None,
                    name: None,
                    ..told
                })
                .collect();
        }
    }

    /// Returns the terms that select the object: as it was called when it was written, and as it is
    /// called now.
    pub(crate) async fn terms(
        &self,
        kept: &str,
        state: &dyn State,
    ) -> Result<BTreeSet<String>, Error> {
        let mut terms = BTreeSet::new();
        if let Some(id) = &self.id {
            let filter = MappingFilter {
                target_org: Some(OrgName::new(kept)),
                ..MappingFilter::default()
            };
            let filter = match self.org == kept {
                true => MappingFilter {
                    target_id: Some(TargetId::new(id)),
                    ..filter
                },
                false => MappingFilter {
                    source_id: Some(SourceId::new(id)),
                    ..filter
                },
            };
            let known = state.mappings(&filter).await?.into_iter();
            let known = known.filter(|known| known.object.kind == self.kind);
            terms.extend(known.map(|known| term(&known.object)));
        }
        if let Some(name) = &self.name {
            terms.insert(format!("kind={},name={}", self.kind, name_in_term(name)));
        }
        if terms.is_empty() {
            terms.insert(format!("kind={}", self.kind));
        }
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_objects_are_their_kinds() {
        let object = |index: usize| Told {
            org: "prod".to_owned(),
            kind: Kind::new("routing_queue"),
            id: Some(format!("id{index}")),
            name: Some(format!("Queue {index}")),
        };
        let mut told: BTreeSet<Told> = (0..MOST).map(object).collect();
        Told::few(&mut told);
        assert_eq!(told.len(), MOST);
        told.insert(object(MOST));
        Told::few(&mut told);
        let kind = Told {
            id: None,
            name: None,
            ..object(0)
        };
        assert_eq!(told, BTreeSet::from([kind]));
    }
}
