//! The simulator over real HTTP.

mod architect;
mod control;
mod datatables;
mod dialing;
mod drafts;
mod fixtures;
mod flows;
mod functions;
mod generated;
mod notifications;
mod people;
mod person;
mod prompts;
mod protocol;
mod quality;
mod routing;
mod scim;
mod seats;
mod services;
mod settings;
mod support;
mod tasks;
mod telephony;
