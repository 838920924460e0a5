//! Where in a kind file a finding is.

/// Returns the line of a kind file that a place such as `list[0].page_size`, `reference division` or
/// `unmanaged peerId` is on; the first where it cannot be told.
pub fn line_of(text: &str, field: &str) -> usize {
    let (place, name) = field.split_once(' ').unwrap_or((field, ""));
    let name = name.split(" at ").next().unwrap_or_default();
    let (section, key) = place.split_once('.').unwrap_or((place, ""));
    let (section, index) = match section.split_once('[') {
        Some((section, index)) => (section, index.trim_end_matches(']')),
        None => (section, ""),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let find = |from: usize, fits: &dyn Fn(&str) -> bool| {
        let found = lines.iter().skip(from).position(|line| fits(line));
        found.map(|at| from + at)
    };
    let sets = |name: &str| {
        let name = name.to_owned();
        move |line: &str| {
            line.strip_prefix(&name)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        }
    };
    let quoted = format!("\"{name}\"");
    let head = |line: &str| line == format!("[{section}]") || line == format!("[[{section}]]");
    let start = match (section, index.parse::<usize>()) {
        // Parts are told by their field, the elements of other lists by their number.
        ("part", Err(_)) => find(0, &|line| line == format!("field = \"{index}\"")),
        ("reference", _) => find(0, &|line| line == format!("path = {quoted}")),
        (_, Ok(number)) => {
            let heads = lines.iter().enumerate().filter(|(_, line)| head(line));
            heads.map(|(at, _)| at).nth(number)
        }
        _ => find(0, &head).or_else(|| find(0, &sets(section))),
    };
    let start = start.unwrap_or(0);
    let last = key.rsplit('.').next().unwrap_or_default();
    let inside = [last, name].into_iter().filter(|word| !word.is_empty());
    let mut at = start;
    for word in inside {
        let quoted = format!("\"{word}\"");
        let fits = |line: &str| {
            sets(word)(line) || line.contains(&quoted) || line == format!("[part.{word}]")
        };
        at = find(at, &fits).unwrap_or(at);
    }
    at + 1
}

#[test]
fn findings_are_found_in_the_file() {
    let text = include_str!("../../../catalogue/kinds/routing_queue.toml");
    let line = |field: &str| text.lines().nth(line_of(text, field) - 1).map(str::trim);
    for (field, expected) in [
        ("title", "title = \"queue\""),
        ("fields bullseye", "\"bullseye\","),
        ("list[0].page_size", "page_size = 500"),
        ("reference queueFlow", "path = \"queueFlow\""),
        (
            "unmanaged peerId",
            "peerId = \"ties the queue to a system outside Genesys Cloud, by an id of one org\"",
        ),
        ("part[wrapUpCodes].remove", "[part.remove]"),
        (
            "read_permissions",
            "read_permissions = [\"routing:queue:view\"]",
        ),
        ("create description at description.x", "[create]"),
    ] {
        assert_eq!(line(field), Some(expected), "{field}");
    }
}
