//! Who changed an org, and when, by its audits.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use orgsmith_core::drift::{Doing, Drift, Side};
use orgsmith_core::id::{Kind, ObjectRef, SourceId};
use orgsmith_core::snapshot::Names;
use orgsmith_engine::Org;
use orgsmith_engine::changes::{Who, who};
use orgsmith_store::state::MappingFilter;

use crate::commands::road::Observed;
use crate::session::{Connected, Session};

/// How far back it is asked: audits of the last fourteen days are told at once, older ones by a job.
const BACK: SignedDuration = SignedDuration::from_hours(14 * 24 - 1);

/// Adds who changed the org to what drifted there.
pub(super) async fn tell(
    session: &Session<'_>,
    target: &Connected,
    observed: &Observed<'_>,
    drift: &mut Drift,
) -> anyhow::Result<()> {
    let moved = drift.objects.iter().filter(|found| {
        let theirs = |side| matches!(side, Side::Target | Side::Conflict);
        found.fields.iter().any(|field| theirs(field.side))
    });
    let moved: Vec<ObjectRef> = moved.map(|found| found.object.clone()).collect();
    let ids = ids(session, target, observed, &moved).await?;
    let Who { last, unasked, .. } = ask(session, &target.org, &ids).await;
    let names = Names::new(session.catalogue(), &observed.snapshot, &observed.pins);
    let named = |id: &str| {
        let user = names.object(&Kind::new("user"), id)?;
        Some(user.key.parts().join("/"))
    };
    for found in &mut drift.objects {
        if let Some(change) = last.get(&found.object) {
            let user = change.by.user.as_ref().filter(|user| user.name.is_none());
            let by = change.by.to_string();
            let who = match user.and_then(|user| Some((user, named(&user.id)?))) {
                Some((user, name)) => by.replace(&user.id, &name),
                None => by,
            };
            found.who = vec![Doing {
                at: format!("{:.0}", change.at),
                who,
                what: change.action.clone(),
            }];
        }
    }
    for why in unasked {
        session.out.warn(format!("who it was is not known: {why}"));
    }
    Ok(())
}

/// Returns when objects were last changed in an org.
pub(super) async fn when(
    session: &Session<'_>,
    org: &Org,
    ids: &BTreeMap<ObjectRef, SourceId>,
) -> BTreeMap<ObjectRef, i64> {
    let Who { last, unasked, .. } = ask(session, org, ids).await;
    for why in unasked {
        session
            .out
            .warn(format!("what is newer is not known: {why}"));
    }
    let times = last.into_iter();
    times
        .map(|(object, change)| (object, change.at.as_millisecond()))
        .collect()
}

async fn ask(session: &Session<'_>, org: &Org, ids: &BTreeMap<ObjectRef, SourceId>) -> Who {
    // The clock of the org may be ahead.
    let now = Timestamp::now() + SignedDuration::from_mins(5);
    who(org, session.catalogue(), ids, now - BACK, now).await
}

/// Returns the ids of objects in an org; of one that is gone there, the one that a run noted.
pub(super) async fn ids(
    session: &Session<'_>,
    target: &Connected,
    observed: &Observed<'_>,
    objects: &[ObjectRef],
) -> anyhow::Result<BTreeMap<ObjectRef, SourceId>> {
    let names = Names::new(session.catalogue(), &observed.snapshot, &observed.pins);
    let live: BTreeMap<&ObjectRef, &str> = names.iter().map(|(id, object)| (object, id)).collect();
    let state = session.state().await?;
    let mut ids = BTreeMap::new();
    for object in objects {
        let id = match live.get(object) {
            Some(id) => Some(SourceId::new(id)),
            None => {
                let filter = MappingFilter {
                    target_org: Some(target.org.name.clone()),
                    object: Some(object.clone()),
                    ..MappingFilter::default()
                };
                let known = state.mappings(&filter).await?;
                let last = known.into_iter().max_by_key(|known| known.at_ms);
                last.map(|last| SourceId::new(last.target_id.as_str()))
            }
        };
        ids.extend(id.map(|id| (object.clone(), id)));
    }
    Ok(ids)
}
