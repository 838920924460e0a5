//! A secret of its own in every place that can hold one, and a search through all that is written.
//!
//! Each secret begins with a word that is nowhere else. The word is searched for, as it is and in
//! base 64, in what each command says and in every file that it leaves, unpacked.

mod service;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use orgsmith_sim::{ClientSpec, Config, FaultAction, FaultRule, OrgSpec};
use serde_json::{Value, json};

use crate::http;
use crate::lab::Lab;

/// What every planted secret begins with.
const WORD: &str = "c4n4ry";

/// Makes the secret of a place, with what is written differently in JSON, YAML and URLs.
fn secret(place: &str) -> String {
    format!("{WORD}-{place}-\"x\\y&z")
}

/// Makes the secret of a place that takes letters only.
fn plain(place: &str) -> String {
    format!("{WORD}-{place}-xyz")
}

/// The word as it may be written: as it is, and in base 64 wherever it stands in what is encoded.
fn needles(more: &[String]) -> Vec<Vec<u8>> {
    let mut needles = vec![WORD.as_bytes().to_vec()];
    for shift in 0..3 {
        let shifted = format!("{}{WORD}", "-".repeat(shift));
        let text = STANDARD_NO_PAD.encode(&shifted);
        // Only what depends on the word alone: whole groups of three bytes.
        let from = if shift == 0 { 0 } else { 4 };
        let until = shifted.len() / 3 * 4;
        needles.push(text.as_bytes()[from..until].to_vec());
    }
    needles.extend(more.iter().map(|text| text.as_bytes().to_vec()));
    needles
}

/// Collects all that was written, and unpacks it.
#[derive(Default)]
struct Written(Vec<(String, Vec<u8>)>);

impl Written {
    fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.unpack(name, &bytes, 0);
        self.0.push((name.to_owned(), bytes));
    }

    /// Looks for what is packed in bytes: zips, compressed streams at any place, long base 64.
    fn unpack(&mut self, name: &str, bytes: &[u8], depth: usize) {
        if depth > 3 {
            return;
        }
        let mut found = Vec::new();
        if bytes.starts_with(b"PK\x03\x04") {
            let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
            for at in 0..zip.len() {
                let mut entry = zip.by_index(at).expect("an entry");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("it unpacks");
                found.push((format!("{name}!{}", entry.name().expect("a name")), content));
            }
        }
        for at in 0..bytes.len().saturating_sub(2) {
            let rest = &bytes[at..];
            let mut content = Vec::new();
            let what = if rest.starts_with(&[0x1f, 0x8b]) {
                let _ = MultiGzDecoder::new(rest).read_to_end(&mut content);
                "gzip"
            } else if rest[0] == 0x78 && u16::from_be_bytes([rest[0], rest[1]]).is_multiple_of(31) {
                let _ = ZlibDecoder::new(rest).read_to_end(&mut content);
                "zlib"
            } else {
                continue;
            };
            if content.len() > 8 {
                found.push((format!("{name}@{at}:{what}"), content));
            }
        }
        let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
        for run in bytes.split(|byte| !is_code(*byte)) {
            // Shorter ones are searched for as they are.
            if run.len() < 64 {
                continue;
            }
            let decoded = [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
                .into_iter()
                .find_map(|engine| engine.decode(&run[..run.len() / 4 * 4]).ok());
            let Some(decoded) = decoded else { continue };
            let mut inflated = Vec::new();
            let _ = DeflateDecoder::new(decoded.as_slice()).read_to_end(&mut inflated);
            found.push((format!("{name}:base64"), decoded));
            found.push((format!("{name}:base64:deflate"), inflated));
        }
        for (name, content) in found {
            self.unpack(&name, &content, depth + 1);
            self.0.push((name, content));
        }
    }

    /// Returns where any of the needles stands, and what around it.
    fn search(&self, needles: &[Vec<u8>]) -> Vec<String> {
        let mut found = Vec::new();
        for (name, bytes) in &self.0 {
            for needle in needles {
                let at = bytes.windows(needle.len()).position(|part| part == needle);
                if let Some(at) = at {
                    let until = bytes.len().min(at + needle.len() + 60);
                    let around = String::from_utf8_lossy(&bytes[at.saturating_sub(120)..until]);
                    found.push(format!("{name}: …{around}…"));
                    break;
                }
            }
        }
        found
    }
}

/// A project with planted secrets, and what was written in it.
struct Garden {
    lab: Lab,
    written: Written,
    /// Files that the test wrote.
    given: BTreeSet<PathBuf>,
    commands: usize,
}

impl Garden {
    fn command(&mut self, arguments: &[&str]) -> Command {
        self.commands += 1;
        let events = format!("events-{}.jsonl", self.commands);
        let more = ["--log", "trace", "--json-into", &events];
        let mut command = self.lab.command(&[arguments, &more].concat());
        command
            .env("FROM_ENV", secret("variable"))
            .env("ORGSMITH_SECRET_CRM_PASSWORD", secret("named-variable"))
            .env("GENESYSCLOUD_OAUTHCLIENT_SECRET", secret("client-variable"))
            .env("VAULT_TOKEN", plain("vault-token"))
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// Runs a command, keeps what it says, and returns how it ended and its standard output.
    #[track_caller]
    fn run(&mut self, arguments: &[&str], exits: &[i32]) -> String {
        let command = self.command(arguments);
        self.ends(command, arguments, exits)
    }

    #[track_caller]
    fn ends(&mut self, mut command: Command, arguments: &[&str], exits: &[i32]) -> String {
        let output = command.output().expect("the program");
        let exit = output.status.code().unwrap_or(-1);
        let told = String::from_utf8_lossy(&output.stderr);
        let talk: Vec<&str> = told
            .lines()
            .filter(|line| !line.contains("TRACE") && !line.contains("DEBUG"))
            .collect();
        assert!(
            exits.contains(&exit),
            "{arguments:?}: exit {exit}\n{}",
            talk[talk.len().saturating_sub(30)..].join("\n")
        );
        let name = arguments.join(" ");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        self.written
            .add(&format!("stdout of `{name}`"), output.stdout);
        self.written
            .add(&format!("stderr of `{name}`"), output.stderr);
        stdout
    }

    /// Adds every file that is in the folder and that the test did not write.
    fn gather(&mut self) {
        for path in files(&self.lab.path("")) {
            if !self.given.contains(&path) {
                let bytes = fs::read(&path).expect("a file");
                self.written.add(&path.display().to_string(), bytes);
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Another system that repeats in a refusal what it was sent.
fn parrot() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let request = http::read(&stream);
            let body = String::from_utf8_lossy(&request.body);
            let text = json!({"error": format!("{} {:?} {body}", request.line, request.headers)});
            let text = text.to_string();
            let length = text.len();
            let _ = write!(
                stream,
                "HTTP/1.1 422 x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}"
            );
        }
    });
    address
}

fn org(name: &str) -> OrgSpec {
    let client = ClientSpec::new(
        &format!("{name}-client"),
        &secret(&format!("{name}-client")),
    );
    OrgSpec::named(name).client(client)
}

/// An org `gold` whose objects hold secrets, wherever its API takes one.
fn furnish(lab: &Lab) {
    let seed = |method: &str, path: &str, body: Value| {
        let made = lab.sim.seed("gold", method, path, body);
        made.expect("furniture")["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let credential = seed(
        "POST",
        "/api/v2/integrations/credentials",
        json!({
            "name": "CRM", "type": {"name": "basicAuth"},
            "credentialFields": {"userName": secret("gold-user"), "password": secret("gold-password")},
        }),
    );
    let integration = seed(
        "POST",
        "/api/v2/integrations",
        json!({"name": "CRM", "integrationType": {"id": "custom-rest-actions"}}),
    );
    seed(
        "PUT",
        &format!("/api/v2/integrations/{integration}/config/current"),
        json!({
            "name": "CRM", "version": 1, "properties": {}, "advanced": {}, "notes": "",
            "credentials": {"basicAuth": {"id": credential}},
        }),
    );
    let text =
        |property: &str| json!({"type": "object", "properties": {property: {"type": "string"}}});
    seed(
        "POST",
        "/api/v2/integrations/actions",
        json!({
            "name": "Look up", "category": "CRM", "integrationId": integration, "secure": false,
            "contract": {
                "input": {"inputSchema": text("number")},
                "output": {"successSchema": text("label")},
            },
            "config": {
                "request": {
                    "requestType": "GET",
                    "requestUrlTemplate": format!("https://robot:{}@crm.example.com/${{input.number}}", plain("url")),
                    "requestTemplate": "${input.rawRequest}",
                    "headers": {
                        "Authorization": format!("Bearer {}", plain("header")),
                        "x-api-key": plain("api-key"),
                        "Accept": "application/json",
                    },
                },
                "response": {"translationMap": {}, "translationMapDefaults": {}, "successTemplate": "${rawResult}"},
            },
        }),
    );
}

/// A project whose every place for a secret holds one.
fn garden() -> Garden {
    let mut config = Config::with_orgs(["unused"]);
    config.orgs = vec![org("gold"), org("tenant")];
    let lab = Lab::of(config);
    let spec = "seed=5,users=3,queues=2,members=2,flows=2,tables=1,prompts=1";
    lab.sim
        .generate("gold", &spec.parse().expect("a spec"))
        .expect("an org");
    furnish(&lab);
    let crm = parrot();
    lab.configure(&format!(
        "secrets:\n  crm-token: {{file: token.txt}}\n  CRM/userName: {{env: FROM_ENV}}\n  \
         'custom-rest-actions/*': {{exchange: [sh, exchange.sh]}}\n  '*': {{command: [cat, command.txt]}}\n\
         onboard:\n  request:\n    url: http://{crm}/agents\n    id: $.id\n    timeout_s: 5\n    \
         headers: {{Authorization: 'Bearer ${{secret.crm-token}}'}}\n    \
         body: {{email: '${{user.email}}', token: '${{secret.crm-token}}'}}\n  \
         attempts: 1\n  backoff_s: 0.01\n  wait_s: 5\n  \
         alert: {{url: 'http://{crm}/alert?key={}', when_failed_over: 0.1}}\n",
        plain("hook")
    ));
    lab.private("token.txt", &secret("onboarding"));
    lab.private("command.txt", &secret("command"));
    lab.write("exchange.sh", "cat exchange.json\n");
    let place = |name: &str| format!("custom-rest-actions/CRM/CRM/Look up/{name}");
    let exchange = json!({
        place("Authorization"): format!("Bearer {}", plain("new-header")),
        place("x-api-key"): plain("new-api-key"),
        place("requestUrlTemplate"): format!("https://robot:{}@crm.example.com/", plain("new-url")),
    });
    lab.private("exchange.json", &exchange.to_string());
    lab.private(
        "secrets.yaml",
        &json!({"CRM/password": secret("secrets-file")}).to_string(),
    );
    lab.private(
        "broken.yaml",
        &format!("CRM/password: {{{}\n", plain("broken-file")),
    );
    lab.private(
        "pair.yaml",
        &format!("client_id: a\nclient_secret: [{}]\n", plain("broken-pair")),
    );
    lab.private(
        "identity.txt",
        &format!("AGE-SECRET-KEY-1{}\n", plain("identity")),
    );
    let given = files(&lab.path("")).into_iter().collect();
    Garden {
        lab,
        written: Written::default(),
        given,
        commands: 0,
    }
}

#[test]
fn a_planted_secret_is_in_nothing_that_the_program_writes() {
    let mut garden = garden();
    let secrets = ["--secrets-file", "secrets.yaml"];
    let with = |arguments: &[&'static str]| [arguments, &secrets].concat();
    garden.run(&["export", "gold", "--out", "bundle"], &[0, 3]);
    garden.run(&["export", "gold", "--out", "bundle.zip"], &[0, 3]);
    let plan = ["plan", "gold", "--to", "tenant", "--out", "plan.json"];
    garden.run(&with(&plan), &[0]);
    for form in ["json", "markdown", "html"] {
        garden.run(&["plan", "gold", "--to", "tenant", "-vv", "-o", form], &[0]);
    }
    // The org repeats in its refusals what it was sent, and who sent it.
    let echo = FaultRule::new(FaultAction::Echo { status: 400 }).org("tenant");
    garden
        .lab
        .sim
        .add_fault(echo.clone().on("POST", "/api/v2/integrations/*"));
    garden.run(&with(&["apply", "--plan", "plan.json", "--yes"]), &[3]);
    garden.lab.sim.clear_faults();
    let run = garden.lab.last_run();
    garden.run(&["runs", &run, "-vv"], &[0]);
    garden.run(&["resume", &run, "--secrets-file", "secrets.yaml"], &[0, 3]);
    // What is not written must have been sent.
    let sent = garden.lab.sim.kept("tenant", "credential");
    let crm = sent
        .iter()
        .find(|one| one["name"] == "CRM")
        .expect("it was created");
    let fields = json!({"userName": secret("variable"), "password": secret("secrets-file")});
    assert_eq!(crm["credentialFields"], fields);
    let actions = garden.lab.sim.kept("tenant", "action");
    let action = actions
        .iter()
        .find(|one| one["name"] == "Look up")
        .expect("it was created");
    let header = &action["config"]["request"]["headers"]["x-api-key"];
    assert_eq!(header, &json!(plain("new-api-key")));
    garden.run(&with(&["clone", "gold", "tenant", "--yes", "-vv"]), &[0, 3]);
    garden.run(&["diff", "gold", "tenant", "-vv"], &[0]);
    garden.run(&["compare", "gold", "tenant", "-vv", "-o", "html"], &[0]);
    garden.run(&["lint", "gold"], &[0, 5]);
    garden.run(&["graph", "gold", "-o", "json"], &[0]);
    garden.run(&["verify", "tenant"], &[5]);
    garden.run(&["onboard", "tenant", "--retry-failed", "-o", "json"], &[3]);
    // A refusal of reads, and of the token itself.
    garden
        .lab
        .sim
        .add_fault(echo.clone().on("GET", "/api/v2/routing/*"));
    garden.run(&["export", "tenant", "--out", "gaps"], &[3]);
    garden.lab.sim.clear_faults();
    garden.lab.sim.add_fault(echo.on("POST", "/oauth/token"));
    garden.run(&["org", "check", "tenant"], &[4]);
    garden.lab.sim.clear_faults();
    garden.run(
        &["rollback", &run, "--yes", "--secrets-file", "secrets.yaml"],
        &[0, 3],
    );
    garden.run(&["audit"], &[0]);
    garden.run(&["state", "backup", "backup.gz"], &[0]);
    garden.run(&["state", "doctor"], &[0, 3]);
    refusals(&mut garden);
    garden.gather();
    let more = garden.lab.sim.credentials();
    assert!(more.len() > 3, "tokens and presigned URLs: {more:?}");
    let found = garden.written.search(&needles(&more));
    assert!(
        found.is_empty(),
        "{} places\n{}",
        found.len(),
        found.join("\n")
    );
    // The search finds what is there.
    let seen = garden.written.search(&[b"basicAuth".to_vec()]);
    for place in ["bundle.zip!", "state.db", "plan.json", "zlib"] {
        assert!(
            seen.iter().any(|name| name.contains(place)),
            "{place} was not unpacked: {seen:?}"
        );
    }
}

/// Slips of a person, whose errors tell what is wrong and no value.
fn refusals(garden: &mut Garden) {
    let apply = ["apply", "gold", "--to", "tenant", "--yes", "--secrets-file"];
    garden.run(&[&apply[..], &["broken.yaml"]].concat(), &[5, 64, 1]);
    let place = format!("postgres://me:{}@127.0.0.1:1/orgs", plain("postgres"));
    let command = {
        let mut command = garden.command(&["runs"]);
        command.env("ORGSMITH_STATE", place);
        command
    };
    garden.ends(command, &["runs", "in a database that is not there"], &[1]);
    garden.run(
        &[
            "bundle",
            "verify",
            "bundle.zip",
            "--identity",
            "identity.txt",
        ],
        &[0, 1, 5, 64],
    );
    let project = fs::read_to_string(garden.lab.path("orgsmith.yaml")).expect("a project");
    for (name, more) in [
        (
            "pair",
            "{base_url: 'http://127.0.0.1:1', credential: {file: pair.yaml}}".to_owned(),
        ),
        (
            "userinfo",
            format!(
                "{{base_url: 'http://me:{}@127.0.0.1:1'}}",
                plain("base-url")
            ),
        ),
        (
            "cut",
            "{base_url: 'http://127.0.0.1:1', credential: {command: [cat, command.txt]}}"
                .to_owned(),
        ),
    ] {
        let text = project.replacen("orgs:\n", &format!("orgs:\n  {name}: {more}\n"), 1);
        garden.lab.write("orgsmith.yaml", text);
        garden.run(&["org", "check", name], &[1, 4, 64, 5]);
    }
    garden.lab.write("orgsmith.yaml", project);
    let vault = "vault: {address: 'http://127.0.0.1:1'}\n";
    garden.lab.configure(vault);
}
