//! Workforce management: business units.

use serde_json::{Value, json};

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal};
use crate::kind::{Division, Filter, Kind, Style};
use crate::routes::{Registry, Req, the_kind};
use crate::store::Fields;
use crate::world::Org;

const UNITS: &str = "/api/v2/workforcemanagement/businessunits";

const KINDS: &[Kind] = &[Kind {
    name: "business_unit",
    path: UNITS,
    audit: ("WorkforceManagement", "BusinessUnit"),
    division: Division::Movable,
    style: Style::Whole,
    filters: &[
        ("divisionId", Filter::Reference("division")),
        ("feature", Filter::Ignored),
    ],
    defaults: r#"{"settings": {
        "shortTermForecasting": {"defaultHistoryWeeks": 6},
        "scheduling": {
            "messageSeverities": [], "enableTimeOffFullDayEstimation": false,
            "allowWorkPlanPerMinuteGranularity": false, "induceScheduleVariability": false,
            "activitySmoothingType": "ReduceConcurrentActivitiesAcrossBu"
        }
    }}"#,
    list_omits: &["settings"],
    prepare: Some(prepare),
    check: Some(check),
    view: Some(view),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", &format!("{UNITS}/{{businessUnitId}}"), read);
}

fn prepare(fields: &mut Fields) {
    crud::reference_from(fields, "divisionId", "division");
}

fn check(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let Some(settings) = fields.get_mut("settings") else {
        return Ok(());
    };
    if let Some(old) = old {
        let same = |name: &str| old["settings"][name] == settings[name];
        if !(same("startDayOfWeek") && same("timeZone")) {
            return Err(Refusal::invalid(
                "settings",
                "The first day of the week and the time zone are fixed.",
            ));
        }
        let version = |settings: &Value| settings["metadata"]["version"].as_u64();
        if old["settings"] != *settings {
            if version(settings) != version(&old["settings"]) {
                return Err(Refusal::new(
                    409,
                    "general.conflict",
                    "The version of the settings is another.",
                ));
            }
            settings["metadata"]["version"] = json!(version(settings).unwrap_or(1) + 1);
        }
    } else {
        settings["metadata"] = json!({"version": 1});
    }
    Ok(())
}

fn view(_: &Org, _: &str, shown: &mut Fields) {
    if let Some(scheduling) = shown
        .get_mut("settings")
        .and_then(|settings| settings.get_mut("scheduling"))
    {
        let synced = &scheduling["syncTimeOffProperties"]["values"];
        scheduling["syncTimeOffProperties"] = match synced {
            Value::Array(_) => synced.clone(),
            _ => json!([]),
        };
    }
}

/// Shows the settings to those who ask for them.
fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("business_unit");
    let mut reply = crud::serve(cx, req, kind, crud::Verb::Read)?;
    if !req.expands("settings")
        && let Some(Value::Object(fields)) = &mut reply.body
    {
        fields.remove("settings");
    }
    Ok(reply)
}
