//! Data tables: schemas, rows, and rows as files.

use serde_json::{Value, json};

use crate::architect::{end, flow_of, import, put};
use crate::support::{Api, World, column, text};

const TABLES: &str = "/api/v2/flows/datatables";

fn schema(columns: &[(&str, &str)]) -> Value {
    let mut properties = json!({"key": {"type": "string", "title": "number", "displayOrder": 0}});
    for (index, (name, sort)) in columns.iter().enumerate() {
        properties[*name] = json!({"type": sort, "title": name, "displayOrder": index + 1});
    }
    json!({
        "type": "object",
        "required": ["key"],
        "additionalProperties": false,
        "properties": properties,
    })
}

async fn table(api: &Api) -> String {
    let columns = [
        ("open", "boolean"),
        ("name", "string"),
        ("limit", "integer"),
        ("rate", "number"),
    ];
    let body = json!({"name": "Lines", "schema": schema(&columns)});
    api.make(TABLES, body).await
}

#[tokio::test]
async fn a_schema_is_shown_only_when_asked_for_and_keeps_its_fields() {
    let world = World::start().await;
    let api = &world.api;
    let id = table(api).await;
    let path = format!("{TABLES}/{id}");
    assert_eq!(
        api.get(TABLES).await.ok()["entities"][0].get("schema"),
        None
    );
    assert_eq!(api.get(&path).await.ok().get("schema"), None);
    let list = api.get(&format!("{TABLES}?expand=schema")).await.ok();
    assert_eq!(
        list["entities"][0]["schema"]["properties"]["limit"]["type"],
        "integer"
    );
    let expanded = format!("{path}?expand=schema");
    let shown = api.get(&expanded).await.ok();
    let schema_id = text(&shown, "/schema/id");

    let mut fewer = shown["schema"].clone();
    fewer["properties"].as_object_mut().unwrap().remove("rate");
    let got = api
        .put(&path, json!({"name": "Lines", "schema": fewer}))
        .await;
    got.refused(400, "invalid.value");
    let mut other = shown["schema"].clone();
    other["properties"]["rate"]["type"] = "string".into();
    let got = api
        .put(&path, json!({"name": "Lines", "schema": other}))
        .await;
    got.refused(400, "invalid.value");
    let mut more = shown["schema"].clone();
    more["properties"]["extra"] = json!({"type": "string", "displayOrder": 9});
    let body = json!({"name": "Lines 2", "schema": more});
    assert_eq!(api.put(&path, body).await.ok().get("schema"), None);
    let shown = api.get(&expanded).await.ok();
    assert_eq!(shown["name"], "Lines 2");
    assert_eq!(shown["schema"]["properties"]["extra"]["type"], "string");
    assert_eq!(text(&shown, "/schema/id"), schema_id);
}

#[tokio::test]
async fn a_schema_follows_its_rules() {
    let world = World::start().await;
    let api = &world.api;
    table(api).await;
    let got = api
        .post(TABLES, json!({"name": "lines", "schema": schema(&[])}))
        .await;
    got.refused(409, "general.conflict");
    let spoiled = |pointer: &str, value: Value| {
        let mut schema = schema(&[("a", "string")]);
        *schema.pointer_mut(pointer).unwrap() = value;
        schema
    };
    let many: Vec<String> = (0..51).map(|n| format!("f{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "string")).collect();
    for schema in [
        Value::Null,
        spoiled("/additionalProperties", json!(true)),
        spoiled("/properties", json!({})),
        spoiled("/required", json!([])),
        spoiled("/properties/key/type", json!("integer")),
        spoiled("/properties/a/type", json!("date")),
        spoiled("/properties/a/displayOrder", Value::Null),
        spoiled("/properties/a/displayOrder", json!(0)),
        schema(&many),
    ] {
        let got = api
            .post(TABLES, json!({"name": "T", "schema": schema}))
            .await;
        assert_eq!(
            (got.status, &got.body["code"]),
            (400, &json!("invalid.value")),
            "{schema}"
        );
    }
    let fifty = schema(&many[..50]);
    api.make(TABLES, json!({"name": "T", "schema": fifty}))
        .await;
}

#[tokio::test]
async fn rows_are_completed_checked_and_brief() {
    let world = World::start().await;
    let api = &world.api;
    let rows = format!("{TABLES}/{}/rows", table(api).await);
    let made = api
        .post(&rows, json!({"key": "+49 1/2", "limit": 3}))
        .await
        .ok();
    let whole = json!({"key": "+49 1/2", "open": false, "name": "", "limit": 3, "rate": 0});
    assert_eq!(made, whole);
    let one = format!("{rows}/%2B49%201%2F2");
    assert_eq!(api.get(&one).await.ok(), json!({"key": "+49 1/2"}));
    let full = format!("{one}?showbrief=false");
    assert_eq!(api.get(&full).await.ok(), whole);
    assert_eq!(
        api.get(&rows).await.ok()["entities"],
        json!([{"key": "+49 1/2"}])
    );
    let list = api.get(&format!("{rows}?showbrief=false")).await.ok();
    assert_eq!(list["entities"], json!([whole]));

    for wrong in [
        json!({"limit": 1}),
        json!({"key": ""}),
        json!({"key": 5}),
        json!({"key": "a", "limit": 1.5}),
        json!({"key": "a", "open": "true"}),
        json!({"key": "a", "colour": "red"}),
        json!({"key": "k".repeat(257)}),
    ] {
        api.post(&rows, wrong).await.refused(400, "bad.request");
    }
    let again = json!({"key": "+49 1/2"});
    api.post(&rows, again)
        .await
        .refused(409, "general.conflict");
    let got = api.put(&one, json!({"key": "other"})).await;
    got.refused(400, "invalid.value");
    let replaced = api.put(&one, json!({"name": "x"})).await.ok();
    assert_eq!(
        (&replaced["limit"], &replaced["name"]),
        (&json!(0), &json!("x"))
    );
    assert_eq!(api.delete(&one).await.status, 204);
    for got in [
        api.get(&one).await,
        api.put(&one, json!({})).await,
        api.delete(&one).await,
    ] {
        got.refused(404, "not.found");
    }
}

#[tokio::test]
async fn a_table_in_use_is_deleted_only_by_force() {
    let world = World::start().await;
    let api = &world.api;
    let path = format!("{TABLES}/{}", table(api).await);
    let flow = flow_of(
        &import(
            api,
            "workflow:\n  name: W\n  states:\n    - dataTableLookup:\n        dataTable:\n          Lines: {failureOutputs: {}}\n",
        )
        .await,
    );
    api.delete(&path).await.refused(409, "general.conflict");
    assert_eq!(api.delete(&format!("{path}?force=true")).await.status, 204);
    let flow = format!("/api/v2/flows/{flow}");
    api.put(&flow, json!({"name": "W2"})).await.ok();
}

async fn import_csv(api: &Api, table: &str, mode: &str, content: &str) -> Value {
    let jobs = format!("{TABLES}/{table}/import/csv/jobs");
    let job = api.post(&jobs, json!({"importMode": mode})).await.ok();
    assert_eq!(job["status"], "WaitingForUpload");
    put(api, &job, "uploadURI", "uploadHeaders", content)
        .await
        .ok();
    end(
        api,
        &format!("{TABLES}/{table}/import/jobs/{}", text(&job, "/id")),
    )
    .await
}

#[tokio::test]
async fn files_append_or_replace_and_tell_what_they_left_out() {
    let world = World::start().await;
    let api = &world.api;
    let id = table(api).await;
    let job = import_csv(
        api,
        &id,
        "Append",
        "key,name,open\r\na,\"A, a\",TRUE\r\nb,,\r\n",
    )
    .await;
    assert_eq!(
        (&job["status"], &job["countRecordsUpdated"]),
        (&json!("Succeeded"), &json!(2))
    );
    let job = import_csv(api, &id, "Append", "key,limit\nb,7\nc,x\n,1\nd,1\n").await;
    assert_eq!(job["status"], "Succeeded");
    assert_eq!(
        (&job["countRecordsUpdated"], &job["countRecordsFailed"]),
        (&json!(2), &json!(2))
    );
    assert!(text(&job, "/errorInformation/message").contains("Record 3"));
    let rows = format!("{TABLES}/{id}/rows");
    assert_eq!(column(&api.get(&rows).await.ok(), "key"), ["a", "b", "d"]);
    let b = api.get(&format!("{rows}/b?showbrief=false")).await.ok();
    assert_eq!(b["limit"], 7);

    for content in [
        "key,colour\na,red\n",
        "name\nx\n",
        "",
        "key,key\na,b\n",
        "key\n\"a\n",
    ] {
        let job = import_csv(api, &id, "ReplaceAll", content).await;
        assert_eq!(job["status"], "Failed", "{content}");
        assert!(job["errorInformation"]["message"].is_string());
    }
    let many: String = (0..5001).map(|n| format!("k{n}\n")).collect();
    let job = import_csv(api, &id, "ReplaceAll", &format!("key\n{many}")).await;
    assert_eq!(job["status"], "Failed");
    assert_eq!(api.get(&rows).await.ok()["total"], 3);

    let job = import_csv(
        api,
        &id,
        "ReplaceAll",
        "key,name,open,rate\nz,\"say \"\"hi\"\"\",true,0.5\na,x,,\n",
    )
    .await;
    assert_eq!(job["countRecordsDeleted"], 2);
    let jobs = format!("{TABLES}/{id}/export/jobs");
    let job = api.post(&jobs, Value::Null).await.ok();
    let job = end(api, &format!("{jobs}/{}", text(&job, "/id"))).await;
    assert_eq!(
        (&job["status"], &job["countRecordsProcessed"]),
        (&json!("Succeeded"), &json!(2))
    );
    let file = api
        .http
        .get(text(&job, "/downloadURI"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        file.text().await.unwrap(),
        "key,open,name,limit,rate\r\na,false,x,0,0\r\nz,true,\"say \"\"hi\"\"\",0,0.5\r\n"
    );
    let jobs = api.get(&format!("{TABLES}/{id}/import/jobs")).await.ok();
    assert_eq!(jobs["total"], 9);
}
