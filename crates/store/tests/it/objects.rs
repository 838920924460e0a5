//! A state in object stores: a directory, and what plays the clouds. `tests/state/run` starts those
//! and names them; without them the test says what is not shown. Every store is reached by a process
//! of its own, because its credentials come from the environment.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use orgsmith_store::state::{Error, Objects, State, conformance};

use crate::bundle::dir;
use crate::gcs;

const ADDRESS: &str = "ORGSMITH_TEST_ADDRESS";
const S3: &str = "ORGSMITH_TEST_S3";
const AZURE: &str = "ORGSMITH_TEST_AZURE";
/// The account that azurite has, and its key, which everybody knows.
const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Returns where a server is; where there is none, says so.
fn server(name: &str) -> Option<String> {
    let server = std::env::var(name).ok();
    if server.is_none() {
        let said = format!("\nnot shown: {name} names no server; run tests/state/run\n");
        // Straight to the descriptor: the harness would capture a print.
        std::io::stdout().write_all(said.as_bytes()).expect("said");
    }
    server
}

/// Runs one of the tests below in a process with an environment of its own; returns what it said.
fn run(test: &str, address: &str, environment: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(ADDRESS, address)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{address}: {said}{wrong}");
    assert!(said.contains("1 passed"), "{said}");
    said + &wrong
}

fn s3(endpoint: &str) -> [(&str, &str); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
    ]
}

fn azure<'a>(endpoint: &'a str, key: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AZURE_STORAGE_ENDPOINT", endpoint),
        ("AZURE_ALLOW_HTTP", "true"),
        ("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT),
        ("AZURE_STORAGE_ACCOUNT_KEY", key),
    ]
}

/// What every store has to show, at the address that is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "run by the tests below"]
async fn a_store_conforms() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let count = AtomicU32::new(0);
    let folder = || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        format!("{address}/t{}-{number}/a folder", std::process::id())
    };
    conformance::check(|| async { Arc::new(open(&folder()).await) as Arc<dyn State> }).await;

    // Processes that race, here and there with more than one change at a time.
    let folder = folder();
    let tasks = (0..6).map(|task| {
        let folder = folder.clone();
        tokio::spawn(async move {
            let state = open(&folder).await;
            for number in 0..4 {
                let sets = (0..3).map(|part| {
                    let name = format!("{task}/{number}/{part}");
                    let state = &state;
                    async move { state.put_setting(&name, Some("1")).await }
                });
                for set in join_all(sets).await {
                    set.expect("written");
                }
            }
            state.close().await;
        })
    });
    for task in join_all(tasks).await {
        task.expect("no panic");
    }
    let state = open(&folder).await;
    assert_eq!(
        state.about().await.expect("answers").wrong,
        Vec::<String>::new()
    );
    for task in 0..6 {
        for number in 0..4 {
            for part in 0..3 {
                let found = state.setting(&format!("{task}/{number}/{part}")).await;
                assert_eq!(found.expect("read").as_deref(), Some("1"));
            }
        }
    }
}

async fn open(address: &str) -> Objects {
    match Objects::open(address).await {
        Ok(state) => state,
        Err(error) => panic!("{error}"),
    }
}

/// Opens what cannot be opened, and says why.
#[tokio::test]
#[ignore = "run by the tests below"]
async fn a_store_refuses() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let error = Objects::open(&address).await.expect_err("it is refused");
    let kind = match &error {
        Error::Missing { .. } => "missing",
        Error::Denied { .. } => "denied",
        Error::Unreachable { .. } => "unreachable",
        Error::BadAddress { .. } => "address",
        _ => "other",
    };
    let said = format!("\n{kind}: {error}\n");
    std::io::stdout().write_all(said.as_bytes()).expect("said");
}

#[track_caller]
fn refused(address: &str, environment: &[(&str, &str)], expected: &str) {
    let said = run("objects::a_store_refuses", address, environment);
    assert!(said.contains(expected), "no {expected:?} in {said}");
    assert!(!said.contains("s3cr3t"), "{said}");
}

#[test]
fn a_directory_conforms() {
    let temp = dir();
    let address = format!("file://{}/new", temp.path().display());
    run("objects::a_store_conforms", &address, &[]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(temp.path().join("new"))
            .expect("made")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn s3_conforms_as_moto_plays_it() {
    let Some(endpoint) = server(S3) else { return };
    run(
        "objects::a_store_conforms",
        "s3://orgsmith/state",
        &s3(&endpoint),
    );
    // Whatever the environment says.
    let unsafe_puts = [&s3(&endpoint)[..], &[("AWS_CONDITIONAL_PUT", "disabled")]].concat();
    run(
        "objects::a_store_conforms",
        "s3://orgsmith/again",
        &unsafe_puts,
    );
}

#[test]
fn what_s3_refuses_is_told() {
    let Some(endpoint) = server(S3) else { return };
    refused(
        "s3://nobody-has-this/state",
        &s3(&endpoint),
        "missing: the place of the state s3://nobody-has-this/state is not there",
    );
}

#[test]
fn azure_conforms_as_azurite_plays_it() {
    let Some(endpoint) = server(AZURE) else {
        return;
    };
    run(
        "objects::a_store_conforms",
        "az://orgsmith/state",
        &azure(&endpoint, AZURE_KEY),
    );
}

#[test]
fn what_azure_refuses_is_told() {
    let Some(endpoint) = server(AZURE) else {
        return;
    };
    refused(
        "az://nobody-has-this/state",
        &azure(&endpoint, AZURE_KEY),
        "missing: ",
    );
    refused(
        "az://orgsmith/state",
        &azure(&endpoint, "czNjcjN0"),
        "denied: ",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_conforms_as_our_own_imitation_plays_it() {
    let endpoint = gcs::serve().await;
    let work = tokio::task::spawn_blocking(move || {
        let environment = |token| {
            [
                ("GOOGLE_BASE_URL", endpoint.as_str()),
                ("GOOGLE_BEARER_TOKEN", token),
                ("GOOGLE_ALLOW_HTTP", "true"),
            ]
        };
        let address = format!("gs://{}/state", gcs::BUCKET);
        let right = environment(gcs::TOKEN);
        run("objects::a_store_conforms", &address, &right);
        refused("gs://nobody-has-this/state", &right, "missing: ");
        refused(&address, &environment("wrong-s3cr3t"), "denied: ");
    });
    work.await.expect("no panic");
}

#[test]
fn what_cannot_be_reached_or_makes_no_sense_is_told() {
    // Bound and let go: nobody listens there.
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("its address").port()
    };
    let endpoint = format!("http://127.0.0.1:{port}");
    refused(
        "s3://orgsmith/state",
        &s3(&endpoint),
        "unreachable: the state s3://orgsmith/state cannot be reached",
    );
    for (address, why) in [
        ("s3:///state", "names no bucket"),
        (
            "s3://key:s3cr3t@bucket/state",
            "credentials come from the environment",
        ),
        (
            "s3://:s3cr3t@bucket/state",
            "credentials come from the environment",
        ),
        (
            "s3://bucket/state?secret=s3cr3t",
            "credentials come from the environment",
        ),
        ("file://here/state", "no whole path"),
    ] {
        refused(address, &[], why);
        refused(address, &[], "address: ");
    }
}
