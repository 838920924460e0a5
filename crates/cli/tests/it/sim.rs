//! `orgsmith sim`
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use reqwest::blocking::Client;
use serde_json::Value;

use crate::lab::Lab;
use crate::stopping::interrupt;

#[test]
fn a_strict_simulator_lists_what_only_the_contract_answered() {
    let lab = Lab::new();
    let mut child = lab
        .command(&["sim", "--strict", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut told = String::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        told.push_str(&line.expect("UTF-8"));
        if serde_json::from_str::<Value>(&told).is_ok() {
            break;
        }
    }
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let (url, client) = (&told["base_url"], &told["orgs"][0]["clients"][0]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (url, http) = (text(url), Client::new());
    let token = http
        .post(format!("{url}/oauth/token"))
        .basic_auth(text(&client["id"]), Some(text(&client["secret"])))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .send()
        .and_then(|answer| answer.text())
        .expect("a token");
    let token: Value = serde_json::from_str(&token).expect("JSON");
    for path in ["contentmanagement/workspaces", "routing/skills"] {
        let get = http.get(format!("{url}/api/v2/{path}"));
        let get = get.bearer_auth(text(&token["access_token"]));
        assert_eq!(get.send().expect("an answer").status(), 200, "{path}");
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).expect("UTF-8");
    let list: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.ends_with("answered by the contract alone:"))
        .collect();
    assert_eq!(
        list,
        [
            "1 operation answered by the contract alone:",
            "  getContentmanagementWorkspaces (1 call)"
        ],
        "{said}"
    );
}
