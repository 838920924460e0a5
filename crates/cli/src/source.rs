//! A source: an org, a directory or a zip. All of them become a bundle.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::components::{self, Expanded, Origin};
use orgsmith_core::examples::{self, Example};
use orgsmith_core::id::{Kind, ObjectRef, SourceId};
use orgsmith_core::people;
use orgsmith_core::plan::{Conflict, Severity};
use orgsmith_core::render::Place;
use orgsmith_core::select::{self, Selection, term_name};
use orgsmith_core::snapshot::{Names, Snapshot};
use orgsmith_core::validate::{Problem, normalise, set_aside, stops, validate};
use orgsmith_engine::{Org, Scope, collect, collect_selected};
use orgsmith_store::bundle::{self, Keys, Loaded};
use orgsmith_store::checkpoint::Checkpoint;

use crate::args::{People, Selected};
use crate::error::Failure;
use crate::keys::Trust;
use crate::output::{CYAN, DIM, Out, RED, YELLOW, styled};
use crate::session::{Connected, Session};

/// Where a wanted state comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An org of the project file.
    Org(String),
    /// A directory or a zip.
    Path(PathBuf),
}

/// A state that is wanted.
pub(crate) struct Wanted {
    pub(crate) bundle: Bundle,
    /// Its ids in the org it was read from.
    pub(crate) source_ids: BTreeMap<ObjectRef, SourceId>,
    /// The ids of all that the org has.
    pub(crate) ids: Vec<String>,
    /// People who were asked for and cannot be had.
    pub(crate) conflicts: Vec<Conflict>,
    /// Those of all that was read that a plan goes on without, if they are selected.
    aside: Vec<Conflict>,
    /// Reads that failed, and objects that cannot be told apart.
    pub(crate) failed_reads: usize,
    /// API calls it took.
    pub(crate) calls: u64,
    /// The org that it was read from, if it was one.
    pub(crate) org: Option<Org>,
    /// Examples of its data actions.
    pub(crate) examples: Vec<Example>,
}

impl Source {
    /// Tells an org from a path: the names of orgs come first.
    pub(crate) fn parse(text: &str, session: &Session<'_>) -> anyhow::Result<Self> {
        let path = Path::new(text);
        if session.config.has(text) {
            Ok(Self::Org(text.to_owned()))
        } else if path.exists() {
            Ok(Self::Path(path.to_owned()))
        } else {
            Err(Failure::NoSuchSource {
                text: text.to_owned(),
                suggestion: session.config.nearest(text),
                known: session.config.known(),
            }
            .into())
        }
    }

    /// The same, and says where a name could mean something else: whoever exported an org to a folder of its
    /// name may mean that.
    pub(crate) fn told(text: &str, session: &Session<'_>) -> anyhow::Result<Self> {
        let source = Self::parse(text, session)?;
        if matches!(source, Self::Org(_)) && Path::new(text).exists() {
            session.out.warn(format!(
                "{text} is taken as the org; for what is on the disk, write ./{text}"
            ));
        }
        Ok(source)
    }

    /// Reads the state, as far as it is selected, to look at it.
    pub(crate) async fn read(
        &self,
        session: &Session<'_>,
        selected: &Selected,
    ) -> anyhow::Result<Wanted> {
        let nobody = People::default();
        self.read_as(session, selected, &nobody, Trust::Anybody)
            .await
    }

    /// Reads the state, as far as it is selected, with the people of a list, to make a plan of it.
    pub(crate) async fn read_with(
        &self,
        session: &Session<'_>,
        selected: &Selected,
        people: &People,
    ) -> anyhow::Result<Wanted> {
        self.read_as(session, selected, people, Trust::Signed).await
    }

    async fn read_as(
        &self,
        session: &Session<'_>,
        selected: &Selected,
        people: &People,
        trust: Trust,
    ) -> anyhow::Result<Wanted> {
        let catalogue = session.catalogue();
        let people = people.read()?;
        let likes = people.iter().filter_map(|person| person.like.as_deref());
        let mut models: BTreeSet<ObjectRef> = likes.map(people::user).collect();
        let mut wanted = if people.is_empty() {
            let selection = selection(catalogue, selected)?;
            let extent = Extent::Selected;
            let mut wanted = self.read_to(session, &selection, extent, trust).await?;
            wanted.bundle = selection.apply(wanted.bundle, catalogue).map_err(usage)?;
            wanted
        } else {
            let mut wanted = self.read_for(session, selected, &models, trust).await?;
            let conflicts = people::add_people(&mut wanted.bundle, &people);
            wanted.conflicts.extend(conflicts);
            let named: BTreeSet<ObjectRef> = people
                .iter()
                .map(|person| people::user(&person.email))
                .collect();
            let selection = selection(catalogue, selected)?
                .with_dependencies(true)
                .and_objects(named.iter().cloned())
                .and_objects(models.iter().cloned());
            wanted.bundle = selection.apply(wanted.bundle, catalogue).map_err(usage)?;
            // Who is to come all the same is more than somebody to be like.
            models.retain(|model| !named.contains(model));
            wanted
        };
        // Objects of an org that cannot be told apart were read, and are as good as not.
        if wanted.org.is_some() {
            let lacks = wanted.bundle.lacks().count();
            wanted.failed_reads = wanted.failed_reads.max(lacks);
        }
        wanted.set_aside(catalogue);
        let conflicts = people::expand(catalogue, &mut wanted.bundle, &models);
        wanted.conflicts.extend(conflicts);
        Ok(wanted)
    }

    /// Reads what people of a list need: those that they are to be like.
    async fn read_for(
        &self,
        session: &Session<'_>,
        selected: &Selected,
        models: &BTreeSet<ObjectRef>,
        trust: Trust,
    ) -> anyhow::Result<Wanted> {
        let catalogue = session.catalogue();
        let mut terms = selected.select.clone();
        terms.extend(
            models
                .iter()
                .map(|user| format!("user={}", term_name(user))),
        );
        if let (Self::Org(name), true) = (self, terms.is_empty()) {
            // Nobody of that org is asked for.
            let connected = session.connect(name)?;
            return Ok(Wanted::of(Bundle {
                source: connected.org.origin(),
                ..Bundle::default()
            }));
        }
        let selection = Selection::parse(catalogue, &terms, &selected.exclude)
            .map_err(usage)?
            .with_dependencies(true);
        self.read_to(session, &selection, Extent::Selected, trust)
            .await
    }

    /// Reads the state with what has to be read for a selection, and does not choose from it: of an
    /// org as far as it is said, of a bundle everything.
    pub(crate) async fn read_around(
        &self,
        session: &Session<'_>,
        selection: &Selection,
        extent: Extent,
    ) -> anyhow::Result<Wanted> {
        let trust = Trust::Anybody;
        let mut wanted = self.read_to(session, selection, extent, trust).await?;
        wanted.set_aside(session.catalogue());
        let nobody = BTreeSet::new();
        let conflicts = people::expand(session.catalogue(), &mut wanted.bundle, &nobody);
        wanted.conflicts.extend(conflicts);
        Ok(wanted)
    }

    /// Reads the state as [`Self::read_around`] does, with when its objects were last changed, as far as
    /// an org tells.
    pub(crate) async fn read_dated(
        &self,
        session: &Session<'_>,
        selection: &Selection,
    ) -> anyhow::Result<(Wanted, BTreeMap<ObjectRef, String>)> {
        let Self::Org(name) = self else {
            let wanted = self.read_around(session, selection, Extent::Kinds).await?;
            return Ok((wanted, BTreeMap::new()));
        };
        let catalogue = session.catalogue();
        let connected = session.connect(name)?;
        let read = read(session, &connected, selection, Extent::Kinds).await?;
        let names = Names::new(catalogue, &read.snapshot, &read.pins);
        let modified = read.snapshot.modified(&names);
        let wanted = Wanted {
            org: Some(connected.org),
            ..read.into_wanted(catalogue)
        };
        Ok((wanted, modified))
    }

    async fn read_to(
        &self,
        session: &Session<'_>,
        selection: &Selection,
        extent: Extent,
        trust: Trust,
    ) -> anyhow::Result<Wanted> {
        let catalogue = session.catalogue();
        match self {
            Self::Org(name) => {
                let connected = session.connect(name)?;
                let read = read(session, &connected, selection, extent).await?;
                Ok(Wanted {
                    org: Some(connected.org),
                    ..read.into_wanted(catalogue)
                })
            }
            Self::Path(path) => {
                let keys = session.keys.of(path, trust, session.out)?;
                let (bundle, aside, examples) = from_disk(catalogue, path, keys, session.out)?;
                Ok(Wanted {
                    aside,
                    examples,
                    ..Wanted::of(bundle)
                })
            }
        }
    }
}

impl Wanted {
    /// Tells whether something is not known of it.
    pub(crate) fn is_partial(&self) -> bool {
        self.failed_reads > 0 || self.bundle.lacks().next().is_some()
    }

    /// Takes out whom a plan goes on without.
    fn set_aside(&mut self, catalogue: &Catalogue) {
        let mut aside = std::mem::take(&mut self.aside);
        aside.retain(|conflict| self.bundle.documents.remove(&conflict.object).is_some());
        if !aside.is_empty() {
            // What refers to one of two that were one object may mean one that the target has.
            normalise(catalogue, &mut self.bundle);
            self.failed_reads += aside.len();
            self.conflicts.extend(aside);
        }
    }

    /// Wraps a bundle that was not read from an org.
    fn of(bundle: Bundle) -> Self {
        Self {
            bundle,
            source_ids: BTreeMap::new(),
            ids: Vec::new(),
            conflicts: Vec::new(),
            aside: Vec::new(),
            failed_reads: 0,
            calls: 0,
            org: None,
            examples: Vec::new(),
        }
    }
}

/// How far an org is read for a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is selected, and the names of what that refers to.
    Selected,
    /// Every object of the kinds that a selection speaks of: something else may choose among them.
    Kinds,
}

pub(crate) fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    Failure::Usage(error.to_string()).into()
}

/// Reads `--select`, `--exclude` and `--with-dependencies`.
pub(crate) fn selection(catalogue: &Catalogue, selected: &Selected) -> anyhow::Result<Selection> {
    Ok(
        Selection::parse(catalogue, &selected.select, &selected.exclude)
            .map_err(usage)?
            .with_dependencies(selected.with_dependencies),
    )
}

/// An org as it was read.
pub(crate) struct Read {
    pub(crate) snapshot: Snapshot,
    pub(crate) pins: BTreeMap<ObjectRef, String>,
    /// API calls it took.
    pub(crate) calls: u64,
}

impl Read {
    fn into_wanted(self, catalogue: &Catalogue) -> Wanted {
        let Self {
            snapshot,
            pins,
            calls,
        } = self;
        let (bundle, names) = snapshot.to_bundle(catalogue, &pins);
        let source_ids = names
            .iter()
            .map(|(id, object)| (object.clone(), SourceId::new(id)))
            .collect();
        Wanted {
            bundle,
            source_ids,
            failed_reads: snapshot.gaps.len(),
            ids: snapshot.ids().map(str::to_owned).collect(),
            conflicts: Vec::new(),
            aside: Vec::new(),
            calls,
            org: None,
            examples: Vec::new(),
        }
    }
}

/// Reads an org for a selection.
pub(crate) async fn read(
    session: &Session<'_>,
    connected: &Connected,
    selection: &Selection,
    extent: Extent,
) -> anyhow::Result<Read> {
    read_on(session, connected, selection, extent, None).await
}

/// Reads an org for a selection, from where an earlier try ended.
pub(crate) async fn read_on(
    session: &Session<'_>,
    connected: &Connected,
    selection: &Selection,
    extent: Extent,
    checkpoint: Option<Arc<Checkpoint>>,
) -> anyhow::Result<Read> {
    let catalogue = session.catalogue();
    let pins = session.pins(&connected.org.name).await?;
    let events = session.out.events();
    let before = connected.org.client.stats().sent;
    let snapshot = if selection.is_positive() && extent == Extent::Selected {
        let (org, checkpoint) = (&connected.org, checkpoint.as_deref());
        collect_selected(org, catalogue, selection, &pins, &events, checkpoint).await?
    } else {
        let mut scope = scope(catalogue, selection, pins.clone());
        scope.checkpoint = checkpoint;
        collect(&connected.org, catalogue, &scope, &events).await?
    };
    Ok(Read {
        snapshot,
        pins,
        calls: connected.org.client.stats().sent - before,
    })
}

/// Returns what must be read of an org for a selection.
fn scope(catalogue: &Catalogue, selection: &Selection, pins: BTreeMap<ObjectRef, String>) -> Scope {
    let mut scope = Scope {
        pins,
        ..Scope::default()
    };
    if !selection.is_everything() {
        for (kind, read) in selection.kinds(catalogue) {
            if read == select::Read::Names {
                scope.names.insert(kind.clone());
            }
            scope.kinds.insert(kind);
        }
    }
    scope
}

/// Returns the kinds of a target that a bundle may speak of, and how far; nothing where it has no
/// object.
pub(crate) fn kinds_of(catalogue: &Catalogue, bundle: &Bundle) -> BTreeMap<Kind, select::Read> {
    let kinds: BTreeSet<&str> = bundle
        .documents
        .keys()
        .map(|object| object.kind.as_str())
        .collect();
    let terms: Vec<String> = kinds.iter().map(|kind| format!("kind={kind}")).collect();
    match Selection::parse(catalogue, &terms, &[]) {
        Ok(selection) if !terms.is_empty() => selection.kinds(catalogue),
        _ => BTreeMap::new(),
    }
}

/// Reads a bundle from disk and judges it; what is wrong is shown with file, line and column. What a plan
/// goes on without comes besides.
fn from_disk(
    catalogue: &Catalogue,
    path: &Path,
    keys: Keys<'_>,
    out: &Out,
) -> anyhow::Result<(Bundle, Vec<Conflict>, Vec<Example>)> {
    let Judged { disk, problems } = judged(catalogue, path, keys, out)?;
    let errors = problems.iter();
    let errors = errors.filter(|problem| stops(catalogue, problem)).count();
    if errors > 0 {
        return Err(Failure::BadBundle {
            errors,
            place: path.display().to_string(),
        }
        .into());
    }
    let (mut bundle, examples) = (disk.loaded.bundle, disk.examples);
    let aside = set_aside(catalogue, &bundle, &problems);
    normalise(catalogue, &mut bundle);
    // A bundle written by hand has no manifest that names an org.
    if bundle.source.org_name.is_empty() {
        bundle.source.org_name = path.display().to_string();
    }
    Ok((bundle, aside, examples))
}

/// A bundle on a disk.
pub(crate) struct OnDisk {
    path: PathBuf,
    /// What was read, with its components expanded.
    pub(crate) loaded: Loaded,
    /// Where the objects come from that have no file.
    origins: BTreeMap<ObjectRef, Origin>,
    /// The examples of data actions that it had.
    pub(crate) examples: Vec<Example>,
}

/// Reads a bundle, expands its components and takes out its examples; what is wrong with them is
/// shown.
pub(crate) fn load(path: &Path, keys: Keys<'_>, out: &Out) -> anyhow::Result<OnDisk> {
    let mut loaded = read_files(path, keys, out)?;
    let Expanded {
        origins,
        mut problems,
    } = components::expand(&mut loaded.bundle);
    let (examples, wrong) = examples::take(&mut loaded.bundle);
    problems.extend(wrong);
    let disk = OnDisk {
        path: path.to_owned(),
        loaded,
        origins,
        examples,
    };
    if problems.is_empty() {
        return Ok(disk);
    }
    for problem in &problems {
        out.say(told(Some(&disk), problem));
    }
    Err(Failure::BadBundle {
        errors: problems.len(),
        place: path.display().to_string(),
    }
    .into())
}

fn read_files(path: &Path, keys: Keys<'_>, out: &Out) -> anyhow::Result<Loaded> {
    let problems = match bundle::read_with(path, keys) {
        Ok(loaded) => {
            let clashes = loaded.notes.iter().filter(|note| is_misnamed(note));
            let clashes: Vec<bundle::Problem> = clashes.cloned().collect();
            if clashes.is_empty() {
                return Ok(loaded);
            }
            clashes
        }
        Err(bundle::Error::Problems(problems)) => problems,
        Err(error) => {
            return Err(error).with_context(|| format!("reading the bundle {}", path.display()));
        }
    };
    for problem in &problems {
        out.say(format!(
            "{}: {}",
            styled(RED.bold(), "error"),
            path.join(problem.to_string()).display()
        ));
    }
    Err(Failure::BadBundle {
        errors: problems.len(),
        place: path.display().to_string(),
    }
    .into())
}

/// Tells whether a file has to be called otherwise: its name and another differ in case only, and it is not that
/// they are one object, which the judgement of the bundle tells of.
fn is_misnamed(note: &bundle::Problem) -> bool {
    let kind = note.file.split('/').next().unwrap_or_default();
    let descriptor = Catalogue::builtin().get(kind);
    matches!(note.what, bundle::What::CaseClash { .. })
        && !descriptor.is_ok_and(|descriptor| descriptor.key.ignore_case)
}

/// A bundle that was judged.
pub(crate) struct Judged {
    pub(crate) disk: OnDisk,
    /// What is wrong with it, or worth knowing.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a bundle and shows what is wrong with it.
pub(crate) fn judged(
    catalogue: &Catalogue,
    path: &Path,
    keys: Keys<'_>,
    out: &Out,
) -> anyhow::Result<Judged> {
    let disk = load(path, keys, out)?;
    let mut expanded = Cow::Borrowed(&disk.loaded.bundle);
    if people::needs_expansion(&disk.loaded.bundle) {
        // Who cannot be expanded is told of with the plan.
        people::expand(catalogue, expanded.to_mut(), &BTreeSet::new());
    }
    let problems = validate(catalogue, &expanded);
    for problem in &problems {
        if problem.severity > Severity::Note || out.verbose() > 0 {
            out.say(told(Some(&disk), problem));
        }
    }
    drop(expanded);
    Ok(Judged { disk, problems })
}

/// A line, and the column in it where that is known; both are counted from 1.
pub(crate) type Spot = (usize, Option<usize>);

impl OnDisk {
    /// Returns the file that a problem is in, within the bundle, with line and perhaps column. Of an
    /// object of a component it is that of the instance.
    fn file_of(&self, problem: &Problem) -> Option<(&str, Option<Spot>)> {
        let (source, object) = (&self.loaded.source, &problem.object);
        if let Some(origin) = self.origins.get(object) {
            return Some((source.file_of(&origin.instance)?, None));
        }
        match &problem.file {
            Some(name) => {
                let file = source.sidecar_of(object, name)?;
                Some((file, problem.line.map(|line| (line, problem.column))))
            }
            None => {
                let position = source.locate(object, &problem.pointer);
                let position = position.map(|position| (position.line, Some(position.column)));
                Some((source.file_of(object)?, position))
            }
        }
    }

    /// Returns the place of a problem for reports, whose paths have the same slashes everywhere.
    pub(crate) fn found_at(&self, problem: &Problem) -> Option<Place> {
        let (file, position) = self.place_of(problem)?;
        Some(Place {
            file: slashed(&file),
            position: position.map(|(line, column)| (line, column.unwrap_or(1))),
        })
    }

    /// Returns the place of a problem as the user has it.
    pub(crate) fn place_of(&self, problem: &Problem) -> Option<(PathBuf, Option<Spot>)> {
        let (file, position) = self.file_of(problem)?;
        Some((self.path.join(file), position))
    }

    /// Says where in a component the template of a wrong object stands.
    fn template_of(&self, problem: &Problem) -> Option<String> {
        let origin = self.origins.get(&problem.object)?;
        let source = &self.loaded.source;
        let file = self.path.join(source.file_of(&origin.component)?);
        let place = match &problem.file {
            Some(name) => format!("{}/$files/{name}", origin.pointer),
            None => format!("{}{}", origin.pointer, problem.pointer),
        };
        let template = || source.locate(&origin.component, &origin.pointer);
        let position = source.locate(&origin.component, &place).or_else(template)?;
        let line = match (&problem.file, problem.line) {
            (Some(name), Some(line)) => format!(", line {line} of {name}"),
            _ => String::new(),
        };
        Some(format!(
            "{}:{}:{}{line}",
            file.display(),
            position.line,
            position.column
        ))
    }
}

/// Says a problem with its place, and shows the line; a bundle on a disk is given.
pub(crate) fn told(disk: Option<&OnDisk>, problem: &Problem) -> String {
    let (label, style) = match problem.severity {
        Severity::Error => ("error", RED.bold()),
        Severity::Warning => ("warning", YELLOW.bold()),
        Severity::Note => ("note", CYAN.bold()),
    };
    let (label, object) = (styled(style, label), &problem.object);
    let place = disk.and_then(|disk| Some((disk, disk.file_of(problem)?)));
    let Some((disk, (file, position))) = place else {
        return format!("{label}: {object}: {problem}");
    };
    let OnDisk { path, loaded, .. } = disk;
    let mut shown = path.join(file).display().to_string();
    if let Some((line, column)) = position {
        shown.push_str(&format!(":{line}"));
        if let Some(column) = column {
            shown.push_str(&format!(":{column}"));
        }
    }
    let mut text = format!("{label}: {shown} ({object}): {problem}");
    if let Some(template) = disk.template_of(problem) {
        text.push_str(&format!(
            "\n       {}",
            styled(DIM, format!("in {template}"))
        ));
    }
    // Of a whole document no line says more than another.
    let whole = problem.file.is_none() && problem.pointer.is_empty();
    if let Some((line, column)) = position.filter(|_| !whole)
        && let Some(snippet) = snippet(loaded, problem, file, path, line, column)
    {
        text.push('\n');
        text.push_str(&snippet);
    }
    text
}

/// Returns the line that a problem is in, with a mark below the place.
fn snippet(
    loaded: &Loaded,
    problem: &Problem,
    file: &str,
    path: &Path,
    line: usize,
    column: Option<usize>,
) -> Option<String> {
    let text = match &problem.file {
        Some(name) => {
            let document = loaded.bundle.documents.get(&problem.object)?;
            String::from_utf8_lossy(document.files.get(name)?).into_owned()
        }
        // A zip's documents are not on disk as files; there the place must do.
        None => std::fs::read_to_string(path.join(file)).ok()?,
    };
    let source = text.lines().nth(line.checked_sub(1)?)?;
    let shown: String = source.chars().take(100).collect();
    let mut snippet = styled(DIM, format!("{line:>6} | {shown}"));
    if let Some(column) = column.filter(|column| *column <= shown.chars().count()) {
        let before = " ".repeat(column.saturating_sub(1));
        snippet.push_str(&format!("\n{}", styled(DIM, format!("       | {before}^"))));
    }
    Some(snippet)
}

/// Writes a path with `/` between its parts, without `./` in front.
fn slashed(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        std::path::Component::CurDir => None,
        std::path::Component::RootDir => Some(String::new()),
        part => Some(part.as_os_str().to_string_lossy().into_owned()),
    });
    parts.collect::<Vec<_>>().join("/")
}
