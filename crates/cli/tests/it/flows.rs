//! Flows and prompts on their way: locks, what Architect objects to, what is played and what is not.

use serde_json::{Value, json};

use crate::lab::{Lab, Shown};

const SOURCE: &str = "inboundCall:\n  name: Main\n  defaultLanguage: en-us\n  description: one\n";

/// A bundle with one flow, which `tenant` has already.
fn cloned(lab: &Lab) {
    lab.write(
        "image/flow/inboundcall/Main.yaml",
        "name: Main\ntype: INBOUNDCALL\n",
    );
    lab.write("image/flow/inboundcall/Main.flow.yaml", SOURCE);
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
}

fn changed(lab: &Lab) {
    let text = SOURCE.replace("one", "two");
    lab.write("image/flow/inboundcall/Main.flow.yaml", text);
}

fn flow(lab: &Lab) -> Value {
    let flows = lab.sim.objects("tenant", "flow");
    let main = flows.iter().find(|flow| flow["name"] == "Main");
    main.cloned().expect("it was cloned")
}

fn version(lab: &Lab) -> String {
    let flow = flow(lab);
    let version = flow["publishedVersion"]["id"].as_str();
    version.expect("it is published").to_owned()
}

/// Locks the flow as a person in Architect does.
fn lock(lab: &Lab) {
    let flow = flow(lab);
    let id = flow["id"].as_str().expect("an id");
    let path = format!("/api/v2/flows/actions/checkout?flow={id}");
    lab.sim
        .seed("tenant", "POST", &path, Value::Null)
        .expect("a lock");
}

fn plan(lab: &Lab, more: &[&str]) -> Shown {
    lab.run(&[&["plan", "image", "--to", "tenant"], more].concat())
}

#[test]
fn a_locked_flow_is_left_alone_until_its_lock_may_be_taken() {
    let lab = Lab::new();
    cloned(&lab);
    lock(&lab);
    // Nobody needs a lock where nothing is written.
    let shown = plan(&lab, &["--detailed-exitcode"]).ends(0);
    assert!(!shown.stdout.contains("locked"), "{shown}");
    changed(&lab);
    let first = version(&lab);
    let shown = lab
        .run(&["apply", "image", "--to", "tenant", "--yes"])
        .ends(3);
    assert!(
        shown.stderr.contains("has locked it in the target"),
        "{shown}"
    );
    assert_eq!(version(&lab), first);

    let shown = plan(&lab, &["--unlock"]).ends(0);
    assert!(
        shown
            .stdout
            .contains("orgsmith apply image --to tenant --unlock"),
        "{shown}"
    );
    let shown = lab
        .run(&["apply", "image", "--to", "tenant", "--yes", "--unlock"])
        .ends(0);
    assert_ne!(version(&lab), first, "{shown}");
    assert_eq!(flow(&lab).get("lockedClient"), None);
    plan(&lab, &["--detailed-exitcode"]).ends(0);
}

#[test]
fn a_saved_plan_says_itself_whether_it_unlocks() {
    let lab = Lab::new();
    cloned(&lab);
    changed(&lab);
    plan(&lab, &["--out", "plan.json"]).ends(0);
    let shown = lab
        .run(&["apply", "--plan", "plan.json", "--yes", "--unlock"])
        .ends(64);
    assert!(
        shown.stderr.contains("give --unlock to `orgsmith plan`"),
        "{shown}"
    );
}

#[test]
fn what_architect_objects_to_is_told_in_its_words() {
    let lab = Lab::new();
    cloned(&lab);
    changed(&lab);
    plan(&lab, &["--out", "plan.json"]).ends(0);
    let first = version(&lab);
    // Somebody begins to work on the flow between the plan and its application.
    lock(&lab);
    let shown = lab.run(&["apply", "--plan", "plan.json", "--yes"]).ends(3);
    assert!(
        shown.stdout.contains("The flow 'Main' is locked by")
            || shown.stderr.contains("The flow 'Main' is locked by"),
        "{shown}"
    );
    assert_eq!(version(&lab), first);
}

#[test]
fn a_flow_is_published_again_only_where_it_says_something_else() {
    let lab = Lab::new();
    cloned(&lab);
    let first = version(&lab);
    // Another comment, other quotes: Architect writes one flow in many ways.
    let text = SOURCE.replace("description: one", "description: \"one\" # as before");
    lab.write("image/flow/inboundcall/Main.flow.yaml", text);
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    assert_eq!(version(&lab), first);
    changed(&lab);
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    assert_ne!(version(&lab), first);
}

#[test]
fn a_flow_that_somebody_changed_in_the_target_is_a_difference() {
    let lab = Lab::new();
    cloned(&lab);
    lab.run(&["export", "tenant", "--out", "theirs"]).ends(0);
    let path = "theirs/flow/inboundcall/Main.flow.yaml";
    let text = std::fs::read_to_string(lab.path(path)).expect("a source");
    lab.write(path, text.replace("one", "three"));
    lab.run(&[
        "apply", "theirs", "--to", "tenant", "--yes", "--select", "flow",
    ])
    .ends(0);
    let shown = plan(&lab, &["--detailed-exitcode"]).ends(2);
    assert!(
        shown.stdout.contains("~ inboundcall/Main  source"),
        "{shown}"
    );
}

/// A bundle with a prompt that has this sound.
fn prompt(lab: &Lab, sound: &[u8]) {
    lab.write(
        "image/architect_user_prompt/Welcome.yaml",
        "name: Welcome\nresources:\n- language: en-us\n  text: Hello\n",
    );
    lab.write("image/architect_user_prompt/Welcome/en-us.wav", sound);
}

fn sound() -> Vec<u8> {
    let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wave.extend(8000u32.to_le_bytes());
    wave.extend(16000u32.to_le_bytes());
    wave.extend(b"\x02\0\x10\0data\0\x04\0\0");
    wave.resize(wave.len() + 1024, 0);
    wave
}

#[test]
fn a_prompt_is_done_when_it_can_be_played() {
    let lab = Lab::new();
    prompt(&lab, &sound());
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    let prompts = lab.sim.objects("tenant", "user_prompt");
    let heard = |prompt: &Value| {
        let resources = prompt["resources"].as_array().cloned().unwrap_or_default();
        resources
            .iter()
            .any(|resource| resource["uploadStatus"] == "transcoded")
    };
    assert!(prompts.iter().any(heard), "{}", json!(prompts));
}

#[test]
fn sound_that_cannot_be_transcoded_is_told_of_with_its_prompt() {
    let lab = Lab::new();
    prompt(&lab, b"this is no sound");
    let shown = lab.run(&["clone", "image", "tenant", "--yes"]).ends(3);
    let text = format!("{shown}");
    assert!(text.contains("architect_user_prompt/Welcome"), "{text}");
    assert!(
        text.contains("the audio of en-us could not be transcoded"),
        "{text}"
    );
}
