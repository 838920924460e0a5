//! The work itself, which somebody else does: the command line.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use orgsmith_core::id::RunId;
use orgsmith_core::secret::Secret;
use orgsmith_engine::Stop;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::task::Task;

/// The file that holds a plan.
pub const PLAN: &str = "plan.json";
/// The file that holds what a job printed, where that is too long to be shown with it.
pub const RESULT: &str = "result.json";
/// The file that holds what a look for drift has found.
pub const DRIFT: &str = "drift.json";
/// The file that holds what an earlier look for drift has found, which a look at less than all goes on from.
pub const EARLIER: &str = "earlier.json";
/// The file that holds a bundle.
pub const BUNDLE: &str = "bundle.zip";

/// Takes what is told while something is done.
pub type Tell = Arc<dyn Fn(Value) + Send + Sync>;

/// Something to do.
pub struct Errand {
    /// What.
    pub task: Task,
    /// A folder that belongs to it; files that came with the job are there.
    pub folder: PathBuf,
    /// The ids for the runs of each attempt. The last is this one's. A run of an earlier one was left by a
    /// worker that died, and has to be taken up first.
    pub runs: Vec<RunId>,
    /// Told what happens.
    pub tell: Tell,
    /// Ends it early.
    pub stop: Stop,
}

/// What came of an errand.
#[derive(Debug, Default)]
pub struct Done {
    /// The exit code that the command line has for it.
    pub exit: u8,
    /// Why it failed.
    pub message: Option<String>,
    /// What came of it.
    pub result: Option<Value>,
    /// Files that it left in its folder, with their media types.
    pub files: Vec<(String, String)>,
}

/// An org that the service knows.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Org {
    /// How it is called here, and in the project file.
    pub name: String,
    /// Its region, or its base URL.
    pub region: String,
    /// Labels it has in the project file.
    pub labels: Vec<String>,
    /// Writing to it asks for its name to be repeated.
    pub protected: bool,
}

/// Calls that an org was sent by this process.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// Calls that were sent.
    pub sent: u64,
    /// Answers that said there were too many.
    pub throttled: u64,
    /// Calls a minute that the project allows, over all tokens.
    pub quota_per_minute: u64,
}

/// A request to another system.
pub struct Asked {
    /// Where.
    pub url: String,
    /// What is posted, as a form; without it, it is only read.
    pub form: Option<Secret>,
    /// The header of that name.
    pub authorization: Option<Secret>,
}

impl Asked {
    /// Reads what is at a place.
    pub(crate) fn get(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            form: None,
            authorization: None,
        }
    }
}

/// Does what jobs ask for.
pub trait Work: Send + Sync {
    /// Lists the orgs that are known.
    fn orgs(&self) -> Vec<Org>;

    /// Returns one of them.
    fn org(&self, name: &str) -> Option<Org>;

    /// Tells what an org is held against, as the project file says.
    fn against(&self, org: &str) -> Option<String>;

    /// Returns an org to ask what changed there.
    ///
    /// # Errors
    /// Why it cannot be asked, such as that no credential is there.
    fn connect(&self, org: &str) -> Result<orgsmith_engine::Org, String>;

    /// Tells how many calls an org was sent.
    fn calls(&self, org: &str) -> Calls;

    /// Tells whoever is to be alerted, where the project says whom, and returns whether they heard.
    fn alert(&self, text: String) -> BoxFuture<'_, bool>;

    /// Asks another system for something that is no org, and returns its status and its answer.
    fn ask(&self, asked: Asked) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>>;

    /// Does something.
    fn perform(&self, errand: Errand) -> BoxFuture<'static, Done>;
}
