//! How results reach their reader: data on stdout in the form asked for, words for the person on stderr.
//!
//! Nothing here panics when the reader has gone away.

mod plain;
mod table;
mod time;
mod yaml;

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

pub(crate) use plain::Plain;
pub(crate) use table::Table;
pub(crate) use time::{ago, date, moment_ms, span};

use crate::exit::Exit;
use crate::fault::Fault;

/// The form of the data on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A table on a terminal, tab-separated text when piped. The default.
    Table,
    /// One JSON document.
    Json,
    /// One JSON value per line.
    Jsonl,
    /// One YAML document.
    Yaml,
    /// Ids only, one per line.
    Id,
}

/// A result in every form.
pub(crate) struct Document {
    pub(crate) json: Value,
    pub(crate) table: Table,
    pub(crate) ids: Vec<String>,
}

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    form: Form,
    on_terminal: bool,
    colours: bool,
    watched: Watched,
}

/// Whether what is printed follows something like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Once,
    First,
    Again,
}

impl Output {
    pub(crate) fn new(form: Option<Form>) -> Self {
        let on_terminal = std::io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            form: form.unwrap_or(Form::Table),
            on_terminal,
            colours: on_terminal && !unwanted,
            watched: Watched::Once,
        }
    }

    /// Whether a machine reads this, so that nothing but data may be on stdout.
    pub(crate) fn is_structured(&self) -> bool {
        self.form != Form::Table
    }

    /// Whether each value is a line of JSON.
    pub(crate) fn is_lines(&self) -> bool {
        self.form == Form::Jsonl
    }

    /// Whether JSON is asked for, in either form.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json | Form::Jsonl)
    }

    /// This output for one look of several.
    pub(crate) fn watched(&self, first: bool) -> Self {
        Self { watched: if first { Watched::First } else { Watched::Again }, ..*self }
    }

    /// Begins what one look shows: on a terminal in the place of the look before, elsewhere after it.
    pub(crate) fn screen(&self) -> Result<(), Fault> {
        const CLEAR: &[u8] = b"\x1b[H\x1b[2J";
        match (self.watched, self.form) {
            (Watched::First | Watched::Again, Form::Table) if self.on_terminal => self.raw(CLEAR),
            (Watched::Again, Form::Table) => self.raw(b"\n"),
            (Watched::Again, Form::Yaml) => self.raw(b"---\n"),
            _ => Ok(()),
        }
    }

    /// Whether progress may be drawn.
    pub(crate) fn draws_progress(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    pub(crate) fn document(&self, document: &Document) -> Result<(), Fault> {
        let text = match self.form {
            Form::Table => document.table.render(self.on_terminal, self.colours),
            Form::Json => format!("{:#}\n", document.json),
            Form::Jsonl => lines(&document.json),
            Form::Yaml => yaml::render(&document.json),
            Form::Id => document.ids.iter().map(|id| format!("{id}\n")).collect(),
        };
        self.raw(text.as_bytes())
    }

    /// Data as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Fault::nobody_reads(),
            _ => Fault::other("write to standard output", error),
        })
    }

    /// A line on stdout.
    pub(crate) fn line(&self, text: impl std::fmt::Display) -> Result<(), Fault> {
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Bytes on stderr, as a job wrote them; nothing can be done when nobody reads them.
    pub(crate) fn raw_stderr(&self, bytes: &[u8]) {
        std::io::stderr().lock().write_all(bytes).ok();
    }

    /// Words for the person.
    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        self.raw_stderr(format!("{text}\n").as_bytes());
    }

    pub(crate) fn fault(&self, fault: &Fault) {
        if fault.silent {
            return;
        }
        for line in fault.lines() {
            self.say(line);
        }
    }
}

/// Ends quietly with this code once the document is printed.
pub(crate) fn printed(output: &Output, document: &Document, exit: Exit) -> Result<Exit, Fault> {
    output.document(document).map(|()| exit)
}

/// The JSON of a view.
pub(crate) fn json(view: &impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("views hold only text, numbers, lists and maps with text keys")
}

fn lines(json: &Value) -> String {
    match json {
        Value::Array(items) => items.iter().map(|item| format!("{item}\n")).collect(),
        one => format!("{one}\n"),
    }
}
