//! What a job is to do.

use orgsmith_core::id::OrgName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a job is to do. Every kind is a command of the command line, which says what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "kind",
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Task {
    /// Reads an org into a bundle: `orgsmith export`.
    Export {
        /// The org.
        org: String,
        /// Which objects.
        #[serde(default)]
        selected: Selected,
    },
    /// Plans what it takes to make an org match a bundle that was uploaded, and unless it is only to be
    /// validated, carries that out: `orgsmith plan`, `orgsmith apply`.
    Import {
        /// The org that is written to.
        org: String,
        /// Only plans.
        #[serde(default)]
        validate_only: bool,
        /// Which objects.
        #[serde(default)]
        selected: Selected,
        /// How it is carried out.
        #[serde(default)]
        carry: Carry,
    },
    /// Copies an org into another, and proves it: `orgsmith clone`.
    Clone {
        /// The org that is read.
        source: String,
        /// The org that is written to.
        org: String,
        /// Which objects.
        #[serde(default)]
        selected: Selected,
        /// How it is carried out.
        #[serde(default)]
        carry: Carry,
    },
    /// Shows what it takes to make an org match another, to be approved: `orgsmith plan`.
    Plan {
        /// The org that is read; without it, what the project file holds the org against, which may be a
        /// bundle.
        #[serde(default)]
        source: Option<String>,
        /// The org that would be written to.
        org: String,
        /// Also deletes what only the target has, of the kinds in the source.
        #[serde(default)]
        prune: bool,
        /// Which objects.
        #[serde(default)]
        selected: Selected,
        /// Goes past the change brake.
        #[serde(default)]
        force: bool,
    },
    /// Carries out a plan that was made before: `orgsmith apply --plan`.
    Apply {
        /// The org that is written to.
        org: String,
        /// The job that made the plan.
        plan: String,
        /// How it is carried out.
        #[serde(default)]
        carry: Carry,
    },
    /// Compares orgs, object by object: `orgsmith compare`.
    Compare {
        /// The orgs, two or more; the first is the one that the others are held against.
        orgs: Vec<String>,
        /// Which objects.
        #[serde(default)]
        selected: Selected,
    },
    /// Takes a run up again where it ended: `orgsmith resume`.
    Resume {
        /// The org that is written to.
        org: String,
        /// The run.
        run: String,
        /// How it is carried out.
        #[serde(default)]
        carry: Carry,
    },
    /// Undoes a run: `orgsmith rollback`.
    Rollback {
        /// The org that is written to.
        org: String,
        /// The run.
        run: String,
        /// Only these objects, and not those.
        #[serde(default)]
        selected: Selected,
        /// How it is carried out.
        #[serde(default)]
        carry: Carry,
    },
    /// Says whether an org works: `orgsmith verify`.
    Verify {
        /// The org.
        org: String,
    },
    /// Says what in an org has changed since orgsmith wrote it: `orgsmith drift`.
    Drift {
        /// The org.
        org: String,
        /// The org it is to be like; without it, the org as it was written last.
        #[serde(default)]
        against: Option<String>,
        /// Which objects.
        #[serde(default)]
        selected: Selected,
    },
    /// Makes what drifted in an org as its source says: `orgsmith drift revert`.
    Revert {
        /// The org that is written to.
        org: String,
        /// The org it is to be like; without it, as the project file says.
        #[serde(default)]
        against: Option<String>,
        /// Which objects; none means what the policy gives to the source.
        #[serde(default)]
        selected: Selected,
        /// Only these fields of them.
        #[serde(default)]
        fields: Vec<String>,
        /// How it is carried out.
        #[serde(default)]
        carry: Carry,
    },
    /// Writes what became of an org into the bundle that the project file holds it against: `orgsmith
    /// drift absorb`.
    Absorb {
        /// The org.
        org: String,
        /// Which objects; none means what the policy gives to the org.
        #[serde(default)]
        selected: Selected,
        /// Only these fields of them.
        #[serde(default)]
        fields: Vec<String>,
    },
    /// Leaves drift out of account for a while: `orgsmith drift ignore`.
    Ignore {
        /// The org.
        org: String,
        /// Which objects.
        selected: Selected,
        /// Only these fields of them.
        #[serde(default)]
        fields: Vec<String>,
        /// The last day of it, or a time.
        until: String,
        /// Why.
        reason: String,
    },
}

/// Which objects, in the terms of `--select` and `--exclude`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Selected {
    /// Only these: a kind, or `kind=…,name=…,division=…`.
    pub select: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// Takes along what the selected objects refer to.
    pub with_dependencies: bool,
}

impl Selected {
    /// Tells whether everything is meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty()
    }
}

/// How something is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Carry {
    /// Lifts the change brake.
    pub force: bool,
    /// Steps under way at once.
    pub parallelism: Option<u16>,
    /// Stops at the first step that fails.
    pub stop_on_error: bool,
    /// Goes on although the org has too few seats, or too little of something else.
    pub ignore_shortfall: bool,
    /// The name of the org again, where the org is protected.
    pub confirm: Option<String>,
}

impl Task {
    /// Returns the word for the kind of task.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Export { .. } => "export",
            Self::Import { .. } => "import",
            Self::Clone { .. } => "clone",
            Self::Plan { .. } => "plan",
            Self::Apply { .. } => "apply",
            Self::Compare { .. } => "compare",
            Self::Resume { .. } => "resume",
            Self::Rollback { .. } => "rollback",
            Self::Verify { .. } => "verify",
            Self::Drift { .. } => "drift",
            Self::Revert { .. } => "revert",
            Self::Absorb { .. } => "absorb",
            Self::Ignore { .. } => "ignore",
        }
    }

    /// Returns the org that is written to, or the first that is read where none is.
    pub fn org(&self) -> OrgName {
        OrgName::new(match self {
            Self::Export { org, .. }
            | Self::Import { org, .. }
            | Self::Clone { org, .. }
            | Self::Plan { org, .. }
            | Self::Apply { org, .. }
            | Self::Resume { org, .. }
            | Self::Rollback { org, .. }
            | Self::Verify { org }
            | Self::Drift { org, .. }
            | Self::Revert { org, .. }
            | Self::Absorb { org, .. }
            | Self::Ignore { org, .. } => org,
            Self::Compare { orgs, .. } => orgs.first().map_or("", String::as_str),
        })
    }

    /// Returns every org that is read or written.
    pub fn orgs(&self) -> Vec<&str> {
        match self {
            Self::Clone { source, org, .. }
            | Self::Plan {
                source: Some(source),
                org,
                ..
            } => vec![source, org],
            Self::Compare { orgs, .. } => orgs.iter().map(String::as_str).collect(),
            Self::Drift {
                org,
                against: Some(against),
                ..
            }
            | Self::Revert {
                org,
                against: Some(against),
                ..
            } => vec![org, against],
            Self::Export { org, .. }
            | Self::Import { org, .. }
            | Self::Plan { org, .. }
            | Self::Apply { org, .. }
            | Self::Resume { org, .. }
            | Self::Rollback { org, .. }
            | Self::Verify { org }
            | Self::Drift { org, .. }
            | Self::Revert { org, .. }
            | Self::Absorb { org, .. }
            | Self::Ignore { org, .. } => vec![org],
        }
    }

    /// Returns which objects it is about, where that is said by terms.
    pub(crate) fn selected(&self) -> Option<&Selected> {
        match self {
            Self::Export { selected, .. }
            | Self::Import { selected, .. }
            | Self::Clone { selected, .. }
            | Self::Plan { selected, .. }
            | Self::Compare { selected, .. }
            | Self::Rollback { selected, .. }
            | Self::Drift { selected, .. }
            | Self::Revert { selected, .. }
            | Self::Absorb { selected, .. }
            | Self::Ignore { selected, .. } => Some(selected),
            Self::Apply { .. } | Self::Resume { .. } | Self::Verify { .. } => None,
        }
    }

    /// Returns how it is carried out, where it writes.
    pub fn carry(&self) -> Option<&Carry> {
        match self {
            Self::Import { carry, .. }
            | Self::Clone { carry, .. }
            | Self::Apply { carry, .. }
            | Self::Resume { carry, .. }
            | Self::Rollback { carry, .. }
            | Self::Revert { carry, .. } => self.writes().then_some(carry),
            _ => None,
        }
    }

    /// Tells whether it writes to its org.
    pub fn writes(&self) -> bool {
        match self {
            Self::Import { validate_only, .. } => !validate_only,
            Self::Clone { .. }
            | Self::Apply { .. }
            | Self::Resume { .. }
            | Self::Rollback { .. }
            | Self::Revert { .. } => true,
            Self::Export { .. }
            | Self::Plan { .. }
            | Self::Compare { .. }
            | Self::Verify { .. }
            | Self::Drift { .. }
            | Self::Absorb { .. }
            | Self::Ignore { .. } => false,
        }
    }

    /// Tells whether it has failed where it did not do all: it writes to its org, or to a bundle.
    pub(crate) fn is_all_or_failed(&self) -> bool {
        self.writes() || matches!(self, Self::Absorb { .. })
    }
}
