//! Two simulated orgs, and the road from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orgsmith_client::{Client, Credentials, Endpoint};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Approval, Brake, check};
use orgsmith_core::id::{ObjectRef, OrgName, SourceId};
use orgsmith_core::plan::{Options, Plan, Planner};
use orgsmith_core::secret::Secret;
use orgsmith_core::snapshot::Snapshot;
use orgsmith_engine::{Events, Finished, Limits, Org, Runner, Scope, Secrets, Stop, collect};
use orgsmith_sim::{Config, Sim};
use orgsmith_store::state::{Memory, Owner, State};
use serde_json::json;

/// The value of every secret; it must show nowhere but in the requests.
pub const PLANTED: &str = "planted-secret-value";

/// A simulator with orgs, and a state to run in.
pub struct Lab {
    pub sim: Sim,
    pub state: Arc<dyn State>,
}

impl Lab {
    /// Starts a simulator with the named orgs.
    pub async fn with_orgs<const N: usize>(names: [&str; N]) -> Self {
        Self::configured(Config::with_orgs(names)).await
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
        }
    }

    /// Returns an org that can be talked to.
    pub fn org(&self, name: &str) -> Org {
        let url: url::Url = self.sim.base_url().parse().expect("a URL");
        let credentials = Credentials {
            client_id: format!("{name}-client"),
            secret: format!("{name}-secret").into(),
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
        Planner::new(Catalogue::builtin(), Options::default()).plan(desired, &live)
    }

    /// Carries out a plan.
    pub async fn run(&self, plan: &Plan, target: &str) -> Finished {
        let org = self.org(target);
        let events = Events::none();
        let runner = Runner {
            org: &org,
            catalogue: Catalogue::builtin(),
            state: self.state.clone(),
            owner: Owner::new("the test"),
            limits: Limits {
                parallelism: 10,
                visibility: Some(Duration::ZERO),
            },
            stop: Stop::default(),
            events: &events,
        };
        let ids: BTreeMap<ObjectRef, SourceId> = BTreeMap::new();
        let checked =
            check(plan.clone(), [], Brake::On).unwrap_or_else(|rejected| panic!("{rejected}"));
        let approval = Approval {
            digest: checked.digest().to_owned(),
        };
        let secrets: Secrets = checked
            .secrets()
            .iter()
            .map(|name| (name.clone(), Secret::new(PLANTED.to_owned())))
            .collect();
        runner
            .start(&checked, &approval, &secrets, &ids)
            .await
            .expect("a run")
    }

    /// Plans and carries out, and expects every step to be done.
    pub async fn apply(&self, desired: &Bundle, target: &str) -> Plan {
        let plan = self.plan(desired, target).await;
        assert_eq!(plan.conflicts, []);
        let finished = self.run(&plan, target).await;
        assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
        plan
    }
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
