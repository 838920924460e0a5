//! Reads what a flow says about itself and about other objects.

use super::document::Document;
use super::find::find;
use super::placeholder::Placeholder;
use super::target::FlowTarget;
use super::{FlowError, FlowType};

/// What a flow source says about itself and about other objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowScan {
    /// The type of the flow.
    pub flow_type: FlowType,
    /// The name of the flow.
    pub name: String,
    /// The name of its division; absent means the home division.
    pub division: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The objects that the flow names, in the order of the text; one entry per place.
    pub references: Vec<FlowReference>,
    /// Lookups whose argument is computed: what they find cannot be followed.
    pub dynamic: Vec<DynamicReference>,
    /// Object literals under keys that no rule knows: names of an unknown kind.
    pub unknown: Vec<Literal>,
    /// Template placeholders that nobody filled in.
    pub placeholders: Vec<Placeholder>,
    /// Hard-coded GUIDs: they belong to the source org.
    pub guids: Vec<Literal>,
    /// Hard-coded web addresses.
    pub urls: Vec<Literal>,
}

/// One place where a flow names an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowReference {
    /// What is named.
    pub target: FlowTarget,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1; of a name inside an expression, the column of the
    /// expression.
    pub column: usize,
    /// The place as a JSON pointer into the YAML; one longer than a kilobyte loses its beginning.
    pub path: String,
    /// Whether the name still holds a placeholder.
    pub unfilled: bool,
}

/// A lookup with a computed argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicReference {
    /// The function or action: `FindQueue`.
    pub function: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The call or its argument, cut when long.
    pub text: String,
}

/// A text that is written into the flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The text.
    pub text: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1, of the scalar that holds the text.
    pub column: usize,
    /// The place as a JSON pointer into the YAML.
    pub path: String,
}

/// Reads a flow source.
///
/// # Errors
/// The text is not YAML, is not one flow with a name, or exceeds a limit.
pub fn scan(text: &str) -> Result<FlowScan, FlowError> {
    let document = Document::read(text)?;
    Ok(find(&document)?.scan)
}
