//! How far a job is, added up from what is told of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Progress {
    /// What it is at: `reading`, `writing`, or nothing yet.
    pub phase: Option<String>,
    /// What was read of each org.
    pub read: BTreeMap<String, Reading>,
    /// The run that writes.
    pub run: Option<String>,
    /// Steps that it has.
    pub steps: u64,
    /// Steps that are done.
    pub done: u64,
    /// Steps that were refused, skipped, or are of unknown outcome.
    pub failed: u64,
    /// What has become of the objects of each kind.
    pub kinds: BTreeMap<String, Writing>,
    /// Calls to the org that is written to.
    pub calls: u64,
}

/// How far an org is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Reading {
    /// Kinds that are read.
    pub kinds: u64,
    /// Kinds that have been.
    pub kinds_read: u64,
    /// Objects so far.
    pub objects: u64,
    /// Calls it took.
    pub calls: u64,
}

/// What has become of the objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Writing {
    /// Steps that are done.
    pub done: u64,
    /// Steps that are not.
    pub failed: u64,
}

impl Progress {
    /// Takes note of something that happened.
    pub fn take(&mut self, event: &Value) {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        match event["event"].as_str().unwrap_or_default() {
            "collect_started" => {
                self.phase = Some("reading".to_owned());
                let reading = Reading {
                    kinds: number("kinds"),
                    ..Reading::default()
                };
                self.read.insert(text("org"), reading);
            }
            "kind_read" => {
                let reading = self.read.entry(text("org")).or_default();
                reading.kinds_read += 1;
                reading.objects += number("objects");
            }
            "collect_ended" => {
                let reading = self.read.entry(text("org")).or_default();
                reading.kinds_read = reading.kinds;
                reading.objects = number("objects");
                reading.calls = number("calls");
            }
            "run_started" => {
                self.phase = Some("writing".to_owned());
                self.run = Some(text("run"));
                self.steps = number("steps");
                (self.done, self.failed) = (0, 0);
                self.kinds.clear();
            }
            "step_ended" => {
                let object = text("object");
                let kind = object.split('/').next().unwrap_or_default().to_owned();
                let kind = self.kinds.entry(kind).or_default();
                if event["outcome"] == "done" {
                    self.done += 1;
                    kind.done += 1;
                } else {
                    self.failed += 1;
                    kind.failed += 1;
                }
            }
            "run_ended" => self.calls = number("calls"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_happens_is_added_up() {
        let mut progress = Progress::default();
        for event in [
            json!({"event": "collect_started", "org": "dev", "kinds": 2}),
            json!({"event": "kind_read", "org": "dev", "kind": "user", "objects": 3}),
            json!({"event": "run_started", "run": "r", "org": "dev", "steps": 2}),
            json!({"event": "step_ended", "object": "user/a", "outcome": "done"}),
            json!({"event": "step_ended", "object": "group/b", "outcome": "refused"}),
            json!({"event": "run_ended", "calls": 7}),
            json!({"event": "something_new"}),
            json!(null),
        ] {
            progress.take(&event);
        }
        assert_eq!(progress.read["dev"].objects, 3);
        assert_eq!((progress.steps, progress.done, progress.failed), (2, 1, 1));
        assert_eq!(progress.kinds["user"].done, 1);
        assert_eq!(progress.kinds["group"].failed, 1);
        assert_eq!(progress.calls, 7);
    }
}
