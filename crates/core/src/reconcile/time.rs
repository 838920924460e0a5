//! Schedules and windows: when it is looked, and when it may be written.

use std::cmp::Ordering;
use std::str::FromStr;

use croner::Cron;
use croner::errors::CronError;
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday as CronWeekday};
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// Says why a text is no schedule or no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {message}")]
pub struct BadTime {
    text: String,
    message: String,
}

impl BadTime {
    fn new(text: &str, message: impl ToString) -> Self {
        Self {
            text: text.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Times that come again, by a cron pattern on the clocks of a time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Box<Cron>,
    zone: TimeZone,
}

impl Schedule {
    /// Reads a cron pattern: minute, hour, day, month and weekday, or a name such as `@daily`.
    ///
    /// # Errors
    /// The text is no pattern.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, BadTime> {
        let cron = Cron::from_str(text).map_err(|error| BadTime::new(text, error))?;
        let cron = Box::new(cron);
        Ok(Self { cron, zone })
    }

    /// Returns the next time after another; nothing where there is none.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let from = Clock(time.to_zoned_datetime(self.zone.clone()));
        let next = self.cron.find_next_occurrence(&from, false);
        next.ok().map(|Clock(next)| next.timestamp())
    }

    /// Returns the last time that is not after another.
    fn before(&self, time: Timestamp) -> Option<Timestamp> {
        let from = Clock(time.to_zoned_datetime(self.zone.clone()));
        let last = self.cron.find_previous_occurrence(&from, true);
        last.ok().map(|Clock(last)| last.timestamp())
    }
}

/// When it may be written: always where there are none.
#[derive(Clone, Debug, Default)]
pub struct Windows(Vec<Window>);

#[derive(Clone, Debug)]
enum Window {
    /// From one time to another on some days; to the next day where the end is not after the start.
    Weekly {
        days: Vec<Weekday>,
        from: Time,
        to: Time,
        zone: TimeZone,
    },
    /// For so long after each time of a schedule.
    After(Schedule, SignedDuration),
}

impl Windows {
    /// Reads windows: `Mon-Fri 22:00-05:00`, `Sat,Sun 00:00-24:00`, `22:00-05:00` for every day, or a cron
    /// pattern with how long it is open: `0 2 * * * for 90m`.
    ///
    /// # Errors
    /// The first text that is none.
    pub fn parse<S: AsRef<str>>(texts: &[S], zone: &TimeZone) -> Result<Self, BadTime> {
        let windows = texts.iter().map(|text| Window::parse(text.as_ref(), zone));
        windows.collect::<Result<_, _>>().map(Self)
    }

    /// Tells whether it may be written at a time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.is_open(now))
    }

    /// Returns when the next one opens after a time.
    pub fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        let opens = self.0.iter().filter_map(|window| window.opens_after(now));
        opens.min()
    }
}

impl Window {
    fn parse(text: &str, zone: &TimeZone) -> Result<Self, BadTime> {
        if let Some((cron, long)) = text.rsplit_once(" for ") {
            let long: SignedDuration = long
                .trim()
                .parse()
                .map_err(|_| BadTime::new(text, "how long is it open? Such as 90m or 2h"))?;
            if !long.is_positive() {
                return Err(BadTime::new(text, "it is never open"));
            }
            let schedule = Schedule::parse(cron.trim(), zone.clone());
            let schedule = schedule.map_err(|bad| BadTime::new(text, bad.message))?;
            return Ok(Self::After(schedule, long));
        }
        let (days, hours) = match text.trim().rsplit_once(' ') {
            Some((days, hours)) => (days_of(days.trim()), hours),
            None => (days_of("Mon-Sun"), text.trim()),
        };
        let days = days.map_err(|message| BadTime::new(text, message))?;
        let wanted = "it is not of the form Mon-Fri 22:00-05:00";
        let (from, to) = hours
            .split_once('-')
            .ok_or_else(|| BadTime::new(text, wanted))?;
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        // The end of a day is the beginning of the next.
        let to = if to == "24:00" { "00:00" } else { to };
        let times = time(from).zip(time(to));
        let (from, to) = times.ok_or_else(|| BadTime::new(text, wanted))?;
        Ok(Self::Weekly {
            days,
            from,
            to,
            zone: zone.clone(),
        })
    }

    fn is_open(&self, now: Timestamp) -> bool {
        match self {
            Self::Weekly { .. } => self
                .around(now, -1..=0)
                .any(|(start, end)| start <= now && now < end),
            Self::After(schedule, long) => {
                let last = schedule.before(now);
                last.is_some_and(|last| now.duration_since(last) < *long)
            }
        }
    }

    fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Weekly { .. } => {
                let starts = self.around(now, 0..=8).map(|(start, _)| start);
                starts.filter(|start| *start > now).min()
            }
            Self::After(schedule, _) => schedule.after(now),
        }
    }

    /// Returns the beginnings and ends on days around a time.
    fn around(
        &self,
        now: Timestamp,
        offsets: std::ops::RangeInclusive<i64>,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let weekly = match self {
            Self::Weekly {
                days,
                from,
                to,
                zone,
            } => Some((days, *from, *to, zone)),
            Self::After(..) => None,
        };
        weekly.into_iter().flat_map(move |(days, from, to, zone)| {
            let today = now.to_zoned_datetime(zone.clone()).date();
            offsets.clone().filter_map(move |offset| {
                let day = today.checked_add(jiff::Span::new().days(offset)).ok()?;
                let last = if to <= from {
                    day.tomorrow().ok()?
                } else {
                    day
                };
                // Where a clock jumps over a time, it is the one after.
                let at = |at: DateTime| zone.to_timestamp(at).ok();
                let times = at(day.to_datetime(from)).zip(at(last.to_datetime(to)));
                times.filter(|_| days.contains(&day.weekday()))
            })
        })
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Reads `Mon-Fri` or `Sat,Sun`; a range may go over the end of the week.
fn days_of(text: &str) -> Result<Vec<Weekday>, String> {
    let one = |text: &str| {
        let short = text.trim().to_ascii_lowercase();
        let found = DAYS.iter().position(|(name, _)| *name == short);
        found.ok_or_else(|| format!("{text:?} is no day such as Mon"))
    };
    let mut days = Vec::new();
    for piece in text.split(',') {
        let (first, last) = match piece.split_once('-') {
            Some((first, last)) => (one(first)?, one(last)?),
            None => (one(piece)?, one(piece)?),
        };
        let length = (last + 7 - first) % 7;
        days.extend((0..=length).map(|offset| DAYS[(first + offset) % 7].1));
    }
    Ok(days)
}

/// A time on the clocks of a zone, as the cron patterns of `croner` want it.
#[derive(Clone, Debug)]
struct Clock(ZonedDateTime);

impl CronDateTime for Clock {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let number = |part: i8| u32::try_from(part).unwrap_or_default();
        CivilDateTime::from_ymd_hms_opt(
            at.year().into(),
            number(at.month()),
            number(at.day()),
            number(at.hour()),
            number(at.minute()),
            number(at.second()),
        )
        .expect("it is the time of a clock, which knows no leap seconds")
    }

    fn civil_weekday(&self) -> CronWeekday {
        let day = self.0.weekday().to_sunday_zero_offset();
        CronWeekday::from_days_from_sunday(u32::try_from(day).unwrap_or_default())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let at = DateTime::new(
            i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let found = self.0.time_zone().to_ambiguous_zoned_datetime(at);
        let clock = |at: Result<ZonedDateTime, jiff::Error>| {
            at.map(Self).map_err(|_| CronError::InvalidTime)
        };
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(clock(found.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(clock(found.clone().earlier())?, clock(found.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let later = self.0.checked_add(SignedDuration::from_secs(seconds));
        later.ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}
