//! The engine against the simulator.

mod blueprints;
mod built_in;
mod changes;
mod clone;
mod crash;
mod credentials;
mod faults;
mod fixtures;
mod functions;
mod kinds;
mod knowledge;
mod lab;
mod matrix;
mod odd;
mod people;
mod permissions;
mod publish;
mod scim;
mod selected;
mod tables;
mod target;
mod unread;
