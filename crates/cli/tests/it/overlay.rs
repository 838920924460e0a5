//! Overlays: what differs in a target, by variables, rules and what it keeps.

use crate::lab::Lab;

const FLOW: &str = "inboundCall:
  name: Main
  division: Sales
  defaultLanguage: en-us
  actions:
    - transfer:
        targetQueue:
          lit:
            name: Support
    - say:
        text: https://crm.gold.example/x?mail=help@gold.example&who=${var.brand}&theirs=${input.x}
";

/// A bundle with variables, and what each org makes of it.
fn lab() -> Lab {
    let lab = Lab::new();
    for (file, text) in [
        (
            "auth_division/Sales.yaml",
            "name: Sales\ndescription: sales\n",
        ),
        ("routing_skill/Billing.yaml", "name: Billing\n"),
        (
            "routing_queue/Support.yaml",
            "name: Support\ndescription: Dev of ${var.brand}, see https://crm.gold.example/a\n\
             division: {$ref: auth_division/Sales}\n\
             acwSettings: {timeoutMs: {$var: acw_ms}, wrapupPrompt: MANDATORY_TIMEOUT}\n",
        ),
        ("routing_queue/VIP.yaml", "name: VIP\ndescription: ours\n"),
        (
            "flow/inboundcall/Main.yaml",
            "name: Main\ntype: inboundcall\ndivision: {$ref: auth_division/Sales}\n",
        ),
        ("flow/inboundcall/Main.flow.yaml", FLOW),
    ] {
        lab.write(&format!("centre/{file}"), text);
    }
    lab.configure(
        "variables:\n  brand: {type: string, default: Gold}\n  acw_ms: {type: integer}\n",
    );
    lab.write(
        "overlays/tenant.yaml",
        "variables: {brand: Brazil, acw_ms: 30000}\n\
         rewrite:\n\
         \x20 hosts: {crm.gold.example: crm.br.example}\n\
         \x20 emails: [{domain: gold.example, to: br.example}]\n\
         rename:\n\
         \x20 auth_division: {Sales: Vendas}\n\
         \x20 routing_queue: {Support: Suporte}\n\
         change:\n\
         - {in: 'routing_queue=Suporte,Support', replace: [{field: description, pattern: '^Dev of ', to: 'Live: '}]}\n\
         ignore: [{in: routing_queue, fields: [acwSettings.wrapupPrompt]}]\n\
         protect: [routing_queue=VIP]\n\
         off: [routing_skill]\n",
    );
    lab
}

const APPLY: [&str; 5] = ["apply", "centre", "--to", "tenant", "--yes"];

#[test]
fn a_target_gets_what_its_overlay_makes_of_a_bundle() {
    let lab = lab();
    lab.write(
        "vip/routing_queue/VIP.yaml",
        "name: VIP\ndescription: theirs\n",
    );
    lab.run(&["apply", "vip", "--to", "tenant", "--yes"])
        .ends(0);
    lab.run(&APPLY).ends(0);

    let queues = lab.sim.objects("tenant", "queue");
    let queue = |name: &str| {
        let found = queues.iter().find(|queue| queue["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {queues:?}"))
    };
    let support = queue("Suporte");
    assert_eq!(
        support["description"],
        "Live: Brazil, see https://crm.br.example/a"
    );
    assert_eq!(support["acwSettings"]["timeoutMs"], 30000);
    assert_eq!(queue("VIP")["description"], "theirs");
    assert!(
        lab.sim
            .objects("tenant", "skill")
            .iter()
            .all(|skill| skill["name"] != "Billing")
    );

    // What the overlay says is what is wanted: nothing is left to do, and no draft of a flow differs.
    let again = lab.run(&["plan", "centre", "--to", "tenant", "--detailed-exitcode"]);
    let again = again.ends(0);
    assert!(again.stdout.contains("protected"), "{again}");
    lab.run(&["export", "tenant", "--out", "back", "--select", "flow=Main"])
        .ends(0);
    let source = std::fs::read_to_string(lab.path("back/flow/inboundcall/Main.flow.yaml"));
    let source = source.expect("the flow");
    assert!(source.contains("division: Vendas"), "{source}");
    assert!(source.contains("name: Suporte"), "{source}");
    let url = "https://crm.br.example/x?mail=help@br.example&who=Brazil&theirs=${input.x}";
    assert!(source.contains(url), "{source}");
}

#[test]
fn what_an_overlay_lacks_or_says_in_vain_is_told_of() {
    let lab = lab();
    lab.write(
        "overlays/tenant.yaml",
        "variables: {brand: Brazil}\nrewrite: {hosts: {crm.old.example: crm.br.example}}\n\
         change: [{in: routing_queue=Nobody, set: {description: x}}]\n",
    );
    let shown = lab.run(&["plan", "centre", "--to", "tenant"]);
    insta::assert_snapshot!(shown.stdout);
    let refused = lab.run(&APPLY).ends(5);
    assert!(refused.stderr.contains("acw_ms is not set"), "{refused}");
    assert_eq!(lab.sim.objects("tenant", "queue").len(), 0);
}

#[test]
fn a_slip_in_an_overlay_is_told_before_anything_is_read() {
    let lab = lab();
    for (text, told) in [
        (
            "variabels: {}\n",
            "overlays/tenant.yaml:1:1: unknown field `variabels` (did you mean `variables`?)",
        ),
        (
            "variables: {brnad: x}\n",
            "org tenant: variables: the project declares no brnad (did you mean \"brand\"?)",
        ),
        (
            "variables: {acw_ms: soon}\n",
            "org tenant: variables: acw_ms: it is \"soon\", and should be a whole number",
        ),
        ("off: [routing_skil]\n", "org tenant: off: unknown kind"),
        (
            "change: [{in: routing_queue=A}]\n",
            "org tenant: change in \"routing_queue=A\": give `set`, `replace` or `remove`",
        ),
        (
            "change: [{in: routing_queue, replace: [{field: name, pattern: '(', to: x}]}]\n",
            "is no pattern",
        ),
        (
            "ignore: [{in: routing_queue, fields: ['a..b']}]\n",
            "\"a..b\" is not a field path",
        ),
        ("rename: {routing_utilization: {a: b}}\n", "has no name"),
        (
            "rewrite: {hosts: {'https://x': y}}\n",
            "\"https://x\" is no host",
        ),
    ] {
        lab.write("overlays/tenant.yaml", text);
        let shown = lab.run(&APPLY).ends(1);
        assert!(shown.stderr.contains(told), "{text}: {shown}");
    }
}

#[test]
fn what_is_left_of_the_source_stops_the_plan_unless_it_is_allowed() {
    let lab = lab();
    lab.write(
        "centre/routing_queue/Leaky.yaml",
        "name: Leaky\ndescription: wss://eu.crm.gold.example and codename-x\n",
    );
    let overlay = std::fs::read_to_string(lab.path("overlays/tenant.yaml")).expect("an overlay");
    let with = |leaks: &str| lab.write("overlays/tenant.yaml", format!("{overlay}{leaks}"));
    with("leaks: {forbid: [codename-x]}\n");
    let refused = lab.run(&APPLY).ends(5);
    assert!(refused.stderr.contains("source-host"), "{refused}");
    let place = "body/description: crm.gold.example is a host of the source";
    assert!(refused.stderr.contains(place), "{refused}");
    assert!(refused.stderr.contains("forbidden-text"), "{refused}");
    assert!(lab.sim.objects("tenant", "queue").is_empty());
    with("leaks: {hosts: warn}\n");
    let warned = lab.run(&APPLY).ends(0);
    assert!(warned.stderr.contains("[source-host]"), "{warned}");
    with("leaks: {allow: [crm.gold.example]}\n");
    let allowed = lab.run(&["plan", "centre", "--to", "tenant"]).ends(0);
    assert!(!allowed.stdout.contains("source-host"), "{allowed}");
}

#[test]
fn the_id_of_the_source_org_is_never_sent() {
    let lab = Lab::new();
    // What `run` returns has no ids any more.
    let mut check = lab.command(&["org", "check", "gold", "-o", "json"]);
    let identity = check.output().expect("it runs").stdout;
    let identity: serde_json::Value = serde_json::from_slice(&identity).expect("JSON");
    let id = identity[0]["organization"]["id"].as_str().expect("an id");
    let queue = format!("name: Q\ndescription: see /org/{id}/x\n");
    lab.write("centre/routing_queue/Q.yaml", &queue);
    lab.run(&["apply", "centre", "--to", "gold", "--yes"])
        .ends(0);
    let refused = lab.run(&["clone", "gold", "tenant", "--yes"]).ends(5);
    let told = "routing_queue/Q: body/description";
    assert!(refused.stderr.contains(told), "{refused}");
    assert!(refused.stderr.contains("source-org"), "{refused}");
    assert!(lab.sim.objects("tenant", "queue").is_empty());
}

#[test]
fn an_export_over_the_bundle_keeps_what_the_bundle_says() {
    let lab = lab();
    lab.run(&APPLY).ends(0);
    // What every org has, and defaults, are in the bundle from here on.
    lab.run(&["export", "tenant", "--base", "centre", "--out", "full"])
        .ends(0);
    let read = |file: &str| {
        let text = std::fs::read_to_string(lab.path(&format!("full/{file}")));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let queue = read("routing_queue/Support.yaml");
    assert!(
        queue.contains("${var.brand}, see https://crm.gold.example/a"),
        "{queue}"
    );
    assert!(
        queue.contains("$var: acw_ms") || queue.contains("$var: \"acw_ms\""),
        "{queue}"
    );
    assert!(queue.contains("auth_division/Sales"), "{queue}");
    assert!(read("routing_skill/Billing.yaml").contains("Billing"));
    assert_eq!(read("flow/inboundcall/Main.flow.yaml"), FLOW);
    let before = lab.run(&["bundle", "verify", "full"]).ends(0).stdout;

    // The same org gives the same bundle, and the bundle the same org.
    lab.run(&["plan", "full", "--to", "tenant", "--detailed-exitcode"])
        .ends(0);
    lab.run(&["export", "tenant", "--out", "full"]).ends(0);
    assert_eq!(
        lab.run(&["bundle", "verify", "full"]).ends(0).stdout,
        before
    );

    // What is changed in the org is all that differs.
    lab.write(
        "edit/routing_queue/Suporte.yaml",
        "name: Suporte\ndescription: at crm.br.example now\n",
    );
    lab.run(&["apply", "edit", "--to", "tenant", "--yes"])
        .ends(0);
    lab.run(&["export", "tenant", "--out", "full"]).ends(0);
    let queue = read("routing_queue/Support.yaml");
    assert!(
        queue.contains("description: at crm.gold.example now"),
        "{queue}"
    );
    assert!(queue.contains("acw_ms"), "{queue}");
}
