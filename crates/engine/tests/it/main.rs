//! The engine against the simulator.

mod clone;
mod lab;
