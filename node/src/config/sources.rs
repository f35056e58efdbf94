//! Reads the three sources into one draft: file, then environment, then flags. Values are not judged here.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Sources;
use super::keys::{is_section, known, nearest, nearest_section};
use super::problem::{Origin, ProblemCode, Problems};
use super::value::{Draft, Raw};

/// Environment variables of this prefix are configuration; `QUORLA_ADDR` and the like are the client's.
const ENVIRONMENT_PREFIX: &str = "QUORLA__";

/// Collects all sources; a stronger one replaces a weaker one's value.
pub(super) fn collect(sources: &Sources, problems: &mut Problems) -> Draft {
    let mut draft = Draft::default();
    if let Some(path) = &sources.file {
        match fs::read_to_string(path) {
            Ok(text) => read_text(&text, path, &mut draft, problems),
            Err(error) => problems.add(
                ProblemCode::Unreadable,
                &Origin::File { path: path.clone(), line: 0 },
                None,
                format!("read the configuration: {error}"),
            ),
        }
    }
    let mut environment: Vec<_> = sources.environment.iter().collect();
    environment.sort();
    for (name, value) in environment {
        if let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) {
            let path = path.replace("__", ".").to_lowercase();
            set_text(&path, value, Origin::Environment(name.clone()), &mut draft, problems);
        }
    }
    for (path, value) in &sources.overrides {
        set_text(path, value, Origin::Flag(path.clone()), &mut draft, problems);
    }
    draft
}

/// Reads the text of a `cluster.toml`.
pub(super) fn read_text(text: &str, path: &Path, draft: &mut Draft, problems: &mut Problems) {
    let file = SourceFile { text, path };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let origin = file.origin(error.span().unwrap_or(0..0));
        problems.add(ProblemCode::Syntax, &origin, None, error.message().to_owned());
    }
    for (section, content) in document.get_ref() {
        file.read_section(section, content, draft, problems);
    }
}

fn set_text(path: &str, value: &str, origin: Origin, draft: &mut Draft, problems: &mut Problems) {
    match known(path) {
        Some(key) => draft.set(key, Raw::Text(value.to_owned()), origin),
        None => unknown_key(path, &origin, problems),
    }
}

fn unknown_key(path: &str, origin: &Origin, problems: &mut Problems) {
    let hint = nearest(path).map(|key| format!("; did you mean {key}?")).unwrap_or_default();
    let message = format!("unknown key {path}{hint}");
    problems.add(ProblemCode::UnknownKey, origin, Some(path), message);
}

struct SourceFile<'a> {
    text: &'a str,
    path: &'a Path,
}

impl SourceFile<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line }
    }

    fn read_section(
        &self,
        section: &Spanned<std::borrow::Cow<'_, str>>,
        content: &Spanned<DeValue<'_>>,
        draft: &mut Draft,
        problems: &mut Problems,
    ) {
        let name = section.get_ref().as_ref();
        let origin = self.origin(section.span());
        if !is_section(name) {
            let nearest = nearest_section(name);
            let hint = nearest.map(|known| format!("; did you mean [{known}]?")).unwrap_or_default();
            let message = format!("unknown section [{name}]{hint}");
            return problems.add(ProblemCode::UnknownKey, &origin, Some(name), message);
        }
        let Some(table) = content.get_ref().as_table() else {
            let message = format!("{name} must be a section: [{name}]");
            return problems.add(ProblemCode::InvalidValue, &origin, Some(name), message);
        };
        for (key, value) in table {
            let path = format!("{name}.{}", key.get_ref());
            let origin = self.origin(key.span());
            match known(&path) {
                None => unknown_key(&path, &origin, problems),
                Some(known) => set_value(known, value.get_ref(), origin, draft, problems),
            }
        }
    }
}

fn set_value(key: &'static str, value: &DeValue<'_>, origin: Origin, draft: &mut Draft, problems: &mut Problems) {
    match raw(value) {
        Some(raw) => draft.set(key, raw, origin),
        None => {
            let message = format!("{key} can't be a {} of this form", value.type_str());
            problems.add(ProblemCode::InvalidValue, &origin, Some(key), message);
        }
    }
}

fn raw(value: &DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::String(text) => Some(Raw::Text(text.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Raw::Integer),
        DeValue::Float(number) => number.as_str().parse().ok().map(Raw::Float),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            items.collect::<Option<_>>().map(Raw::List)
        }
        DeValue::Table(entries) => {
            let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Some((key.to_string(), value.get_ref().as_str()?.to_owned()))
            };
            entries.iter().map(entry).collect::<Option<BTreeMap<_, _>>>().map(Raw::Table)
        }
        DeValue::Boolean(_) | DeValue::Datetime(_) => None,
    }
}
