//! The program as people and pipelines meet it, against a simulated Genesys Cloud.

mod author;
#[cfg(feature = "aws")]
mod aws;
mod bad_input;
mod bad_people;
mod bundles;
mod changes;
mod compare;
mod components;
#[cfg(target_os = "linux")]
mod crash;
mod demo;
mod drift;
mod dry_run;
mod equal;
mod exits;
mod fan;
mod flows;
mod graph;
mod help;
mod http;
mod kinds_page;
mod lab;
mod lint;
mod log;
mod numbers;
mod onboard;
mod orgs;
mod overlay;
mod people;
mod pipelines;
mod planted;
mod preflight;
mod privacy;
mod quota;
mod road;
mod rollback;
mod secrets;
mod serve;
mod sim;
mod state;
mod stopping;
#[cfg(feature = "otel")]
mod traces;
mod vault;
mod verify;
mod walls;
