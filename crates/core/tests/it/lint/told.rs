//! Whether what tells of changes is spelled as the API spells it.

use super::Lint;

/// What audits are about, as the SDK lists it.
const AUDITS: &str = include_str!("../../../catalogue/audits.txt");

fn known(sort: &str, name: &str) -> bool {
    let mut lines = AUDITS.lines().filter_map(|line| line.split_once(' '));
    lines.any(|line| line == (sort, name))
}

pub fn check(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    for (index, audited) in kind.audit.iter().enumerate() {
        let place = format!("audit {}/{}", audited.service, audited.entity);
        if !known("service", &audited.service) {
            lint.find(&place, "no service of the audits has this name");
        }
        if !known("entity", &audited.entity) {
            lint.find(&place, "no entity of the audits has this name");
        }
        if kind.audit[..index].contains(audited) {
            lint.find(&place, "is there twice");
        }
    }
    for (index, topic) in kind.topics.iter().enumerate() {
        let place = format!("topics {topic}");
        if !topic.starts_with("v2.") {
            lint.find(&place, "topics begin with v2.");
        }
        if topic.matches("{id}").count() != usize::from(!kind.singleton) {
            lint.find(
                &place,
                "a topic names one object by {id}, and that of a singleton none",
            );
        }
        if kind.topics[..index].contains(topic) {
            lint.find(&place, "is there twice");
        }
    }
}
