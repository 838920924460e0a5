//! Who has checked a flow out.

use serde_json::Value;

/// Returns who has locked a flow, as its body tells: a user, or a client.
pub fn locked_by(body: &Value) -> Option<&str> {
    let locks = [body.get("lockedUser"), body.get("lockedClient")];
    let owner = locks.into_iter().flatten().find(|by| by.is_object())?;
    let name = owner.get("name").or_else(|| owner.get("id"));
    Some(name.and_then(Value::as_str).unwrap_or("somebody"))
}
