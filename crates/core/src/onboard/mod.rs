//! New users in another system: what is asked of it, and what its answers mean.
//!
//! A run that creates or activates users leaves a [`Job`] for each. A job's request is made from a
//! [`Setup`], sent by the engine, and its state is then asked for until it says that the user is
//! there, or that there was an error. All of that is decided here, on values: [`Setup::request`]
//! and [`Setup::poll`] make what is sent, [`Setup::after_request`] and [`Setup::after_poll`] say
//! where a job stands then. Clock, chance and network come in from outside.

mod job;
mod newcomers;
mod rules;
mod setup;
mod template;

pub use job::{Counts, Job, Stage};
pub use newcomers::newcomers;
pub use rules::Answer;
pub use setup::{Alert, Body, Node, Outgoing, Pace, Poll, Request, Setup, Values, Wrong};
pub use template::{BadTemplate, Place, Pointer, Template};

#[cfg(test)]
mod tests;
