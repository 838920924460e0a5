//! `orgsmith permissions`

use clap::{Args, ValueEnum};
use orgsmith_core::permissions::{Purpose, Role, markdown};

use crate::args::{Format, Selected};
use crate::error::Exit;
use crate::output::{BOLD, Out, Table, YELLOW, styled};
use crate::session::Session;
use crate::source::{Source, kinds_of, selection, usage};

/// Says which role an OAuth client needs, and no more than it needs.
///
/// With -o json the result is the body of POST /api/v2/authorization/roles. Give the role to the
/// client in all divisions.
#[derive(Debug, Args)]
pub(crate) struct Permissions {
    /// What the client is for.
    #[arg(long = "for", value_name = "PURPOSE", default_value = "apply")]
    purpose: For,
    /// An org, a bundle directory or a zip: only the kinds it has.
    source: Option<String>,
    #[command(flatten)]
    selected: Selected,
}

/// What a client is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum For {
    /// Reading an org.
    Export,
    /// Reading it, creating and updating.
    Apply,
    /// The same, and deleting.
    Sync,
}

impl From<For> for Purpose {
    fn from(wanted: For) -> Self {
        match wanted {
            For::Export => Self::Export,
            For::Apply => Self::Apply,
            For::Sync => Self::Sync,
        }
    }
}

impl Permissions {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let catalogue = session.catalogue();
        let kinds = match &self.source {
            None => selection(catalogue, &self.selected)?.kinds(catalogue),
            Some(source) => {
                let source = Source::parse(source, session)?;
                let wanted = source.read(session, &self.selected).await?;
                if wanted.bundle.documents.is_empty() {
                    return Err(usage("the source has no object"));
                }
                kinds_of(catalogue, &wanted.bundle)
            }
        };
        let role = Role::new(catalogue, self.purpose.into(), &kinds);
        show(session.out, &role)?;
        Ok(Exit::Ok)
    }
}

fn show(out: &Out, role: &Role) -> anyhow::Result<()> {
    match out.format() {
        Format::Json => {
            for remark in role.remarks() {
                out.warn(remark);
            }
            out.json(&role.body())
        }
        Format::Markdown => out.data(markdown(role)),
        Format::Text | Format::Html | Format::Svg | Format::Dot | Format::Sarif | Format::Junit => {
            let mut table = Table::new(&[]);
            table.row(["PERMISSION", "WHAT FOR"].map(|head| styled(BOLD, head)));
            for permission in role.needs.keys() {
                table.row([permission.clone(), role.reasons(permission)]);
            }
            let mut text = table.text("");
            for remark in role.remarks() {
                text.push_str(&format!("{} {remark}\n", styled(YELLOW, "note")));
            }
            text.push_str(
                "-o json is the body of POST /api/v2/authorization/roles; \
                 grant the role in all divisions",
            );
            out.data(text)
        }
    }
}
