//! A thousand people into an empty org: calls a person, against the least, by REST and by SCIM.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::ensure;
use orgsmith_sim::{Config, Entry, Limits, Sim};

use crate::calls::{calls, writes};
use crate::lab::{Lab, SOURCE, TARGET, Taken};
use crate::table::{Table, surplus};

const PEOPLE: u64 = 1000;
/// Profiles, so as many sets of roles, skills and queues.
const PROFILES: u64 = 4;
/// Users that a role is granted to in a call, and members that a queue takes in one.
const TOGETHER: u64 = 50;
const MEMBERS: u64 = 100;

pub async fn measure() -> anyhow::Result<()> {
    let of_profile = PEOPLE / PROFILES;
    let roles = PROFILES * 2 * of_profile.div_ceil(TOGETHER);
    let members = PROFILES * 2 * of_profile.div_ceil(MEMBERS);
    let bound = [
        ("roles", "postAuthorizationRole", roles),
        ("queues", "postRoutingQueueMembers", members),
    ];
    let plain = [
        ("created", "postUsers", PEOPLE),
        ("skills", "putUserRoutingskillsBulk", PEOPLE),
        ("languages", "patchUserRoutinglanguagesBulk", PEOPLE),
        ("manager, automatic answer", "patchUser", PEOPLE),
    ];
    let scim = [
        (
            "created, with skills and languages",
            "postScimV2Users",
            PEOPLE,
        ),
        // SCIM has no word for the automatic answer.
        ("manager, automatic answer", "patchUser", PEOPLE),
    ];
    cost("REST", &[], &[&plain[..], &bound].concat()).await?;
    cost("SCIM", &["--scim"], &[&scim[..], &bound].concat()).await
}

/// Prints how long the same takes by the quota of the real API, against the least that it allows.
pub async fn paced() -> anyhow::Result<()> {
    let mut table = Table::new(["", "tokens", "calls", "seconds", "floor s", "429"]);
    for (how, flags, tokens) in [
        ("REST", &[][..], 10),
        ("SCIM", &["--scim"][..], 10),
        ("REST", &[][..], 1),
    ] {
        let limits = Limits {
            // A service's own limit is not the token's.
            services: Vec::new(),
            ..Limits::default()
        };
        let (requests, window_s) = (limits.requests, limits.window_s);
        let lab = lab(limits).await?;
        let project = fs::read_to_string(lab.path("orgsmith.yaml"))?;
        let project = project.replace("tokens: 10", &format!("tokens: {tokens}"));
        let project = project.replace("1000000", &requests.to_string());
        fs::write(lab.path("orgsmith.yaml"), project)?;
        let (taken, ledger) = clone(&lab, flags)?;
        let quota = f64::from(requests * tokens) / f64::from(window_s);
        let refused = ledger.iter().filter(|entry| entry.status == 429).count();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand calls")]
        let floor = ledger.len() as f64 / quota;
        table.row([
            how.to_owned(),
            tokens.to_string(),
            ledger.len().to_string(),
            format!("{:.0}", taken.time.as_secs_f64()),
            format!("{floor:.0}"),
            refused.to_string(),
        ]);
    }
    table.print(&format!(
        "People: {PEOPLE} by the quota of the API, 300 calls a minute and token"
    ));
    Ok(())
}

/// Starts a target that has all that the people need: only these are counted.
async fn lab(limits: Limits) -> anyhow::Result<Lab> {
    let mut config = Config::with_orgs([SOURCE, TARGET]);
    config.limits = limits;
    let sim = Sim::start(config).await?;
    let lab = Lab::around(sim, &[SOURCE, TARGET].map(str::to_owned))?;
    world(&lab)?;
    let bundle = ["apply", "gold", "--to", TARGET, "--exclude", "user"];
    lab.run(&[&bundle[..], &["--yes"]].concat())?;
    Ok(lab)
}

/// Clones the people into the target; returns what it took, and the calls of it.
fn clone(lab: &Lab, flags: &[&str]) -> anyhow::Result<(Taken, Vec<Entry>)> {
    let seen = lab.sim.ledger().len();
    let people = ["clone", "gold", TARGET, "--people", "people.csv"];
    let more = ["--yes", "--parallelism", "40"];
    let taken = lab.run(&[&people[..], &more, flags].concat())?;
    Ok((taken, calls(&lab.sim.ledger()[seen..])))
}

/// Clones the people into an org of their own, and prints what that costs against the least: what, by
/// which operation, and how often.
async fn cost(how: &str, flags: &[&str], least: &[(&str, &str, u64)]) -> anyhow::Result<()> {
    let lab = lab(Limits::none()).await?;
    let (taken, ledger) = clone(&lab, flags)?;
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| writes(entry)) {
        *found.entry(entry.operation.unwrap_or("?")).or_default() += 1;
    }
    let made = lab.sim.objects(TARGET, "user").len() as u64;
    ensure!(made >= PEOPLE, "there are {made} people");

    let mut table = Table::new(["", "calls", "least", "more", "a person"]);
    let mut row = |name: &str, calls: u64, least: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand calls")]
        let each = format!("{:.3}", calls as f64 / PEOPLE as f64);
        table.row([
            name.to_owned(),
            calls.to_string(),
            least.to_string(),
            surplus(calls, least),
            each,
        ]);
    };
    for (name, operation, least) in least {
        row(name, found.remove(*operation).unwrap_or(0), *least);
    }
    let others: u64 = found.values().sum();
    row("others", others, 0);
    let all = ledger.iter().filter(|entry| writes(entry)).count() as u64;
    let total: u64 = least.iter().map(|(.., least)| least).sum();
    row("together", all, total);
    table.print(&format!(
        "People by {how}: {PEOPLE} of {PROFILES} routing profiles into an org without people ({:.0} s, {} MB)",
        taken.time.as_secs_f64(),
        taken.peak_mb
    ));
    for (operation, calls) in found {
        println!("  other: {calls} {operation}");
    }
    Ok(())
}

/// Writes a bundle with profiles and a list of people.
fn world(lab: &Lab) -> anyhow::Result<()> {
    let write = |name: String, text: &str| -> anyhow::Result<()> {
        let path = lab.path(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
        Ok(())
    };
    for number in 0..12 {
        write(
            format!("gold/routing_skill/Skill {number}.yaml"),
            &format!("name: Skill {number}\n"),
        )?;
    }
    for language in ["English", "German"] {
        write(
            format!("gold/routing_language/{language}.yaml"),
            &format!("name: {language}\n"),
        )?;
    }
    let home = "{$ref: auth_division/~home}";
    let policy = "permissionPolicies:\n- {domain: routing, entityName: queue, actionSet: [view]}\n";
    for number in 0..PROFILES * 2 {
        let role = format!("name: Role {number}\ndescription: of many\n{policy}");
        write(format!("gold/auth_role/Role {number}.yaml"), &role)?;
        let queue = format!("name: Queue {number}\ndivision: {home}\n");
        write(format!("gold/routing_queue/Queue {number}.yaml"), &queue)?;
    }
    for profile in 0..PROFILES {
        let mut text = String::from("acdAutoAnswer: true\nskills:\n");
        for skill in 0..3 {
            let skill = profile * 3 + skill;
            writeln!(
                text,
                "- {{id: {{$ref: routing_skill/Skill {skill}}}, proficiency: 3}}"
            )?;
        }
        text.push_str(
            "languages:\n- {id: {$ref: routing_language/English}, proficiency: 4}\ngrants:\n",
        );
        let pair = [profile * 2, profile * 2 + 1];
        for role in pair {
            writeln!(
                text,
                "- {{role: {{$ref: auth_role/Role {role}}}, division: {home}}}"
            )?;
        }
        text.push_str("memberOf:\n  queues:\n");
        for queue in pair {
            writeln!(text, "  - {{$ref: routing_queue/Queue {queue}}}")?;
        }
        write(
            format!("gold/routing_profile/Profile {profile}.yaml"),
            &text,
        )?;
    }
    let mut people = String::from("email,name,profile,manager\n");
    for number in 0..PEOPLE {
        let boss = if number == 0 { "" } else { "p0@crew.example" };
        let profile = number % PROFILES;
        writeln!(
            people,
            "p{number}@crew.example,Person {number},Profile {profile},{boss}"
        )?;
    }
    write("people.csv".to_owned(), &people)
}
