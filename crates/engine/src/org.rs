//! An org that can be talked to.

use orgsmith_client::Client;
use orgsmith_core::bundle::Origin;
use orgsmith_core::id::OrgName;

/// An org that can be talked to.
#[derive(Clone)]
pub struct Org {
    /// Its name in the project file.
    pub name: OrgName,
    /// Its region; nothing where the project file gives a base URL.
    pub region: Option<String>,
    /// Speaks to it.
    pub client: Client,
}

impl Org {
    /// Says where a snapshot of it comes from.
    pub fn origin(&self) -> Origin {
        Origin {
            org_name: self.name.as_str().to_owned(),
            region: self.region.clone(),
        }
    }
}
