//! Keeping an org in step with its source: what to do now, and when to look again.
//!
//! A decision is made of settings, of what happened, and of the time it is: what woke the caller is not
//! asked. Whoever runs it keeps the [`History`], calls [`decide`] at its start, at the time that the last
//! [`Decision`] named, when something was told of, and when something ended; and does what it says.

mod time;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use time::{BadTime, Schedule, Windows};

use crate::id::{Kind, ObjectRef};

/// How much is done without a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing: drift is shown.
    #[default]
    Observe,
    /// Plans are made, for a person to approve.
    Propose,
    /// Plans are carried out.
    Enforce,
}

/// How a pair is kept in step.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much is done without a person.
    pub mode: Mode,
    /// When it is looked at what nobody tells of.
    pub scans: Vec<Schedule>,
    /// When everything is looked at, whatever was told: events get lost.
    pub full_scans: Vec<Schedule>,
    /// When it may be written; always where there are none.
    pub windows: Windows,
    /// How old a look may be for something to be written on it.
    pub fresh: SignedDuration,
    /// What is done about objects that need to be healed again and again.
    pub heal: Heal,
    /// What is done about a source that lost much.
    pub guard: Guard,
    /// Nothing is done for now.
    pub pause: Option<Pause>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            scans: Vec::new(),
            full_scans: Vec::new(),
            windows: Windows::default(),
            fresh: SignedDuration::from_mins(30),
            heal: Heal::default(),
            guard: Guard::default(),
            pause: None,
        }
    }
}

/// How long an object is left alone after it was healed, and when it is a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heal {
    /// After the first time; each further time it is twice as long.
    pub first: SignedDuration,
    /// The longest.
    pub most: SignedDuration,
    /// So many times, each within `calm` of the one before, and a person has to look.
    pub times: u32,
    /// After so long without, an object is as if it had never been healed.
    pub calm: SignedDuration,
}

impl Default for Heal {
    fn default() -> Self {
        Self {
            first: SignedDuration::from_mins(10),
            most: SignedDuration::from_hours(6),
            times: 5,
            calm: SignedDuration::from_hours(24),
        }
    }
}

/// How much a source may lose from one look to the next for anything to be done about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// The most, in percent of its objects.
    pub most_lost: f64,
    /// Sources of fewer objects may lose as many as they like, but not all.
    pub least: usize,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            most_lost: 20.0,
            least: 10,
        }
    }
}

/// Nothing is done for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Until then; without it, until somebody ends it.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// What happened to a pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// A look or a run is under way.
    pub busy: bool,
    /// When somebody last told of a change.
    pub told: Option<Timestamp>,
    /// When the last look began.
    pub scanned: Option<Timestamp>,
    /// When the last look began at all of which nobody tells.
    pub scanned_untold: Option<Timestamp>,
    /// When the last look at everything began.
    pub scanned_all: Option<Timestamp>,
    /// What the last look found.
    pub found: Found,
    /// How many objects the source had when it was last as it should be.
    pub source_was: Option<usize>,
    /// The objects of which a plan was last proposed and waits for a person.
    pub proposed: BTreeSet<ObjectRef>,
    /// When objects were healed, the last time last.
    pub healed: BTreeMap<ObjectRef, Vec<Timestamp>>,
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Objects of the target that are to follow the source.
    pub open: BTreeSet<ObjectRef>,
    /// How many objects the source has.
    pub source: usize,
    /// The kinds that the source speaks of.
    pub kinds: BTreeSet<Kind>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Look.
    Scan(Extent),
    /// Make a plan for these objects, and let a person approve it.
    Propose(BTreeSet<ObjectRef>),
    /// Make a plan for these objects, and carry it out.
    Apply(BTreeSet<ObjectRef>),
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// At everything.
    Everything,
    /// At what was told of, and at all of which nobody tells.
    Untold,
    /// At what was told of.
    Told,
    /// At what the last look found, and at what was told of.
    Found,
}

/// Why an object is left alone for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It was healed not long ago.
    Until(Timestamp),
    /// It was healed so often that a person has to look.
    ToAPerson,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub act: Act,
    /// Objects that are left alone, and why.
    pub left: BTreeMap<ObjectRef, Left>,
    /// When to decide again at the latest; nothing where only an event can change it.
    pub next: Option<Timestamp>,
    /// Why, for people.
    pub reason: String,
}

impl Decision {
    fn new(act: Act, next: Option<Timestamp>, reason: impl Into<String>) -> Self {
        Self {
            act,
            left: BTreeMap::new(),
            next,
            reason: reason.into(),
        }
    }
}

/// Decides what to do now.
pub fn decide(settings: &Settings, history: &History, now: Timestamp) -> Decision {
    if let Some(pause) = &settings.pause
        && pause.until.is_none_or(|until| now < until)
    {
        let reason = format!("paused: {}", pause.reason);
        return Decision::new(Act::Nothing, pause.until, reason);
    }
    if history.busy {
        let reason = "a look or a run is under way";
        return Decision::new(Act::Nothing, None, reason);
    }
    if let Some((extent, reason)) = due(settings, history, now) {
        return Decision::new(Act::Scan(extent), next_scan(settings, now), reason);
    }
    act(settings, history, now)
}

/// Tells whether it is time for a look, and why.
fn due(settings: &Settings, history: &History, now: Timestamp) -> Option<(Extent, &'static str)> {
    let (Some(scanned), Some(scanned_all)) = (history.scanned, history.scanned_all) else {
        return Some((Extent::Everything, "it was never looked at as a whole"));
    };
    let is_due = |schedules: &[Schedule], since: Timestamp| {
        let next = schedules
            .iter()
            .filter_map(|schedule| schedule.after(since));
        next.min().is_some_and(|next| next <= now)
    };
    if is_due(&settings.full_scans, scanned_all) {
        return Some((Extent::Everything, "it is time to look at everything"));
    }
    if is_due(
        &settings.scans,
        history.scanned_untold.unwrap_or(scanned_all),
    ) {
        return Some((Extent::Untold, "it is time to look"));
    }
    let told = history.told.is_some_and(|told| told > scanned);
    told.then_some((Extent::Told, "a change was told of"))
}

fn next_scan(settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let all = settings.scans.iter().chain(&settings.full_scans);
    all.filter_map(|schedule| schedule.after(now)).min()
}

/// Decides about what the last look found.
fn act(settings: &Settings, history: &History, now: Timestamp) -> Decision {
    let scan = next_scan(settings, now);
    let rest = |reason: String| Decision::new(Act::Nothing, scan, reason);
    let open = &history.found.open;
    if open.is_empty() {
        return rest("there is no drift".to_owned());
    }
    if settings.mode == Mode::Observe {
        return rest(format!(
            "{} objects drifted; it is only observed",
            open.len()
        ));
    }
    if let Some(reason) = settings.guard.refuses(&history.found, history.source_was) {
        return rest(reason);
    }
    let mut ready = BTreeSet::new();
    let mut left = BTreeMap::new();
    for object in open {
        let healed = history.healed.get(object).map_or(&[][..], Vec::as_slice);
        match settings.heal.leaves(healed, now) {
            Some(why) => drop(left.insert(object.clone(), why)),
            None => drop(ready.insert(object.clone())),
        }
    }
    let again = left.values().filter_map(|why| match why {
        Left::Until(until) => Some(*until),
        Left::ToAPerson => None,
    });
    let next = again.chain(scan).min();
    let held = |act, next, reason: String| Decision {
        act,
        left: left.clone(),
        next,
        reason,
    };
    if ready.is_empty() {
        let reason = "what drifted was healed before, and is left alone for now".to_owned();
        return held(Act::Nothing, next, reason);
    }
    let told = format!("{} objects drifted", ready.len());
    if settings.mode == Mode::Propose {
        return match ready == history.proposed {
            true => held(
                Act::Nothing,
                next,
                format!("{told}; their plan waits for a person"),
            ),
            false => held(Act::Propose(ready), next, told),
        };
    }
    if !settings.windows.is_open(now) {
        let opens = settings.windows.opens_after(now);
        let next = opens.into_iter().chain(next).min();
        return held(Act::Nothing, next, format!("{told}; no window is open"));
    }
    let scanned = history.scanned.unwrap_or(Timestamp::MIN);
    if now.duration_since(scanned) > settings.fresh {
        let reason = format!("{told}, but that was seen too long ago to write");
        return held(Act::Scan(Extent::Found), next, reason);
    }
    held(Act::Apply(ready), next, told)
}

impl History {
    /// Notes that a look begins.
    pub fn scan(&mut self, extent: Extent, now: Timestamp) {
        self.scanned = Some(now);
        if matches!(extent, Extent::Untold | Extent::Everything) {
            self.scanned_untold = Some(now);
        }
        if extent == Extent::Everything {
            self.scanned_all = Some(now);
        }
    }
}

impl Guard {
    /// Says why nothing is done about what a look found, if so.
    pub fn refuses(&self, found: &Found, was: Option<usize>) -> Option<String> {
        let was = was?;
        let (now, lost) = (found.source, was.saturating_sub(found.source));
        if was > 0 && now == 0 {
            return Some(format!(
                "the source is empty, and had {was} objects; a person has to look"
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "no org has 2^52 objects")]
        let percent = 100.0 * lost as f64 / was.max(1) as f64;
        (was >= self.least && percent > self.most_lost).then(|| {
            format!(
                "the source lost {lost} of {was} objects since it was well; a person has to look"
            )
        })
    }
}

/// Returns a wait that was doubled so many times, and is no longer than the longest.
pub fn doubled(first: SignedDuration, most: SignedDuration, times: u32) -> SignedDuration {
    let by = 2_i32.checked_pow(times);
    let wait = by.and_then(|by| first.checked_mul(by));
    wait.map_or(most, |wait| wait.min(most))
}

impl Heal {
    /// Says why an object is left alone that was healed at some times, if so.
    pub fn leaves(&self, healed: &[Timestamp], now: Timestamp) -> Option<Left> {
        let mut times = 0_u32;
        let mut later = now;
        for at in healed.iter().rev() {
            if later.duration_since(*at) > self.calm {
                break;
            }
            times += 1;
            later = *at;
        }
        let last = *healed.last()?;
        if times == 0 {
            return None;
        }
        if times >= self.times {
            return Some(Left::ToAPerson);
        }
        let wait = doubled(self.first, self.most, times - 1);
        let until = last.checked_add(wait).unwrap_or(Timestamp::MAX);
        (now < until).then_some(Left::Until(until))
    }
}

#[cfg(test)]
mod tests;
