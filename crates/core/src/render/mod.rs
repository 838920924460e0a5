//! Plans and differences as people read them.
//!
//! Nothing here prints and nothing knows colours: a [`Text`] is lines of spans, each with a
//! [`Style`] that says what the words mean, and whoever shows it decides what that looks like.

mod diff;
mod hunk;
mod markdown;
mod plan;
mod text;
mod value;

pub use diff::diff_screen;
pub use markdown::plan_markdown;
pub use plan::{Screen, plan_json, plan_screen};
pub use text::{Line, Span, Style, Text};

/// How much is shown of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// One line per object.
    #[default]
    Objects,
    /// The fields besides, with long values shortened.
    Fields,
    /// Everything, and the steps.
    Full,
}
