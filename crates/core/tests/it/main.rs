//! Tests of the core room from outside, in one binary.

mod kinds;
mod lint;
mod lint_catches;
mod permissions;
mod planner;
