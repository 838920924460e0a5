//! Every form in which Architect names an object, in texts of our own.

use super::{flow, listed};

#[test]
fn queues() {
    let text = flow(
        "inboundCall",
        r#"
- transferToAcd:
    targetQueue:
      lit:
        name: Sales
    priority: {lit: 0}
- createCallback:
    targetQueues:
      - targetQueue: {lit: {name: "Sales, late"}}
      - targetQueue:
          lit:
            name: 'Sales'
          name: Sales
- transferToVoicemail:
    destination:
      queue:
        targetQueue: {lit: {name: Voicemail}}
- updateData:
    statements:
      - queue:
          variable: Task.Queue
          value: {lit: {name: Assigned}}
      - queueCollection:
          variable: Task.Queues
          value: {lit: [{name: First}, {name: Second}]}
- transferToAcd:
    targetQueue: {exp: 'FindQueue("Found")'}
- transferToAcd:
    targetQueue: {exp: Task.Queue}
- transferToAcd:
    targetQueue: {exp: FindQueue(Task.Name)}
- findQueue:
    findName: {lit: By action}
- findQueue:
    findName: {exp: '"By expression"'}
- findQueue:
    findName: {exp: Task.Name}
"#,
    );
    let text = text
        + "  variables:\n    - queueVariable:\n        name: Flow.Q\n        initialValue:\n          lit:\n            name: Initial\n";
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn skills_and_languages() {
    let text = flow(
        "inboundCall",
        r#"
- transferToAcd:
    acdSkills:
      - acdSkill: {lit: {name: Billing}}
      - acdSkill: {exp: FindSkill("Loans")}
      - acdSkill: {exp: "FindSkill(Append(\"a\", Task.b))"}
    languageSkill:
      lit: {name: Spanish}
- transferToAcd:
    acdSkills: {noValue: true}
    languageSkill: {exp: FindLanguageSkill("French")}
"#,
    ) + "  supportedLanguages:\n    en-us:\n      defaultLanguageSkill:\n        lit: {name: English}\n";
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn prompts() {
    let text = flow(
        "inboundCall",
        r#"
- playAudio:
    audio:
      prompt: Prompt.Welcome
- playAudio:
    audio:
      exp: "AudioPlaybackOptions(\n  Append(ToAudio(Prompt.Hours), ToAudioTTS(\"Prompt.Text\")), true)"
- playAudio:
    audio:
      exp: ToAudio(FindUserPrompt("Found"))
- callData:
    processingPrompt:
      lit: {name: Prompt.Wait}
- callData:
    processingPrompt: {lit: {name: PromptSystem.processing}}
- playAudio:
    audio: {prompt: PromptSystem.voicemail_greeting}
"#,
    );
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn schedules() {
    let text = flow(
        "inboundShortMessage",
        r#"
- evaluateSchedule:
    evaluationType:
      schedule:
        selectedSchedule:
          lit: {name: Opening hours}
        evaluate: {now: true}
- evaluateScheduleGroup:
    inServiceSchedules:
      - lit: {name: Extra}
    scheduleGroup:
      lit: {name: Main}
    emergencyGroup:
      lit: {name: Evacuation}
      name: Evacuation
- evaluateScheduleGroup:
    scheduleGroup: {exp: FindScheduleGroup("By function")}
    emergencyGroup: {exp: FindEmergencyGroup(Task.g)}
"#,
    );
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn tables_and_actions() {
    let text = flow(
        "workflow",
        r#"
- dataTableLookup:
    lookupValue: {exp: Flow.key}
    dataTable:
      Black list:
        foundOutputs: {}
- dataTableLookup:
    dataTable:
      "Opening: hours":
- dataTableLookup:
    dataTable: {noValue: true}
- callData:
    category:
      CRM:
        dataAction:
          Look up customer:
            inputs:
              category: {lit: gold}
              queueId: {lit: a6f03f8d-bb75-4bcf-8304-2d73a0f21572}
              url: {lit: "https://crm.example.com/api"}
- callData:
    category:
      CRM:
        dataAction: {Close case: {}}
"#,
    );
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn other_flows() {
    let text = flow(
        "inboundCall",
        r#"
- transferToFlow:
    targetFlow: {name: Other}
- transferToFlowSecure:
    targetFlow: {name: Payment}
- transferToAcd:
    targetQueue: {lit: {name: Sales}}
    overrideInQueueFlow: {name: Wait}
- callCommonModule:
    commonModule:
      Log:
        ver_latestPublished:
          inputs: {Common.x: {lit: 1}}
- callBotFlow:
    botFlow:
      Greeter:
        ver_latestPublished: {none: true}
- callDigitalBotFlow:
    digitalBotFlow:
      Helper: {ver_latestPublished: {none: true}}
- callAgenticVirtualAgent:
    agenticVirtualAgent:
      Clara: {ver_latestPublished: {}}
"#,
    ) + "  referencedObjects:\n    flows:\n      - flow:\n          name: Log\n          type: commonmodule\n          variables:\n            - jsonVariable: {name: Common.x}\n    dataActions:\n      - dataAction: {category: CRM, name: Find}\n";
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn transfers_stay_in_their_medium() {
    let mut found = Vec::new();
    for root in [
        "inqueueCall",
        "inboundEmail",
        "inqueueShortMessage",
        "inboundChat",
        "commonModule",
    ] {
        let text = flow(
            root,
            "- transferToFlow:\n    targetFlow: {name: A}\n- transferToAcd:\n    overrideInQueueFlow: {name: B}",
        );
        found.push(listed(&text));
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn people_codes_and_the_rest() {
    let text = flow(
        "inboundCall",
        r#"
- transferToUser:
    targetUser: {lit: {email: jane@example.com, name: Jane}}
- transferToUser:
    targetUser: {exp: FindUser("john@example.com")}
- transferToGroup:
    targetGroup: {lit: {name: Reception}}
- transferToGroup:
    targetGroup: {exp: FindGroup(Task.g)}
- setWrapupCode:
    wrapupCode: {lit: {name: No answer}}
- setScreenPop:
    screenPopScript:
      Customer card:
        inputs: {Name: {exp: Call.Ani}}
- setFlowOutcome:
    flowOutcome: {name: Paid}
- addFlowMilestone:
    milestone: {name: Identified}
- somethingNew:
    newThing: {lit: {name: Unheard of}}
- exoticTransfer:
    targetQueue: {exp: FindQueueById(Task.id)}
"#,
    ) + "  division: Home\n  settingsOutboundCall:\n    contactList: {lit: {name: People}}\n  settingsKnowledge:\n    Manuals:\n      maxNumOfAnswersReturned: {lit: 3}\n";
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn what_only_looks_like_a_reference() {
    let text = flow(
        "inboundCall",
        r#"
- playAudio:
    name: Transfer to queue
    audio: {tts: 'say FindQueue("x") & Prompt.Welcome <break/> if 1 < 2 > 0'}
- playAudio:
    audio: {tts: <speak>}
- sendResponse:
    messageBody: {lit: "<speak xmlns='http://www.w3.org/2001/10/synthesis'>Hi <b>you</b></speak>"}
- updateData:
    statements:
      - string: {variable: Task.s, value: {lit: "{\"a\": {\"b\": 1}}"}}
      - boolean: {variable: Task.b, value: {exp: "Task.a<Task.b and Task.c>Task.d"}}
      - string: {variable: Task.t, value: {lit: "${input.rawRequest} $esc.json($x)"}}
- callCommonModule:
    commonModule: {noValue: true}
- setParticipantData:
    attributes:
      - attribute: {name: {lit: queue}, value: {lit: Sales}}
"#,
    ) + "  settingsKnowledge:\n    none: true\n  settingsNaturalLanguageUnderstanding:\n    nluDomainVersion:\n      intents:\n        - utterances:\n            - segments: [{text: <number>}]\n          queue: {lit: {name: no queue}}\n";
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn placeholders_are_found_even_where_they_break_the_yaml() {
    let text = flow(
        "inboundCall",
        r#"
- transferToAcd:
    targetQueue: {lit: {name: <queue>}}   # a comment may say {{anything}}
- transferToAcd:
    targetQueue:
      lit:
        name: Sales <env> {{ region }}
- playAudio:
    audio: {tts: {{greeting}}}
- dataTableLookup:
    dataTable:
      {{prefix}}-Table:
        foundOutputs: {}
- playAudio:
    audio: {exp: 'ToAudioTTS("{{ivr_text}}")'}
"#,
    );
    insta::assert_snapshot!(listed(&text));
}

#[test]
fn errors_say_where_and_suspect_placeholders() {
    let texts = [
        "",
        "# only a comment",
        "inboundCall:",
        "inboundCall: {division: Home}",
        "toaster:\n  name: x",
        "- inboundCall",
        "inboundCall:\n  name: x\n---\ninboundCall:\n  name: y",
        "inboundCall:\n  name: x\n  tasks: [\n",
        "inboundCall:\n  name: x\n\ta: b",
        "inboundCall:\n  name: x\n  a: *unknown",
        "{{flow_type}}:\n  name: x",
        "inboundCall:\n  name: x\n  {{#if a, b}}-x: y\n",
        "\u{feff}inboundCall:\n  name: 'open",
    ];
    let shown: Vec<String> = texts
        .iter()
        .map(|text| format!("{text:?}\n  {}", listed(text)))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn anchors_are_followed_where_they_are_used() {
    let text = "inboundCall:\n  name: x\n  target: &sales {lit: {name: Sales}}\n  a:\n    targetQueue: *sales\n  b:\n    targetQueue: *sales\n";
    insta::assert_snapshot!(listed(text), @r#"
    inboundcall "x" in None
    3:31 routing_queue Sales
    "#);
}
