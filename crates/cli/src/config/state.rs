//! Where runs are remembered.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a SQLite file.
    File(PathBuf),
    /// In a PostgreSQL database: its address, perhaps with a password.
    Postgres(String),
    /// In an object store: its address.
    Objects(String),
}

/// Only for places that need not be asked: what is in an address may be secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
            Self::Objects(address) => f.write_str(address),
        }
    }
}

const DEFAULT: &str = ".orgsmith/state.db";

impl Place {
    /// Reads a place as a person writes it: a path seen from a folder, or an address.
    pub(super) fn read(text: Option<&str>, folder: &Path) -> Result<Self, String> {
        let text = text.unwrap_or(DEFAULT);
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::File(folder.join(text)));
        };
        match scheme {
            "postgres" | "postgresql" => Ok(Self::Postgres(text.to_owned())),
            "s3" | "az" | "gs" | "file" => Ok(Self::Objects(text.to_owned())),
            other => Err(format!(
                "{other}:// is no state; known are a file, postgres://user@host/database, \
                 s3://bucket/folder, az://container/folder, gs://bucket/folder and file:///folder"
            )),
        }
    }

    /// Reads the place that the project file names; what is in that file, everybody may read.
    pub(super) fn read_shared(text: Option<&str>, folder: &Path) -> Result<Self, String> {
        let place = Self::read(text, folder)?;
        if let Self::Postgres(address) = &place
            && has_password(address)
        {
            return Err(
                "leave the password out of the address; set PGPASSWORD, or write it in ~/.pgpass, \
                 or give the whole address in ORGSMITH_STATE"
                    .to_owned(),
            );
        }
        Ok(place)
    }

    /// Tells whether there is something to look at, as far as that is known without asking.
    pub(crate) fn may_exist(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Postgres(_) => true,
            #[cfg(feature = "object-store")]
            Self::Objects(address) => !orgsmith_store::state::Objects::is_absent(address),
            #[cfg(not(feature = "object-store"))]
            Self::Objects(_) => true,
        }
    }
}

fn has_password(address: &str) -> bool {
    let (_, rest) = address.split_once("://").unwrap_or_default();
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = authority.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let asked = query.split('&').any(|pair| pair.starts_with("password="));
    asked || user.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address() {
        let folder = Path::new("project");
        for (text, place) in [
            (None, Place::File("project/.orgsmith/state.db".into())),
            (Some("runs.db"), Place::File("project/runs.db".into())),
            (Some("/srv/runs.db"), Place::File("/srv/runs.db".into())),
            (
                Some("postgresql://me@db/orgs"),
                Place::Postgres("postgresql://me@db/orgs".to_owned()),
            ),
            (
                Some("s3://bucket/folder"),
                Place::Objects("s3://bucket/folder".to_owned()),
            ),
        ] {
            assert_eq!(Place::read(text, folder), Ok(place));
        }
        let refused = Place::read(Some("mysql://db/orgs"), folder);
        assert!(refused.is_err_and(|why| why.contains("mysql://")));
    }

    #[test]
    fn the_project_file_holds_no_password() {
        let folder = Path::new("");
        for address in [
            "postgres://me:s3cr3t@db/orgs",
            "postgres://db/orgs?password=s3cr3t",
        ] {
            let refused = Place::read_shared(Some(address), folder).expect_err("it has one");
            assert!(refused.contains("PGPASSWORD") && !refused.contains("s3cr3t"));
            assert!(Place::read(Some(address), folder).is_ok());
        }
        for address in [
            "postgres://me@db:5432/orgs",
            "postgres:///orgs",
            "postgres://db/a:b@c",
        ] {
            assert!(
                Place::read_shared(Some(address), folder).is_ok(),
                "{address}"
            );
        }
    }
}
