//! Whether the permissions are those of the calls, no fewer and no more.

use orgsmith_contract::Permissions;
use orgsmith_core::catalogue::{Descriptor, ListSpec};

use super::Lint;
use super::facts::driver_calls;

/// The calls that read, write and delete.
pub struct Calls {
    pub reads: Vec<(String, String)>,
    pub writes: Vec<(String, String)>,
    pub deletes: Vec<(String, String)>,
}

/// Returns the calls of a kind, those of its driver as well.
pub fn calls(kind: &Descriptor) -> Calls {
    let (driver_reads, driver_writes) = driver_calls(kind.driver);
    let own = |calls: &[(&str, &str)]| -> Vec<(String, String)> {
        let calls = calls.iter();
        calls.map(|(m, p)| (m.to_string(), p.to_string())).collect()
    };
    let mut reads = own(driver_reads);
    let mut writes = own(driver_writes);
    let listed = |list: &ListSpec| (list.method().to_owned(), list.path.clone());
    let get = |path: &str| ("GET".to_owned(), path.to_owned());
    reads.extend(kind.list.iter().map(listed));
    reads.extend(kind.read.iter().map(|read| get(&read.path)));
    for write in [&kind.create, &kind.update, &kind.restore]
        .into_iter()
        .flatten()
    {
        writes.push((write.method.clone(), write.path.clone()));
    }
    if let Some(publish) = &kind.publish {
        writes.push((publish.method.clone(), publish.path.clone()));
        writes.extend(publish.job.iter().map(|job| get(&job.path)));
        let reopen = publish.reopen.iter();
        writes.extend(reopen.map(|call| (call.method.clone(), call.path.clone())));
    }
    if let Some(draft) = &kind.draft {
        writes.push(("POST".to_owned(), draft.path.clone()));
        writes.push(get(&draft.versions));
    }
    writes.extend(kind.go_live.iter().map(|p| ("POST".to_owned(), p.clone())));
    let newest = kind.references.iter().filter_map(|r| r.newest.as_ref());
    writes.extend(newest.map(|path| get(path)));
    // What is asked only of objects that are named says itself what that needs.
    for part in kind.parts.iter().filter(|part| part.asked.is_none()) {
        reads.extend(part.list.iter().map(listed));
        reads.extend(part.gathered.iter().map(|gathered| get(&gathered.path)));
        for write in [&part.replace, &part.add, &part.change, &part.remove]
            .into_iter()
            .flatten()
        {
            writes.push((write.method.clone(), write.path.clone()));
        }
    }
    let deletes: Vec<_> = kind
        .delete
        .iter()
        .map(|delete| ("DELETE".to_owned(), delete.path.clone()))
        .collect();
    Calls {
        reads,
        writes,
        deletes,
    }
}

pub fn check(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let Calls {
        reads,
        writes,
        deletes,
    } = calls(kind);
    for (place, calls, listed) in [
        ("read_permissions", &reads, &kind.read_permissions),
        ("write_permissions", &writes, &kind.write_permissions),
        ("delete_permissions", &deletes, &kind.delete_permissions),
    ] {
        compare(lint, place, calls, listed);
    }
    for part in &kind.parts {
        let Some(asked) = &part.asked else { continue };
        let list = part.list.iter();
        let reads: Vec<_> = list
            .map(|list| (list.method().to_owned(), list.path.clone()))
            .collect();
        let writes = [&part.replace, &part.add, &part.change, &part.remove];
        let writes = writes.into_iter().flatten();
        let writes: Vec<_> = writes
            .map(|write| (write.method.clone(), write.path.clone()))
            .collect();
        let place = |what| format!("part[{}].asked.{what}", part.field);
        compare(
            lint,
            &place("read_permissions"),
            &reads,
            &asked.read_permissions,
        );
        compare(
            lint,
            &place("write_permissions"),
            &writes,
            &asked.write_permissions,
        );
    }
}

fn compare(lint: &mut Lint<'_>, place: &str, calls: &[(String, String)], listed: &[String]) {
    let mut known = Vec::new();
    for (method, path) in calls {
        // Unknown calls are a finding of another rule.
        let Some(operation) = lint.contract.operation(method, path) else {
            continue;
        };
        known.extend(operation.permissions.names());
        match &operation.permissions {
            Permissions::All(names) => {
                for name in names.iter().filter(|name| !listed.contains(name)) {
                    lint.find(place, format!("{method} {path} needs {name}"));
                }
            }
            Permissions::Any(names) => {
                if !names.iter().any(|name| listed.contains(name)) {
                    let names = names.join(" or ");
                    lint.find(place, format!("{method} {path} needs {names}"));
                }
            }
            Permissions::None | Permissions::Unknown(_) => {}
        }
    }
    for name in listed.iter().filter(|name| !known.contains(name)) {
        lint.find(place, format!("no call needs {name}"));
    }
}
