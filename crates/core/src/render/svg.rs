//! A graph of references as a drawing that needs nothing but a browser.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Detail;
use super::graph::{paths, said};
use super::html::escaped;
use crate::graph::{Edge, Graph, Layout, Node, Place, layout};

const STYLE: &str = include_str!("svg.css");

/// Measures of the drawing, in pixels.
const BOX_WIDTH: f64 = 232.0;
const BOX_HEIGHT: f64 = 44.0;
/// The height of a box with the room below it.
const PITCH: f64 = 58.0;
const GUTTER: f64 = 92.0;
const MARGIN: f64 = 24.0;
const HEADER: f64 = 66.0;
/// The width of a legend's entry, from the room of a letter.
const LETTER: f64 = 7.0;

/// Letters that a box has room for, of its title and of the smaller line below.
const TITLE: usize = 25;
const SUBTITLE: usize = 34;

/// Families that have a colour of their own; later ones begin again.
const COLOURS: usize = 10;

/// What is drawn besides the graph.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'d> {
    /// What stands above it.
    pub title: &'d str,
    /// The families of the catalogue, sorted: each has its colour, as far as no other family of the
    /// graph has it.
    pub families: &'d [String],
    /// The object that the drawing is about, as its place in the nodes.
    pub about: Option<usize>,
}

/// Draws a graph.
pub fn graph_svg(graph: &Graph, drawing: &Drawing<'_>) -> String {
    let places = layout(graph);
    let columns = u32::try_from(places.columns).map_or(f64::from(u32::MAX), f64::from);
    let colours = colours(graph, drawing);
    let legend = legend(graph, &colours, (columns * (BOX_WIDTH + GUTTER)).max(420.0));
    let wide = columns * (BOX_WIDTH + GUTTER) - GUTTER + 2.0 * MARGIN;
    // A reference within the last column bends to the right of it.
    let bends = graph.edges.iter().any(|edge| {
        let (from, to) = (&places.nodes[edge.from], &places.nodes[edge.to]);
        from.column == to.column && from.column + 1 == places.columns
    });
    let wide = if bends { wide + GUTTER } else { wide };
    let title = escaped(drawing.title);
    let room = 2.0 * MARGIN + 9.0 * letters(drawing.title);
    let width = wide.max(legend.width).max(room).max(320.0);
    let height = places.height * PITCH + HEADER + legend.height + MARGIN;
    let mut svg = String::new();
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style>\n<defs>\n{}{}</defs>\n\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"heading\" x=\"{MARGIN}\" y=\"34\">{title}</text>\n",
            arrow("arrow", "head"),
            arrow("arrow-cycle", "head cycle"),
        ),
    );
    svg.push_str(&legend.text);
    put(
        &mut svg,
        format_args!(
            "<g transform=\"translate({MARGIN} {:.0})\">\n",
            HEADER + legend.height
        ),
    );
    // Circles are drawn last of the lines: they are what is looked for.
    let mut edges: Vec<(usize, &Edge)> = graph.edges.iter().enumerate().collect();
    edges.sort_by_key(|(_, edge)| edge.in_cycle);
    for (index, edge) in edges {
        line(&mut svg, graph, &places, index, edge);
    }
    for (index, (of, place)) in graph.nodes.iter().zip(&places.nodes).enumerate() {
        let about = drawing.about == Some(index);
        node(&mut svg, of, place, colours[&*of.family], about);
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a String takes any text");
}

fn arrow(id: &str, class: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
         <path class=\"{class}\" d=\"M0 0L8 4L0 8z\"/></marker>\n"
    )
}

fn left(place: &Place) -> f64 {
    let column = u32::try_from(place.column).map_or(f64::from(u32::MAX), f64::from);
    column * (BOX_WIDTH + GUTTER)
}

fn middle(place: &Place) -> f64 {
    place.y * PITCH
}

fn letters(text: &str) -> f64 {
    u32::try_from(text.chars().count()).map_or(f64::from(u32::MAX), f64::from)
}

fn line(svg: &mut String, graph: &Graph, places: &Layout, index: usize, edge: &Edge) {
    let (from, to) = (&places.nodes[edge.from], &places.nodes[edge.to]);
    let mut path = String::new();
    if edge.from == edge.to {
        let (x, y) = (left(from) + BOX_WIDTH, middle(from));
        put(
            &mut path,
            format_args!(
                "M{x:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {x:.1} {:.1}",
                y - 10.0,
                x + 40.0,
                y - 18.0,
                x + 40.0,
                y + 18.0,
                y + 10.0
            ),
        );
    } else if from.column == to.column {
        let x = left(from) + BOX_WIDTH;
        // The way there bends less than the way back, so that both are seen.
        let (bend, shift) = if edge.from < edge.to {
            (46.0, -7.0)
        } else {
            (72.0, 7.0)
        };
        put(
            &mut path,
            format_args!(
                "M{x:.1} {y1:.1}C{b:.1} {y1:.1} {b:.1} {y2:.1} {x:.1} {y2:.1}",
                y1 = middle(from) + shift,
                y2 = middle(to) + shift,
                b = x + bend,
            ),
        );
    } else {
        let (mut x, mut y) = (left(from) + BOX_WIDTH, middle(from));
        put(&mut path, format_args!("M{x:.1} {y:.1}"));
        let mut bend = |path: &mut String, to_x: f64, to_y: f64| {
            let half = f64::midpoint(x, to_x);
            put(
                path,
                format_args!("C{half:.1} {y:.1} {half:.1} {to_y:.1} {to_x:.1} {to_y:.1}"),
            );
            (x, y) = (to_x, to_y);
        };
        for pass in &places.passes[index] {
            bend(&mut path, left(pass), middle(pass));
            // Through the column it goes straight, between the boxes.
            let to_x = left(pass) + BOX_WIDTH;
            put(&mut path, format_args!("H{to_x:.1}"));
            bend(&mut path, to_x, middle(pass));
        }
        bend(&mut path, left(to) - 1.0, middle(to));
    }
    let (class, marker) = match (edge.in_cycle, &edge.member) {
        (true, _) => ("line cycle", "arrow-cycle"),
        (false, Some(_)) => ("line member", "arrow"),
        (false, None) => ("line", "arrow"),
    };
    let about = format!(
        "{} → {}\n{}",
        graph.nodes[edge.from].title,
        graph.nodes[edge.to].title,
        paths(edge, Detail::Objects)
    );
    put(
        svg,
        format_args!(
            "<path class=\"{class}\" d=\"{path}\" marker-end=\"url(#{marker})\"><title>{}</title></path>\n",
            several_lines(&about)
        ),
    );
    if from.column < to.column {
        // Half of its way to the next column the line is alone, and each fact has room in the gutter.
        let next = places.passes[index].first().unwrap_or(to);
        let x = left(from) + BOX_WIDTH + GUTTER / 2.0;
        let mut y = f64::midpoint(middle(from), middle(next)) - 4.0;
        for fact in said(edge).iter().rev() {
            let fact = escaped(fact);
            put(
                svg,
                format_args!("<text class=\"said\" x=\"{x:.1}\" y=\"{y:.1}\">{fact}</text>\n"),
            );
            y -= 11.0;
        }
    }
}

/// Escapes a text of several lines.
fn several_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("\n")
}

fn node(svg: &mut String, node: &Node, place: &Place, colour: usize, about: bool) {
    let mut class = format!("box f{colour}");
    if !node.read {
        class.push_str(" unread");
    }
    if about {
        class.push_str(" about");
    }
    let (x, y) = (left(place), middle(place) - BOX_HEIGHT / 2.0);
    let unread = if node.read { "" } else { " (not read)" };
    let about = format!("{}\n{}{unread}", node.title, node.object);
    put(
        svg,
        format_args!(
            "<g class=\"{class}\" transform=\"translate({x:.1} {y:.1})\"><title>{}</title>\
             <rect width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\"/>\
             <rect class=\"edge\" width=\"5\" height=\"{BOX_HEIGHT}\" rx=\"2\"/>\
             <text class=\"title\" x=\"14\" y=\"19\">{}</text>\
             <text class=\"kind\" x=\"14\" y=\"35\">{}</text></g>\n",
            several_lines(&about),
            escaped(&cut(&node.title, TITLE)),
            escaped(&cut(&format!("{}{unread}", node.kind_title), SUBTITLE)),
        ),
    );
}

/// Cuts a text at its end, where it is too long for its box.
fn cut(text: &str, most: usize) -> String {
    // Ideographs and pictures take the room of two letters.
    let room = |c: char| if c < '\u{1100}' { 1 } else { 2 };
    if text.chars().map(room).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut left = most - 1;
    let start: String = text
        .chars()
        .take_while(|c| {
            let fits = room(*c) <= left;
            left = left.saturating_sub(room(*c));
            fits
        })
        .collect();
    format!("{}…", start.trim_end())
}

/// Gives each family of a graph its colour: its own, or the next one that no other family has.
fn colours<'g>(graph: &'g Graph, drawing: &Drawing<'_>) -> BTreeMap<&'g str, usize> {
    let families: BTreeSet<&str> = graph.nodes.iter().map(|node| &*node.family).collect();
    let mut free: BTreeSet<usize> = (0..COLOURS).collect();
    let mut colours = BTreeMap::new();
    for family in families {
        let place = drawing.families.iter().position(|known| known == family);
        let own = place.unwrap_or(COLOURS - 1) % COLOURS;
        let next = free.range(own..).next().or(free.first());
        let colour = next.copied().unwrap_or(own);
        free.remove(&colour);
        colours.insert(family, colour);
    }
    colours
}

struct Legend {
    text: String,
    width: f64,
    height: f64,
}

/// Draws what the colours and lines mean, in rows below the heading.
fn legend(graph: &Graph, colours: &BTreeMap<&str, usize>, most: f64) -> Legend {
    let mut entries: Vec<(String, String)> = colours
        .iter()
        .map(|(family, colour)| {
            let mark = "<rect class=\"edge\" width=\"14\" height=\"10\" y=\"-9\" rx=\"2\"/>";
            let mark = format!("<g class=\"box f{colour}\">{mark}</g>");
            let name = if family.is_empty() { "other" } else { family };
            (name.to_owned(), mark)
        })
        .collect();
    let drawn = |edge: &Edge| (edge.in_cycle, edge.member.is_some());
    let lines: BTreeSet<(bool, bool)> = graph.edges.iter().map(drawn).collect();
    let stroke = |class: &str| format!("<path class=\"{class}\" d=\"M0 -4H14\"/>");
    if lines.contains(&(false, false)) {
        entries.push(("refers to".to_owned(), stroke("line")));
    }
    if lines.contains(&(false, true)) {
        entries.push(("has as a member".to_owned(), stroke("line member")));
    }
    if lines.iter().any(|(in_cycle, _)| *in_cycle) {
        entries.push(("in a circle".to_owned(), stroke("line cycle")));
    }
    if graph.nodes.iter().any(|node| !node.read) {
        let mark =
            "<g class=\"box unread\"><rect width=\"14\" height=\"10\" y=\"-9\" rx=\"2\"/></g>";
        entries.push(("not read".to_owned(), mark.to_owned()));
    }
    let (mut x, mut y, mut width) = (MARGIN, 58.0, 0.0_f64);
    let mut text = String::from("<g class=\"legend\">\n");
    for (name, mark) in entries {
        let room = 38.0 + LETTER * letters(&name);
        if x > MARGIN && x + room > most {
            (x, y) = (MARGIN, y + 20.0);
        }
        put(
            &mut text,
            format_args!(
                "<g transform=\"translate({x:.0} {y:.0})\">{mark}<text x=\"20\">{}</text></g>\n",
                escaped(&name)
            ),
        );
        x += room;
        width = width.max(x);
    }
    text.push_str("</g>\n");
    Legend {
        text,
        width: width + MARGIN,
        height: y - 58.0,
    }
}
