//! The engine against the simulator.

mod blueprints;
mod clone;
mod crash;
mod faults;
mod fixtures;
mod kinds;
mod lab;
mod target;
mod unread;
