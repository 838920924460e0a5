//! The families: one file each, with its rows of kinds and its handlers.
//!
//! A family has `KINDS`, `register` (handlers beyond plain CRUD) and, if an org is born with
//! some of its objects, `furnish`.

use jiff::Timestamp;

use crate::jobs::Work;
use crate::routes::Registry;
use crate::world::Org;

mod action_tests;
mod actions;
mod ai_studio;
mod architect;
mod audits;
mod authorization;
mod billing;
mod business_rules;
mod cases;
mod clients;
mod contacts;
mod datatables;
mod dependencies;
mod edges;
mod email;
mod flows;
mod functions;
mod grammars;
mod greetings;
mod groups;
mod guides;
mod integrations;
mod intents;
mod journey;
mod journey_views;
mod knowledge;
mod knowledge_export;
mod learning;
mod license;
mod limits;
mod locations;
mod loglevels;
mod messaging;
mod notifications;
mod organizations;
mod outbound;
mod outcomes;
mod performance;
mod person;
mod presence;
mod prompts;
mod quality;
mod queues;
mod responses;
mod routing;
mod scim;
mod scripts;
mod settings;
mod speech;
mod stations;
mod taskmanagement;
mod teams;
mod telephony;
mod triggers;
mod users;
mod webdeployments;
mod workforce;

pub(crate) use flows::publish;
pub(crate) use groups::member_ids;
pub(crate) use limits::check as check_limit;
pub(crate) use prompts::set_audio;
pub(crate) use scripts::{UPLOAD as SCRIPT_UPLOAD, upload as upload_script};

/// Makes every family known.
pub(crate) fn register(registry: &mut Registry) {
    action_tests::register(registry);
    actions::register(registry);
    functions::register(registry);
    ai_studio::register(registry);
    architect::register(registry);
    audits::register(registry);
    authorization::register(registry);
    billing::register(registry);
    business_rules::register(registry);
    cases::register(registry);
    clients::register(registry);
    contacts::register(registry);
    datatables::register(registry);
    dependencies::register(registry);
    edges::register(registry);
    email::register(registry);
    flows::register(registry);
    grammars::register(registry);
    greetings::register(registry);
    groups::register(registry);
    guides::register(registry);
    integrations::register(registry);
    intents::register(registry);
    journey::register(registry);
    journey_views::register(registry);
    knowledge::register(registry);
    knowledge_export::register(registry);
    learning::register(registry);
    license::register(registry);
    limits::register(registry);
    locations::register(registry);
    loglevels::register(registry);
    messaging::register(registry);
    notifications::register(registry);
    organizations::register(registry);
    outbound::register(registry);
    outcomes::register(registry);
    performance::register(registry);
    presence::register(registry);
    prompts::register(registry);
    quality::register(registry);
    queues::register(registry);
    responses::register(registry);
    routing::register(registry);
    scim::register(registry);
    scripts::register(registry);
    settings::register(registry);
    speech::register(registry);
    stations::register(registry);
    taskmanagement::register(registry);
    teams::register(registry);
    telephony::register(registry);
    triggers::register(registry);
    users::register(registry);
    person::register(registry);
    webdeployments::register(registry);
    workforce::register(registry);
}

/// Gives what does the work of a family of jobs.
pub(crate) fn work_of(family: &str) -> Option<Work> {
    flows::work_of(family)
        .or_else(|| datatables::work_of(family))
        .or_else(|| functions::work_of(family))
        .or_else(|| guides::work_of(family))
        .or_else(|| knowledge_export::work_of(family))
        .or_else(|| prompts::work_of(family))
        .or_else(|| speech::work_of(family))
}

/// Gives a new org what every org is born with.
pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    authorization::furnish(org, now);
    limits::furnish(org, now);
    actions::furnish(org, now);
    presence::furnish(org, now);
    scripts::furnish(org, now);
}
