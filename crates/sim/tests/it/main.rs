//! The simulator over real HTTP.

mod architect;
mod control;
mod flows;
mod people;
mod protocol;
mod routing;
mod services;
mod support;
