//! Text of core, whose words say what they mean, as a terminal or a browser shows it.

use std::fmt::Write as _;

use anstyle::Style as Ansi;
use orgsmith_core::render::{Line, Style, Text, html_escaped as escaped};

use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW};

/// Returns lines with colours for a terminal.
pub(crate) fn ansi<'t>(lines: impl IntoIterator<Item = &'t Line>) -> String {
    let mut shown = String::new();
    for line in lines {
        for span in line {
            let style = style(span.style);
            let _ = write!(shown, "{style}{}{style:#}", span.text);
        }
        shown.push('\n');
    }
    shown
}

fn style(style: Style) -> Ansi {
    match style {
        Style::Plain => Ansi::new(),
        Style::Heading => BOLD,
        Style::Dim => DIM,
        Style::Create | Style::Adopt | Style::New => GREEN,
        Style::Update | Style::Link | Style::Warning => YELLOW,
        Style::Delete | Style::Old => RED,
        Style::Conflict | Style::Error => RED.bold(),
        Style::Command => CYAN,
    }
}

/// Returns the text as a page of its own.
pub(crate) fn html(text: &Text, title: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\n\
         <style>\nbody {{ background: #fff; color: #222; margin: 2rem }}\n\
         pre {{ font: 14px/1.5 ui-monospace, monospace }}\n\
         .heading {{ font-weight: bold }} .dim {{ color: #777 }} .good {{ color: #176f2c }}\n\
         .change {{ color: #8a5a00 }} .bad {{ color: #b3261e }} .command {{ color: #0b5cad }}\n\
         </style></head><body><pre>\n",
        escaped(title)
    );
    for line in text.lines() {
        for span in line {
            match class(span.style) {
                Some(class) => {
                    let _ = write!(
                        page,
                        "<span class=\"{class}\">{}</span>",
                        escaped(&span.text)
                    );
                }
                None => page.push_str(&escaped(&span.text)),
            }
        }
        page.push('\n');
    }
    page.push_str("</pre></body></html>\n");
    page
}

fn class(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Heading => Some("heading"),
        Style::Dim => Some("dim"),
        Style::Create | Style::Adopt | Style::New => Some("good"),
        Style::Update | Style::Link | Style::Warning => Some("change"),
        Style::Delete | Style::Old | Style::Conflict | Style::Error => Some("bad"),
        Style::Command => Some("command"),
    }
}
