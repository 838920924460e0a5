//! Telephone numbers that the target has no pool for.

use std::borrow::Cow;

use serde_json::Value;

use super::planner::{Item, Notes, Target};
use crate::document::Json;
use crate::id::Kind;
use crate::path::FieldPath;
use crate::select::NUMBERS;

/// Leaves out telephone numbers that are in no DID pool of the target.
pub(super) fn keep_numbers_of_target(
    items: &mut Vec<Item<'_>>,
    target: &Target<'_>,
    notes: &mut Notes,
) {
    let pool = Kind::new(NUMBERS);
    if target.names.may_lack(&pool) {
        items.retain(|item| {
            let paths: &[FieldPath] = &item.descriptor.numbers;
            let mut none = true;
            if !paths.is_empty() {
                let body = item.body.value();
                let mut note = |_: &Value| none = false;
                paths
                    .iter()
                    .for_each(|path| path.for_each(&body, &mut note));
            }
            if !none {
                let reason = "it has numbers, and not every DID pool of the target could be read";
                notes.conflict(&item.object, reason.to_owned());
            }
            none
        });
        return;
    }
    let digits = |text: &str| text.trim_start_matches('+').parse::<u64>().ok();
    let pools: Vec<(u64, u64)> = target
        .live
        .keys()
        .filter(|object| object.kind == pool)
        .filter_map(|object| match &object.key.parts()[..] {
            [start, end] => digits(start).zip(digits(end)),
            _ => None,
        })
        .collect();
    for item in items {
        let paths: &[FieldPath] = &item.descriptor.numbers;
        if paths.is_empty() {
            continue;
        }
        let mut body = item.body.value();
        for path in paths {
            path.retain(&mut body, &mut |value| {
                let text = value.as_str().unwrap_or_default();
                let inside = digits(text).is_some_and(|n| {
                    pools
                        .iter()
                        .any(|(start, end)| (*start..=*end).contains(&n))
                });
                if !inside {
                    let message =
                        format!("{text} is in no DID pool of the target; {path} goes without it");
                    notes.warn("number-not-in-target", &item.object, message);
                }
                inside
            });
        }
        item.body = Cow::Owned(Json::from(&body));
    }
}
