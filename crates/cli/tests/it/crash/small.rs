//! A small org with one of everything that makes runs hard: references around a circle, files, rows, a
//! flow with a draft, members, and a secret.

use crate::lab::{Lab, PLANTED};

/// How many objects the bundle has.
pub const OBJECTS: usize = 11;

const HOME: &str = "division: {$ref: auth_division/~home}\n";
const FLOW: &str = "inqueueCall:
  name: Wait
  division: Home
  startUpRef: /inqueueCall/tasks/task[Start_10]
  defaultLanguage: en-us
  supportedLanguages:
    en-us:
      defaultLanguageSkill:
        noValue: true
  settingsInQueueCall:
    holdMusic:
      lit:
        name: PromptSystem.on_hold_music
  tasks:
    - task:
        name: Start
        refId: Start_10
        actions:
          - transferToAcd:
              name: Again
              targetQueue:
                lit:
                  name: Billing
";
const PROMPT: &str = "name: Hello
description: greets
resources:
- {language: en-us, ttsString: Hello}
- {language: de-de, text: audio}
";
const TABLE: &str = r##"name: Shops
schema:
  $schema: "http://json-schema.org/draft-04/schema#"
  type: object
  additionalProperties: false
  required: [key]
  properties:
    key: {title: Postcode, type: string, $id: /properties/key, displayOrder: 0}
    Open: {title: Open, type: boolean, $id: /properties/Open, displayOrder: 1, default: false}
rows:
- {key: "1000", Open: true}
- {key: "2000", Open: false}
"##;
const QUEUE: &str = "name: Billing
division: {$ref: auth_division/Claims}
description: bills
queueFlow: {$ref: flow/inqueuecall/Wait}
members:
- {user: {$ref: user/ana@example.com}}
- {user: {$ref: user/boss@example.com}, ringNumber: 2}
bullseye:
  rings:
  - {expansionCriteria: [{type: TIMEOUT_SECONDS, threshold: 10}]}
  - {expansionCriteria: [{type: TIMEOUT_SECONDS, threshold: 10}]}
wrapUpCodes: [{$ref: routing_wrapupcode/Done}]
";

/// Writes the bundle `small`, and the file `secrets.yaml` for it.
pub fn write(lab: &Lab) {
    let file = |name: &str, text: &str| lab.write(&format!("small/{name}"), text);
    file(
        "auth_division/Claims.yaml",
        "name: Claims\ndescription: claims\n",
    );
    file(
        "routing_skill/Billing.yaml",
        &format!("name: Billing\n{HOME}"),
    );
    file(
        "routing_wrapupcode/Done.yaml",
        &format!("name: Done\n{HOME}"),
    );
    file(
        "user/boss@example.com.yaml",
        &format!("name: Boss\nemail: boss@example.com\nstate: active\n{HOME}"),
    );
    file(
        "user/ana@example.com.yaml",
        &format!(
            "name: Ana\nemail: ana@example.com\nstate: active\n{HOME}\
             manager: {{$ref: user/boss@example.com}}\n\
             skills: [{{id: {{$ref: routing_skill/Billing}}, proficiency: 2}}]\n"
        ),
    );
    file(
        "group/Backup.yaml",
        "name: Backup\ntype: official\nvisibility: public\nrulesVisible: true\n\
         members: [{$ref: user/ana@example.com}]\n",
    );
    file("architect_user_prompt/Hello.yaml", PROMPT);
    lab.write("small/architect_user_prompt/Hello.de-de.wav", silence());
    file("architect_datatable/Shops.yaml", &format!("{TABLE}{HOME}"));
    file(
        "flow/inqueuecall/Wait.yaml",
        &format!("name: Wait\ntype: INQUEUECALL\n{HOME}"),
    );
    file("flow/inqueuecall/Wait.flow.yaml", FLOW);
    file("routing_queue/Billing.yaml", QUEUE);
    file(
        "integration_credential/basicAuth/CRM.yaml",
        "name: CRM\ntype: {name: basicAuth}\ncredentialFields:\n  \
         userName: {$secret: CRM/userName}\n  password: {$secret: CRM/password}\n",
    );
    lab.private(
        "secrets.yaml",
        &format!("CRM/userName: {PLANTED}\nCRM/password: {PLANTED}\n"),
    );
}

/// Changes four of its objects, each in another way: a field, a division, a source, rows.
pub fn change(lab: &Lab) {
    let edit = |name: &str, from: &str, to: &str| {
        let path = format!("small/{name}");
        let text = std::fs::read_to_string(lab.path(&path)).expect("our own file");
        assert!(text.contains(from), "no {from} in {text}");
        lab.write(&path, text.replace(from, to));
    };
    edit(
        "auth_division/Claims.yaml",
        "description: claims",
        "description: other",
    );
    edit(
        "routing_queue/Billing.yaml",
        "auth_division/Claims",
        "auth_division/~home",
    );
    edit(
        "flow/inqueuecall/Wait.flow.yaml",
        "name: Again",
        "name: Once more",
    );
    edit(
        "architect_datatable/Shops.yaml",
        "Open: false}\n",
        "Open: true}\n",
    );
}

/// Returns a tenth of a second of silence.
fn silence() -> Vec<u8> {
    let samples = 800_u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(8_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(samples.to_le_bytes());
    wav.extend(std::iter::repeat_n(0x80, samples as usize));
    wav
}
