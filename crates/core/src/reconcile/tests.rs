use jiff::tz::TimeZone;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("a time zone")
}

fn cron(text: &str) -> Schedule {
    Schedule::parse(text, berlin()).expect("a schedule")
}

fn windows(texts: &[&str]) -> Windows {
    Windows::parse(texts, &berlin()).expect("windows")
}

fn objects(names: &[&str]) -> BTreeSet<ObjectRef> {
    names
        .iter()
        .map(|name| {
            format!("routing_queue/{name}")
                .parse()
                .expect("a reference")
        })
        .collect()
}

/// A Wednesday, at noon in Berlin.
const NOON: &str = "2026-03-04T11:00:00Z";

fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        scans: vec![cron("*/15 * * * *")],
        full_scans: vec![cron("0 3 * * *")],
        ..Settings::default()
    }
}

/// What was seen five minutes before noon: two queues drifted.
fn history() -> History {
    History {
        scanned: Some(at("2026-03-04T10:55:00Z")),
        scanned_untold: Some(at("2026-03-04T10:55:00Z")),
        scanned_all: Some(at("2026-03-04T02:00:00Z")),
        found: Found {
            open: objects(&["A", "B"]),
            source: 100,
            ..Found::default()
        },
        source_was: Some(100),
        ..History::default()
    }
}

fn decided(settings: &Settings, history: &History, now: &str) -> Decision {
    decide(settings, history, at(now))
}

#[test]
fn a_schedule_is_on_the_clocks_of_its_zone() {
    let daily = cron("30 2 * * *");
    for (after, next) in [
        ("2026-03-04T11:00:00Z", Some("2026-03-05T01:30:00Z")),
        // The clocks jump over half past two, and go there twice.
        ("2026-03-29T00:00:00Z", Some("2026-03-29T01:00:00Z")),
        ("2026-10-24T23:00:00Z", Some("2026-10-25T00:30:00Z")),
        ("2026-10-25T00:30:00Z", Some("2026-10-26T01:30:00Z")),
    ] {
        assert_eq!(daily.after(at(after)), next.map(at), "{after}");
    }
    assert_eq!(cron("0 0 30 2 *").after(at(NOON)), None);
    assert_eq!(
        cron("@daily").after(at(NOON)),
        Some(at("2026-03-04T23:00:00Z"))
    );
    for wrong in ["", "x", "61 * * * *", "* * *"] {
        let bad = Schedule::parse(wrong, TimeZone::UTC).expect_err("it is none");
        assert!(
            bad.to_string().starts_with(&format!("{wrong:?}: ")),
            "{bad}"
        );
    }
}

#[test]
fn a_window_is_open_on_its_days_and_over_midnight() {
    let nights = ["Mon-Fri 22:00-05:00"];
    let weekend = ["Sat,Sun 00:00-24:00"];
    let cron = ["0 12 * * WED for 90m"];
    for (texts, now, open, next) in [
        (&nights, NOON, false, "2026-03-04T21:00:00Z"),
        (
            &nights,
            "2026-03-04T21:00:00Z",
            true,
            "2026-03-05T21:00:00Z",
        ),
        (
            &nights,
            "2026-03-05T03:59:59Z",
            true,
            "2026-03-05T21:00:00Z",
        ),
        (
            &nights,
            "2026-03-05T04:00:00Z",
            false,
            "2026-03-05T21:00:00Z",
        ),
        // The night of Friday ends on Saturday; that of Sunday never began.
        (
            &nights,
            "2026-03-07T03:00:00Z",
            true,
            "2026-03-09T21:00:00Z",
        ),
        (
            &nights,
            "2026-03-09T03:00:00Z",
            false,
            "2026-03-09T21:00:00Z",
        ),
        (
            &weekend,
            "2026-03-07T22:59:59Z",
            true,
            "2026-03-07T23:00:00Z",
        ),
        (
            &weekend,
            "2026-03-08T23:00:00Z",
            false,
            "2026-03-13T23:00:00Z",
        ),
        (&cron, "2026-03-04T10:59:59Z", false, "2026-03-04T11:00:00Z"),
        (&cron, NOON, true, "2026-03-11T11:00:00Z"),
        (&cron, "2026-03-04T12:30:00Z", false, "2026-03-11T11:00:00Z"),
    ] {
        let windows = windows(texts);
        assert_eq!(windows.is_open(at(now)), open, "{texts:?} {now}");
        assert_eq!(
            windows.opens_after(at(now)),
            Some(at(next)),
            "{texts:?} {now}"
        );
    }
    // Two windows: the one that opens first.
    let both = windows(&[nights[0], weekend[0]]);
    assert!(both.is_open(at("2026-03-07T12:00:00Z")));
    let none = Windows::default();
    assert!(none.is_open(at(NOON)) && none.opens_after(at(NOON)).is_none());
    for wrong in [
        "",
        "Mon",
        "Mon 22:00",
        "Mon 22-23",
        "Mon 25:00-26:00",
        "Moon 01:00-02:00",
        "0 2 * * * for",
        "0 2 * * * for ever",
        "x for 1h",
        "0 2 * * * for -1h",
    ] {
        Windows::parse(&[wrong], &TimeZone::UTC).expect_err(wrong);
    }
}

#[test]
fn it_is_looked_when_it_is_time_or_something_was_told() {
    let settings = settings(Mode::Observe);
    let with = |change: &dyn Fn(&mut History)| {
        let mut history = history();
        change(&mut history);
        history
    };
    let full = Act::Scan(Extent::Everything);
    let (early, late) = ("2026-03-04T10:59:00Z", NOON);
    for (what, history, now, act) in [
        ("nothing is due", with(&|_| {}), early, Act::Nothing),
        (
            "a quarter of an hour",
            with(&|_| {}),
            late,
            Act::Scan(Extent::Untold),
        ),
        (
            "what nobody tells of was looked at since",
            with(&|h| h.scanned_untold = Some(at(NOON))),
            late,
            Act::Nothing,
        ),
        ("never", History::default(), early, full.clone()),
        (
            "never as a whole",
            with(&|h| h.scanned_all = None),
            early,
            full.clone(),
        ),
        (
            "the daily look was missed",
            with(&|h| h.scanned_all = Some(at("2026-03-03T12:00:00Z"))),
            early,
            full,
        ),
        (
            "told since",
            with(&|h| h.told = Some(at("2026-03-04T10:58:00Z"))),
            early,
            Act::Scan(Extent::Told),
        ),
        (
            "told before",
            with(&|h| h.told = Some(at("2026-03-04T10:54:00Z"))),
            early,
            Act::Nothing,
        ),
        ("under way", with(&|h| h.busy = true), late, Act::Nothing),
    ] {
        assert_eq!(decided(&settings, &history, now).act, act, "{what}");
    }
    // At the next quarter it is decided again.
    assert_eq!(decided(&settings, &history(), early).next, Some(at(NOON)));
}

#[test]
fn what_is_done_about_drift_is_the_modes() {
    let now = "2026-03-04T10:56:00Z";
    let all = objects(&["A", "B"]);
    let observed = decided(&settings(Mode::Observe), &history(), now);
    assert_eq!(observed.act, Act::Nothing);
    let proposed = decided(&settings(Mode::Propose), &history(), now);
    assert_eq!(proposed.act, Act::Propose(all.clone()));
    let applied = decided(&settings(Mode::Enforce), &history(), now);
    assert_eq!(applied.act, Act::Apply(all.clone()));

    let mut waiting = history();
    waiting.proposed = all;
    let again = decided(&settings(Mode::Propose), &waiting, now);
    assert_eq!(again.act, Act::Nothing);
    assert!(
        again.reason.contains("waits for a person"),
        "{}",
        again.reason
    );
    // Something else drifted: that is another plan.
    waiting.found.open.extend(objects(&["C"]));
    let again = decided(&settings(Mode::Propose), &waiting, now);
    assert_eq!(again.act, Act::Propose(objects(&["A", "B", "C"])));

    let mut equal = history();
    equal.found.open.clear();
    for mode in [Mode::Observe, Mode::Propose, Mode::Enforce] {
        assert_eq!(decided(&settings(mode), &equal, now).act, Act::Nothing);
    }
}

#[test]
fn nothing_is_written_outside_a_window_or_on_an_old_look() {
    let mut settings = settings(Mode::Enforce);
    settings.windows = windows(&["Mon-Fri 22:00-05:00"]);
    settings.scans.clear();
    let closed = decided(&settings, &history(), NOON);
    assert_eq!(closed.act, Act::Nothing);
    assert_eq!(closed.next, Some(at("2026-03-04T21:00:00Z")));
    assert!(
        closed.reason.contains("no window is open"),
        "{}",
        closed.reason
    );
    // When it opens, what was seen at noon is old.
    let open = decided(&settings, &history(), "2026-03-04T21:00:00Z");
    assert_eq!(open.act, Act::Scan(Extent::Found));
    let mut seen = history();
    seen.scanned = Some(at("2026-03-04T21:00:00Z"));
    let open = decided(&settings, &seen, "2026-03-04T21:01:00Z");
    assert_eq!(open.act, Act::Apply(objects(&["A", "B"])));
    // Proposals wait for no window.
    settings.mode = Mode::Propose;
    assert!(matches!(
        decided(&settings, &history(), NOON).act,
        Act::Propose(_)
    ));
}

#[test]
fn what_is_healed_again_and_again_waits_and_is_then_a_persons() {
    let heal = Heal::default();
    let now = at(NOON);
    let ago = |minutes: &[i64]| -> Vec<Timestamp> {
        let at = |minutes: &i64| now - SignedDuration::from_mins(*minutes);
        minutes.iter().map(at).collect()
    };
    let until = |minutes: i64| Some(Left::Until(now + SignedDuration::from_mins(minutes)));
    for (healed, left) in [
        (&[][..], None),
        (&[9], until(1)),
        (&[10], None),
        (&[40, 15], until(5)),
        (&[40, 20], None),
        (&[200, 100, 39], until(1)),
        (&[400, 200, 100, 10], until(70)),
        (&[400, 300, 200, 100, 10], Some(Left::ToAPerson)),
        // A day without ends it.
        (&[9000, 8990, 8980, 8970, 8960, 5], until(5)),
        (&[9000, 8990, 8980, 8970, 8960], None),
    ] {
        assert_eq!(heal.leaves(&ago(healed), now), left, "{healed:?}");
    }
    let patient = Heal { times: 99, ..heal };
    let often: Vec<i64> = (1..60).rev().collect();
    assert_eq!(patient.leaves(&ago(&often), now), until(359));

    let mut history = history();
    let [a, b] = ["A", "B"].map(|name| objects(&[name]).pop_first().expect("one"));
    let seen = at("2026-03-04T10:56:00Z");
    history
        .healed
        .insert(a.clone(), vec![seen - SignedDuration::from_mins(2)]);
    let decision = decide(&settings(Mode::Enforce), &history, seen);
    assert_eq!(decision.act, Act::Apply(objects(&["B"])));
    let again = at("2026-03-04T11:04:00Z");
    assert_eq!(
        decision.left,
        BTreeMap::from([(a.clone(), Left::Until(again))])
    );
    history.healed.insert(b.clone(), vec![seen; 5]);
    let decision = decide(&settings(Mode::Enforce), &history, seen);
    assert_eq!(decision.act, Act::Nothing);
    assert_eq!(decision.left[&b], Left::ToAPerson);
}

#[test]
fn a_source_that_lost_much_changes_nothing() {
    let guard = Guard::default();
    for (was, now, refuses) in [
        (None, 0, false),
        (Some(0), 0, false),
        (Some(100), 100, false),
        (Some(100), 80, false),
        (Some(100), 79, true),
        (Some(100), 0, true),
        (Some(9), 1, false),
        (Some(9), 0, true),
        (Some(100), 300, false),
    ] {
        let found = Found {
            source: now,
            ..Found::default()
        };
        assert_eq!(
            guard.refuses(&found, was).is_some(),
            refuses,
            "{was:?} {now}"
        );
    }
    let mut lost = history();
    lost.found.source = 0;
    for mode in [Mode::Propose, Mode::Enforce] {
        let decision = decided(&settings(mode), &lost, "2026-03-04T10:56:00Z");
        assert_eq!(decision.act, Act::Nothing);
        assert!(
            decision.reason.contains("the source is empty"),
            "{}",
            decision.reason
        );
        assert!(decision.next.is_some());
    }
}

#[test]
fn a_pause_ends_by_itself_or_by_somebody() {
    let mut settings = settings(Mode::Enforce);
    let until = at("2026-03-04T12:00:00Z");
    settings.pause = Some(Pause {
        until: Some(until),
        reason: "a migration".to_owned(),
    });
    let paused = decided(&settings, &History::default(), NOON);
    assert_eq!((paused.act, paused.next), (Act::Nothing, Some(until)));
    assert!(paused.reason.contains("a migration"), "{}", paused.reason);
    let over = decide(&settings, &History::default(), until);
    assert_eq!(over.act, Act::Scan(Extent::Everything));
    settings.pause = Some(Pause {
        until: None,
        reason: "a migration".to_owned(),
    });
    assert_eq!(decided(&settings, &history(), NOON).next, None);
}

#[test]
fn a_history_is_kept_as_text() {
    let mut history = history();
    let one = objects(&["A"]).pop_first().expect("one");
    history.healed.insert(one, vec![at(NOON)]);
    let text = serde_json::to_string(&history).expect("a text");
    assert_eq!(
        serde_json::from_str::<History>(&text).expect("a history"),
        history
    );
    // What an older program kept has less in it.
    assert_eq!(
        serde_json::from_str::<History>("{}").expect("one"),
        History::default()
    );
}
