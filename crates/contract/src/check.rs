//! Judging a JSON body by the contract.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex_lite::Regex;
use serde_json::Value;

use crate::types::{Contract, Field, Type};

/// Says which way a body travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the server: read-only fields must be absent, required ones present.
    Request,
    /// From the server: read-only fields are welcome, and nothing is missing.
    Response,
}

/// Represents one fault of a body.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The place, as a JSON pointer; empty is the whole body.
    pub pointer: String,
    /// What is wrong there.
    pub problem: ProblemKind,
}

/// Says what is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The model has no such field.
    UnknownField,
    /// The field is set by the server only.
    ReadOnly,
    /// The field must be present.
    Missing,
    /// The value has another type.
    WrongType {
        /// What the contract asks for.
        expected: &'static str,
    },
    /// The value is not one of those allowed.
    NotAllowed {
        /// The values that are.
        allowed: Vec<String>,
    },
    /// The string is shorter than this number of characters.
    TooShort(u64),
    /// The string is longer than this number of characters.
    TooLong(u64),
    /// The number is below this.
    TooSmall(f64),
    /// The number is above this.
    TooLarge(f64),
    /// The string does not match this regular expression.
    Pattern(String),
}

/// Models of JSON Schema: the SDKs name some of its keywords, the API takes them all.
///
/// Data actions whose output is a list have `items`, for one.
const OPEN: [&str; 2] = ["JsonSchemaDocument", "JsonSchemaWithDefinitions"];

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField => f.write_str("unknown field"),
            Self::ReadOnly => f.write_str("read-only field"),
            Self::Missing => f.write_str("required field is missing"),
            Self::WrongType { expected } => write!(f, "is not {expected}"),
            Self::NotAllowed { allowed } => write!(f, "is not one of {}", allowed.join(", ")),
            Self::TooShort(least) => write!(f, "is shorter than {least} characters"),
            Self::TooLong(most) => write!(f, "is longer than {most} characters"),
            Self::TooSmall(least) => write!(f, "is below {least}"),
            Self::TooLarge(most) => write!(f, "is above {most}"),
            Self::Pattern(pattern) => write!(f, "does not match {pattern}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "body"
        } else {
            &self.pointer
        };
        write!(f, "{place}: {}", self.problem)
    }
}

impl Contract {
    /// Lists everything that is wrong with a value of the given type.
    ///
    /// `null` counts as absent, as it does for the real API.
    pub fn check(&self, ty: &Type, value: &Value, direction: Direction) -> Vec<Problem> {
        let mut walk = Walk {
            contract: self,
            direction,
            problems: Vec::new(),
        };
        walk.value(ty, None, value, "");
        walk.problems
    }
}

struct Walk<'c> {
    contract: &'c Contract,
    direction: Direction,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn report(&mut self, pointer: &str, problem: ProblemKind) {
        self.problems.push(Problem {
            pointer: pointer.to_owned(),
            problem,
        });
    }

    fn value(&mut self, ty: &Type, field: Option<&Field>, value: &Value, at: &str) {
        if value.is_null() && field.is_some() {
            return;
        }
        let expected = match (ty, value) {
            (Type::Object, _)
            | (Type::Boolean, Value::Bool(_))
            | (Type::Number, Value::Number(_)) => {
                return self.limits(field, value, at);
            }
            (Type::String, Value::String(text)) => match field.and_then(|f| f.format.as_deref()) {
                Some("local-date-time") if !is_local_date_time(text) => "a local date and time",
                Some("year-month") if !is_year_month(text) => "a year and month",
                _ => return self.limits(field, value, at),
            },
            (Type::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                return self.limits(field, value, at);
            }
            (Type::DateTime, Value::String(text)) if is_date_time(text) => return,
            (Type::Date, Value::String(text)) if is_date(text) => return,
            (Type::Array(inner), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(inner, field, item, &format!("{at}/{index}"));
                }
                return;
            }
            (Type::Map(inner), Value::Object(entries)) => {
                for (key, item) in entries {
                    self.value(inner, field, item, &format!("{at}/{}", escape(key)));
                }
                return;
            }
            (Type::Model(name), Value::Object(entries)) => return self.model(name, entries, at),
            (Type::String, _) => "a string",
            (Type::Integer, _) => "an integer",
            (Type::Number, _) => "a number",
            (Type::Boolean, _) => "a boolean",
            (Type::DateTime, _) => "a date and time with offset",
            (Type::Date, _) => "a date",
            (Type::Array(_), _) => "a list",
            (Type::Map(_) | Type::Model(_), _) => "an object",
        };
        self.report(at, ProblemKind::WrongType { expected });
    }

    fn model(&mut self, name: &str, entries: &serde_json::Map<String, Value>, at: &str) {
        // A model without fields is one that the SDKs do not describe.
        let Some(model) = self.contract.model(name).filter(|m| !m.fields.is_empty()) else {
            return;
        };
        for (key, value) in entries {
            let place = format!("{at}/{}", escape(key));
            match model.field(key) {
                None if OPEN.contains(&name) => {}
                None => self.report(&place, ProblemKind::UnknownField),
                Some(field)
                    if field.read_only
                        && self.direction == Direction::Request
                        && !value.is_null() =>
                {
                    self.report(&place, ProblemKind::ReadOnly);
                }
                Some(field) => self.value(&field.ty, Some(field), value, &place),
            }
        }
        if self.direction == Direction::Request {
            for (key, field) in &model.fields {
                let absent = entries.get(key).is_none_or(Value::is_null);
                if field.required && !field.read_only && absent {
                    self.report(&format!("{at}/{}", escape(key)), ProblemKind::Missing);
                }
            }
        }
    }

    fn limits(&mut self, field: Option<&Field>, value: &Value, at: &str) {
        let Some(field) = field else { return };
        if !field.enum_values.is_empty() {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if !field.enum_values.contains(&text) {
                let allowed = field.enum_values.clone();
                self.report(at, ProblemKind::NotAllowed { allowed });
            }
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count() as u64;
            if let Some(least) = field.min_length.filter(|least| length < *least) {
                self.report(at, ProblemKind::TooShort(least));
            }
            if let Some(most) = field.max_length.filter(|most| length > *most) {
                self.report(at, ProblemKind::TooLong(most));
            }
            if let Some(pattern) = field.pattern.as_ref().filter(|p| !matches(p, text)) {
                self.report(at, ProblemKind::Pattern(pattern.clone()));
            }
        }
        if let Some(number) = value.as_f64() {
            if let Some(least) = field.minimum.filter(|least| number < *least) {
                self.report(at, ProblemKind::TooSmall(least));
            }
            if let Some(most) = field.maximum.filter(|most| number > *most) {
                self.report(at, ProblemKind::TooLarge(most));
            }
        }
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Tells whether the whole text matches; a pattern that cannot be read binds nobody.
fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> =
        LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).ok())
        .as_ref()
        .is_none_or(|regex| regex.is_match(text))
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    matches!(
        (parts.next(), parts.next(), parts.next()),
        (Some(year), Some(month), Some(day))
            if digits(year, 4) && within(month, 1, 12) && within(day, 1, 31)
    )
}

fn is_year_month(text: &str) -> bool {
    matches!(text.split_once('-'), Some((year, month)) if digits(year, 4) && within(month, 1, 12))
}

fn is_local_date_time(text: &str) -> bool {
    matches!(text.split_once('T'), Some((date, time)) if is_date(date) && is_time(time))
}

fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let offset_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at(offset_at);
    let offset_is_good = offset == "Z"
        || offset.get(1..).is_some_and(|hours| {
            let (hour, minute) = hours
                .split_once(':')
                .or_else(|| hours.split_at_checked(2))
                .unwrap_or((hours, ""));
            within(hour, 0, 18) && within(minute, 0, 59)
        });
    is_date(date) && is_time(time) && offset_is_good
}

fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let hour = parts.next().is_some_and(|hour| within(hour, 0, 23));
    let minute = parts.next().is_some_and(|minute| within(minute, 0, 59));
    let second = parts.next().is_none_or(|second| within(second, 0, 60));
    let fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    hour && minute && second && parts.next().is_none() && fraction
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

fn within(text: &str, least: u8, most: u8) -> bool {
    digits(text, 2) && text.parse().is_ok_and(|n: u8| (least..=most).contains(&n))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract;

    fn request(model: &str, body: Value) -> Vec<String> {
        contract()
            .check(&Type::Model(model.to_owned()), &body, Direction::Request)
            .iter()
            .map(Problem::to_string)
            .collect()
    }

    #[test]
    fn a_good_body_has_no_problem() {
        let body =
            json!({"name": "Billing", "division": {"id": "d-1"}, "skillEvaluationMethod": "ALL"});
        assert_eq!(request("CreateQueueRequest", body), [""; 0]);
    }

    #[test]
    fn each_kind_of_fault_is_named_with_its_place() {
        let body = json!({
            "colour": "red",
            "dateCreated": "2026-01-01T00:00:00Z",
            "memberCount": 3,
            "skillEvaluationMethod": "SOME",
            "autoAnswerOnly": "yes",
            "division": {"id": 7},
        });
        assert_eq!(
            request("CreateQueueRequest", body),
            [
                "/autoAnswerOnly: is not a boolean",
                "/colour: unknown field",
                "/division/id: is not a string",
                "/memberCount: read-only field",
                "/skillEvaluationMethod: is not one of NONE, BEST, ALL",
                "/name: required field is missing",
            ]
        );
    }

    #[test]
    fn every_keyword_of_json_schema_is_welcome() {
        let body = json!({"successSchema": {"type": "array", "items": {"type": "object"}}});
        assert_eq!(request("PostOutputContract", body), [""; 0]);
        let body = json!({"successSchema": {"type": 7, "items": {}}});
        assert_eq!(
            request("PostOutputContract", body),
            ["/successSchema/type: is not a string"]
        );
    }

    #[test]
    fn read_only_fields_are_welcome_in_answers() {
        let ty = Type::Model("CreateQueueRequest".into());
        let body = json!({"memberCount": 3});
        assert!(contract().check(&ty, &body, Direction::Response).is_empty());
    }

    #[test]
    fn patterns_bind_the_whole_string_and_null_is_absent() {
        let body = json!({"countryCode": "49a", "number": "12"});
        assert_eq!(
            request("Prefix", body),
            ["/countryCode: does not match ^[0-9]*$"]
        );
        assert_eq!(
            request("Prefix", json!({"countryCode": "49", "number": null})),
            [""; 0]
        );
    }

    #[test]
    fn every_pattern_of_the_contract_can_be_read() {
        for (_, model) in contract().models() {
            for pattern in model.fields.iter().filter_map(|(_, f)| f.pattern.as_ref()) {
                assert!(Regex::new(pattern).is_ok(), "{pattern}");
            }
        }
    }

    #[test]
    fn dates_are_iso_8601() {
        for good in [
            "2026-02-28T10:00:00.000Z",
            "2026-02-28T10:00:00+0100",
            "2026-02-28T10:00Z",
        ] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "2026-02-28",
            "2026-13-01T10:00:00Z",
            "2026-02-28T10:00:00",
            "T",
            "",
            "2026-02-28Té:",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
        assert!(is_local_date_time("2026-02-28T10:00:00.000"));
        assert!(!is_local_date_time("2026-02-28T10:00:00Z"));
        assert!(is_date("2026-02-28") && !is_date("28.2.2026"));
        assert!(is_year_month("2026-02") && !is_year_month("2026"));
    }
}
