//! Schedules, prompts, tables, integrations, queues; and, once there are flows, call routes,
//! contact lists and campaigns.

use serde_json::{Map, Value, json};

use super::people::{Builder, topic};
use crate::api::{member_ids, set_audio};
use crate::error::Refusal;

/// Numbers of one call route.
const NUMBERS: usize = 2;

impl Builder<'_, '_> {
    pub(super) fn services(&mut self) -> Result<(), Refusal> {
        self.schedules();
        self.prompts();
        self.tables()?;
        self.integrations()?;
        self.queues();
        Ok(())
    }

    fn schedules(&mut self) {
        let mut schedules = Vec::new();
        for index in 0..self.wanted.schedules {
            let opens = 6 + index % 6;
            let body = json!({
                "name": format!("{} hours", topic(index)),
                "start": format!("2026-01-05T{opens:02}:00:00.000"),
                "end": format!("2026-01-05T{:02}:00:00.000", opens + 8),
                "rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
            });
            schedules.push(self.place("schedule", body));
        }
        for index in 0..self.wanted.schedule_groups {
            let name = format!("{} opening", topic(index));
            let open = self.random.some(&schedules, 2);
            let open: Vec<Value> = open.iter().map(|id| json!({ "id": id })).collect();
            let closed = self.random.some(&schedules, 1);
            let closed: Vec<Value> = closed.iter().map(|id| json!({ "id": id })).collect();
            let body = json!({
                "name": name,
                "timeZone": "Europe/Lisbon",
                "openSchedules": open,
                "closedSchedules": closed,
                "holidaySchedules": [],
            });
            let id = self.place("schedule_group", body);
            self.schedule_groups.push((id, name));
        }
    }

    fn prompts(&mut self) {
        for index in 0..self.wanted.prompts {
            let name = topic(index).replace(' ', "_");
            let words = format!("You have reached {}.", topic(index));
            let mut english = json!({"ttsString": words, "uploadStatus": "created"});
            if index % 2 == 0 {
                set_audio(self.cx, &mut english, silence(400 + index % 64));
            }
            let body = json!({
                "name": name,
                "description": format!("Greeting of {}", topic(index)),
                "$resources": {"en-us": english},
            });
            self.place("user_prompt", body);
            self.prompts.push(name);
        }
    }

    fn tables(&mut self) -> Result<(), Refusal> {
        for index in 0..self.wanted.tables {
            let name = format!("{} table", topic(index));
            let column = |sort: &str, order: usize| json!({"type": sort, "title": sort, "displayOrder": order});
            let body = json!({
                "name": name,
                "description": "",
                "schema": {
                    "type": "object",
                    "required": ["key"],
                    "additionalProperties": false,
                    "properties": {
                        "key": column("string", 0),
                        "label": column("string", 1),
                        "open": column("boolean", 2),
                        "limit": column("integer", 3),
                        "rate": column("number", 4),
                    },
                },
            });
            let id = self.make("/api/v2/flows/datatables", body)?;
            let rows: Map<String, Value> = (0..self.wanted.rows)
                .map(|row| {
                    let key = format!("+351210{row:06}");
                    let whole = json!({
                        "key": key,
                        "label": topic(row % 16),
                        "open": row % 3 != 0,
                        "limit": row,
                        "rate": row as f64 / 4.0,
                    });
                    (key, whole)
                })
                .collect();
            if let Some(table) = self.fields("datatable", &id) {
                table.insert("$rows".into(), rows.into());
            }
            self.tables.push(name);
        }
        Ok(())
    }

    fn integrations(&mut self) -> Result<(), Refusal> {
        let mut integrations = Vec::new();
        for index in 0..self.wanted.integrations {
            let name = format!("{} service", topic(index));
            let credential = self.make(
                "/api/v2/integrations/credentials",
                json!({
                    "name": format!("{name} login"),
                    "type": {"name": "basicAuth"},
                    "credentialFields": {"userName": "service", "password": format!("generated-{index}")},
                }),
            )?;
            let body = json!({"name": name, "integrationType": {"id": "custom-rest-actions"}});
            let id = self.make("/api/v2/integrations", body)?;
            let path = format!("/api/v2/integrations/{id}");
            let config = json!({
                "name": name,
                "version": 1,
                "properties": {},
                "advanced": {},
                "notes": "",
                "credentials": {"basicAuth": {"id": credential}},
            });
            self.ask("PUT", &format!("{path}/config/current"), config)?;
            self.ask("PATCH", &path, json!({"intendedState": "ENABLED"}))?;
            integrations.push((id, name));
        }
        for index in 0..self.wanted.actions {
            let Some((integration, category)) = integrations.get(index % integrations.len().max(1))
            else {
                break;
            };
            let (integration, category) = (integration.clone(), category.clone());
            let name = format!("Look up {}", topic(index).to_lowercase());
            let text = |property: &str| json!({"type": "object", "properties": {property: {"type": "string"}}});
            let body = json!({
                "name": name,
                "category": category,
                "integrationId": integration,
                "secure": false,
                "contract": {
                    "input": {"inputSchema": text("number")},
                    "output": {"successSchema": text("label")},
                },
                "config": {
                    "request": {
                        "requestType": "GET",
                        "requestUrlTemplate": format!("https://service.example.com/{index}/${{input.number}}"),
                        "requestTemplate": "${input.rawRequest}",
                        "headers": {},
                    },
                    "response": {"translationMap": {}, "translationMapDefaults": {}, "successTemplate": "${rawResult}"},
                },
            });
            self.make("/api/v2/integrations/actions", body)?;
            self.actions.push((category, name));
        }
        Ok(())
    }

    fn queues(&mut self) {
        for index in 0..self.wanted.queues {
            let name = format!("{} queue", topic(index));
            let mut members: Map<String, Value> = self
                .random
                .some(&self.users, self.wanted.members)
                .into_iter()
                .map(|user| (user.clone(), json!({"ring": 1, "joined": true})))
                .collect();
            let codes = self.random.some(&self.wrapups, 4);
            let codes: Vec<&String> = codes.iter().map(|(id, _)| id).collect();
            let mut body = json!({
                "name": name,
                "description": format!("Calls about {}", topic(index).to_lowercase()),
                "$wrapups": codes,
            });
            if let Some(group) = self.random.pick(&self.groups).cloned()
                && index % 4 == 0
            {
                body["memberGroups"] = json!([{"id": group, "type": "GROUP"}]);
                // Who comes with the group cannot be added once more.
                if let Some(group) = self.cx.org.store.get("group", &group) {
                    for user in member_ids(group) {
                        members.remove(user);
                    }
                }
            }
            body["$members"] = members.into();
            // Overflow goes to a queue that is there already.
            if let Some((backup, _)) = self.random.pick(&self.queues) {
                body["directRouting"] = json!({"backupQueueId": backup, "agentWaitSeconds": 60});
            }
            let id = self.place("queue", body);
            self.queues.push((id, name));
        }
    }

    pub(super) fn routes(&mut self) -> Result<(), Refusal> {
        let queues: Vec<String> = self.queues.iter().map(|(id, _)| id.clone()).collect();
        for queue in queues {
            if let Some(flow) = self.random.pick(&self.waits).cloned()
                && let Some(fields) = self.fields("queue", &queue)
            {
                fields.insert("queueFlow".into(), json!({ "id": flow }));
            }
        }
        self.ivrs()?;
        self.campaigns()
    }

    fn ivrs(&mut self) -> Result<(), Refusal> {
        let number = |index: usize| format!("+351211{index:06}");
        if self.wanted.ivrs > 0 {
            let body = json!({
                "name": "Lisbon numbers",
                "startPhoneNumber": number(0),
                "endPhoneNumber": number(self.wanted.ivrs * NUMBERS - 1),
            });
            self.make("/api/v2/telephony/providers/edges/didpools", body)?;
        }
        for index in 0..self.wanted.ivrs {
            let numbers = (0..NUMBERS).map(|n| number(index * NUMBERS + n));
            let mut body = json!({
                "name": format!("{} line", topic(index)),
                "dnis": numbers.collect::<Vec<_>>(),
            });
            if let Some(flow) = self.random.pick(&self.calls).cloned() {
                body["openHoursFlow"] = json!({ "id": flow });
                body["closedHoursFlow"] = json!({ "id": self.random.pick(&self.calls) });
                if let Some((group, _)) = self.random.pick(&self.schedule_groups) {
                    body["scheduleGroup"] = json!({ "id": group });
                }
            }
            self.place("ivr", body);
        }
        Ok(())
    }

    fn campaigns(&mut self) -> Result<(), Refusal> {
        let mut lists = Vec::new();
        for index in 0..self.wanted.contact_lists {
            let body = json!({
                "name": format!("{} contacts", topic(index)),
                "columnNames": ["name", "phone"],
                "phoneColumns": [{"columnName": "phone", "type": "cell"}],
            });
            lists.push(self.make("/api/v2/outbound/contactlists", body)?);
        }
        for index in 0..self.wanted.campaigns {
            let list = self.random.pick(&lists).cloned();
            let queue = self.random.pick(&self.queues).map(|(id, _)| id.clone());
            let (Some(list), Some(queue)) = (list, queue) else {
                break;
            };
            let body = json!({
                "name": format!("{} campaign", topic(index)),
                "contactList": {"id": list},
                "queue": {"id": queue},
                "dialingMode": "preview",
                "callerName": "Contact centre",
                "callerAddress": "+351210000000",
                "phoneColumns": [{"columnName": "phone", "type": "cell"}],
                "campaignStatus": "off",
            });
            self.make("/api/v2/outbound/campaigns", body)?;
        }
        Ok(())
    }
}

/// Makes a file of some milliseconds of silence.
fn silence(ms: usize) -> Vec<u8> {
    let length = u32::try_from(ms * 8).unwrap_or(0);
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x07\0\x01\0");
    // One byte a sample, eight thousand samples a second.
    file.extend(8000u32.to_le_bytes());
    file.extend(8000u32.to_le_bytes());
    file.extend(b"\x01\0\x08\0data");
    file.extend(length.to_le_bytes());
    file.resize(44 + ms * 8, 0xff);
    file
}
