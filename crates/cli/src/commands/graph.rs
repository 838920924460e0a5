//! `orgsmith graph`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::{Catalogue, Descriptor};
use orgsmith_core::graph::{Direction, Graph as References};
use orgsmith_core::id::{Kind, ObjectRef};
use orgsmith_core::render::{Detail, Drawing, graph_dot, graph_json, graph_screen, graph_svg};
use orgsmith_core::select::{Selection, find_object, kind_of};

use crate::args::{Format, Selected};
use crate::error::{Exit, Failure};
use crate::output::text;
use crate::session::Session;
use crate::source::{Extent, Source, selection, usage};

/// Objects of a drawing that a person can still look at.
const MOST: usize = 150;

/// Shows which objects of an org or bundle refer to which.
///
/// `-o svg` draws it for a browser, `-o dot` is for Graphviz, `-o json` has every reference with its
/// place. References in the sources of flows are among them; circles are marked. A selected user is shown
/// with the queues, groups and team that they are in, and these without everybody else.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// An org, a bundle directory or a zip.
    source: String,
    /// Only this object and what it refers to, directly or not: routing_queue/Sales.
    #[arg(long, value_name = "KIND/KEY", conflicts_with = "select")]
    of: Option<String>,
    /// Instead what refers to the object or the selected ones.
    #[arg(long)]
    reverse: bool,
    /// Draws more than 150 objects.
    #[arg(long)]
    force: bool,
    /// Writes the result to a file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    selected: Selected,
}

impl Graph {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let (out, catalogue) = (session.out, session.catalogue());
        out.fits(self.out.as_deref())?;
        let source = Source::parse(&self.source, session)?;
        let selection = selection(catalogue, &self.selected)?;
        let (to_read, extent) = self.to_read(catalogue, &selection)?;
        let read = source.read_around(session, &to_read, extent).await?;
        let about = match &self.of {
            Some(text) => Some(self.about(catalogue, &read.bundle, text)?),
            None => None,
        };
        let graph = self.graph(catalogue, &selection, &read.bundle, about.as_ref());
        let kept = self.kept(catalogue, &selection, &read.bundle, &graph, about.as_ref())?;
        let graph = graph.part(&kept);
        self.show(session, &graph, about.as_ref())?;
        let gaps = read.bundle.gaps.iter();
        let gaps: Vec<_> = gaps
            .filter(|gap| self.shows(catalogue, &selection, &gap.kind))
            .collect();
        if read.failed_reads > 0 && !gaps.is_empty() {
            for gap in gaps {
                out.say(format!("gap {gap}"));
            }
            out.warn(format!(
                "{} could not be read in full; references may be missing",
                self.source
            ));
            return Ok(Exit::Partial);
        }
        Ok(Exit::Ok)
    }

    /// Returns what has to be read, and how far: for what refers to an object everything may be needed.
    fn to_read(
        &self,
        catalogue: &Catalogue,
        selection: &Selection,
    ) -> anyhow::Result<(Selection, Extent)> {
        let kind = match &self.of {
            Some(text) => Some(kind_of(catalogue, text).map_err(usage)?),
            None => None,
        };
        if self.reverse {
            return Ok((Selection::default(), Extent::Kinds));
        }
        if let Some(kind) = kind {
            let term = [format!("kind={kind}")];
            let selection = Selection::parse(catalogue, &term, &[]).map_err(usage)?;
            return Ok((selection.with_dependencies(true), Extent::Kinds));
        }
        let kinds = selection.selected_kinds(catalogue);
        let kinds = kinds.filter_map(|kind| catalogue.get(kind.as_str()).ok());
        let members: Vec<_> = kinds.filter(|kind| !kind.member_of.is_empty()).collect();
        if members.is_empty() || !selection.is_positive() {
            return Ok((selection.clone(), Extent::Kinds));
        }
        // Who is named is asked where they belong, and that is read with what it needs; of many it is
        // read off the queues.
        let named = |kind: &&Descriptor| selection.exact_names(&kind.kind).is_some();
        if members.iter().all(named) {
            let selection = selection.clone().with_dependencies(true);
            return Ok((selection, Extent::Selected));
        }
        let holders = members.iter().flat_map(|kind| kind.member_of.values());
        let holders = holders.map(|belongs| format!("kind={}", belongs.kind));
        let terms: Vec<String> = self
            .selected
            .select
            .iter()
            .cloned()
            .chain(holders)
            .collect();
        let selection = Selection::parse(catalogue, &terms, &self.selected.exclude);
        let selection = selection.map_err(usage)?;
        let with = self.selected.with_dependencies;
        Ok((selection.with_dependencies(with), Extent::Kinds))
    }

    /// Tells whether objects of a kind are shown; more may have been read.
    fn shows(&self, catalogue: &Catalogue, selection: &Selection, kind: &Kind) -> bool {
        let everything = self.of.is_some() || self.reverse || !selection.is_positive();
        if everything || selection.takes_dependencies() {
            return true;
        }
        let kinds = selection.kinds(catalogue);
        let read = kinds
            .keys()
            .filter_map(|kind| catalogue.get(kind.as_str()).ok());
        let mut holders = read.flat_map(|kind| kind.member_of.values());
        kinds.contains_key(kind) || holders.any(|belongs| belongs.kind == *kind)
    }

    /// Builds the graph: of who belongs to what no more than has to do with what is looked at.
    fn graph(
        &self,
        catalogue: &Catalogue,
        selection: &Selection,
        bundle: &Bundle,
        about: Option<&ObjectRef>,
    ) -> References {
        if self.reverse {
            return References::new(catalogue, bundle);
        }
        let looked_at = match about {
            Some(about) => BTreeSet::from([about.clone()]),
            None => {
                let selected = selection.clone().with_dependencies(false);
                selected
                    .kept(bundle, catalogue)
                    .into_iter()
                    .cloned()
                    .collect()
            }
        };
        References::around(catalogue, bundle, &looked_at)
    }

    fn about(
        &self,
        catalogue: &Catalogue,
        bundle: &Bundle,
        text: &str,
    ) -> anyhow::Result<ObjectRef> {
        find_object(catalogue, bundle.documents.keys(), text).map_err(|mut error| {
            error.message = format!("{} in {}", error.message, self.source);
            usage(error)
        })
    }

    /// Returns the nodes that are meant.
    fn kept(
        &self,
        catalogue: &Catalogue,
        selection: &Selection,
        bundle: &Bundle,
        graph: &References,
        about: Option<&ObjectRef>,
    ) -> anyhow::Result<BTreeSet<usize>> {
        let direction = if self.reverse {
            Direction::NeededBy
        } else {
            Direction::Needs
        };
        // Of what somebody belongs to and what that needs; not the other way, where it is reached by itself.
        let reached = |graph: &References, about: &ObjectRef| {
            let mut from: BTreeSet<usize> = graph.place(about).into_iter().collect();
            if !self.reverse {
                from.extend(graph.holders(&from));
            }
            graph.reach(from, direction)
        };
        let mut kept = if let Some(about) = about {
            reached(graph, about)
        } else {
            // Says so where a term selects nothing.
            selection.check(&[bundle]).map_err(usage)?;
            let chosen = selection.taken(bundle, catalogue).into_iter();
            let mut kept: BTreeSet<usize> =
                chosen.filter_map(|object| graph.place(object)).collect();
            if self.reverse {
                kept = graph.reach(kept, direction);
            } else {
                let read = kept.clone();
                let edges = graph.edges.iter();
                kept.extend(edges.filter(|e| read.contains(&e.from)).map(|e| e.to));
                kept.extend(graph.holders(&read));
            }
            kept
        };
        if !self.selected.exclude.is_empty() {
            // What is excluded is so also where only a reference tells of it.
            let rest = Selection::parse(catalogue, &[], &self.selected.exclude).map_err(usage)?;
            let left = rest.kept(bundle, catalogue);
            kept.retain(|node| {
                let node = &graph.nodes[*node];
                let stays = match node.read {
                    true => left.contains(&node.object),
                    false => rest.matches(&node.object, None),
                };
                stays || Some(&node.object) == about
            });
            if let Some(about) = about {
                // What was reached through excluded objects only is not reached any more.
                let part = graph.part(&kept);
                let still = reached(&part, about).into_iter();
                let still = still.map(|node| &part.nodes[node].object);
                kept = still.filter_map(|object| graph.place(object)).collect();
            }
        }
        Ok(kept)
    }

    fn show(
        &self,
        session: &Session<'_>,
        graph: &References,
        about: Option<&ObjectRef>,
    ) -> anyhow::Result<()> {
        let out = session.out;
        let detail = match out.verbose() {
            0 => Detail::Objects,
            _ => Detail::Full,
        };
        let shown = match out.format() {
            Format::Text => text::ansi(graph_screen(graph, detail).lines()),
            Format::Json => serde_json::to_string_pretty(&graph_json(graph))?,
            Format::Dot => graph_dot(graph),
            Format::Svg => {
                if graph.nodes.len() > MOST && !self.force {
                    return Err(Failure::Usage(format!(
                        "{} objects are too many for a drawing that can be read; narrow it down with \
                         --of KIND/KEY, --select or --exclude (such as --exclude kind=auth_division), \
                         or draw them all with --force",
                        graph.nodes.len()
                    ))
                    .into());
                }
                let families: BTreeSet<&str> = session
                    .catalogue()
                    .iter()
                    .map(|d| d.family.as_str())
                    .collect();
                let families: Vec<String> = families.into_iter().map(str::to_owned).collect();
                graph_svg(
                    graph,
                    &Drawing {
                        title: &self.title(about),
                        families: &families,
                        about: about.and_then(|object| graph.place(object)),
                    },
                )
            }
            // Refused with the command line.
            Format::Markdown | Format::Html | Format::Sarif | Format::Junit => String::new(),
        };
        out.data_into(self.out.as_deref(), &shown)
    }

    fn title(&self, about: Option<&ObjectRef>) -> String {
        let place = self.source.trim_end_matches('/');
        let place = place.rsplit('/').next().unwrap_or(place);
        let named = about.map(|object| format!("{} {}", object.kind, object.key.parts().join("/")));
        match (named, self.reverse) {
            (Some(about), false) => format!("What {about} refers to, in {place}"),
            (Some(about), true) => format!("What refers to {about}, in {place}"),
            (None, false) => format!("References in {place}"),
            (None, true) => format!("What refers to the selection, in {place}"),
        }
    }
}
