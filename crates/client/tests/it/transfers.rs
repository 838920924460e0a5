//! Presigned uploads and downloads: no token, no plain HTTP, no repeated upload.

use orgsmith_client::{Call, Client, Error, Host, Part};

use crate::server::{Act, Server, builder, json};

#[tokio::test]
async fn an_upload_carries_its_headers_and_no_token() {
    let server = Server::new(|_, _| json(200, "")).await;
    let client = server.client();
    let headers = [
        ("x-amz-tagging".to_owned(), "org=1".to_owned()),
        ("Authorization".to_owned(), "Bearer stolen".to_owned()),
    ];
    let url = format!("{}/bucket/flow.yaml?X-Amz-Signature=s", server.url);
    client
        .upload(&url, &headers, "application/yaml", "name: Sales")
        .await
        .unwrap();
    let seen = &server.calls()[0];
    assert_eq!(seen.line(), "PUT /bucket/flow.yaml");
    assert_eq!(seen.headers["x-amz-tagging"], "org=1");
    assert_eq!(seen.headers["content-type"], "application/yaml");
    assert_eq!(seen.body, "name: Sales");
    assert!(!seen.headers.contains_key("authorization"));
    assert_eq!((server.mints(), client.stats().transfers), (0, 1));
}

#[tokio::test]
async fn an_upload_without_an_answer_is_not_repeated_and_its_url_not_told() {
    let server = Server::new(|_, _| Act::Close).await;
    let url = format!("{}/bucket/key-in-path?X-Amz-Signature=s3cret", server.url);
    let upload = server.client();
    let upload = upload.upload(&url, &[], "text/csv", "a,b");
    let error = upload.await.unwrap_err();
    assert!(error.may_have_been_acted_on());
    assert_eq!(server.calls().len(), 1);
    let told = format!("{error} {error:?}");
    assert!(!told.contains("s3cret") && !told.contains("key-in-path"));
    assert!(told.starts_with("PUT 127.0.0.1/… (org test)"), "{told}");
}

#[tokio::test]
async fn a_download_is_repeated_and_follows_redirects_without_a_token() {
    let server = Server::new(|n, request| match (n, &*request.path) {
        (1, _) => json(503, ""),
        (_, "/file") => json(302, "").header("location", "/moved"),
        _ => json(200, "bytes"),
    })
    .await;
    let url = format!("{}/file", server.url);
    let bytes = server.client().download(&url).await.unwrap();
    assert_eq!(bytes, "bytes");
    assert_eq!(server.lines(), ["GET /file", "GET /file", "GET /moved"]);
    let calls = server.calls();
    assert!(
        calls
            .iter()
            .all(|c| !c.headers.contains_key("authorization"))
    );
}

#[tokio::test]
async fn a_download_has_a_size_limit_and_an_expired_link_is_refused() {
    let server = Server::new(|n, _| match n {
        1 => json(200, "x".repeat(200)),
        _ => json(403, "<Error><Code>AccessDenied</Code></Error>"),
    })
    .await;
    let client = server.builder().max_transfer(100).build().unwrap();
    let url = format!("{}/file", server.url);
    let error = client.download(&url).await.unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 100, .. }),
        "{error}"
    );
    let error = client.download(&url).await.unwrap_err();
    assert_eq!(error.status(), Some(403));
}

#[tokio::test]
async fn only_a_simulator_on_this_machine_hands_out_urls_of_plain_http() {
    let server = Server::new(|_, _| json(200, "")).await;
    for base in [
        "https://127.0.0.1:1",
        "http://org.example",
        "https://org.example",
    ] {
        let client: Client = builder(base).build().unwrap();
        let error = client.download(&server.url).await.unwrap_err();
        assert!(matches!(error, Error::InsecureUrl { .. }), "{error}");
        let upload = client.upload(&server.url, &[], "text/csv", "");
        let error = upload.await.unwrap_err();
        assert!(matches!(error, Error::InsecureUrl { .. }), "{error}");
    }
    // Nor does a simulator lead elsewhere.
    let elsewhere = server
        .client()
        .download("http://storage.example/file")
        .await;
    let error = elsewhere.unwrap_err();
    assert!(matches!(error, Error::InsecureUrl { .. }), "{error}");
    for url in ["file:///etc/hostname", "no url"] {
        assert!(server.client().download(url).await.is_err());
    }
    assert_eq!(server.calls().len(), 0);
}

#[tokio::test]
async fn a_script_upload_is_a_form_with_the_token() {
    let server = Server::new(|_, _| json(200, r#"{"correlationId":"s-1"}"#)).await;
    let call = Call::post("/uploads/v2/scripter")
        .on(Host::Apps)
        .multipart(&[
            Part::text("scriptName", "Sales"),
            Part::file("file", "Sales.script", "application/json", "{}"),
        ]);
    let reply = server.client().send(call).await.unwrap();
    assert_eq!(reply.body["correlationId"], "s-1");
    let seen = &server.calls()[0];
    assert_eq!(seen.token(), "token-1");
    assert!(seen.headers["content-type"].starts_with("multipart/form-data; boundary="));
    assert!(seen.body.contains("filename=\"Sales.script\""));
}
