//! A folder with a project, a simulator it speaks of, and the program.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orgsmith_sim::{ClientSpec, Config, OrgSpec, Sim};
use regex_lite::Regex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The value of every secret; it must show nowhere.
pub const PLANTED: &str = "planted-secret-value";

/// Two orgs `gold` and `tenant`, and a client `weak` of `gold` that may only read skills.
pub struct Lab {
    pub sim: Sim,
    dir: TempDir,
    _runtime: Runtime,
}

/// What a command said, without what changes from run to run.
pub struct Shown {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exit,
            stdout,
            stderr,
        } = self;
        write!(f, "exit {exit}\n-- stdout\n{stdout}-- stderr\n{stderr}")
    }
}

impl Shown {
    /// Returns the output, where the command ended as it should.
    #[track_caller]
    pub fn ends(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self}");
        self
    }
}

impl Lab {
    pub fn new() -> Self {
        let mut config = Config::with_orgs(["gold", "tenant"]);
        config.orgs[0].clients.push(
            ClientSpec::new("weak-client", "weak-secret")
                .permissions(["routing:skill:view", "authorization:division:view"]),
        );
        Self::of(config)
    }

    pub fn of(config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let orgs = config.orgs.clone();
        let sim = runtime.block_on(Sim::start(config)).expect("a free port");
        let lab = Self {
            sim,
            dir: TempDir::new().expect("a folder"),
            _runtime: runtime,
        };
        lab.write("orgsmith.yaml", lab.project(&orgs));
        lab
    }

    fn project(&self, orgs: &[OrgSpec]) -> String {
        let mut text = String::from("defaults: {tokens: 10, visibility_wait_s: 0}\norgs:\n");
        for client in orgs.iter().flat_map(|org| &org.clients) {
            let name = client.id.trim_end_matches("-client");
            let pair = format!(
                "client_id: {}\nclient_secret: {}\n",
                client.id, client.secret
            );
            self.private(&format!("{name}.yaml"), &pair);
            text.push_str(&format!(
                "  {name}:\n    base_url: {}\n    credential: {{file: {name}.yaml}}\n",
                self.sim.base_url()
            ));
        }
        text
    }

    /// Adds lines to the project file.
    pub fn configure(&self, more: &str) {
        let text = fs::read_to_string(self.path("orgsmith.yaml")).expect("a project");
        self.write("orgsmith.yaml", &(text + more));
    }

    /// Adds lines to what the project file says of an org.
    pub fn configure_org(&self, org: &str, more: &str) {
        let text = fs::read_to_string(self.path("orgsmith.yaml")).expect("a project");
        let head = format!("\n  {org}:\n");
        assert!(text.contains(&head), "no {org} in {text}");
        self.write(
            "orgsmith.yaml",
            text.replacen(&head, &(head.clone() + more), 1),
        );
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Writes a file that only its owner may read.
    pub fn private(&self, name: &str, content: &str) {
        self.write(name, content);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(self.path(name), mode).expect("our own file");
        }
    }

    /// Writes a file with a value for every secret of the gold org.
    pub fn gold_secrets(&self, name: &str) {
        let names = [
            "payments/api-key",
            "payments/merchant-id",
            "policy-api/password",
            "policy-api/user",
            "public-api/client-id",
            "public-api/client-secret",
            "Flows on Public API/clientId",
            "Flows on Public API/clientSecret",
            "NM Policy API/password",
            "NM Policy API/userName",
            "NM Payments/apiKey",
            "NM Payments/merchantId",
        ];
        let values: String = names
            .iter()
            .map(|name| format!("{name:?}: {PLANTED}\n"))
            .collect();
        self.private(name, &values);
    }

    /// Returns the id of the last run, which what is shown hides.
    pub fn last_run(&self) -> String {
        let output = self.command(&["runs", "-o", "json"]).output();
        let output = output.expect("the program runs");
        let runs: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        runs[0]["run"].as_str().expect("an id").to_owned()
    }

    /// Prepares a command in the folder, with an environment of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orgsmith"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Shown {
        self.finish(self.command(arguments))
    }

    /// Runs a prepared command to its end.
    pub fn finish(&self, mut command: Command) -> Shown {
        let output = command.output().expect("the program");
        let text = |bytes: Vec<u8>| self.settled(&String::from_utf8(bytes).expect("UTF-8"));
        Shown {
            exit: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Puts words in the place of what changes from run to run.
    fn settled(&self, text: &str) -> String {
        assert!(!text.contains(PLANTED), "a secret shows: {text}");
        let mut text = text
            .replace(self.sim.base_url(), "<sim>")
            .replace(&self.dir.path().display().to_string(), "<lab>");
        for (pattern, word) in [
            (r"blake3:[0-9a-f]{32}", "<blake3>"),
            (r"sha256:[0-9a-f]{64}", "<sha256>"),
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "<id>",
            ),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
            (r"in \d+\.\d s", "in <time>"),
            (r"127\.0\.0\.1:\d+", "<address>"),
        ] {
            text = Regex::new(pattern)
                .expect("a pattern")
                .replace_all(&text, word)
                .into_owned();
        }
        text
    }

    /// Makes a small bundle: a division, two skills, a queue that has a skill's division.
    pub fn sketch(&self, name: &str) {
        for (file, text) in [
            (
                "auth_division/Sales.yaml",
                "name: Sales\ndescription: Sells\n",
            ),
            (
                "routing_skill/Quotes.yaml",
                "name: Quotes\ndivision: {$ref: auth_division/Sales}\n",
            ),
            (
                "routing_skill/Renewals.yaml",
                "name: Renewals\ndivision: {$ref: auth_division/Sales}\n",
            ),
            ("routing_language/English.yaml", "name: English\n"),
        ] {
            self.write(&format!("{name}/{file}"), text);
        }
    }

    /// Counts the writes that the simulator saw.
    pub fn writes(&self, org: &str) -> usize {
        let ledger = self.sim.ledger();
        let writes = ledger
            .iter()
            .filter(|entry| entry.org.as_deref() == Some(org) && entry.may_change());
        writes.count()
    }
}

/// Returns the path of one of the repository's examples.
pub fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    root.join(name).display().to_string()
}
