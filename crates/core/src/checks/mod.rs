//! Judges a plan without changing it; the only way from a plan to its execution.
//!
//! The checks trust nothing that the planner did: a plan may also come from a file. What passes is a
//! [`CheckedPlan`], which is executed only with an [`Approval`] of its digest. Conflicts do not
//! reject a plan: the objects they name are not in its steps.

mod brake;
mod content;
mod ids;
mod leaks;
mod order;

use std::collections::BTreeSet;

pub use brake::Brake;
pub use ids::foreign_ids;
pub use leaks::{Level, Marks, Policy, leaks};

use crate::plan::{FORMAT, Finding, Plan, Severity};

/// The rule of the findings that a forced change brake does not make.
pub const CHANGE_BRAKE: &str = "change-brake";

/// A plan that may be executed, once it is approved.
#[derive(Clone, Debug)]
pub struct CheckedPlan {
    plan: Plan,
    digest: String,
    secrets: BTreeSet<String>,
}

/// Somebody's consent to one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The digest of the plan that was seen.
    pub digest: String,
}

/// Says that an approval is of another plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the approval is of the plan {approved}, and this is {digest}")]
pub struct NotApproved {
    /// The digest that was approved.
    pub approved: String,
    /// The digest of the plan at hand.
    pub digest: String,
}

/// A plan that may not be executed, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", told(.findings))]
pub struct Rejected {
    /// The plan as it was given.
    pub plan: Box<Plan>,
    /// The findings of severity error.
    pub findings: Vec<Finding>,
}

impl Rejected {
    /// Tells whether nothing but the change brake speaks against the plan.
    pub fn is_change_brake(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.rule == CHANGE_BRAKE)
    }
}

fn told(findings: &[Finding]) -> String {
    let lines: Vec<&str> = findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    lines.join("; ")
}

impl CheckedPlan {
    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the plan, which can no longer be executed.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// Returns the digest of the plan.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the names of the secrets that must be known before the first step.
    pub fn secrets(&self) -> &BTreeSet<String> {
        &self.secrets
    }

    /// Holds an approval against the plan.
    ///
    /// # Errors
    /// The approval is of another plan.
    pub fn approve(&self, approval: &Approval) -> Result<(), NotApproved> {
        if approval.digest == self.digest {
            return Ok(());
        }
        Err(NotApproved {
            approved: approval.digest.clone(),
            digest: self.digest.clone(),
        })
    }
}

/// Judges a plan.
///
/// `source_ids` are the ids of the source org that the target does not have ([`foreign_ids`]): none
/// of them may be in anything that is sent. They are unknown where the source is a bundle.
///
/// # Errors
/// Everything that speaks against the plan.
pub fn check<'i>(
    plan: Plan,
    source_ids: impl IntoIterator<Item = &'i str>,
    brake: Brake,
) -> Result<CheckedPlan, Rejected> {
    let mut findings: Vec<Finding> = plan
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .cloned()
        .collect();
    if plan.format > FORMAT {
        let message = format!(
            "the plan has format {}, and this program knows formats up to {FORMAT}; plan again",
            plan.format
        );
        findings.push(error("newer-format", None, message));
    }
    order::check(&plan, &mut findings);
    let secrets = content::check(&plan, &ids::Ids::new(source_ids), &mut findings);
    brake.check(&plan, &mut findings);
    if findings.is_empty() {
        let digest = plan.digest();
        return Ok(CheckedPlan {
            plan,
            digest,
            secrets,
        });
    }
    findings.sort();
    findings.dedup();
    Err(Rejected {
        plan: Box::new(plan),
        findings,
    })
}

fn error(rule: &str, step: Option<&crate::plan::Step>, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        rule: rule.to_owned(),
        object: step.map(|step| step.object.clone()),
        message: match step {
            Some(step) => format!("step {}: {message}", step.id),
            None => message,
        },
    }
}

#[cfg(test)]
mod tests;
