//! Contracts: what an org pays for in each month, and what it used.
//!
//! An org has one contract. Its last month is closed, this one is open.

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use crate::config::Billing;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Oversize, Style};
use crate::page::cut;
use crate::routes::{Registry, Req};
use crate::seats;

const ROOT: &str = "/api/v2/billing/contracts";
const CONTRACT: &str = "C-1";
const NUMBER: &str = "SIM-0001";
const CLOSED: &str = "P-1";
const OPEN: &str = "P-2";

pub(crate) fn register(registry: &mut Registry) {
    registry.on("GET", ROOT, contracts);
    registry.on("GET", &format!("{ROOT}/{{contractId}}"), contract);
    registry.on(
        "GET",
        &format!("{ROOT}/{{contractId}}/billingperiods/{{billingPeriodId}}"),
        period,
    );
}

/// Refuses where nobody is told of contracts.
fn check_shown(cx: &Cx<'_>) -> Result<(), Refusal> {
    match cx.org.spec.seats.billing {
        Billing::Shown => Ok(()),
        Billing::Forbidden => Err(Refusal::new(
            403,
            "not.authorized",
            "You are not authorized to see the contracts of this organization.",
        )),
        Billing::Absent => Err(Refusal::new(
            404,
            "not.found",
            "The organization has no contracts that can be shown.",
        )),
    }
}

/// The first day of this month, or of one before.
fn month(now: Timestamp, before: i64) -> Date {
    let first = jiff::tz::Offset::UTC
        .to_datetime(now)
        .date()
        .first_of_month();
    first.saturating_sub(Span::new().months(before))
}

fn show_period(now: Timestamp, id: &str) -> Value {
    let (start, status) = match id {
        OPEN => (month(now, 0), "Open"),
        _ => (month(now, 1), "Closed"),
    };
    json!({
        "id": id,
        "dateStart": start.to_string(),
        "dateEnd": start.last_of_month().to_string(),
        "status": status,
    })
}

fn show(cx: &Cx<'_>) -> Value {
    let customer = json!({"id": "1", "number": "1", "name": cx.org.spec.name});
    json!({
        "id": CONTRACT,
        "externalNumber": NUMBER,
        "status": "Active",
        "commercialModel": "Subscription",
        "purchaseOrderNumbers": [],
        "billToCustomer": customer,
        "soldToCustomer": customer,
        "endCustomer": customer,
        "dateStart": month(cx.now, 1).to_string(),
        "dateEnd": month(cx.now, -10).last_of_month().to_string(),
        "billingPeriods": [show_period(cx.now, CLOSED), show_period(cx.now, OPEN)],
        "plans": [],
    })
}

fn contracts(cx: &mut Cx<'_>, req: &Req) -> Answer {
    check_shown(cx)?;
    for name in ["dateStart", "dateEnd"] {
        if req.query(name).is_some() {
            let message = format!("The simulator does not know the filter {name} of contracts.");
            return Err(Refusal::not_simulated(message));
        }
    }
    let fits = |name: &str, own: &str| req.query(name).is_none_or(|wanted| wanted == own);
    let found: Vec<Value> = Some(show(cx))
        .filter(|_| fits("status", "Active") && fits("externalNumber", NUMBER))
        .into_iter()
        .collect();
    cut(
        req,
        Style::Cursor,
        100,
        Oversize::Refuse,
        &found,
        Value::clone,
    )
    .map(Reply::ok)
}

fn find(cx: &Cx<'_>, req: &Req) -> Result<Value, Refusal> {
    check_shown(cx)?;
    match req.param("contractId") {
        CONTRACT => Ok(show(cx)),
        other => Err(Refusal::not_found("contract", other)),
    }
}

fn contract(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find(cx, req).map(Reply::ok)
}

fn period(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find(cx, req)?;
    let id = req.param("billingPeriodId");
    if ![CLOSED, OPEN].contains(&id) {
        return Err(Refusal::not_found("billing period", id));
    }
    let used = seats::used(cx.org);
    let org = json!([{"id": cx.org.id, "name": cx.org.spec.name}]);
    let charges = seats::of_org(cx.org).map(|license| {
        let (paid, used) = (
            seats::paid(cx.org, license.id),
            used.get(license.id).copied().unwrap_or(0),
        );
        json!({
            "id": format!("{id}-{}", license.sku),
            "name": license.product,
            "product": {
                "id": license.sku,
                "sku": license.sku,
                "name": license.product,
                "unitOfMeasure": "User",
            },
            "organizations": org,
            "prepaidQuantity": paid,
            "fairuseQuantity": 0,
            "actualQuantity": used,
            "overageQuantity": used.saturating_sub(paid),
        })
    });
    let mut shown = show_period(cx.now, id);
    shown["charges"] = charges.collect();
    shown["wallets"] = json!([]);
    Ok(Reply::ok(shown))
}
