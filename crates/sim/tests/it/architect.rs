//! What a client does with jobs: upload, poll, download, unpack.

use std::io::{Cursor, Read};

use serde_json::{Value, json};

use crate::support::{Api, Got, read, text};

/// Registers an import, uploads the source, and gives the answer that ends the job.
pub async fn import(api: &Api, source: &str) -> Value {
    import_with(api, json!({}), source).await
}

pub async fn import_with(api: &Api, body: Value, source: &str) -> Value {
    let job = api.post("/api/v2/flows/jobs", body).await.ok();
    let got = put(api, &job, "presignedUrl", "headers", source).await;
    assert_eq!(got.status, 200, "{}", got.body);
    let path = format!("/api/v2/flows/jobs/{}?expand=messages", text(&job, "/id"));
    end(api, &path).await
}

/// Uploads to the URL in an answer, with the headers in it.
pub async fn put(api: &Api, answer: &Value, url: &str, headers: &str, content: &str) -> Got {
    let mut request = api
        .http
        .put(text(answer, &format!("/{url}")))
        .body(content.to_owned());
    for (name, value) in answer[headers].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().expect("headers are text"));
    }
    read(request.send().await.expect("an answer")).await
}

/// Polls a job until it has ended.
pub async fn end(api: &Api, path: &str) -> Value {
    for _ in 0..20 {
        let job = api.get(path).await.ok();
        let running = ["Registered", "Started", "WaitingForUpload", "Processing"];
        if !running.contains(&job["status"].as_str().unwrap_or_default()) {
            return job;
        }
    }
    panic!("{path} does not end");
}

/// Asserts that an import has succeeded; gives the id of the flow.
#[track_caller]
pub fn flow_of(job: &Value) -> String {
    assert_eq!(job["status"], "Success", "{job}");
    text(job, "/flow/id")
}

/// Gives what a job says, in one line.
pub fn messages(job: &Value) -> String {
    let texts: Vec<&str> = job["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| message["text"].as_str())
        .collect();
    texts.join(" | ")
}

/// Exports flows and gives the job and the files of the zip: name and content.
pub async fn export(api: &Api, flows: Value) -> (Value, Vec<(String, String)>) {
    let body = json!({ "flows": flows });
    let job = api.post("/api/v2/flows/export/jobs", body).await.ok();
    let path = format!(
        "/api/v2/flows/export/jobs/{}?expand=messages",
        text(&job, "/id")
    );
    let job = end(api, &path).await;
    let mut files = Vec::new();
    if let Some(url) = job["downloadUrl"].as_str() {
        let bytes = api.http.get(url).send().await.expect("an answer");
        let bytes = bytes.bytes().await.expect("a whole body");
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
        for index in 0..zip.len() {
            let mut file = zip.by_index(index).expect("a file");
            let mut content = String::new();
            file.read_to_string(&mut content).expect("text");
            let name = file.name().expect("a name").into_owned();
            files.push((name, content));
        }
    }
    (job, files)
}
