//! Long lists, part by part: `limit` says how long a part is, `after` behind what it begins, and the `Link` of
//! the answer (RFC 8288, `rel="next"`) where the next one is.

use axum::Json;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::problem::Problem;

/// How long a part is where nobody says so, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 500;

/// Which part of a long list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// What comes after this: taken from the `Link` of the part before.
    pub(crate) after: Option<String>,
    /// At most so many: 1 to 500 [default: 100].
    pub(crate) limit: Option<u32>,
}

impl Part {
    /// Returns that part of a list that is at hand, and the name of its last where there is more behind it.
    pub(crate) fn of<T>(
        self,
        all: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = within(self.limit)? as usize;
        let from = match &self.after {
            None => 0,
            Some(after) => match all.iter().position(|one| name(one) == *after) {
                Some(at) => at + 1,
                None => return Err(gone(after)),
            },
        };
        let more = all.len() > from + limit;
        let part: Vec<T> = all.into_iter().skip(from).take(limit).collect();
        let last = part.last().filter(|_| more).map(name);
        Ok((part, last))
    }
}

/// Returns how many are asked for, where that is allowed.
pub(crate) fn within(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad(format!("limit is 1 to {MOST}, not {limit}")))
}

/// Says that there is nothing to go on from.
pub(crate) fn gone(after: &str) -> Problem {
    Problem::bad(format!(
        "there is no {after:?} in this list, or no longer; begin again without `after`"
    ))
}

/// A part of a list, and behind what the next begins.
pub(crate) struct Listed<T> {
    body: T,
    next: Option<String>,
}

impl<T> Listed<T> {
    /// Answers with a part of what was asked for at an address; `last` is what it ended with, where there is
    /// more behind it.
    pub(crate) fn new(body: T, asked: &Uri, last: Option<String>) -> Self {
        let next = last.map(|last| next(asked, &last));
        Self { body, next }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let body = Json(self.body);
        match self.next {
            Some(next) => {
                ([(header::LINK, format!("<{next}>; rel=\"next\""))], body).into_response()
            }
            None => body.into_response(),
        }
    }
}

/// Returns the address of the next part: the same question, from further on.
pub(crate) fn next(asked: &Uri, last: &str) -> String {
    let query = asked.query().unwrap_or_default();
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(
        url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "after"),
    );
    text.append_pair("after", last);
    format!("{}?{}", asked.path(), text.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_part_by_part_to_its_end() {
        let part = |after: Option<&str>, limit| {
            let part = Part {
                after: after.map(str::to_owned),
                limit: Some(limit),
            };
            part.of(vec![1, 2, 3], i32::to_string)
        };
        let of = |after, limit| part(after, limit).expect("a part");
        assert_eq!(of(None, 2), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(of(Some("2"), 2), (vec![3], None));
        assert_eq!(of(None, 3), (vec![1, 2, 3], None));
        assert_eq!(of(Some("3"), 1), (vec![], None));
        for (after, limit) in [(Some("9"), 1), (None, 0), (None, MOST + 1)] {
            assert!(part(after, limit).is_err(), "{after:?} {limit}");
        }
    }

    #[test]
    fn the_next_part_is_asked_for_as_the_first_was() {
        let asked = "/api/v2/map?source=a%20b&after=x&limit=2".parse();
        let next = next(&asked.expect("an address"), "[\"a&b\"]");
        assert_eq!(
            next,
            "/api/v2/map?source=a+b&limit=2&after=%5B%22a%26b%22%5D"
        );
    }
}
