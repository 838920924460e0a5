//! What the simulated Architect reads in the source of a flow: its type, its name, and every
//! object that it names.
//!
//! This reader stands on its own: whoever clones flows has another one, and both are tried
//! against real files, so that a misreading shows.
//!
//! - `kinds`: the types of flows; `placeholder`: what was to be filled in and was not
//! - `source`: YAML; `slots`: which key names which object; `export`: `.i3*` files

mod export;
mod kinds;
mod placeholder;
mod slots;
mod source;

pub(crate) use export::{is_export, write as write_export};
pub(crate) use kinds::{FlowType, by_api, by_dependency};

/// Represents a flow as its source describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) flow_type: &'static FlowType,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) division: Option<String>,
    /// The objects that it names, each once.
    pub(crate) uses: Vec<Use>,
}

/// Represents an object that a flow names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) what: What,
    pub(crate) name: String,
    /// The id, which only an export has.
    pub(crate) id: Option<String>,
}

/// Says what sort of object is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// An object of the kind with this path.
    Object(&'static str),
    /// A flow of this type.
    Flow(&'static str),
    /// A data action; only YAML has its category.
    Action { category: Option<String> },
}

/// Reads the source of a flow, YAML or export; or says everything that is wrong with it.
pub(crate) fn read(text: &str) -> Result<Source, Vec<String>> {
    if export::is_export(text) {
        return export::read(text).map_err(|problem| vec![problem]);
    }
    source::read(text)
}

/// Puts uses in order and drops those that are named twice.
fn once(mut uses: Vec<Use>) -> Vec<Use> {
    uses.sort();
    uses.dedup();
    uses
}
