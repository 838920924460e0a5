//! What a command needs to talk to orgs: the project, the clients, the state, and Ctrl-C.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use orgsmith_client::{Builder, Client};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{ObjectRef, OrgName, RunId};
use orgsmith_core::overlay::Overlay;
use orgsmith_engine::{Budget, Limits, Org, Probes, Secrets, Stop};
#[cfg(feature = "object-store")]
use orgsmith_store::state::Objects;
use orgsmith_store::state::{Sql, State};

use futures::FutureExt;
use tokio::sync::{Notify, OnceCell};

use crate::args::{Carry, Global, Spend};
use crate::config::{self, Config, OrgSettings, StatePlace};
use crate::error::{Exit, Failure};
use crate::keys::{self, KeyRing};
use crate::output::Out;
use crate::quota::Quotas;

/// What a command works with.
pub(crate) struct Session<'o> {
    pub(crate) out: &'o Out,
    pub(crate) config: Arc<Config>,
    /// What bundles are opened with.
    pub(crate) keys: Arc<KeyRing>,
    state_place: StatePlace,
    state: Arc<OnceCell<Arc<dyn State>>>,
    quotas: Arc<Quotas>,
    /// Values of secrets that programs and services gave.
    pub(crate) secrets: Arc<tokio::sync::Mutex<Secrets>>,
    /// What came of asking URLs of other systems.
    pub(crate) probes: Arc<Probes>,
    clients: Clients,
    /// The id that the next run is to have, where that was decided before.
    run: Option<RunId>,
    interrupt: Interrupt,
    began: Instant,
}

/// The clients of a process: whatever it does in an org shares the tokens and the quota.
#[derive(Clone, Default)]
pub(crate) struct Clients {
    made: Arc<Mutex<BTreeMap<String, Client>>>,
    lasting: bool,
    background: bool,
}

impl Clients {
    /// Returns those of a process that stays: each serves whoever comes later, too.
    pub(crate) fn of_service() -> Self {
        Self {
            lasting: true,
            ..Self::default()
        }
    }

    /// Returns the same clients for work that nobody waits for: that of others goes first.
    pub(crate) fn in_background(&self) -> Self {
        Self {
            background: true,
            ..self.clone()
        }
    }

    /// Returns the client of an org, if there is one yet.
    pub(crate) fn get(&self, org: &str) -> Option<Client> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(org).cloned()
    }

    fn get_or_build(&self, org: &str, builder: Builder) -> anyhow::Result<Client> {
        let mut clients = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.get(org) {
            Some(client) => client,
            None => {
                // Another may be another name of the same org.
                let builder = clients.values().fold(builder, Builder::beside);
                clients
                    .entry(org.to_owned())
                    .or_insert(build(org, builder)?)
            }
        };
        Ok(match self.background {
            true => client.in_background(),
            false => client.clone(),
        })
    }
}

/// An org that can be talked to, and what the project says of it.
pub(crate) struct Connected {
    pub(crate) org: Org,
    pub(crate) settings: OrgSettings,
    /// What is different there.
    pub(crate) overlay: Overlay,
    /// Where the credential was found.
    pub(crate) credential: String,
    /// The OAuth client.
    pub(crate) client_id: String,
    /// What is wrong with the place.
    warning: Option<String>,
}

impl Connected {
    /// Returns how much is written at once, and how much in all.
    pub(crate) fn limits(&self, session: &Session<'_>, carry: &Carry) -> Limits {
        Limits {
            parallelism: carry.parallelism.into(),
            visibility: self.settings.visibility_wait_s.map(Duration::from_secs),
            budget: session.budget(carry.budget.unwrap_or_default()),
            stop_on_error: carry.stop_on_error,
        }
    }
}

/// Runs a command on a runtime of its own; Ctrl-C ends it, gently while it writes.
pub(crate) fn block_on<'o, F>(
    global: &Global,
    out: &'o Out,
    command: impl FnOnce(Arc<Session<'o>>) -> F,
) -> anyhow::Result<Exit>
where
    F: Future<Output = anyhow::Result<Exit>>,
{
    let config = keys::load(global)?;
    let keys = KeyRing::new(global.identity.clone(), &config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start")?;
    let result = runtime.block_on(async {
        let session = Arc::new(Session::new(out, config, keys, global.state.as_deref())?);
        let interrupt = session.interrupt.clone();
        let quotas = session.quotas.clone();
        // Listened to before anything begins: until then Ctrl-C would kill.
        let signals = Signals::listen().context("could not listen for Ctrl-C")?;
        let result = tokio::select! {
            biased;
            result = command(session) => result,
            error = interrupt.watch(signals, out) => Err(error),
        };
        quotas.give_back().await;
        result
    });
    // Whatever still runs in the background, such as a DNS query, is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

impl<'o> Session<'o> {
    /// Puts a session together; the state is where the project says, unless a place is given.
    pub(crate) fn new(
        out: &'o Out,
        config: Config,
        keys: KeyRing,
        state: Option<&str>,
    ) -> Result<Self, config::Error> {
        let state_place = config.state(state)?;
        let state = Arc::<OnceCell<_>>::default();
        Ok(Self {
            out,
            quotas: Arc::new(Quotas::new(state_place.clone(), state.clone())),
            state_place,
            config: Arc::new(config),
            keys: Arc::new(keys),
            state,
            secrets: Arc::default(),
            probes: Arc::default(),
            clients: Clients::default(),
            run: None,
            interrupt: Interrupt::default(),
            began: Instant::now(),
        })
    }

    /// Puts a session of the service together, whose parts it shares.
    pub(crate) fn of_service(
        out: &'o Out,
        (config, keys, state): (Arc<Config>, Arc<KeyRing>, Arc<dyn State>),
        clients: Clients,
    ) -> anyhow::Result<Self> {
        let state_place = config.state(None)?;
        let state = Arc::new(OnceCell::new_with(Some(state)));
        Ok(Self {
            out,
            quotas: Arc::new(Quotas::new(state_place.clone(), state.clone())),
            state_place,
            config,
            keys,
            state,
            secrets: Arc::default(),
            probes: Arc::default(),
            clients,
            run: None,
            interrupt: Interrupt::default(),
            began: Instant::now(),
        })
    }

    /// Does something for the service, whose parts it shares; `stop` ends it as Ctrl-C ends a command.
    pub(crate) async fn serving(
        out: &'o Out,
        parts: (Arc<Config>, Arc<KeyRing>, Arc<dyn State>),
        clients: Clients,
        run: Option<RunId>,
        stop: &Stop,
        work: impl AsyncFnOnce(&Session<'o>) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        let interrupt = Interrupt {
            stop: stop.child(),
            ..Interrupt::default()
        };
        let session = Self {
            run,
            interrupt: interrupt.clone(),
            ..Self::of_service(out, parts, clients)?
        };
        let stopped = async {
            stop.asked().await;
            // What writes ends by itself, once what it has begun is done.
            while interrupt.writing.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            biased;
            result = work(&session) => result,
            () = stopped => Err(Failure::Interrupted.into()),
        }
    }

    /// Returns what may be used, counted from the start of the command.
    pub(crate) fn budget(&self, spend: Spend) -> Budget {
        Budget {
            calls: spend.calls,
            until: spend.time.map(|time| self.began + time),
        }
    }

    /// Returns the id that the next run is to have, where that was decided before.
    pub(crate) fn run(&self) -> Option<RunId> {
        self.run.clone()
    }

    /// Returns the same session, which speaks to another output: that of one org of several.
    pub(crate) fn speaking<'b>(&self, out: &'b Out) -> Session<'b> {
        Session {
            out,
            config: self.config.clone(),
            keys: self.keys.clone(),
            state_place: self.state_place.clone(),
            state: self.state.clone(),
            quotas: self.quotas.clone(),
            secrets: self.secrets.clone(),
            probes: self.probes.clone(),
            clients: self.clients.clone(),
            run: self.run.clone(),
            interrupt: self.interrupt.clone(),
            began: self.began,
        }
    }

    /// Returns the catalogue; reading it takes a moment, so only commands that need it ask.
    #[expect(
        clippy::unused_self,
        reason = "commands ask their session for everything"
    )]
    pub(crate) fn catalogue(&self) -> &'static Catalogue {
        Catalogue::builtin()
    }

    /// Makes the client of an org. Nothing is sent yet.
    pub(crate) fn connect(&self, name: &str) -> anyhow::Result<Connected> {
        let connected = self.connect_by(name, None)?;
        if let Some(warning) = &connected.warning {
            self.out.warn(warning);
        }
        Ok(connected)
    }

    /// Makes a client of an org for a few calls, by one token.
    pub(crate) fn connect_briefly(&self, name: &str) -> anyhow::Result<Connected> {
        self.connect_by(name, Some(1))
    }

    fn connect_by(&self, name: &str, tokens: Option<usize>) -> anyhow::Result<Connected> {
        let settings = self.config.org(name)?;
        let found = config::find(&settings, self.config.folder())?;
        let client_id = found.credentials.client_id.clone();
        let (requests, window) = (settings.quota_per_minute, Duration::from_secs(60));
        // A client that is kept serves whoever comes later, too.
        let tokens = tokens.filter(|_| !self.clients.lasting);
        // A few calls by a token of their own are nobody's loss.
        let share = tokens.is_none().then(|| {
            let pool = format!("{client_id} {:?}", settings.endpoint);
            let most = u32::try_from(settings.tokens).unwrap_or(u32::MAX);
            let total = requests.saturating_mul(most);
            self.quotas.share(pool, total, window)
        });
        let builder = Client::builder(settings.endpoint.clone(), found.credentials)
            .org(name)
            .tokens(tokens.unwrap_or(settings.tokens))
            .quota(requests, window);
        let client = match share {
            Some(share) => self.clients.get_or_build(name, builder.share(share))?,
            None => build(name, builder)?,
        };
        let overlay = match settings.overlay.is_plain() && self.config.project.variables.is_empty()
        {
            true => Overlay::default(),
            false => settings
                .overlay
                .overlay(self.catalogue(), &self.config.project.variables)
                .map_err(|message| config::Error::Org {
                    org: name.to_owned(),
                    message,
                })?,
        };
        Ok(Connected {
            org: Org {
                name: OrgName::new(name),
                region: settings.region.map(|region| region.name().to_owned()),
                client,
            },
            settings,
            overlay,
            credential: found.from,
            client_id,
            warning: found.warning,
        })
    }

    /// Opens the state, once.
    pub(crate) async fn state(&self) -> anyhow::Result<Arc<dyn State>> {
        let state = self.state.get_or_try_init(|| open(&self.state_place));
        state.await.cloned()
    }

    /// Opens the state, if there is one: looking at it creates none.
    pub(crate) async fn state_if_any(&self) -> anyhow::Result<Option<Arc<dyn State>>> {
        if self.state_place.may_exist() {
            self.state().await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Returns where the state is, as it may be shown.
    pub(crate) fn state_place(&self) -> &StatePlace {
        &self.state_place
    }

    /// Returns which of several objects with one key is meant in an org.
    pub(crate) async fn pins(&self, org: &OrgName) -> anyhow::Result<BTreeMap<ObjectRef, String>> {
        let Some(state) = self.state_if_any().await? else {
            return Ok(BTreeMap::new());
        };
        let text = |id: &orgsmith_core::id::TargetId| id.as_str().to_owned();
        let pins = state.pins(org).await?;
        Ok(pins
            .iter()
            .map(|(object, id)| (object.clone(), text(id)))
            .collect())
    }

    /// Waits for Ctrl-C, which then is how the command ends and no interruption.
    pub(crate) async fn until_stopped(&self) {
        self.interrupt.expected.store(true, Ordering::Relaxed);
        self.interrupt.came.notified().await;
    }

    /// Runs something that writes: Ctrl-C then asks it to end instead of ending it.
    pub(crate) async fn writing<T>(&self, work: impl AsyncFnOnce(Stop) -> T) -> T {
        self.interrupt.writing.fetch_add(1, Ordering::Relaxed);
        let result = work(self.interrupt.stop.clone()).await;
        self.interrupt.writing.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

fn build(org: &str, builder: Builder) -> anyhow::Result<Client> {
    builder.build().with_context(|| format!("org {org}"))
}

/// Opens a state.
pub(crate) async fn open(place: &StatePlace) -> anyhow::Result<Arc<dyn State>> {
    Ok(match place {
        StatePlace::File(_) | StatePlace::Postgres(_) => open_database(place).await?,
        #[cfg(feature = "object-store")]
        StatePlace::Objects(address) => Arc::new(Objects::open(address).await?),
        #[cfg(not(feature = "object-store"))]
        StatePlace::Objects(address) => anyhow::bail!(
            "the state {address}: this orgsmith was built without the feature `object-store`"
        ),
    })
}

/// Opens a state that is in a database.
pub(crate) async fn open_database(place: &StatePlace) -> anyhow::Result<Arc<Sql>> {
    Ok(Arc::new(match place {
        StatePlace::File(path) => {
            if let Some(folder) = path.parent() {
                private_folder(folder)
                    .with_context(|| format!("could not create {}", folder.display()))?;
            }
            Sql::sqlite(path).await?
        }
        StatePlace::Postgres(address) => Sql::postgres(address).await?,
        StatePlace::Objects(address) => {
            let why =
                format!("the state {address} is no database; this needs SQLite or PostgreSQL");
            return Err(Failure::Usage(why).into());
        }
    }))
}

/// Makes a folder, and those above it, for its owner alone; one that is there stays as it is.
fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Turns Ctrl-C into an end: at once while nothing is written, gently while something is.
#[derive(Clone, Default)]
struct Interrupt {
    stop: Stop,
    /// How many write.
    writing: Arc<AtomicUsize>,
    /// The command waits for it.
    expected: Arc<AtomicBool>,
    /// Then it came.
    came: Arc<Notify>,
}

impl Interrupt {
    async fn watch(&self, mut signals: Signals, out: &Out) -> anyhow::Error {
        loop {
            signals.next().await;
            if self.expected.load(Ordering::Relaxed) {
                self.came.notify_one();
                continue;
            }
            if self.writing.load(Ordering::Relaxed) == 0 {
                return Failure::Interrupted.into();
            }
            if self.stop.is_asked() {
                // The journal knows what was under way; `resume` clears it up.
                return anyhow::Error::new(Failure::Killed);
            }
            self.stop.ask();
            out.warn("ending after the steps under way; Ctrl-C again ends at once");
        }
    }
}

/// Ctrl-C, being asked to terminate, and a terminal that is closed, from when it is made on.
struct Signals {
    #[cfg(unix)]
    streams: Vec<tokio::signal::unix::Signal>,
    #[cfg(windows)]
    streams: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !ignores_hangup() {
            kinds.push(SignalKind::hangup());
        }
        let streams = kinds.into_iter().map(signal).collect::<Result<_, _>>()?;
        Ok(Self { streams })
    }

    #[cfg(windows)]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            streams: tokio::signal::windows::ctrl_c()?,
        })
    }

    /// Waits for the next of them.
    async fn next(&mut self) {
        #[cfg(unix)]
        {
            let each = self.streams.iter_mut();
            futures::future::select_all(each.map(|stream| stream.recv().boxed())).await;
        }
        #[cfg(windows)]
        {
            self.streams.recv().await;
        }
    }
}

/// Tells whether somebody, such as `nohup`, wants this process to outlive its terminal.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Where it cannot be told, the signal stays what it was.
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_none_or(|mask| mask & HANGUP != 0)
}
