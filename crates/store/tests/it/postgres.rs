//! A state in PostgreSQL. `tests/state/run` starts a server and names it; without one nothing here
//! is shown, and the test says so.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use orgsmith_core::id::OrgName;
use orgsmith_store::state::{Acquired, Error, Owner, Sql, State, conformance};
use sqlx::any::AnyPoolOptions;

const SERVER: &str = "ORGSMITH_TEST_POSTGRES";
const AUTHORITY: &str = "ORGSMITH_TEST_POSTGRES_CA";
const PASSWORD: &str = "orgsmith-s3cr3t";

/// Returns the address of the server; where there is none, says so.
pub fn server() -> Option<String> {
    let server = std::env::var(SERVER).ok();
    if server.is_none() {
        let said = format!("\nnot shown: {SERVER} names no server; run tests/state/run\n");
        // Straight to the descriptor: the harness would capture a print.
        std::io::stdout().write_all(said.as_bytes()).expect("said");
    }
    server
}

pub async fn run(server: &str, statement: String) {
    sqlx::any::install_default_drivers();
    let pool = AnyPoolOptions::new().max_connections(1).connect(server);
    let pool = pool.await.expect("connected");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool);
    done.await.expect("done");
    pool.close().await;
}

/// Makes an empty schema, and returns the address that leads there.
pub async fn schema(server: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("t{}_{count}", std::process::id());
    run(server, format!("CREATE SCHEMA {name}")).await;
    format!("{server}?options[search_path]={name}")
}

async fn open(address: &str) -> Sql {
    match Sql::postgres(address).await {
        Ok(state) => state,
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

/// Opens what cannot be opened, and looks for the password in all that is said of it.
async fn refused(address: &str) -> Error {
    let error = Sql::postgres(address).await.expect_err("it is refused");
    let mut said = format!("{error:?}");
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        said.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!said.contains("s3cr3t"), "{said}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_conforms() {
    let Some(server) = server() else { return };
    conformance::check(|| async {
        let address = schema(&server).await;
        Arc::new(open(&address).await) as Arc<dyn State>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_open_a_new_state_at_once() {
    let Some(server) = server() else { return };
    for _ in 0..3 {
        let address = schema(&server).await;
        let opened = join_all((0..8).map(|_| Sql::postgres(&address))).await;
        for (number, state) in opened.into_iter().enumerate() {
            let state = state.expect("open");
            let name = format!("n{number}");
            state.put_setting(&name, Some("1")).await.expect("written");
            state.close().await;
        }
    }
}

#[tokio::test]
async fn of_two_processes_one_has_the_lock_and_the_other_is_fenced_off() {
    let Some(server) = server() else { return };
    let address = schema(&server).await;
    let (one, two) = (open(&address).await, open(&address).await);
    let org = OrgName::new("acme");
    let (a, b) = (Owner::new("a"), Owner::new("b"));
    let Acquired::Lease(first) = one.acquire(&org, &a, 10, 0).await.expect("answers") else {
        panic!("held by nobody");
    };
    let held = two.acquire(&org, &b, 10, 9).await.expect("answers");
    assert!(matches!(held, Acquired::Held { .. }), "{held:?}");
    let taken = two.acquire(&org, &b, 10, 10).await.expect("answers");
    assert!(matches!(taken, Acquired::Lease(_)), "{taken:?}");
    let late = one.renew(&first, 10, 11).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_said_clearly() {
    // Bound and let go: nobody listens there.
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("its address").port()
    };
    for (host, word) in [
        (format!("127.0.0.1:{port}"), "refused"),
        ("nobody.invalid".to_owned(), "nobody.invalid"),
    ] {
        let error = refused(&format!("postgres://me:s3cr3t@{host}/orgs")).await;
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("postgres://me@{host}/orgs")),
            "{text}"
        );
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn who_is_refused_is_told_what_to_put_right() {
    let Some(server) = server() else { return };
    let error = refused(&server.replace(&format!(":{PASSWORD}@"), ":s3cr3t@")).await;
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains("orgsmith"), "{error}");

    let error = refused(&server.replace("/postgres", "/nowhere")).await;
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere"), "{error}");

    // Who may look at a schema and make nothing in it.
    let role = format!("reader_{}", std::process::id());
    run(
        &server,
        format!("CREATE ROLE {role} LOGIN PASSWORD 's3cr3t'"),
    )
    .await;
    let address = schema(&server).await;
    let theirs = address.replace(
        &format!("//orgsmith:{PASSWORD}@"),
        &format!("//{role}:s3cr3t@"),
    );
    let error = refused(&theirs).await;
    assert!(
        matches!(error, Error::Denied { .. } | Error::Missing { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_has_to_prove_who_it_is_where_that_is_asked() {
    let Some(server) = server() else { return };
    let authority = std::env::var(AUTHORITY).expect("named with the server");
    let address = schema(&server).await;
    let error = refused(&format!("{address}&sslmode=verify-full")).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("sslrootcert"), "{error}");

    let address = format!("{address}&sslmode=verify-full&sslrootcert={authority}");
    let state = open(&address).await;
    state.put_setting("a", Some("1")).await.expect("written");
    state.close().await;
}

#[tokio::test]
async fn a_state_of_a_newer_orgsmith_is_refused_and_left_alone() {
    let Some(server) = server() else { return };
    let address = schema(&server).await;
    open(&address).await.close().await;
    run(&address, "UPDATE orgsmith SET version = 99".to_owned()).await;
    for _ in 0..2 {
        let error = refused(&address).await;
        assert!(matches!(error, Error::Newer { found: 99, .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_keeps_locked_is_not_waited_for_for_ever() {
    let Some(server) = server() else { return };
    let address = schema(&server).await;
    let state = open(&address).await;
    let (org, owner) = (OrgName::new("acme"), Owner::new("a"));
    let taken = state.acquire(&org, &owner, 10, 0).await.expect("answers");
    assert!(matches!(taken, Acquired::Lease(_)), "{taken:?}");
    // Somebody who was stopped in the middle of a transaction.
    let pool = AnyPoolOptions::new().max_connections(1).connect(&address);
    let pool = pool.await.expect("connected");
    let mut paused = pool.begin().await.expect("begun");
    let lock = sqlx::raw_sql("UPDATE lease SET fence = fence");
    lock.execute(&mut *paused).await.expect("locked");
    let busy = state.acquire(&org, &owner, 10, 20).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    paused.rollback().await.expect("let go");
    let taken = state.acquire(&org, &owner, 10, 20).await.expect("answers");
    assert!(matches!(taken, Acquired::Lease(_)), "{taken:?}");
}
