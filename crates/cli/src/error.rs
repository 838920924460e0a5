//! The one place where an error becomes words, a hint and an exit code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use orgsmith_client::{AuthFault, Error as ClientError};
use orgsmith_engine::{CollectError, ExecuteError, JournalError, RunError};
use orgsmith_store::bundle::{Error as BundleError, SealError, SignatureError};
use orgsmith_store::state::Error as StateError;

use crate::config;
use crate::output::Out;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// Something went wrong.
    Error = 1,
    /// There are differences, and the user asked to be told so.
    Differences = 2,
    /// Some of it was done.
    Partial = 3,
    /// A credential or a permission is missing.
    Auth = 4,
    /// A check or a policy refused.
    Refused = 5,
    /// The plan does not fit the target any more, or another wrote in between.
    Stale = 6,
    /// Another process writes to the org.
    Locked = 7,
    /// More would change than is safe.
    Brake = 8,
    /// The time or the rate is used up.
    Budget = 9,
    /// The command line cannot be understood.
    Usage = 64,
    /// A person stopped it.
    Interrupted = 130,
}

impl Exit {
    /// Lists every exit code.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Error,
        Self::Differences,
        Self::Partial,
        Self::Auth,
        Self::Refused,
        Self::Stale,
        Self::Locked,
        Self::Brake,
        Self::Budget,
        Self::Usage,
        Self::Interrupted,
    ];

    /// Returns the number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Says what the code means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "all went well",
            Self::Error => "something went wrong; the message says what",
            Self::Differences => {
                "there are differences (with --detailed-exitcode; always for drift)"
            }
            Self::Partial => "some of it was done; the rest is listed",
            Self::Auth => "a credential is refused or a permission is missing",
            Self::Refused => "a check refused, or nobody approved",
            Self::Stale => "the target changed since the plan was made",
            Self::Locked => "another process writes to the org",
            Self::Brake => "more would change than is safe (--force lifts it)",
            Self::Budget => "the time or the rate limit is used up",
            Self::Usage => "the command line cannot be understood",
            Self::Interrupted => "stopped by Ctrl-C",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What only the command line can say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line makes no sense in a way that clap cannot see.
    #[error("{0}")]
    Usage(String),
    /// Neither an org nor a file.
    #[error(
        "{text:?} is neither an org nor a bundle{}",
        .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default()
    )]
    NoSuchSource {
        /// What was asked for.
        text: String,
        /// The nearest org.
        suggestion: Option<String>,
        /// The orgs that are known.
        known: Vec<String>,
    },
    /// The bundle was read and found wrong; the problems have been shown.
    #[error("{} in {place}", count(*.errors, "error"))]
    BadBundle {
        /// How many.
        errors: usize,
        /// The bundle.
        place: String,
    },
    /// A person said no.
    #[error("not approved; nothing was changed")]
    NotApproved,
    /// Nobody can be asked.
    #[error("nobody can be asked: standard input is no terminal")]
    NobodyToAsk,
    /// Nobody can be asked for the name of this protected org.
    #[error(
        "{0} is protected, and nobody can be asked for its name: standard input is no terminal"
    )]
    Unconfirmed(String),
    /// Checks found errors; they have been shown.
    #[error("the plan is refused: {0}")]
    Checks(String),
    /// The org has no room for the plan.
    #[error("{org} is short of {what}; nothing was changed")]
    Shortfall {
        /// The org.
        org: String,
        /// What is short.
        what: String,
    },
    /// More would change than is safe.
    #[error("{0}")]
    Brake(String),
    /// As much was used as was allowed.
    #[error("the budget is used up; nothing was written to --out")]
    Spent {
        /// Where what was read is kept.
        kept: Option<PathBuf>,
    },
    /// What would be written was rolled back before.
    #[error("this state of {state} was rolled back with the run {run}; nothing was changed")]
    Quarantined {
        /// Where it came from.
        state: String,
        /// The run that brought it.
        run: String,
    },
    /// Values of secrets are missing.
    #[error("no value for {}:{}", count(.0.len(), "secret"), by_reason(.0))]
    MissingSecrets(BTreeMap<String, String>),
    /// The target changed since the plan was made.
    #[error("the plan is stale: {}", .0.join("; "))]
    Stale(Vec<String>),
    /// The plan file cannot be used.
    #[error("{0}")]
    BadPlan(String),
    /// A person pressed Ctrl-C while nothing was being written.
    #[error("stopped; nothing was changed")]
    Interrupted,
    /// A person pressed Ctrl-C twice while something was being written.
    #[error("stopped at once; steps may be under way")]
    Killed,
}

/// Counts in words: `1 error`, `2 errors`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// What an error means to a person.
pub(crate) struct Told {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// Puts an error into words.
pub(crate) fn words(error: &anyhow::Error) -> Told {
    let (exit, hint) = judge(error);
    let mut text = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let shown = cause.to_string();
        if depth == 0 {
            text.push_str(&shown);
        } else if !text.ends_with(&shown) {
            let _ = write!(text, ": {shown}");
        }
    }
    Told { exit, text, hint }
}

/// Says what happened on standard error and returns the exit code.
pub(crate) fn tell(out: Option<&Out>, error: &anyhow::Error) -> Exit {
    // `orgsmith kinds | head`: whoever closed the pipe has seen enough.
    if is_broken_pipe(error) {
        return Exit::Ok;
    }
    let Told { exit, text, hint } = words(error);
    crate::output::error(&text, hint.as_deref());
    if let Some(out) = out {
        out.record_error(&text, exit);
    }
    exit
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Finds the exit code of an error, and what to do about it.
fn judge(error: &anyhow::Error) -> (Exit, Option<String>) {
    for cause in error.chain() {
        let found = if let Some(failure) = cause.downcast_ref::<Failure>() {
            of_failure(failure)
        } else if let Some(config) = cause.downcast_ref::<config::Error>() {
            of_config(config)
        } else if let Some(bundle) = cause.downcast_ref::<BundleError>() {
            of_bundle(bundle)
        } else if let Some(seal) = cause.downcast_ref::<SealError>() {
            of_seal(seal)
        } else if let Some(signature) = cause.downcast_ref::<SignatureError>() {
            of_signature(signature)
        } else if let Some(run) = cause.downcast_ref::<RunError>() {
            of_run(run)
        } else if let Some(state) = cause.downcast_ref::<StateError>() {
            of_state(state)
        } else if let Some(CollectError::Unreachable { source, .. }) = cause.downcast_ref() {
            of_client(source)
        } else if let Some(execute) = cause.downcast_ref::<ExecuteError>() {
            of_execute(execute)
        } else if let Some(client) = cause.downcast_ref::<ClientError>() {
            of_client(client)
        } else {
            continue;
        };
        if let Some(found) = found {
            return found;
        }
    }
    (Exit::Error, error.chain().find_map(of_disk))
}

/// Says what to do about a place that cannot be written to.
fn of_disk(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let todo = match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        io::ErrorKind::FileTooLarge => "lift the limit on the size of files (`ulimit -f`)",
        io::ErrorKind::ReadOnlyFilesystem => "choose a place that can be written to",
        _ => return None,
    };
    Some(format!("{todo}, and do the same again"))
}

type Judged = Option<(Exit, Option<String>)>;

fn says(exit: Exit, hint: impl Into<String>) -> Judged {
    Some((exit, Some(hint.into())))
}

/// Lists names with why they have no value; those of one reason on one line.
fn by_reason(missing: &BTreeMap<String, String>) -> String {
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, why) in missing {
        match lines.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.push(name),
            None => lines.push((why, vec![name])),
        }
    }
    let lines = lines.into_iter();
    lines
        .map(|(why, names)| format!("\n  {}  {why}", names.join(", ")))
        .collect()
}

fn of_failure(failure: &Failure) -> Judged {
    match failure {
        Failure::Usage(_) => Some((Exit::Usage, None)),
        Failure::NoSuchSource { known, .. } if known.is_empty() => says(
            Exit::Usage,
            "no orgsmith.yaml was found; name a bundle, or `env` for the org of the \
             GENESYSCLOUD_* variables",
        ),
        Failure::NoSuchSource { known, .. } => {
            says(Exit::Usage, format!("known orgs: {}", known.join(", ")))
        }
        Failure::BadBundle { .. } => says(Exit::Error, "nothing was sent to any org"),
        Failure::Spent { kept: Some(kept) } => says(
            Exit::Budget,
            format!(
                "the same command goes on with what is in {}",
                kept.display()
            ),
        ),
        Failure::Spent { kept: None } => says(
            Exit::Budget,
            "what is encrypted or without people keeps nothing on the way: give it more",
        ),
        Failure::NotApproved => Some((Exit::Refused, None)),
        Failure::NobodyToAsk => says(Exit::Usage, "look at what --dry-run shows, and add --yes"),
        Failure::Unconfirmed(org) => says(
            Exit::Usage,
            format!("look at what --dry-run shows, and add --yes --confirm {org}"),
        ),
        Failure::Checks(_) => says(Exit::Refused, "nothing was changed"),
        Failure::Shortfall { .. } => says(
            Exit::Refused,
            "the table says what to do; `clone --ignore-shortfall` goes on all the same",
        ),
        Failure::Brake(_) => says(Exit::Brake, "look at the plan; --force lifts the brake"),
        Failure::Quarantined { .. } => says(
            Exit::Refused,
            "change what was wrong with it; without --yes a person may approve it all the same, and \
             --force does",
        ),
        Failure::MissingSecrets(_) => says(
            Exit::Refused,
            "nothing was changed; set the variables beside the names, or name sources under \
             `secrets:` in orgsmith.yaml, or give --secrets-file",
        ),
        Failure::Stale(_) => says(Exit::Stale, "nothing was changed; make a new plan"),
        Failure::BadPlan(_) => Some((Exit::Error, None)),
        Failure::Interrupted => Some((Exit::Interrupted, None)),
        Failure::Killed => says(
            Exit::Interrupted,
            "`orgsmith runs` names the run; `orgsmith resume RUN` finds out what was done and goes on",
        ),
    }
}

fn of_config(error: &config::Error) -> Judged {
    match error {
        config::Error::NoCredential { .. } => says(
            Exit::Auth,
            "set GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET, or give the org \
             a `credential:` in orgsmith.yaml",
        ),
        config::Error::Credential { .. } => Some((Exit::Auth, None)),
        config::Error::UnknownOrg { known, .. } if !known.is_empty() => {
            says(Exit::Usage, format!("known orgs: {}", known.join(", ")))
        }
        config::Error::State { .. } | config::Error::Service { .. } => Some((Exit::Usage, None)),
        config::Error::UnknownOrg { .. } => says(
            Exit::Usage,
            "no orgsmith.yaml was found in this folder or above; `orgsmith sim` prints an example",
        ),
        _ => None,
    }
}

fn of_bundle(error: &BundleError) -> Judged {
    match error {
        BundleError::Newer { .. } => says(Exit::Error, "update orgsmith"),
        BundleError::Hostile { .. } => says(
            Exit::Error,
            "nothing was unpacked; do not use this file, and ask where it comes from",
        ),
        BundleError::NotAZip { .. } => says(
            Exit::Error,
            "if it was sent or downloaded, fetch it again; `orgsmith bundle pack` makes a zip",
        ),
        BundleError::Encrypted { .. } => says(
            Exit::Error,
            "give --identity FILE, or ORGSMITH_IDENTITY, or `bundles: {identity: FILE}` in \
             orgsmith.yaml",
        ),
        BundleError::Unsigned { .. } => says(
            Exit::Refused,
            "`bundles: {signed_by: …}` in orgsmith.yaml asks for it; `orgsmith bundle sign` makes one",
        ),
        _ => None,
    }
}

fn of_seal(error: &SealError) -> Judged {
    match error {
        SealError::NoRecipient => says(
            Exit::Usage,
            "give --recipient age1…, or `bundles: {recipients: […]}` in orgsmith.yaml; \
             `orgsmith bundle keygen age FILE` makes a key",
        ),
        SealError::Identity => says(
            Exit::Error,
            "`orgsmith bundle keygen age FILE` makes one, and so does `age-keygen`",
        ),
        SealError::NotForUs => says(
            Exit::Error,
            "ask whoever made it to encrypt it for your public key, which the identity file names",
        ),
        SealError::Damaged(_) => says(Exit::Error, "nothing of it was used; fetch it again"),
        SealError::Twice => says(
            Exit::Error,
            "name all who may read it at once; `orgsmith bundle decrypt` opens it",
        ),
        SealError::Closed => says(
            Exit::Error,
            "`orgsmith bundle decrypt` writes the zip that is within, and that can be unpacked",
        ),
        SealError::Plain => says(Exit::Error, "every command reads it as it is"),
        SealError::Recipient(_) | SealError::SealedIdentity | SealError::TooLarge => None,
    }
}

fn of_signature(error: &SignatureError) -> Judged {
    match error {
        SignatureError::SecretKey => says(
            Exit::Error,
            "`orgsmith bundle keygen minisign FILE` makes a pair, and so does `minisign -G`",
        ),
        SignatureError::NoPassword | SignatureError::Password => {
            says(Exit::Error, "set ORGSMITH_SIGN_PASSWORD")
        }
        SignatureError::PublicKey => says(
            Exit::Error,
            "give the .pub file that was made with the secret key, or its last line",
        ),
        SignatureError::Signature => says(
            Exit::Error,
            "a signature is the .minisig file that `orgsmith bundle sign` or `minisign -S` wrote",
        ),
        SignatureError::OtherKey { .. } => says(
            Exit::Refused,
            "do not use the bundle before you know whose key that is",
        ),
        SignatureError::Changed => says(
            Exit::Refused,
            "do not use the bundle; fetch it and its signature again, or have it signed again",
        ),
        SignatureError::NoManifest => says(
            Exit::Error,
            "`orgsmith bundle pack DIR FILE.zip` makes a zip that has one, and that can be signed",
        ),
        SignatureError::NotMade(_) => None,
    }
}

fn of_run(error: &RunError) -> Judged {
    match error {
        RunError::Locked { .. } => says(
            Exit::Locked,
            "wait until it ends; if its process died, the lock ends by itself",
        ),
        RunError::NoSuchRun(_) => Some((Exit::Usage, None)),
        RunError::State(state) => of_state(state),
        _ => None,
    }
}

fn of_state(error: &StateError) -> Judged {
    match error {
        StateError::Fenced { .. } | StateError::Busy { .. } => Some((Exit::Locked, None)),
        StateError::Newer { .. } => says(Exit::Error, "update orgsmith"),
        StateError::NotEmpty => says(
            Exit::Refused,
            "choose an empty state by --state, or lose what is there by --replace",
        ),
        StateError::Unreachable { .. } => says(
            Exit::Error,
            "check the address of the state and the network; see docs/state.md",
        ),
        StateError::Denied { .. } => says(
            Exit::Auth,
            "check the credential of the state (PGPASSWORD, ~/.pgpass, or the variables of the \
             cloud) and what it may do; see docs/state.md",
        ),
        StateError::Missing { .. } => says(
            Exit::Error,
            "orgsmith makes no databases and no buckets; see docs/state.md",
        ),
        _ => None,
    }
}

/// Returns the exit code of a run that ended before its time.
pub(crate) fn of_run_end(error: &ExecuteError) -> Exit {
    of_execute(error).map_or(Exit::Error, |(exit, _)| exit)
}

fn of_execute(error: &ExecuteError) -> Judged {
    match error {
        ExecuteError::Journal(JournalError::Fenced { .. }) => Some((Exit::Locked, None)),
        ExecuteError::Unreachable(source) => of_client(source),
        _ => None,
    }
}

fn of_client(error: &ClientError) -> Judged {
    match error {
        ClientError::Auth { fault, .. } => match fault {
            AuthFault::BadCredentials { .. } => says(
                Exit::Auth,
                "check id and secret of the OAuth client, and that region and org belong together \
                 (`orgsmith org check`)",
            ),
            AuthFault::Revoked { .. } => {
                says(Exit::Auth, "the OAuth client may have been disabled")
            }
            AuthFault::Throttled => says(Exit::Budget, "wait a minute, or lower `tokens:`"),
            AuthFault::Unavailable { .. } => says(
                Exit::Error,
                "check the region or base_url of the org, and the network",
            ),
        },
        ClientError::Connect { .. } => says(
            Exit::Error,
            "check the region or base_url of the org, and the network",
        ),
        ClientError::Exhausted { last, .. } if last.status() == Some(429) => says(
            Exit::Budget,
            "something else uses up the rate of this OAuth client; try later or with its own client",
        ),
        ClientError::Exhausted { last, .. } => of_client(last),
        other => match other.status() {
            Some(401 | 403) => says(
                Exit::Auth,
                "give the role of the OAuth client the permission",
            ),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_used_once_and_has_a_meaning() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 130]);
        assert!(Exit::ALL.iter().all(|exit| !exit.meaning().is_empty()));
    }

    #[test]
    fn a_cause_deep_in_the_chain_decides_the_code() {
        let error = anyhow::Error::new(Failure::Brake("too much".into())).context("applying");
        assert_eq!(judge(&error).0, Exit::Brake);
        assert_eq!(judge(&anyhow::anyhow!("whatever")).0, Exit::Error);
    }
}
