//! No list is without end: each is read part by part.

use serde_json::{Value, json};

use super::{Serving, json_of, seed};
use crate::lab::Lab;

/// Reads a list from its first part to its last, and returns how many parts and what was in them.
#[track_caller]
fn parts(service: &Serving, path: &str, limit: usize, rows: impl Fn(Value) -> Value) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(format!("{path}{}limit={limit}", mark(path)));
    let mut seen = 0;
    while let Some(path) = next {
        let answer = service.get(&path).send().expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let link = answer.headers().get("link").cloned();
        next = link.map(|link| {
            let link = link.to_str().expect("a text");
            let end = link.strip_suffix("; rel=\"next\"").expect(link);
            end.trim_matches(['<', '>']).to_owned()
        });
        let part = rows(json_of(answer));
        let part = part.as_array().expect("a list").clone();
        assert!(part.len() <= limit, "{path}: {}", part.len());
        all.extend(part);
        seen += 1;
        assert!(seen < 200, "{path} has no end");
    }
    all
}

fn mark(path: &str) -> char {
    if path.contains('?') { '&' } else { '?' }
}

#[test]
fn every_list_is_read_part_by_part_and_nothing_is_lost_or_doubled() {
    let lab = Lab::new();
    seed(&lab);
    lab.write("image/routing_skill/Sales.yaml", "name: Sales\n");
    for _ in 0..2 {
        lab.run(&["apply", "image", "--to", "gold", "--yes", "--force"])
            .ends(0);
        lab.write("image/routing_skill/Spanish.yaml", "name: Spanish\n");
    }
    lab.configure(
        "drift: {against: {tenant: gold, gold: image}}\n\
         service: {watch: off, keep: {tenant: {full_scan: []}, gold: {full_scan: []}}}\n",
    );
    let service = Serving::start(&lab, &[]);
    let done = |path: &str, asked: Value| {
        let place = service.ask(service.post(path, &asked));
        let job = service.end(&place);
        assert_eq!(job["state"], "Completed", "{job:#}");
        place
    };
    let clone = done(
        "/api/v2/orgs",
        json!({"name": "tenant", "sourceOrgId": "gold", "clone": {"routingQueues": true, "routingSkills": true}}),
    );
    for _ in 0..2 {
        done("/api/v2/orgs/gold/export", json!({}));
    }
    let theirs = "name: Support\ndescription: Of nobody\n";
    lab.write("other/routing_queue/Support.yaml", theirs);
    lab.write("other/routing_queue/New.yaml", "name: New\n");
    let state = ["--yes", "--force", "--state", "elsewhere.db"];
    lab.run(&[["apply", "other", "--to", "tenant"].as_slice(), &state].concat())
        .ends(0);
    done("/api/v2/orgs/tenant/drift", json!({}));
    let compared = done("/api/v2/compare", json!({"orgs": ["gold", "tenant"]}));
    for name in ["a", "b"] {
        service.mint(name, "viewer", Value::Null);
    }
    let run = json_of(service.get("/api/v2/runs").send().expect("an answer"))[0]["id"].clone();
    let run = format!("/api/v2/runs/{}", run.as_str().expect("an id"));

    let itself = |answer: Value| answer;
    let of = |name: &'static str| move |answer: Value| answer[name].clone();
    let of_matrix = |answer: Value| answer["matrix"]["rows"].clone();
    let named = |path: &str, name: &str, rows: &dyn Fn(Value) -> Value, least: usize| {
        let whole = parts(&service, path, 500, rows);
        assert!(whole.len() >= least, "{path}: {whole:#?}");
        let names = |rows: &[Value]| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
        for limit in [1, 2] {
            let some = parts(&service, path, limit, rows);
            assert_eq!(names(&some), names(&whole), "{path} by {limit}");
        }
    };
    for (path, name, least) in [
        ("/api/v2/runs", "id", 3),
        ("/api/v2/runs?org=gold", "id", 2),
        ("/api/v2/map", "targetId", 7),
        ("/api/v2/map?source=gold&target=tenant", "targetId", 4),
        ("/api/v2/jobs", "id", 5),
        ("/api/v2/jobs?kind=export", "id", 2),
        ("/api/v2/orgs/gold/snapshots", "id", 2),
        ("/api/v2/audit?org=gold", "at", 2),
        ("/api/v2/tokens", "id", 3),
        ("/api/v2/orgs", "name", 2),
        ("/api/v2/schedules", "org", 2),
    ] {
        named(path, name, &itself, least);
    }
    named(&clone, "object", &of("mapping"), 4);
    named(&run, "step", &of("steps"), 3);
    named("/api/v2/orgs/tenant/drift", "object", &of("objects"), 2);
    named(&compared, "object", &of_matrix, 2);

    // What is described has no list that is not read so.
    let described: Value = json_of(service.get("/api/openapi.json").send().expect("an answer"));
    for (path, methods) in described["paths"].as_object().expect("paths") {
        let get = &methods["get"];
        let schema = &get["responses"]["200"]["content"]["application/json"]["schema"];
        if schema["type"] != "array" {
            continue;
        }
        let parameters = get["parameters"].as_array();
        let parameters: Vec<&Value> = parameters.into_iter().flatten().collect();
        for name in ["after", "limit"] {
            let has = parameters.iter().any(|one| one["name"] == name);
            assert!(has, "{path} has no {name}");
        }
    }

    // Where there is nothing to go on from, it is said so.
    for path in [
        "/api/v2/runs?after=x",
        "/api/v2/map?after=x",
        "/api/v2/jobs?after=x",
        "/api/v2/orgs/gold/snapshots?after=x",
        "/api/v2/audit?after=x",
        "/api/v2/tokens?after=x",
        "/api/v2/orgs?after=x",
        "/api/v2/orgs/tenant/drift?after=x",
        "/api/v2/orgs/tenant/numbers?after=x",
        "/api/v2/jobs?limit=0",
        "/api/v2/runs?limit=501",
    ] {
        let answer = service.get(path).send().expect("an answer");
        assert_eq!(answer.status(), 400, "{path}");
    }
    service.stop();
}

#[test]
fn what_somebody_may_not_see_takes_no_place_from_what_they_may() {
    let lab = Lab::new();
    let mut service = Serving::start(&lab, &[]);
    let export = |org: &str| {
        let asked = service.post(&format!("/api/v2/orgs/{org}/export"), &json!({}));
        service.end(&service.ask(asked));
    };
    export("tenant");
    for _ in 0..5 {
        export("gold");
    }
    service.token = service.mint("theirs", "viewer", json!(["tenant"]));
    let jobs = json_of(
        service
            .get("/api/v2/jobs?limit=2")
            .send()
            .expect("an answer"),
    );
    let orgs: Vec<&Value> = jobs
        .as_array()
        .expect("jobs")
        .iter()
        .map(|job| &job["org"])
        .collect();
    assert_eq!(orgs, ["tenant"], "{jobs:#}");
    service.stop();
}

/// Returns where a page leads by a link.
fn led(page: &str, link: &str) -> String {
    let (before, _) = page.split_once(&format!(">{link}</a>")).expect(page);
    let (_, href) = before.rsplit_once("href=\"").expect("a place");
    href.trim_end_matches('"').replace("&amp;", "&")
}

#[test]
fn pages_lead_to_what_they_do_not_show() {
    let lab = Lab::new();
    let service = Serving::start(&lab, &["--workers", "0"]);
    let page = |path: &str| {
        let answer = service.get(path).send().expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().expect("a page")
    };
    let first = service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
    let first = first.rsplit('/').next().expect("an id").to_owned();
    for number in 0..100 {
        service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
        service.mint(&format!("token {number}"), "viewer", Value::Null);
    }
    let jobs = page("/jobs");
    assert!(!jobs.contains(&first));
    let older = led(&jobs, "Older ones");
    let jobs = page(&older);
    assert!(jobs.contains(&first), "{jobs}");
    let live = older.replace("/jobs", "/live/jobs");
    assert!(jobs.contains(&live), "what is live is the same part");
    assert!(page(&live).contains(&first));
    assert_eq!(led(&jobs, "The newest"), "/jobs");
    let tokens = page("/tokens");
    assert!(!tokens.contains("token 99"));
    assert!(page(&led(&tokens, "Later ones")).contains("token 99"));
    service.stop();
}
