//! Tests of the core room from outside, in one binary.

mod kinds;
mod lint;
mod lint_catches;
mod models;
mod permissions;
mod planner;
mod schema;
