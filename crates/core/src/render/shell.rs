//! Command lines that a person can copy into a shell.

use std::collections::BTreeMap;

use crate::id::{Kind, ObjectRef};
use crate::matrix::{Cell, Matrix};
use crate::select::term_name;

/// Quotes a word for a shell, where it needs that.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Objects of a kind that are named one by one; of more, the kind is: what is equal needs no step.
const FEW: usize = 5;

/// The same for the objects of all kinds, where not everything was compared; of more, the command
/// has the selection by which they were found.
const FEW_OF_PART: usize = 10;

/// Returns the commands that plan what differs, from the first column to each other org.
///
/// Where there is no other org, one for an org that is yet to be named.
pub fn plan_commands(matrix: &Matrix) -> Vec<String> {
    let Some(first) = matrix.columns.first() else {
        return Vec::new();
    };
    let others = || matrix.columns.iter().enumerate().skip(1);
    let orgs = others().filter(|(_, column)| column.is_org);
    let mut commands: Vec<String> = orgs
        .filter_map(|(index, column)| plan(matrix, &first.name, index, &column.name))
        .collect();
    if others().all(|(_, column)| !column.is_org) {
        let found = others().find_map(|(index, _)| plan(matrix, &first.name, index, "ORG"));
        commands.extend(found);
    }
    commands
}

fn plan(matrix: &Matrix, from: &str, column: usize, to: &str) -> Option<String> {
    let mut kinds: BTreeMap<&Kind, Vec<&ObjectRef>> = BTreeMap::new();
    for object in matrix.to_plan(column) {
        kinds.entry(&object.kind).or_default().push(object);
    }
    let mut has: BTreeMap<&Kind, usize> = BTreeMap::new();
    for row in &matrix.rows {
        let held = matches!(row.cells.first(), Some(Cell::Has { .. }));
        *has.entry(&row.object.kind).or_default() += usize::from(held);
    }
    if kinds.is_empty() {
        return None;
    }
    let mut command = format!("orgsmith plan {} --to {}", quoted(from), quoted(to));
    if let Some(flags) = &matrix.part
        && kinds.values().map(Vec::len).sum::<usize>() > FEW_OF_PART
    {
        for flag in flags {
            command.push_str(&format!(" {}", quoted(flag)));
        }
        return Some(command);
    }
    let whole = |(kind, objects): &(&Kind, Vec<&ObjectRef>)| {
        let all = has.get(*kind) == Some(&objects.len());
        matrix.part.is_none() && (all || objects.len() > FEW)
    };
    let (whole, few): (Vec<_>, Vec<_>) = kinds.into_iter().partition(whole);
    if !whole.is_empty() {
        let names: Vec<&str> = whole.iter().map(|(kind, _)| kind.as_str()).collect();
        command.push_str(&format!(" --select kind={}", names.join(",")));
    }
    for (kind, objects) in few {
        let mut term = format!("kind={kind}");
        for object in objects {
            term.push_str(&format!(",name={}", term_name(object)));
        }
        command.push_str(&format!(" --select {}", quoted(&term)));
    }
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_see_more_than_a_word() {
        assert_eq!(quoted("kind=routing_queue"), "kind=routing_queue");
        assert_eq!(quoted("name=Sales DE"), "'name=Sales DE'");
        assert_eq!(quoted("it's; rm *"), "'it'\\''s; rm *'");
        assert_eq!(quoted(""), "''");
    }
}
