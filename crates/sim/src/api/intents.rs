//! Customer intents and their categories.

use crate::crud;
use crate::kind::{Filter, Kind};
use crate::refs::Ref;
use crate::routes::Registry;
use crate::store::Fields;

const KINDS: &[Kind] = &[
    Kind {
        name: "intent_category",
        path: "/api/v2/intents/categories",
        audit: ("", ""),
        duplicate: (409, "general.conflict"),
        filters: &[("queryValue", Filter::Contains("name"))],
        ..Kind::PLAIN
    },
    Kind {
        name: "customer_intent",
        path: "/api/v2/intents/customerintents",
        audit: ("", ""),
        duplicate: (409, "general.conflict"),
        refs: &[Ref::to("category", "intent_category")],
        filters: &[
            ("queryValue", Filter::Contains("name")),
            ("categoryId", Filter::Reference("category")),
        ],
        prepare: Some(prepare_intent),
        ..Kind::PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

fn prepare_intent(fields: &mut Fields) {
    crud::reference_from(fields, "categoryId", "category");
}
