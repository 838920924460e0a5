//! Two simulated orgs, and the road from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgsmith_client::{Client, Credentials, Endpoint};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Approval, Brake, check};
use orgsmith_core::document::Portable;
use orgsmith_core::id::{Kind, ObjectRef, OrgName, RunId, SourceId};
use orgsmith_core::plan::{FLOW_SOURCE, Options, Plan, Planner};
use orgsmith_core::secret::Secret;
use orgsmith_core::snapshot::Snapshot;
use orgsmith_engine::{
    Events, Finished, Limits, Org, RunError, Runner, Scope, Secrets, Stop, collect, load_plan,
};
use orgsmith_sim::{Config, Entry, Sim};
use orgsmith_store::state::{Memory, Owner, State};
use serde_json::{Value, json};

/// The value of every secret; it must show nowhere but in the requests.
pub const PLANTED: &str = "planted-secret-value";

/// A simulator with orgs, and a state to run in.
pub struct Lab {
    pub sim: Sim,
    pub state: Arc<dyn State>,
    /// How the runs of [`Lab::apply`] ended.
    pub finished: Mutex<Vec<Finished>>,
    /// Plans create users by SCIM.
    pub scim: bool,
}

impl Lab {
    /// Starts a simulator with the named orgs.
    pub async fn with_orgs<const N: usize>(names: [&str; N]) -> Self {
        Self::configured(Config::with_orgs(names)).await
    }

    /// Starts a simulator with the named orgs, whose home divisions have these names.
    pub async fn with_homes<const N: usize>(orgs: [(&str, &str); N]) -> Self {
        let mut config = Config::with_orgs(orgs.map(|(name, _)| name));
        for (spec, (_, home)) in config.orgs.iter_mut().zip(orgs) {
            spec.home_division_name = home.to_owned();
        }
        Self::configured(config).await
    }

    /// Starts a simulator.
    pub async fn configured(config: Config) -> Self {
        let names: Vec<String> = config.orgs.iter().map(|org| org.name.clone()).collect();
        let sim = Sim::start(config).await.expect("a free port");
        for name in &names {
            numbers(&sim, name);
        }
        Self {
            sim,
            state: Arc::new(Memory::new()),
            finished: Mutex::default(),
            scim: false,
        }
    }

    /// Returns an org that can be talked to.
    pub fn org(&self, name: &str) -> Org {
        self.org_by(name, name)
    }

    /// Returns an org that is talked to by a client of that name.
    pub fn org_by(&self, name: &str, client: &str) -> Org {
        let url: url::Url = self.sim.base_url().parse().expect("a URL");
        let credentials = Credentials {
            client_id: format!("{client}-client"),
            secret: format!("{client}-secret").into(),
        };
        let client = Client::builder(Endpoint::base_url(url), credentials)
            .org(name)
            .tokens(10)
            .seed(7)
            .build()
            .expect("a client");
        Org {
            name: OrgName::new(name),
            region: None,
            client,
        }
    }

    /// Reads a whole org.
    pub async fn read(&self, name: &str) -> Snapshot {
        let scope = Scope {
            kinds: every_kind(),
            deleted: true,
            ..Scope::default()
        };
        collect(
            &self.org(name),
            Catalogue::builtin(),
            &scope,
            &Events::none(),
        )
        .await
        .expect("an org that can be reached")
    }

    /// Reads an org as a target for a bundle.
    pub async fn read_for(&self, name: &str, desired: &Bundle) -> Snapshot {
        let scope = Scope {
            in_full: Some(
                desired
                    .documents
                    .keys()
                    .cloned()
                    .collect::<BTreeSet<ObjectRef>>(),
            ),
            kinds: every_kind(),
            deleted: true,
            ..Scope::default()
        };
        collect(
            &self.org(name),
            Catalogue::builtin(),
            &scope,
            &Events::none(),
        )
        .await
        .expect("an org that can be reached")
    }

    /// Exports an org.
    pub async fn export(&self, name: &str) -> Bundle {
        self.read(name)
            .await
            .to_bundle(Catalogue::builtin(), &BTreeMap::new())
            .0
    }

    /// Plans a bundle against an org.
    pub async fn plan(&self, desired: &Bundle, target: &str) -> Plan {
        let live = self.read_for(target, desired).await;
        let options = Options {
            scim: self.scim,
            ..Options::default()
        };
        Planner::new(Catalogue::builtin(), options).plan(desired, &live)
    }

    /// Carries out a plan.
    pub async fn run(&self, plan: &Plan, target: &str) -> Finished {
        self.try_run(plan, target).await.expect("a run")
    }

    /// Carries out a plan, if it can begin.
    pub async fn try_run(&self, plan: &Plan, target: &str) -> Result<Finished, RunError> {
        self.run_in(plan, target, self.state.clone()).await
    }

    /// Carries out a plan with another state.
    pub async fn run_in(
        &self,
        plan: &Plan,
        target: &str,
        state: Arc<dyn State>,
    ) -> Result<Finished, RunError> {
        self.run_by(plan, &self.org(target), state).await
    }

    /// Carries out a plan by the client that an org is talked to by.
    pub async fn run_by(
        &self,
        plan: &Plan,
        org: &Org,
        state: Arc<dyn State>,
    ) -> Result<Finished, RunError> {
        self.run_with(plan, org, state, Brake::On).await
    }

    /// Carries out a plan by a client, though it may delete much.
    pub async fn run_forced(&self, plan: &Plan, org: &Org) -> Finished {
        let state = Arc::new(Memory::new());
        let finished = self.run_with(plan, org, state, Brake::Forced).await;
        finished.expect("a run")
    }

    async fn run_with(
        &self,
        plan: &Plan,
        org: &Org,
        state: Arc<dyn State>,
        brake: Brake,
    ) -> Result<Finished, RunError> {
        let events = Events::none();
        let ids: BTreeMap<ObjectRef, SourceId> = BTreeMap::new();
        let checked = check(plan.clone(), [], brake).unwrap_or_else(|no| panic!("{no}"));
        let approval = Approval {
            digest: checked.digest().to_owned(),
        };
        let runner = runner(org, state, &events);
        runner
            .start(&checked, &approval, &secrets(checked.secrets()), &ids)
            .await
    }

    /// Takes a run up again.
    pub async fn resume(&self, run: &RunId, target: &str) -> Finished {
        self.resume_by(run, &self.org(target)).await
    }

    /// Takes a run up again by the client that an org is talked to by.
    pub async fn resume_by(&self, run: &RunId, org: &Org) -> Finished {
        let events = Events::none();
        let plan = load_plan(&*self.state, run, &org.name)
            .await
            .expect("a plan");
        let checked = check(plan, [], Brake::Forced).unwrap_or_else(|no| panic!("{no}"));
        let runner = runner(org, self.state.clone(), &events);
        runner
            .resume(run, &secrets(checked.secrets()))
            .await
            .expect("a run that goes on")
    }

    /// Returns the requests that could change an org, without reads and searches.
    pub fn writes(&self, org: &str) -> Vec<Entry> {
        let of = |entry: &Entry| entry.org.as_deref() == Some(org);
        self.sim
            .ledger()
            .into_iter()
            .filter(|entry| of(entry) && entry.may_change())
            .collect()
    }

    /// Checks that no object was created twice: every successful creation has a body of its own.
    pub fn expect_no_double(&self, org: &str) {
        assert_eq!(self.doubles(org), Vec::<String>::new());
    }

    /// Lists the requests that made something that another had made before.
    pub fn doubles(&self, org: &str) -> Vec<String> {
        let mut doubles = Vec::new();
        let mut seen = BTreeMap::new();
        // Files go up again, and adding a member again adds nobody.
        let harmless = ["/jobs", "/uploads", "/bulk", "/members"];
        for entry in self.writes(org) {
            let creates = entry.method == "POST"
                && entry.object.is_some()
                && !harmless.iter().any(|end| entry.path.ends_with(end))
                && !(entry.path.contains("/queues/") && entry.path.ends_with("/wrapupcodes"));
            if creates
                && let Some(first) = seen.insert((entry.path.clone(), entry.body_sha256), entry.seq)
            {
                doubles.push(format!(
                    "{} was sent twice: requests {first} and {}",
                    entry.path, entry.seq
                ));
            }
        }
        doubles
    }

    /// Returns the id of the object of a kind, by the simulator's names, whose field has a value.
    pub fn id_of(&self, org: &str, kind: &str, field: &str, value: &str) -> String {
        let objects = self.sim.objects(org, kind);
        let found = objects.iter().find(|object| object[field] == value);
        found
            .and_then(|found| found["id"].as_str())
            .expect("the object")
            .to_owned()
    }

    /// Plans and carries out, and expects every step to be done.
    pub async fn apply(&self, desired: &Bundle, target: &str) -> Plan {
        let plan = self.plan(desired, target).await;
        assert_eq!(plan.conflicts, []);
        let finished = self.run(&plan, target).await;
        assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
        self.finished.lock().expect("no panic").push(finished);
        plan
    }
}

/// Names every kind, those that are read on request as well.
pub fn every_kind() -> BTreeSet<Kind> {
    let kinds = Catalogue::builtin().iter();
    kinds.map(|descriptor| descriptor.kind.clone()).collect()
}

/// Says which steps are not done, and why.
pub fn told(plan: &Plan, finished: &Finished) -> String {
    let open = plan.steps.iter().filter_map(|step| {
        let state = finished.outcome.states.get(&step.id)?;
        (!state.is_done()).then(|| format!("{}: {state:?}", step.id))
    });
    format!(
        "{:?}\n{}",
        finished.outcome.error,
        open.collect::<Vec<_>>().join("\n")
    )
}

fn runner<'r>(org: &'r Org, state: Arc<dyn State>, events: &'r Events) -> Runner<'r> {
    Runner {
        org,
        catalogue: Catalogue::builtin(),
        state,
        owner: Owner::new("the test"),
        abandoned: |owner| owner.as_str() == "the dead",
        limits: Limits {
            parallelism: 10,
            visibility: Some(Duration::ZERO),
            ..Limits::default()
        },
        stop: Stop::default(),
        onboards: false,
        run: None,
        events,
    }
}

fn secrets(names: &BTreeSet<String>) -> Secrets {
    names
        .iter()
        .map(|name| (name.clone(), Secret::new(PLANTED.to_owned())))
        .collect()
}

/// Returns a small contact centre: a circle of queue and flow, managers, members with rings, a
/// table, a prompt with audio, an integration with a credential and an action.
pub fn sketch() -> Bundle {
    let mut bundle = Bundle::default();
    bundle.source.org_name = "sketch".to_owned();
    let home = json!({"$ref": "auth_division/~home"});
    let mut add = |object: &str, body: Value, files: &[(&str, &[u8])]| {
        let object: ObjectRef = object.parse().expect("a reference");
        let Value::Object(body) = body else {
            panic!("{object} is no object")
        };
        let files = files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), Arc::from(*bytes)))
            .collect();
        bundle.insert(Portable {
            object,
            body,
            files,
        });
    };
    add(
        "auth_division/Claims",
        json!({"name": "Claims", "description": "claims"}),
        &[],
    );
    for skill in ["Billing", "Claims"] {
        let name = format!("routing_skill/{skill}");
        add(&name, json!({"name": skill, "division": home}), &[]);
    }
    add(
        "routing_wrapupcode/Done",
        json!({"name": "Done", "division": home}),
        &[],
    );
    add(
        "user/boss@example.com",
        json!({"name": "Boss", "email": "boss@example.com", "state": "active", "division": home}),
        &[],
    );
    for (name, ring) in [("ana", 1), ("ben", 2)] {
        add(
            &format!("user/{name}@example.com"),
            json!({
                "name": name, "email": format!("{name}@example.com"), "state": "active",
                "division": home, "manager": {"$ref": "user/boss@example.com"}, "title": format!("Agent {ring}"),
                "skills": [{"id": {"$ref": "routing_skill/Billing"}, "proficiency": ring}],
            }),
            &[],
        );
    }
    add(
        "group/Backup",
        json!({
            "name": "Backup", "type": "official", "visibility": "public", "rulesVisible": true,
            "description": "stands in", "members": [{"$ref": "user/ana@example.com"}],
        }),
        &[],
    );
    add(
        "architect_user_prompt/Hello",
        json!({
            "name": "Hello", "description": "greets",
            "resources": [{"language": "en-us", "ttsString": "Hello"}, {"language": "de-de", "text": "audio"}],
        }),
        &[("de-de.wav", &wav())],
    );
    add(
        "architect_datatable/Shops",
        json!({
            "name": "Shops", "division": home,
            "schema": {
                "$schema": "http://json-schema.org/draft-04/schema#", "type": "object",
                "additionalProperties": false, "required": ["key"],
                "properties": {
                    "key": {"title": "Postcode", "type": "string", "$id": "/properties/key", "displayOrder": 0},
                    "Open": {"title": "Open", "type": "boolean", "$id": "/properties/Open", "displayOrder": 1, "default": false},
                },
            },
            "rows": [{"key": "1000", "Open": true}, {"key": "2000", "Open": false}, {"key": "3, \"x\"", "Open": true}],
        }),
        &[],
    );
    add(
        "flow/inqueuecall/Wait",
        json!({"name": "Wait", "type": "INQUEUECALL", "division": home}),
        &[(FLOW_SOURCE, FLOW.as_bytes())],
    );
    add(
        "routing_queue/Billing",
        json!({
            "name": "Billing", "division": {"$ref": "auth_division/Claims"}, "description": "bills",
            "queueFlow": {"$ref": "flow/inqueuecall/Wait"},
            "members": [
                {"user": {"$ref": "user/ana@example.com"}},
                {"user": {"$ref": "user/ben@example.com"}, "ringNumber": 2},
            ],
            "bullseye": {"rings": [
                {"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 10}]},
                {"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 10}]},
            ]},
            "wrapUpCodes": [{"$ref": "routing_wrapupcode/Done"}],
        }),
        &[],
    );
    add(
        "integration_credential/basicAuth/CRM",
        json!({
            "name": "CRM", "type": {"name": "basicAuth"},
            "credentialFields": {"userName": {"$secret": "CRM/userName"}, "password": {"$secret": "CRM/password"}},
        }),
        &[],
    );
    add(
        "integration/custom-rest-actions/CRM",
        json!({
            "name": "CRM", "integrationType": {"id": "custom-rest-actions"}, "intendedState": "ENABLED",
            "config": {
                "name": "CRM", "notes": "", "properties": {}, "advanced": {},
                "credentials": {"basicAuth": {"$ref": "integration_credential/basicAuth/CRM"}},
            },
        }),
        &[],
    );
    orgsmith_core::validate::normalise(Catalogue::builtin(), &mut bundle);
    bundle
}

/// An in-queue flow that names the queue whose callers wait in it.
const FLOW: &str = "inqueueCall:
  name: Wait
  division: Home
  startUpRef: /inqueueCall/tasks/task[Start_10]
  defaultLanguage: en-us
  supportedLanguages:
    en-us:
      defaultLanguageSkill:
        noValue: true
  settingsInQueueCall:
    holdMusic:
      lit:
        name: PromptSystem.on_hold_music
  tasks:
    - task:
        name: Start
        refId: Start_10
        actions:
          - transferToAcd:
              name: Again
              targetQueue:
                lit:
                  name: Billing
";

/// Returns a tenth of a second of silence.
fn wav() -> Vec<u8> {
    let samples = 800_u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(8_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(samples.to_le_bytes());
    wav.extend(std::iter::repeat_n(0x80, samples as usize));
    wav
}

/// Sets a field of a document.
pub fn edit(bundle: &mut Bundle, object: &str, field: &str, value: Value) {
    let object: ObjectRef = object.parse().expect("a reference");
    let mut document = bundle.documents[&object].open();
    document.body.insert(field.to_owned(), value);
    bundle.insert(document);
}

/// Gives an org the numbers that the gold image speaks of.
fn numbers(sim: &Sim, org: &str) {
    for (name, start, end) in [
        ("Indianapolis", "+13175550140", "+13175550159"),
        ("München", "+498999998000", "+498999998019"),
    ] {
        let pool = json!({ "name": name, "startPhoneNumber": start, "endPhoneNumber": end });
        sim.seed(
            org,
            "POST",
            "/api/v2/telephony/providers/edges/didpools",
            pool,
        )
        .expect("a pool");
    }
}

/// Reads a bundle of the repository's examples.
pub fn example(name: &str) -> Bundle {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let mut bundle = orgsmith_store::bundle::read(&path)
        .expect("an example")
        .bundle;
    orgsmith_core::validate::normalise(Catalogue::builtin(), &mut bundle);
    bundle
}
