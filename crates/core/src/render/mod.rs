//! Plans and differences as people read them.
//!
//! Nothing here prints and nothing knows colours: a [`Text`] is lines of spans, each with a
//! [`Style`] that says what the words mean, and whoever shows it decides what that looks like.

mod diff;
mod drift;
mod graph;
mod html;
mod hunk;
mod junit;
mod lint;
mod markdown;
mod matrix;
mod page;
mod plan;
mod preflight;
mod shell;
mod svg;
mod text;
mod value;
mod verify;

pub use diff::diff_screen;
pub use drift::{drift_json, drift_markdown, drift_screen};
pub use graph::{graph_dot, graph_json, graph_screen};
pub use html::escaped as html_escaped;
pub use junit::problems_junit;
pub use lint::{
    Place, Places, lint_json, lint_markdown, lint_sarif, lint_summary, problem_json, severity,
};
pub use markdown::plan_markdown;
pub use matrix::{Rows, matrix_json, matrix_markdown, matrix_screen};
pub use page::matrix_page;
pub use plan::{Screen, plan_json, plan_screen};
pub use preflight::{Checked, preflight_json, preflight_markdown, preflight_screen};
pub use shell::{plan_commands, quoted};
pub use svg::{Drawing, graph_svg};
pub(crate) use text::is_harmful;
pub use text::{Line, Span, Style, Text, visible};
pub use verify::{
    Verified, verify_json, verify_junit, verify_markdown, verify_screen, verify_summary,
};

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
