//! Everything that is printed: results on standard output, talk on standard error.

mod events;
mod log;
mod table;
pub(crate) mod text;
#[cfg(feature = "otel")]
mod traces;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use orgsmith_engine::Events;
use orgsmith_server::work::Tell;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Format, Global};
use crate::error::Exit;

use self::log::talk;
pub(crate) use events::Progress;
pub(crate) use table::{Align, Table};

/// Headings and names.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Good news, and what is added.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// Warnings, and what is changed.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Errors, and what is taken away.
pub(crate) const RED: Style = AnsiColor::Red.on_default();
/// What a person may type.
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Puts a style around a text.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Where output goes.
pub(crate) struct Out {
    format: Format,
    verbose: u8,
    progress: Arc<Progress>,
    /// Takes results, where a job wants them and no standard output.
    results: Option<Arc<Mutex<String>>>,
    /// The org that all talk is of, where several are worked on at once, as it begins the lines.
    org: Option<(String, String)>,
}

impl Out {
    pub(crate) fn new(global: &Global) -> anyhow::Result<Self> {
        if global.no_color {
            anstream::ColorChoice::Never.write_global();
        }
        let json = match &global.json_into {
            Some(path) => Some(Mutex::new(create(path)?)),
            None => None,
        };
        log::begin(global)?;
        let verbose = global.verbose;
        Ok(Self {
            format: global.output,
            verbose,
            progress: Arc::new(Progress::new(json, verbose)),
            results: None,
            org: None,
        })
    }

    /// Returns an output for a job of the service: results are kept, the rest is told.
    pub(crate) fn of_job(format: Format, tell: Tell) -> Self {
        Self {
            format,
            verbose: 0,
            progress: Arc::new(Progress::of_job(tell)),
            results: Some(Arc::default()),
            org: None,
        }
    }

    /// Tells whether nobody sits in front of it.
    pub(crate) fn is_of_job(&self) -> bool {
        self.results.is_some()
    }

    /// Returns the results of a job so far.
    pub(crate) fn results(&self) -> String {
        let results = self.results.as_ref();
        results
            .map(|results| lock(results).clone())
            .unwrap_or_default()
    }

    /// Returns the same output for what is said of one of several orgs: its name begins each line,
    /// padded to a width, and is in each line for programs.
    pub(crate) fn of(&self, org: &str, width: usize) -> Self {
        Self {
            format: self.format,
            verbose: self.verbose,
            progress: self.progress.clone(),
            results: self.results.clone(),
            org: Some((org.to_owned(), styled(CYAN, format!("{org:<width$}  ")))),
        }
    }

    fn prefix(&self) -> &str {
        self.org.as_ref().map_or("", |(_, prefix)| prefix)
    }

    /// Returns the form that results have.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Tells how much the user wants to see: 0 lines, 1 fields, 2 whole values.
    pub(crate) fn verbose(&self) -> u8 {
        self.verbose
    }

    /// Writes a result.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(crate) fn data(&self, text: impl AsRef<str>) -> anyhow::Result<()> {
        let text = text.as_ref();
        if let Some(results) = &self.results {
            let mut results = lock(results);
            results.push_str(text.trim_end_matches('\n'));
            results.push('\n');
            return Ok(());
        }
        self.progress.suspend(|| {
            let mut stdout = anstream::stdout().lock();
            stdout.write_all(text.as_bytes())?;
            if !text.ends_with('\n') {
                stdout.write_all(b"\n")?;
            }
            stdout.flush()
        })?;
        Ok(())
    }

    /// Refuses to write text to a file whose name promises another form.
    ///
    /// # Errors
    /// `-o` was forgotten.
    pub(crate) fn fits(&self, path: Option<&Path>) -> anyhow::Result<()> {
        let ending = path.and_then(Path::extension);
        let form = match ending.and_then(|ending| ending.to_str()) {
            Some(form @ ("json" | "html" | "svg" | "dot" | "sarif")) => form,
            Some("md") => "markdown",
            Some("xml") => "junit",
            _ => return Ok(()),
        };
        if self.format == Format::Text {
            let file = path.map(|path| path.display().to_string());
            return Err(crate::error::Failure::Usage(format!(
                "{} would hold text; add -o {form}",
                file.unwrap_or_default()
            ))
            .into());
        }
        Ok(())
    }

    /// Writes a result to a file, or where there is none to standard output; `text` is for the
    /// latter, and may have colours.
    ///
    /// # Errors
    /// The file cannot be written; as [`Self::data`].
    pub(crate) fn data_into(&self, path: Option<&Path>, text: &str) -> anyhow::Result<()> {
        let Some(path) = path else {
            return self.data(text);
        };
        let plain = anstream::adapter::strip_str(text).to_string();
        let plain = if self.format == Format::Text {
            &plain
        } else {
            text
        };
        save(path, plain)?;
        self.say(format!("{} written", path.display()));
        Ok(())
    }

    /// Writes a result as JSON, indented.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(crate) fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.data(serde_json::to_string_pretty(value)?)
    }

    /// Says something to the person.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        let text = prefixed(self.prefix(), text.as_ref());
        self.progress.talk(&text);
    }

    /// Says something that should be noticed.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        self.say(format!(
            "{}: {}",
            styled(YELLOW.bold(), "warning"),
            text.as_ref()
        ));
    }

    /// Returns the consumer of everything the engine tells.
    pub(crate) fn events(&self) -> Events {
        let progress = self.progress.clone();
        let prefix = self.prefix().to_owned();
        Events::to(move |event| {
            progress.on(&event, &prefix);
        })
    }

    /// Asks a person and returns what they typed; nothing where nobody can be asked.
    ///
    /// They may take their time: it keeps no other task waiting.
    pub(crate) async fn ask(&self, question: &str) -> anyhow::Result<Option<String>> {
        if self.is_of_job() || !io::stdin().is_terminal() {
            return Ok(None);
        }
        self.progress.suspend(|| {
            let mut stderr = anstream::stderr();
            let _ = write!(stderr, "{question} ");
            let _ = stderr.flush();
        });
        let read = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = read.await.context("asking")??;
        Ok(Some(answer.trim().to_owned()))
    }

    /// Writes a line for programs, where they asked for it.
    pub(crate) fn record(&self, value: &Value) {
        match (&self.org, value) {
            (Some((org, _)), Value::Object(fields)) if !fields.contains_key("org") => {
                let mut fields = fields.clone();
                fields.insert("org".to_owned(), org.as_str().into());
                self.progress.record(&Value::Object(fields));
            }
            _ => self.progress.record(value),
        }
    }

    pub(crate) fn record_error(&self, message: &str, exit: Exit) {
        self.record(&json!({ "event": "error", "message": message, "exit": exit.code() }));
    }

    pub(crate) fn finish(&self, exit: Exit) {
        self.progress.clear();
        self.record(&json!({ "event": "ended", "exit": exit.code() }));
        #[cfg(feature = "otel")]
        if let Err(error) = traces::end() {
            self.warn(format!("the last traces could not be sent: {error}"));
        }
    }
}

fn create(path: &std::path::Path) -> anyhow::Result<File> {
    use anyhow::Context;
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    // Reasons of failures quote what orgs say of their objects.
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path);
    file.with_context(|| format!("could not write {}", path.display()))
}

/// Puts a prefix in front of every line.
fn prefixed<'t>(prefix: &str, text: &'t str) -> Cow<'t, str> {
    if prefix.is_empty() {
        return Cow::Borrowed(text);
    }
    let lines = text.trim_end().lines();
    let lines: Vec<String> = lines.map(|line| format!("{prefix}{line}")).collect();
    Cow::Owned(lines.join("\n"))
}

/// Says an error and what to do about it.
pub(crate) fn error(text: &str, hint: Option<&str>) {
    if log::is_json() {
        return log::line("ERROR", text, hint);
    }
    talk(&format!("{}: {text}", styled(RED.bold(), "error")));
    if let Some(hint) = hint {
        talk(&format!("{}: {hint}", styled(CYAN.bold(), "hint")));
    }
}

/// Writes a file that appears whole or not at all, readable by its owner alone.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    whole(path, text, tempfile::Builder::new())?
        .persist(path)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// Writes a file as [`save`] does, which must not be there yet: a key is never overwritten.
///
/// # Errors
/// The file cannot be written, or is there.
pub(crate) fn save_new(path: &Path, text: &str) -> anyhow::Result<()> {
    whole(path, text, tempfile::Builder::new())?
        .persist_noclobber(path)
        .with_context(|| format!("writing {}, which must not be there yet", path.display()))?;
    Ok(())
}

/// Writes a file as [`save`] does, for everybody to read.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn publish(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    whole(path, text, builder)?
        .persist(path)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// Writes a file beside the one that it will be.
fn whole(
    path: &Path,
    text: &str,
    builder: tempfile::Builder<'_, '_>,
) -> anyhow::Result<tempfile::NamedTempFile> {
    let doing = || format!("writing {}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = builder.tempfile_in(folder).with_context(doing)?;
    writeln!(file, "{}", text.trim_end()).with_context(doing)?;
    file.as_file().sync_all().with_context(doing)?;
    Ok(file)
}

/// Prints what clap has to say and returns our exit code for it.
pub(crate) fn clap_says(error: &clap::Error) -> Exit {
    use clap::error::ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
    };
    let _ = error.print();
    match error.kind() {
        DisplayHelp | DisplayVersion => Exit::Ok,
        DisplayHelpOnMissingArgumentOrSubcommand => Exit::Usage,
        _ => Exit::Usage,
    }
}

/// Locks, whatever happened to the thread that held it: lines of output are whole in any case.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
