//! What the words of the sources are in the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Catalogue;
use crate::id::{Kind, own_id};

/// Knows which kind is meant by a service's word for an entity, and by a topic.
///
/// Cases are ignored: EventBridge and notifications do not spell entities as audits do.
#[derive(Clone, Debug)]
pub struct Subjects {
    entities: BTreeMap<(String, String), BTreeSet<Kind>>,
    /// The entities of every kind, as the kind files spell them.
    kinds: BTreeMap<Kind, BTreeSet<String>>,
    topics: BTreeMap<Kind, Vec<String>>,
}

impl Subjects {
    /// Reads what the kind files say.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut entities: BTreeMap<(String, String), BTreeSet<Kind>> = BTreeMap::new();
        let (mut kinds, mut topics) = (BTreeMap::new(), BTreeMap::new());
        for descriptor in catalogue.iter() {
            let names = descriptor.audit.iter();
            let names = names.map(|audited| audited.entity.clone()).collect();
            kinds.insert(descriptor.kind.clone(), names);
            for audited in &descriptor.audit {
                entities
                    .entry(folded(&audited.service, &audited.entity))
                    .or_default()
                    .insert(descriptor.kind.clone());
            }
            if !descriptor.topics.is_empty() {
                topics.insert(descriptor.kind.clone(), descriptor.topics.clone());
            }
        }
        Self {
            entities,
            kinds,
            topics,
        }
    }

    /// Returns the kinds that an entity of a service may be of; none where nobody knows it.
    pub fn kinds(&self, service: &str, entity: &str) -> Vec<Kind> {
        let found = self.entities.get(&folded(service, entity));
        found.into_iter().flatten().cloned().collect()
    }

    /// Tells whether an entity of a service is one of these kinds.
    pub fn concerns(&self, service: &str, entity: &str, kinds: &BTreeSet<Kind>) -> bool {
        let found = self.entities.get(&folded(service, entity));
        found.is_some_and(|found| !found.is_disjoint(kinds))
    }

    /// Returns the kinds of which nothing but reading them again tells.
    pub fn untold(&self, kinds: &BTreeSet<Kind>) -> BTreeSet<Kind> {
        let untold = kinds.iter();
        let untold = untold.filter(|kind| self.kinds.get(*kind).is_none_or(BTreeSet::is_empty));
        untold.cloned().collect()
    }

    /// Tells whether there is such a kind.
    pub(super) fn knows(&self, kind: &Kind) -> bool {
        self.kinds.contains_key(kind)
    }

    /// Returns the entities that are objects of a kind or belong to one, each once.
    pub fn entities_of(&self, kind: &Kind) -> BTreeSet<&str> {
        let entities = self.kinds.get(kind).into_iter().flatten();
        entities.map(String::as_str).collect()
    }

    /// Returns the topics that tell of an object; none where the kind has none.
    pub fn topics(&self, kind: &Kind, id: &str) -> Vec<String> {
        let topics = self.topics.get(kind).into_iter().flatten();
        topics
            .map(|topic| topic.replace("{id}", own_id(id)))
            .collect()
    }

    /// Returns the kind and the id that a topic is about.
    pub fn of_topic(&self, topic: &str) -> Option<(Kind, String)> {
        let mut topics = self
            .topics
            .iter()
            .flat_map(|(kind, topics)| topics.iter().map(move |topic| (kind, topic)));
        topics.find_map(|(kind, pattern)| {
            let id = match pattern.split_once("{id}") {
                Some((before, after)) => {
                    let id = topic.strip_prefix(before)?.strip_suffix(after)?;
                    // `v2.flows.{id}` is not `v2.flows.outcomes.<id>`.
                    Some(id).filter(|id| !id.is_empty() && !id.contains('.'))?
                }
                None => (topic == pattern).then_some("")?,
            };
            Some((kind.clone(), id.to_owned()))
        })
    }
}

fn folded(service: &str, entity: &str) -> (String, String) {
    (service.to_lowercase(), entity.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects() -> Subjects {
        Subjects::new(Catalogue::builtin())
    }

    #[test]
    fn what_belongs_to_an_object_is_the_object() {
        let names = |service, entity| -> Vec<String> {
            let kinds = subjects().kinds(service, entity);
            kinds.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("ContactCenter", "Queue"), ["routing_queue"]);
        assert_eq!(names("ContactCenter", "AgentRoutingInfo"), ["user"]);
        assert_eq!(names("Datatables", "Row"), ["architect_datatable"]);
        // One word, two services.
        assert_eq!(names("Datatables", "SCHEMA"), ["architect_datatable"]);
        assert_eq!(names("BusinessRules", "Schema"), ["business_rules_schema"]);
        assert_eq!(names("Telephony", "Teapot"), Vec::<String>::new());
        assert_eq!(names("PeoplePermissions", "IdentityProvider").len(), 7);
    }

    #[test]
    fn a_topic_says_its_kind_and_its_object() {
        let subjects = subjects();
        let of = |topic| {
            let found = subjects.of_topic(topic);
            found.map(|(kind, id)| format!("{kind} {id}"))
        };
        assert_eq!(of("v2.flows.f1").as_deref(), Some("flow f1"));
        let outcome = "v2.flows.outcomes.o1";
        assert_eq!(of(outcome).as_deref(), Some("flow_outcome o1"));
        let members = "v2.routing.queues.q1.users";
        assert_eq!(of(members).as_deref(), Some("routing_queue q1"));
        assert_eq!(
            of("v2.outbound.settings").as_deref(),
            Some("outbound_settings ")
        );
        assert_eq!(of("v2.flows."), None);
        assert_eq!(of("channel.metadata"), None);
        let kind = Kind::new("routing_queue");
        assert_eq!(subjects.topics(&kind, "q1"), [members]);
    }

    #[test]
    fn kinds_without_audits_are_named() {
        let kinds = ["auth_division", "flow"].map(Kind::new);
        let untold = subjects().untold(&BTreeSet::from(kinds));
        assert_eq!(untold, BTreeSet::from([Kind::new("auth_division")]));
    }
}
