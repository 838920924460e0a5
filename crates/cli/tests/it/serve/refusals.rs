//! Who was refused is in the audit, and cannot fill it.

use serde_json::{Value, json};

use super::{Serving, json_of};
use crate::lab::Lab;

fn refused(service: &Serving) -> Vec<Value> {
    let list = service.get("/api/v2/audit?refused=true&limit=500");
    let list = json_of(list.send().expect("an answer"));
    list.as_array().expect("a list").clone()
}

#[test]
fn who_is_refused_is_kept_in_the_audit_and_cannot_fill_it() {
    let lab = Lab::new();
    lab.configure("service: {approvals: 1}\n");
    let mut service = Serving::start(&lab, &[]);
    let admin = service.token.clone();
    let viewer = service.mint("looker", "viewer", json!(["gold"]));
    let elsewhere = service.mint("elsewhere", "operator", json!(["emea-*"]));
    let operator = service.mint("op", "operator", Value::Null);
    let export = "/api/v2/orgs/gold/export";
    let status = |service: &Serving, path: &str, body: &Value| {
        let answer = service.post(path, body).send().expect("an answer");
        answer.status().as_u16()
    };
    let clone = json!({"name": "tenant", "sourceOrgId": "gold"});
    for (token, path, body) in [
        (&viewer, export, json!({})),
        (&elsewhere, export, json!({})),
        (&elsewhere, "/api/v2/orgs/nowhere/export", json!({})),
        (&operator, "/api/v2/orgs", clone),
    ] {
        service.token.clone_from(token);
        assert_eq!(status(&service, path, &body), 403, "{path}");
    }
    // A page that a viewer may not see, and a guess at the login.
    service.token.clone_from(&viewer);
    let page = service.get("/tokens").send().expect("an answer");
    assert_eq!(page.status(), 403);
    service.token = "orgsmith_guess".to_owned();
    for _ in 0..24 {
        let guess = service.get("/api/v2/orgs").send().expect("an answer");
        assert_eq!(guess.status(), 401);
    }
    // Whoever shows nothing was asked to sign in, not refused.
    let bare = service.client.get(format!("{}/", service.url)).send();
    assert_eq!(bare.expect("an answer").url().path(), "/login");

    service.token.clone_from(&admin);
    let kept = refused(&service);
    let of = |actor: &str| {
        let acts = kept.iter().filter(|act| act["actor"] == actor);
        acts.cloned().collect::<Vec<_>>()
    };
    let looker = of("looker");
    assert_eq!(looker.len(), 2, "{looker:#?}");
    assert_eq!(looker[0]["action"], "GET /tokens");
    assert_eq!(looker[1]["action"], "POST /api/v2/orgs/{org}/export");
    assert_eq!(looker[1]["org"], "gold");
    let why = "refused: the token \"looker\" has the role viewer, and this takes operator";
    assert_eq!(looker[1]["outcome"], why);
    let orgs: Vec<_> = of("elsewhere")
        .iter()
        .map(|act| act["org"].clone())
        .collect();
    // What is no org of ours is no org of the audit.
    assert_eq!(orgs, [Value::Null, json!("gold")]);
    assert_eq!(of("op")[0]["org"], "tenant");
    assert_eq!(of("unknown at 127.0.0.1").len(), 10, "{kept:#?}");
    assert!(!json!(kept).to_string().contains("orgsmith_guess"));

    // What is about no org is not for everybody.
    service.token.clone_from(&viewer);
    let seen = refused(&service);
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert!(seen.iter().all(|act| act["org"] == "gold"), "{seen:#?}");
    let page = service.get("/audit?refused=true").send();
    let page = page.expect("an answer").text().expect("a page");
    assert!(page.contains("this takes operator"), "{page}");

    // How many are not in it is told, here because the service ends before the minute does.
    service.stop();
    let mut service = Serving::start(&lab, &[]);
    service.token = admin;
    let last = refused(&service).swap_remove(0);
    assert_eq!(last["actor"], "unknown at 127.0.0.1", "{last:#}");
    let outcome = last["outcome"].as_str().expect("an outcome");
    assert_eq!(
        outcome,
        "refused: 14 more times within a minute, not listed"
    );
    service.stop();
}
