//! Where the boxes of a graph stand: in columns, from what refers to what is referred to.
//!
//! Sugiyama's way: objects of a circle share a column, each other object stands in the column after
//! the last one that refers to it; references that pass a column take a place in it; the order in
//! a column follows the neighbours' (barycentres); then boxes move towards their neighbours.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::{Graph, components};

/// How many times the order is improved, each time there and back.
const ORDER_SWEEPS: usize = 12;

/// How many times boxes are moved towards their neighbours.
const MOVE_SWEEPS: usize = 16;

/// The least distance of a box from its neighbours in the column, in heights of a box.
const BOX: f64 = 1.0;

/// The same for a reference that passes.
const PASSING: f64 = 0.45;

/// Where a box, or a reference that passes, stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The column, from the left.
    pub column: usize,
    /// The distance of its middle from the top, in heights of a box.
    pub y: f64,
}

/// Where everything stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The places of the graph's nodes.
    pub nodes: Vec<Place>,
    /// For each of the graph's edges the places that it passes between its ends.
    pub passes: Vec<Vec<Place>>,
    /// How many columns there are.
    pub columns: usize,
    /// The height of the highest column, in heights of a box.
    pub height: f64,
}

/// A box, or a place that a reference passes.
struct Item {
    column: usize,
    room: f64,
    y: f64,
    /// What stands together in a column: the objects of a circle.
    circle: usize,
    /// Neighbours in the columns before and after.
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Lays a graph out.
pub fn layout(graph: &Graph) -> Layout {
    if graph.nodes.is_empty() {
        return Layout::default();
    }
    let (columns_of, circle_of) = columns(graph);
    let mut items: Vec<Item> = columns_of
        .iter()
        .zip(circle_of)
        .map(|(column, circle)| Item::new(*column, BOX, circle))
        .collect();
    let mut passes: Vec<Vec<usize>> = Vec::new();
    // What goes to one object goes there together: a division is referred to by nearly all.
    let mut lanes: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for edge in &graph.edges {
        let (from, to) = (columns_of[edge.from], columns_of[edge.to]);
        let mut passed = Vec::new();
        let mut last = edge.from;
        for column in from + 1..to {
            let here = *lanes.entry((edge.to, column)).or_insert_with(|| {
                items.push(Item::new(column, PASSING, graph.nodes.len() + items.len()));
                items.len() - 1
            });
            join(&mut items, last, here);
            passed.push(here);
            last = here;
        }
        if from < to {
            join(&mut items, last, edge.to);
        }
        passes.push(passed);
    }
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if columns.len() <= item.column {
            columns.resize(item.column + 1, Vec::new());
        }
        columns[item.column].push(index);
    }
    order(&items, &mut columns);
    settle(&mut items, &columns);
    let place = |index: &usize| Place {
        column: items[*index].column,
        y: items[*index].y,
    };
    Layout {
        nodes: (0..graph.nodes.len()).map(|node| place(&node)).collect(),
        passes: passes
            .iter()
            .map(|passed| passed.iter().map(place).collect())
            .collect(),
        columns: columns.len(),
        height: items.iter().map(|item| item.y + 0.5).fold(0.0, f64::max),
    }
}

impl Item {
    fn new(column: usize, room: f64, circle: usize) -> Self {
        Self {
            column,
            room,
            circle,
            y: 0.0,
            before: Vec::new(),
            after: Vec::new(),
        }
    }
}

fn join(items: &mut [Item], from: usize, to: usize) {
    if !items[from].after.contains(&to) {
        items[from].after.push(to);
        items[to].before.push(from);
    }
}

/// Returns the column of each node, the longest way to it with circles as one; and the number of
/// its circle, which it may be alone in.
fn columns(graph: &Graph) -> (Vec<usize>, Vec<usize>) {
    let groups = components(graph.nodes.len(), &graph.edges);
    let mut group_of = vec![0; graph.nodes.len()];
    for (number, members) in groups.iter().enumerate() {
        for member in members {
            group_of[*member] = number;
        }
    }
    let mut referred: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for edge in &graph.edges {
        let (from, to) = (group_of[edge.from], group_of[edge.to]);
        if from != to {
            referred.entry(from).or_default().push(to);
        }
    }
    let mut column = vec![0; groups.len()];
    // Components come with what is referred to first, so those that refer have the higher numbers.
    for from in (0..groups.len()).rev() {
        for to in referred.get(&from).into_iter().flatten() {
            column[*to] = column[*to].max(column[from] + 1);
        }
    }
    let columns = group_of.iter().map(|group| column[*group]).collect();
    (columns, group_of)
}

/// Orders each column by the mean place of the neighbours, and keeps the order with the fewest
/// crossings.
fn order(items: &[Item], columns: &mut Vec<Vec<usize>>) {
    let mut best = columns.clone();
    let mut fewest = crossings(items, columns);
    for _ in 0..ORDER_SWEEPS {
        for column in 1..columns.len() {
            sort(items, columns, column, column - 1);
        }
        for column in (0..columns.len().saturating_sub(1)).rev() {
            sort(items, columns, column, column + 1);
        }
        let found = crossings(items, columns);
        if found < fewest {
            fewest = found;
            best.clone_from(columns);
        }
    }
    *columns = best;
}

fn sort(items: &[Item], columns: &mut [Vec<usize>], column: usize, by: usize) {
    let place: BTreeMap<usize, usize> = columns[by].iter().copied().zip(0..).collect();
    let own: BTreeMap<usize, usize> = columns[column].iter().copied().zip(0..).collect();
    let wanted = |item: usize| {
        let item_ = &items[item];
        let neighbours = if by < column {
            &item_.before
        } else {
            &item_.after
        };
        let places = neighbours.iter().filter_map(|n| place.get(n));
        mean(places.map(|place| real(*place))).unwrap_or_else(|| real(own[&item]))
    };
    let mut circles: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for item in &columns[column] {
        let of_circle = circles.entry(items[*item].circle).or_default();
        of_circle.push(wanted(*item));
    }
    let key = |item: &usize| {
        let circle = items[*item].circle;
        let together = mean(circles[&circle].iter().copied()).unwrap_or_default();
        (together, circle, wanted(*item))
    };
    columns[column].sort_by_cached_key(|item| {
        let (together, circle, alone) = key(item);
        (Ordered(together), circle, Ordered(alone))
    });
}

fn crossings(items: &[Item], columns: &[Vec<usize>]) -> usize {
    let mut found = 0;
    for pair in columns.windows(2) {
        let place: HashMap<usize, usize> = pair[1].iter().copied().zip(0..).collect();
        // A tree of sums (Fenwick's) counts the ends below an end without looking at each.
        let mut sums = vec![0_usize; pair[1].len() + 1];
        let mut seen = 0;
        for item in &pair[0] {
            let neighbours = items[*item].after.iter();
            let ends: Vec<usize> = neighbours.filter_map(|to| place.get(to).copied()).collect();
            for end in &ends {
                let mut at = end + 1;
                let mut not_below = 0;
                while at > 0 {
                    not_below += sums[at];
                    at &= at - 1;
                }
                found += seen - not_below;
            }
            for end in &ends {
                let mut at = end + 1;
                while at < sums.len() {
                    sums[at] += 1;
                    at += at & at.wrapping_neg();
                }
                seen += 1;
            }
        }
    }
    found
}

/// Moves everything towards its neighbours, with the order kept and nothing too near.
fn settle(items: &mut [Item], columns: &[Vec<usize>]) {
    for column in columns {
        let mut y = 0.0;
        for index in column {
            items[*index].y = y + items[*index].room / 2.0;
            y += items[*index].room;
        }
    }
    for sweep in 0..MOVE_SWEEPS {
        let there: Vec<&Vec<usize>> = if sweep % 2 == 0 {
            columns.iter().collect()
        } else {
            columns.iter().rev().collect()
        };
        for column in there {
            move_column(items, column, sweep % 2 == 0);
        }
    }
    let least = items.iter().map(|item| item.y - 0.5);
    let least = least.fold(f64::INFINITY, f64::min);
    for item in items {
        item.y -= least;
    }
}

fn move_column(items: &mut [Item], column: &[usize], from_before: bool) {
    let wanted: Vec<f64> = column
        .iter()
        .map(|index| {
            let item = &items[*index];
            let (first, second) = if from_before {
                (&item.before, &item.after)
            } else {
                (&item.after, &item.before)
            };
            let neighbours = if first.is_empty() { second } else { first };
            mean(neighbours.iter().map(|other| items[*other].y)).unwrap_or(item.y)
        })
        .collect();
    let apart = |a: usize, b: usize| (items[column[a]].room + items[column[b]].room) / 2.0;
    // Both ways of making room are right, and so is their mean.
    let mut down = wanted.clone();
    for at in 1..column.len() {
        down[at] = down[at].max(down[at - 1] + apart(at - 1, at));
    }
    let mut up = wanted;
    for at in (1..column.len()).rev() {
        up[at - 1] = up[at - 1].min(up[at] - apart(at - 1, at));
    }
    for (at, index) in column.iter().enumerate() {
        items[*index].y = f64::midpoint(down[at], up[at]);
    }
}

/// A number that sorts.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "columns hold far fewer than 2^52 boxes"
)]
fn real(place: usize) -> f64 {
    place as f64
}
