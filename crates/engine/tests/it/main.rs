//! The engine against the simulator.

mod clone;
mod crash;
mod faults;
mod lab;
mod target;
