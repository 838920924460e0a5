//! What differs between two texts, line by line.

/// A line of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit<'t> {
    Same(&'t str),
    Old(&'t str),
    New(&'t str),
    /// So many equal lines that are not shown.
    Skipped(usize),
}

/// Equal lines around a difference.
const CONTEXT: usize = 2;

/// Texts with more lines than this between their first and last difference are not aligned: the
/// table of the comparison grows with the square.
const LARGEST: usize = 2000;

/// Compares two texts, with a few equal lines around each difference.
pub(super) fn edits<'t>(old: &'t str, new: &'t str) -> Vec<Edit<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (inner_old, inner_new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut all: Vec<Edit<'t>> = old[..head].iter().map(|line| Edit::Same(line)).collect();
    if inner_old.len() > LARGEST || inner_new.len() > LARGEST {
        all.extend(inner_old.iter().map(|line| Edit::Old(line)));
        all.extend(inner_new.iter().map(|line| Edit::New(line)));
    } else {
        align(inner_old, inner_new, &mut all);
    }
    all.extend(old[old.len() - tail..].iter().map(|line| Edit::Same(line)));
    folded(&all)
}

/// Aligns two lists of lines by their longest common subsequence.
fn align<'t>(old: &[&'t str], new: &[&'t str], out: &mut Vec<Edit<'t>>) {
    let width = new.len() + 1;
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push(Edit::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            out.push(Edit::Old(old[i]));
            i += 1;
        } else {
            out.push(Edit::New(new[j]));
            j += 1;
        }
    }
}

/// Leaves out equal lines that are far from a difference.
fn folded<'t>(all: &[Edit<'t>]) -> Vec<Edit<'t>> {
    let differs = |edit: &Edit<'_>| !matches!(edit, Edit::Same(_));
    let mut out = Vec::new();
    let mut skipped = 0;
    for (index, edit) in all.iter().enumerate() {
        let from = index.saturating_sub(CONTEXT);
        let to = (index + CONTEXT + 1).min(all.len());
        if all[from..to].iter().any(differs) {
            if skipped > 0 {
                out.push(Edit::Skipped(skipped));
                skipped = 0;
            }
            out.push(*edit);
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        out.push(Edit::Skipped(skipped));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Edit, edits};
    use proptest::prelude::*;

    #[test]
    fn a_change_is_shown_with_the_lines_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh";
        let new = "a\nb\nc\nd\nE\nf\ng\nh";
        let shown = edits(old, new);
        let wanted = [
            Edit::Skipped(2),
            Edit::Same("c"),
            Edit::Same("d"),
            Edit::Old("e"),
            Edit::New("E"),
            Edit::Same("f"),
            Edit::Same("g"),
            Edit::Skipped(1),
        ];
        assert_eq!(shown, wanted);
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_off(old in "[ab\n]{0,30}", new in "[ab\n]{0,30}") {
            let (mut i, mut j) = (old.lines(), new.lines());
            for edit in edits(&old, &new) {
                match edit {
                    Edit::Same(line) => {
                        prop_assert_eq!(i.next(), Some(line));
                        prop_assert_eq!(j.next(), Some(line));
                    }
                    Edit::Old(line) => prop_assert_eq!(i.next(), Some(line)),
                    Edit::New(line) => prop_assert_eq!(j.next(), Some(line)),
                    Edit::Skipped(n) => (0..n).for_each(|_| assert_eq!(i.next(), j.next())),
                }
            }
            prop_assert_eq!((i.next(), j.next()), (None, None));
        }
    }
}
