//! The road that plan, apply, sync and clone share: read, plan, check, approve, carry out, say.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use orgsmith_client::Region;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{
    Approval, Brake, CheckedPlan, Marks, Rejected, check, foreign_ids, leaks,
};
use orgsmith_core::document::Packed;
use orgsmith_core::endpoints::{Answer, Answers, Place, Policy, places, settle, targets};
use orgsmith_core::id::{ObjectRef, RunId, SourceId};
use orgsmith_core::numbers::Decision;
use orgsmith_core::overlay::Moved;
use orgsmith_core::plan::{Action, Conflict, Finding, Options, Plan, Planner, Rate, Severity};
use orgsmith_core::preflight::{Demand, Facts, Unlicensed};
use orgsmith_core::render::{Detail, Screen, Text, plan_json, plan_markdown, plan_screen};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::validate::normal;
use orgsmith_engine::{Finished, Runner, Scope, Secrets, collect, numbers};
use serde_json::json;

use super::quarantine;
use crate::args::{Carry, Format, Selected};
use crate::config::Create;
use crate::error::{Failure, count};
use crate::output::{BOLD, CYAN, Out, RED, YELLOW, styled, text};
use crate::owner;
use crate::secrets::{self, Ask};
use crate::session::{Connected, Session};
use crate::source::{Wanted, kinds_of};

/// The most bytes of a comment on a pull request that services take.
pub(super) const MARKDOWN_LIMIT: usize = 60_000;

/// A plan, and what its checks need besides.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// Ids of the source org that must not be sent.
    foreign: Vec<String>,
    source_ids: BTreeMap<ObjectRef, SourceId>,
    /// API calls that reading the target took.
    pub(crate) calls: u64,
    /// What the target says of its licences, as far as it was asked.
    pub(crate) licensing: Facts,
}

impl Planned {
    /// Wraps a plan from a file, whose source org is not known.
    pub(crate) fn from_file(plan: Plan, calls: u64) -> Self {
        Self {
            plan,
            foreign: Vec::new(),
            source_ids: BTreeMap::new(),
            calls,
            licensing: Facts::default(),
        }
    }

    /// Checks the plan; what speaks against it is shown.
    pub(super) fn into_checked(
        self,
        out: &Out,
        force: bool,
    ) -> anyhow::Result<(CheckedPlan, BTreeMap<ObjectRef, SourceId>)> {
        let foreign = self.foreign.iter().map(String::as_str);
        let checked = check(self.plan, foreign, brake(force));
        let checked = checked.map_err(|rejected| refused(out, &rejected))?;
        Ok((checked, self.source_ids))
    }
}

fn brake(force: bool) -> Brake {
    if force { Brake::Forced } else { Brake::On }
}

/// Returns how fast calls to an org may be sent.
pub(crate) fn rate(target: &Connected) -> Rate {
    Rate {
        tokens: u32::try_from(target.settings.tokens).unwrap_or(u32::MAX),
        per_minute: target.settings.quota_per_minute,
    }
}

/// Reads the target as far as the wanted state speaks of it, and decides.
pub(crate) async fn plan(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    prune: bool,
    ask: Ask<'_>,
) -> anyhow::Result<Planned> {
    let see = &mut |_: Seen<'_>| {};
    plan_and_see(session, wanted, target, prune, ask, see).await
}

/// What a plan is made of.
pub(crate) struct Seen<'s> {
    /// What the target is to have.
    pub(crate) bundle: &'s Bundle,
    /// What it has.
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) pins: &'s BTreeMap<ObjectRef, String>,
    /// Objects that have another key in the target, by the key that they have in the source.
    pub(crate) moved: &'s Moved,
}

/// As [`plan`], and shows what the plan was made of before that is let go.
pub(crate) async fn plan_and_see(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    prune: bool,
    ask: Ask<'_>,
    see: &mut dyn FnMut(Seen<'_>),
) -> anyhow::Result<Planned> {
    let reach = Reach {
        whole: prune,
        also: BTreeSet::new(),
    };
    let observed = observe(session, wanted, target, reach).await?;
    see(Seen {
        bundle: &observed.bundle,
        snapshot: &observed.snapshot,
        pins: &observed.pins,
        moved: &observed.moved,
    });
    let options = Options {
        prune,
        ..observed.options(target)
    };
    decide(session, wanted, target, observed, options, ask).await
}

/// How far a target is read beyond the objects that are wanted there.
pub(crate) struct Reach {
    /// Every object of their kinds is seen as a whole, so that a change in between is noticed.
    pub(crate) whole: bool,
    /// These are read in full, too.
    pub(crate) also: BTreeSet<ObjectRef>,
}

/// What a target is to have, and what it has.
pub(crate) struct Observed<'w> {
    /// What it is to have.
    pub(crate) bundle: Cow<'w, Bundle>,
    /// What it has.
    pub(crate) snapshot: Snapshot,
    pub(crate) pins: BTreeMap<ObjectRef, String>,
    /// Objects that have another key in the target, by the key that they have in the source.
    pub(crate) moved: Moved,
    /// The only objects that a plan is about; all where nothing is said.
    pub(crate) only: Option<BTreeSet<ObjectRef>>,
    conflicts: Vec<Conflict>,
    /// What the conflicts are about, as the target may have it.
    set_aside: BTreeSet<ObjectRef>,
    findings: Vec<Finding>,
    source_ids: BTreeMap<ObjectRef, SourceId>,
    decisions: Vec<Decision>,
    /// API calls that were sent to the target before.
    before: u64,
}

impl Observed<'_> {
    /// Returns what the project says of plans for the target.
    pub(crate) fn options(&self, target: &Connected) -> Options {
        Options {
            rate: rate(target),
            pins: self.pins.clone(),
            ignored: target.overlay.unmanaged(),
            protected: target.overlay.protected.clone(),
            leaks: target.overlay.leaks.clone(),
            set_aside: self.set_aside.clone(),
            ..Options::default()
        }
    }
}

/// Makes of what is wanted what the target is to have, and reads what it has.
pub(crate) async fn observe<'w>(
    session: &Session<'_>,
    wanted: &'w Wanted,
    target: &Connected,
    reach: Reach,
) -> anyhow::Result<Observed<'w>> {
    let catalogue = session.catalogue();
    let pins = session.pins(&target.org.name).await?;
    let Wish {
        mut bundle,
        conflicts,
        mut findings,
        source_ids,
        decisions,
        moved,
    } = Wish::of(session, wanted, target)
        .numbered(session, target)
        .await?;
    let probed = probe(session, target, &bundle).await?;
    let in_full = bundle.documents.keys().cloned().chain(reach.also);
    let scope = Scope {
        in_full: (!reach.whole).then(|| in_full.collect()),
        ..scope_of(catalogue, &bundle, &pins)
    };
    let before = target.org.client.stats().sent;
    let snapshot = collect(&target.org, catalogue, &scope, &session.out.events()).await?;
    if let Some((policy, places, answers)) = probed {
        let objects = places.iter().map(|place| &place.object).collect();
        let live = snapshot.bodies(catalogue, &pins, &objects);
        let live = |object: &ObjectRef, pointer: &str| live.get(object)?.pointer(pointer).cloned();
        findings.extend(settle(bundle.to_mut(), &places, &answers, policy, &live));
    }
    let set_aside = conflicts.iter();
    let set_aside = set_aside.map(|conflict| normal(catalogue, &conflict.object));
    Ok(Observed {
        bundle,
        snapshot,
        pins,
        moved,
        only: None,
        set_aside: set_aside.collect(),
        conflicts,
        findings,
        source_ids,
        decisions,
        before,
    })
}

/// Decides how a target becomes what it is to be.
pub(crate) async fn decide(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    observed: Observed<'_>,
    options: Options,
    ask: Ask<'_>,
) -> anyhow::Result<Planned> {
    let catalogue = session.catalogue();
    let Observed {
        bundle,
        snapshot,
        pins: _,
        moved: _,
        only,
        mut conflicts,
        set_aside: _,
        findings,
        source_ids,
        decisions,
        before,
    } = observed;
    let mut resend = secrets::resend(session, &bundle, &target.org.name, ask).await?;
    if let Some(only) = only {
        conflicts.retain(|conflict| only.contains(&conflict.object));
        resend.retain(|object, _| only.contains(object));
    }
    let options = Options {
        unlock: ask.unlock,
        scim: ask.scim || session.config.project.people.create == Create::Scim,
        resend,
        ..options
    };
    let mut plan = Planner::new(catalogue, options.clone()).plan(&bundle, &snapshot);
    let mut licensing = Facts::default();
    if let Some(seats) = ask.seats {
        let demand = Demand::new(catalogue, &bundle, &plan);
        licensing = orgsmith_engine::licensing(&target.org, &demand).await;
        let manual = seats.iter().cloned().collect();
        let Unlicensed {
            reasons: barred,
            by_licence,
        } = demand.unlicensed(&licensing, &manual);
        licensing.left_out = by_licence;
        if !barred.is_empty() {
            let options = Options { barred, ..options };
            plan = Planner::new(catalogue, options).plan(&bundle, &snapshot);
        }
    }
    plan.conflicts.extend(conflicts);
    plan.conflicts.sort();
    plan.findings.extend(findings);
    let marks = marks(session, wanted, target, &mut plan.findings).await;
    let leaks = leaks(catalogue, &plan, &marks, &target.overlay.leaks);
    plan.findings.extend(leaks);
    plan.findings.sort();
    plan.decisions = decisions;
    secrets::unsent(&plan, ask)?;
    let ids = wanted.ids.iter().map(String::as_str);
    let foreign = foreign_ids(ids, &snapshot);
    Ok(Planned {
        plan,
        foreign: foreign.into_iter().map(str::to_owned).collect(),
        source_ids,
        calls: target.org.client.stats().sent - before,
        licensing,
    })
}

/// What is done about URLs that do not answer, the places where some stand, and what came of asking.
type Probed<'t> = (&'t Policy, Vec<Place>, Answers);

/// Asks the URLs of other systems, where the project says so; nothing where all answer.
async fn probe<'t>(
    session: &Session<'_>,
    target: &'t Connected,
    bundle: &Bundle,
) -> anyhow::Result<Option<Probed<'t>>> {
    let Some(policy) = &target.settings.integrations else {
        return Ok(None);
    };
    let mut places = places(session.catalogue(), bundle);
    let answers = session.probes.ask(&targets(&places), policy.timeout).await;
    let answers = answers.map_err(anyhow::Error::msg)?;
    let is_down = |place: &Place| {
        let answer = place
            .target
            .as_ref()
            .and_then(|target| answers.get(target.url()));
        answer.is_some_and(Answer::is_down)
    };
    places.retain(is_down);
    Ok((!places.is_empty()).then_some((policy, places, answers)))
}

/// Returns what belongs to the source and should not be in what is sent.
async fn marks(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    findings: &mut Vec<Finding>,
) -> Marks {
    let mut marks = Marks::default();
    marks.rewritten(target.overlay.texts.rules());
    marks.read(session.catalogue(), &wanted.bundle);
    let Some(source) = &wanted.org else {
        return marks;
    };
    if source.name == target.org.name {
        return Marks::default();
    }
    match source.client.check().await {
        Ok(identity) => marks.org(&identity.organization_id),
        Err(error) => findings.push(Finding {
            severity: Severity::Note,
            rule: "source-org-unknown".to_owned(),
            object: None,
            message: format!("the id of the source org is not searched for: {error}"),
        }),
    }
    let region = source.region.as_deref();
    if let Some(region) = region.filter(|region| target.org.region.as_deref() != Some(region))
        && let Ok(region) = region.parse::<Region>()
    {
        marks.host(&region.api_host());
        marks.host(&region.apps_host());
        marks.host(&region.login_host());
    }
    marks
}

/// Returns what a plan asks of its target.
pub(crate) fn demand(
    session: &Session<'_>,
    wanted: &Wanted,
    plan: &Plan,
    target: &Connected,
) -> Demand {
    let wish = Wish::of(session, wanted, target);
    Demand::new(session.catalogue(), &wish.bundle, plan)
}

/// Returns what of a target must be known to plan for a bundle: its objects in full.
pub(super) fn scope_of(
    catalogue: &Catalogue,
    bundle: &Bundle,
    pins: &BTreeMap<ObjectRef, String>,
) -> Scope {
    Scope {
        kinds: kinds_of(catalogue, bundle).into_keys().collect(),
        in_full: Some(bundle.documents.keys().cloned().collect()),
        asked: asked(catalogue, bundle),
        deleted: true,
        pins: pins.clone(),
        ..Scope::default()
    }
}

/// Returns the objects of whose rarely read parts a bundle speaks.
fn asked(catalogue: &Catalogue, bundle: &Bundle) -> BTreeSet<ObjectRef> {
    let asked = |object: &ObjectRef, document: &Packed| {
        let descriptor = catalogue.get(object.kind.as_str()).ok();
        let parts = descriptor.into_iter().flat_map(|d| &d.parts);
        let mut parts = parts.filter(|part| part.asked.is_some());
        parts.any(|part| document.field(&part.field).is_some())
    };
    let documents = bundle.documents.iter();
    let documents = documents.filter(|(object, document)| asked(object, document));
    documents.map(|(object, _)| object.clone()).collect()
}

/// What is wanted of one target.
struct Wish<'w> {
    bundle: Cow<'w, Bundle>,
    conflicts: Vec<Conflict>,
    findings: Vec<Finding>,
    source_ids: BTreeMap<ObjectRef, SourceId>,
    decisions: Vec<Decision>,
    /// Objects that have another key in the target.
    moved: Moved,
}

impl<'w> Wish<'w> {
    /// Makes of what is wanted what this target is to have.
    fn of(session: &Session<'_>, wanted: &'w Wanted, target: &Connected) -> Self {
        let mut wish = Self {
            bundle: Cow::Borrowed(&wanted.bundle),
            conflicts: wanted.conflicts.clone(),
            findings: Vec::new(),
            source_ids: wanted.source_ids.clone(),
            decisions: Vec::new(),
            moved: Moved::default(),
        };
        if !target.overlay.is_idle(&wish.bundle) {
            let bundle = wish.bundle.to_mut();
            let applied = target.overlay.apply(session.catalogue(), bundle);
            wish.conflicts.extend(applied.conflicts);
            wish.findings.extend(applied.findings);
            for (old, new) in &applied.moved {
                if let Some(id) = wish.source_ids.remove(old) {
                    wish.source_ids.insert(new.clone(), id);
                }
            }
            wish.moved = applied.moved;
        }
        wish
    }

    /// Puts the numbers of the target in place of those of the source.
    async fn numbered(mut self, session: &Session<'_>, target: &Connected) -> anyhow::Result<Self> {
        let rules = &target.settings.numbers;
        if rules.is_empty() {
            return Ok(self);
        }
        let facts = numbers(&target.org, rules).await;
        let facts = facts.with_context(|| format!("reading the numbers of {}", target.org.name))?;
        let done = rules.apply(session.catalogue(), self.bundle.to_mut(), &facts);
        self.conflicts.extend(done.conflicts);
        self.findings.extend(done.findings);
        self.decisions = done.decisions;
        Ok(self)
    }
}

pub(crate) fn screen(out: &Out, plan: &Plan, rate: Rate, next: Option<&str>) -> Text {
    let detail = match out.verbose() {
        0 => Detail::Objects,
        1 => Detail::Fields,
        _ => Detail::Full,
    };
    plan_screen(plan, &Screen { detail, rate, next })
}

/// Writes a plan as the result, in the form that the user chose.
pub(crate) fn show(
    out: &Out,
    plan: &Plan,
    target: &Connected,
    next: Option<&str>,
) -> anyhow::Result<()> {
    note(out, plan);
    let screen = || screen(out, plan, rate(target), next);
    match out.format() {
        Format::Text => out.data(text::ansi(screen().lines())),
        Format::Json => out.data(plan_json(plan)),
        Format::Markdown => out.data(plan_markdown(plan, MARKDOWN_LIMIT)),
        Format::Html => {
            let title = format!("Plan for {}", plan.target.org.org_name);
            out.data(text::html(&screen(), &title))
        }
        // Refused with the command line.
        Format::Svg | Format::Dot | Format::Sarif | Format::Junit => Ok(()),
    }
}

/// Shows a plan as talk, before a person is asked about it.
pub(super) fn show_before_asking(out: &Out, plan: &Plan, target: &Connected) {
    note(out, plan);
    if out.is_of_job() {
        // Nobody is asked, and the plan is kept with the run.
        return;
    }
    out.say(text::ansi(screen(out, plan, rate(target), None).lines()).trim_end());
}

/// Takes note of a plan, and says what could not be read, as a plan cannot speak of it.
pub(super) fn note(out: &Out, plan: &Plan) {
    out.record(&json!({
        "event": "planned", "org": plan.target.org.org_name, "digest": plan.digest(),
        "steps": plan.steps.len(), "conflicts": plan.conflicts, "estimate": plan.estimate,
    }));
    for gap in &plan.gaps {
        out.say(format!("{} {gap}", styled(YELLOW, "gap")));
    }
}

/// Says what may help where a selection leaves out what its objects refer to.
pub(crate) fn advise(out: &Out, plan: &Plan, selected: &Selected) {
    if !plan.conflicts.is_empty() && !selected.select.is_empty() && !selected.with_dependencies {
        out.say(format!(
            "{}: --with-dependencies takes along what the selected objects refer to",
            styled(CYAN.bold(), "hint")
        ));
    }
}

fn refused(out: &Out, rejected: &Rejected) -> anyhow::Error {
    for finding in &rejected.findings {
        let object = finding.object.as_ref().map(ToString::to_string);
        // What speaks of a step names its object already.
        let object = object.filter(|object| !finding.message.contains(object.as_str()));
        let object = object.map(|object| format!("{object}: "));
        out.say(format!(
            "{} {}: {}{}",
            styled(RED.bold(), "refused:"),
            finding.rule,
            object.unwrap_or_default(),
            finding.message
        ));
    }
    if rejected.is_change_brake() {
        Failure::Brake("the change brake stops the plan; nothing was changed".to_owned()).into()
    } else {
        Failure::Checks(count(rejected.findings.len(), "finding")).into()
    }
}

/// Checks, shows, asks, and carries out a plan.
///
/// Returns the plan, and how it ended where there was something to do.
pub(crate) async fn carry_out(
    session: &Session<'_>,
    planned: Planned,
    target: &Connected,
    carry: &Carry,
    saved: bool,
) -> anyhow::Result<(Plan, Option<Finished>)> {
    if planned.plan.is_empty() {
        show_before_asking(session.out, &planned.plan, target);
        return Ok((planned.plan, None));
    }
    let approved = approved(session, planned, target, carry, saved).await?;
    let finished = start(session, &approved, target, carry).await?;
    Ok((approved.checked.into_plan(), Some(finished)))
}

/// A plan that may be carried out.
pub(crate) struct Approved {
    pub(crate) checked: CheckedPlan,
    /// Which ids its objects have in the source.
    pub(crate) source_ids: BTreeMap<ObjectRef, SourceId>,
    /// A person has just said yes to it.
    pub(crate) by_person: bool,
}

/// Shows a plan with something to do, checks it, and asks.
pub(crate) async fn approved(
    session: &Session<'_>,
    planned: Planned,
    target: &Connected,
    carry: &Carry,
    saved: bool,
) -> anyhow::Result<Approved> {
    let out = session.out;
    show_before_asking(out, &planned.plan, target);
    let (checked, source_ids) = planned.into_checked(out, carry.force)?;
    // A saved plan was seen when it was saved; a protected org is asked for all the same.
    let protected = target.settings.protected;
    let by_person = !carry.approves(target.org.name.as_str(), protected) && (!saved || protected);
    if by_person {
        // Nobody is asked in vain.
        resolve(session, &checked, carry).await?;
        ask(out, checked.plan(), target).await?;
    }
    Ok(Approved {
        checked,
        source_ids,
        by_person,
    })
}

/// Carries out a plan that is checked and approved.
pub(crate) async fn start(
    session: &Session<'_>,
    approved: &Approved,
    target: &Connected,
    carry: &Carry,
) -> anyhow::Result<Finished> {
    let Approved {
        checked,
        source_ids,
        by_person,
    } = approved;
    if let Some(state) = session.state_if_any().await? {
        let wanted = *by_person || carry.force;
        quarantine::pass(&*state, &target.org.name, checked.plan(), wanted).await?;
    }
    let secrets = resolve(session, checked, carry).await?;
    let approval = Approval {
        digest: checked.digest().to_owned(),
    };
    run(session, target, carry, async |runner: &Runner<'_>| {
        runner.start(checked, &approval, &secrets, source_ids).await
    })
    .await
}

/// Finds the values of the secrets that a plan names.
pub(crate) async fn resolve(
    session: &Session<'_>,
    checked: &CheckedPlan,
    carry: &Carry,
) -> anyhow::Result<Secrets> {
    let file = carry.secrets_file.as_deref();
    secrets::resolve(checked.secrets(), file, session).await
}

/// Takes a run up again.
pub(crate) async fn resume(
    session: &Session<'_>,
    target: &Connected,
    run_id: &RunId,
    secrets: &Secrets,
    carry: &Carry,
) -> anyhow::Result<Finished> {
    run(session, target, carry, async |runner: &Runner<'_>| {
        runner.resume(run_id, secrets).await
    })
    .await
}

async fn run(
    session: &Session<'_>,
    target: &Connected,
    carry: &Carry,
    work: impl AsyncFnOnce(&Runner<'_>) -> Result<Finished, orgsmith_engine::RunError>,
) -> anyhow::Result<Finished> {
    let state = session.state().await?;
    let finished = session
        .writing(async |stop| {
            let events = session.out.events();
            let runner = Runner {
                org: &target.org,
                catalogue: session.catalogue(),
                state,
                owner: owner::this_process(),
                abandoned: owner::is_abandoned,
                limits: target.limits(session, carry),
                stop,
                events: &events,
                onboards: target.settings.onboards,
                run: session.run(),
            };
            work(&runner).await
        })
        .await?;
    Ok(finished)
}

async fn ask(out: &Out, plan: &Plan, target: &Connected) -> anyhow::Result<()> {
    let org = target.org.name.as_str();
    let deletes = plan.steps.iter().any(|step| step.action == Action::Delete);
    let wanted = if target.settings.protected || deletes {
        org
    } else {
        "yes"
    };
    let why = match (target.settings.protected, deletes) {
        (true, _) => format!("{org} is protected. Type its name to go on:"),
        (false, true) => {
            format!("This deletes objects. Type {org} to go on:")
        }
        (false, false) => format!("Write this to {org}? Only \"yes\" is taken as consent:"),
    };
    match out.ask(&styled(BOLD, why)).await? {
        Some(answer) if answer == wanted => Ok(()),
        Some(_) => Err(Failure::NotApproved.into()),
        None if target.settings.protected => Err(Failure::Unconfirmed(org.to_owned()).into()),
        None => Err(Failure::NobodyToAsk.into()),
    }
}
