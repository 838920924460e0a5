//! Where the state is kept, as people meet it. `tests/state/run` starts the servers.

use std::io::Write;

use crate::lab::Lab;

const SERVER: &str = "ORGSMITH_TEST_POSTGRES";
/// The password of the server, which must show nowhere.
pub const PASSWORD: &str = "orgsmith-s3cr3t";

/// Returns the address of a PostgreSQL server without its password; where there is none, says so.
pub fn server() -> Option<String> {
    let Ok(server) = std::env::var(SERVER) else {
        let said = format!("\nnot shown: {SERVER} names no server; run tests/state/run\n");
        // Straight to the descriptor: the harness would capture a print.
        std::io::stdout().write_all(said.as_bytes()).expect("said");
        return None;
    };
    Some(server.replace(&format!(":{PASSWORD}@"), "@"))
}

/// Makes a schema of our own, so that nobody else's runs are there.
pub fn schema(server: &str, name: &str) -> String {
    let schema = format!("{name}_{}", std::process::id());
    let made = std::process::Command::new("psql")
        .args([server, "-qc", &format!("CREATE SCHEMA {schema}")])
        .env("PGPASSWORD", PASSWORD)
        .status()
        .expect("psql comes with the server");
    assert!(made.success());
    schema
}

#[test]
fn a_state_in_postgres_is_shared_and_its_password_shows_nowhere() {
    let Some(server) = server() else { return };
    let lab = Lab::new();
    lab.sketch("bundle");
    let schema = schema(&server, "cli");
    lab.configure(&format!("state: {server}?options[search_path]={schema}\n"));
    let run = |arguments: &[&str], password: &str| {
        let mut command = lab.command(arguments);
        command
            .env("PGPASSWORD", password)
            .env("ORGSMITH_LOG", "trace");
        let shown = lab.finish(command);
        assert!(!shown.to_string().contains(PASSWORD), "{shown}");
        shown
    };
    run(&["clone", "bundle", "tenant", "--yes"], PASSWORD).ends(0);
    let runs = run(&["runs"], PASSWORD).ends(0);
    assert!(runs.stdout.contains("done"), "{runs}");
    assert!(!lab.path(".orgsmith").exists());

    let shown = run(&["runs"], "wr0ng").ends(4);
    assert!(
        shown.stderr.contains("password authentication failed"),
        "{shown}"
    );
    assert!(shown.stderr.contains("PGPASSWORD"), "{shown}");
}

#[test]
fn a_place_that_makes_no_sense_is_said_before_anything_is_done() {
    let lab = Lab::new();
    let shown = lab.run(&["runs", "--state", "mysql://db/orgs"]).ends(64);
    assert!(shown.stderr.contains("mysql:// is no state"), "{shown}");
    lab.configure("state: postgres://me:s3cr3t@db/orgs\n");
    let shown = lab.run(&["runs"]).ends(1);
    assert!(shown.stderr.contains("leave the password out"), "{shown}");
    assert!(!shown.stderr.contains("s3cr3t"), "{shown}");
}

#[test]
fn a_state_that_cannot_be_reached_is_said_with_its_address() {
    let lab = Lab::new();
    // Bound and let go: nobody listens there.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("its address").port();
    drop(socket);
    let state = format!("postgres://me:s3cr3t@localhost:{port}/orgs");
    let mut command = lab.command(&["runs"]);
    command.env("ORGSMITH_STATE", &state);
    let shown = lab.finish(command).ends(1);
    assert!(!shown.stderr.contains("s3cr3t"), "{shown}");
    let told = format!("the state postgres://me@localhost:{port}/orgs cannot be reached");
    assert!(shown.stderr.contains(&told), "{shown}");
}

#[test]
fn a_state_moves_from_one_place_to_another() {
    let lab = Lab::new();
    lab.sketch("bundle");
    lab.run(&["clone", "bundle", "tenant", "--yes"]).ends(0);
    lab.run(&["map", "pin", "tenant", "routing_skill/Quotes", "x-1"])
        .ends(0);
    let listed = lab.run(&["map", "list", "-o", "json"]).ends(0).stdout;
    let runs = lab.run(&["runs", "-o", "json"]).ends(0).stdout;

    let none = lab
        .run(&["state", "backup", "none", "--state", "nowhere.db"])
        .ends(1);
    assert!(
        none.stderr.contains("there is no state at nowhere.db"),
        "{none}"
    );
    lab.run(&["state", "backup", "one.backup"]).ends(0);
    let address = format!("file://{}", lab.path("objects").display());
    let moved = lab
        .run(&["state", "restore", "one.backup", "--state", &address])
        .ends(0);
    assert!(
        moved.stderr.contains("Whoever held a lock has lost it"),
        "{moved}"
    );
    lab.run(&["state", "backup", "two.backup", "--state", &address])
        .ends(0);
    lab.run(&["state", "restore", "two.backup", "--state", "new.db"])
        .ends(0);
    for place in [address.as_str(), "new.db"] {
        let found = lab
            .run(&["map", "list", "-o", "json", "--state", place])
            .ends(0);
        assert_eq!(found.stdout, listed);
        let found = lab.run(&["runs", "-o", "json", "--state", place]).ends(0);
        assert_eq!(found.stdout, runs);
        let ill = lab.run(&["state", "doctor", "--state", place]).ends(0);
        assert!(ill.stdout.contains("Nothing is wrong."), "{ill}");
        let again = lab
            .run(&["state", "restore", "one.backup", "--state", place])
            .ends(5);
        assert!(again.stderr.contains("holds something already"), "{again}");
        lab.run(&[
            "state",
            "restore",
            "one.backup",
            "--replace",
            "--state",
            place,
        ])
        .ends(0);
        // The org is as the state says: nothing is left to do, and the ids are known.
        lab.run(&["clone", "bundle", "tenant", "--yes", "--state", place])
            .ends(0);
    }
    let shown = lab.run(&["state", "migrate"]).ends(0);
    assert!(
        shown.stderr.contains("the newest; nothing was to be done"),
        "{shown}"
    );
}

#[test]
fn a_doctor_tells_what_cannot_be_and_what_to_do() {
    let lab = Lab::new();
    lab.sketch("bundle");
    let address = format!("file://{}", lab.path("objects").display());
    lab.run(&["clone", "bundle", "tenant", "--yes", "--state", &address])
        .ends(0);
    let well = lab
        .run(&["state", "doctor", "-o", "json", "--state", &address])
        .ends(0);
    let told: serde_json::Value = serde_json::from_str(&well.stdout).expect("JSON");
    assert_eq!(told["findings"], serde_json::json!([]));
    assert_eq!(told["holds"]["runs"], 1);

    let blobs = std::fs::read_dir(lab.path("objects/blob")).expect("listed");
    for blob in blobs {
        std::fs::remove_file(blob.expect("a file").path()).expect("removed");
    }
    let ill = lab.run(&["state", "doctor", "--state", &address]).ends(1);
    assert!(
        ill.stdout.contains("wrong  the plan of run <id> is gone"),
        "{ill}"
    );
    assert!(ill.stdout.contains("restore a backup"), "{ill}");
    let entries = std::fs::read_dir(lab.path("objects/log")).expect("listed");
    let first = entries.map(|entry| entry.expect("a file").path()).min();
    std::fs::remove_file(first.expect("one")).expect("removed");
    let ill = lab.run(&["state", "doctor", "--state", &address]).ends(1);
    assert!(ill.to_string().contains("entry 1 is gone"), "{ill}");
}

#[cfg(unix)]
#[test]
fn a_file_of_somebody_else_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.write("notes.txt", "what I must not forget\n");
    let path = lab.path("notes.txt");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("our file");
    let shown = lab.run(&["runs", "--state", "notes.txt"]).ends(1);
    assert!(shown.stderr.contains("no database"), "{shown}");
    let mode = std::fs::metadata(&path)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(text, "what I must not forget\n");
}
