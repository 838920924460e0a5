//! Who this process is to others that want the lock of an org.

use std::path::Path;

use orgsmith_store::state::Owner;

/// Names this process: host, process, the set of processes its number counts in, and a number of
/// its own.
pub(crate) fn this_process() -> Owner {
    let own = uuid::Uuid::new_v4();
    Owner::new(&format!(
        "{}/{}/{}/{own}",
        host(),
        std::process::id(),
        numbering()
    ))
}

/// Tells whether the holder of a lock was a process of this machine that has ended.
///
/// False where that cannot be known: another machine, another container, another boot.
pub(crate) fn is_abandoned(owner: &Owner) -> bool {
    let parts: Vec<&str> = owner.as_str().split('/').collect();
    let [host_then, process, numbering_then, _] = parts[..] else {
        return false;
    };
    let here = host_then == host() && numbering_then == numbering() && numbering_then != UNKNOWN;
    here && process.parse::<u32>().is_ok() && has_ended(process)
}

/// Tells whether a process is not there, or only until somebody asks how it ended.
fn has_ended(process: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(process).join("stat")) else {
        return !Path::new("/proc").join(process).exists();
    };
    // The state follows the name, which may hold anything.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('Z' | 'X'))
}

fn host() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this-machine".to_owned(),
        name => name.replace('/', "-"),
    }
}

/// Stands for a machine that does not tell its boots and containers apart.
const UNKNOWN: &str = "unknown";

/// Says in which boot of which container a process number counts.
fn numbering() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let space = std::fs::read_link("/proc/self/ns/pid");
    let digits = |text: String| {
        text.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    match (boot, space) {
        (Ok(boot), Ok(space)) => {
            let boot: String = boot.chars().take(8).collect();
            format!("{boot}-{}", digits(space.to_string_lossy().into_owned()))
        }
        _ => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_has_abandoned_its_lock() {
        let name = |process: u32| Owner::new(&format!("{}/{process}/{}/x", host(), numbering()));
        let ended = {
            let mut child = std::process::Command::new("true")
                .spawn()
                .expect("a process");
            child.wait().expect("it ends");
            child.id()
        };
        assert!(is_abandoned(&name(ended)));
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("a process");
        while !has_ended(&child.id().to_string()) {
            std::thread::yield_now();
        }
        assert!(
            is_abandoned(&name(child.id())),
            "nobody asked how it ended yet"
        );
        child.wait().expect("it ends");
        assert!(!is_abandoned(&name(std::process::id())));
        assert!(!is_abandoned(&this_process()));
    }

    #[test]
    fn of_another_machine_or_boot_nothing_is_known() {
        for owner in ["elsewhere/1/x-1/y", "somebody", ""] {
            assert!(!is_abandoned(&Owner::new(owner)), "{owner}");
        }
        let other_boot = format!("{}/999999999/00000000-1/x", host());
        assert!(!is_abandoned(&Owner::new(&other_boot)));
    }
}
