//! Rows and columns: aligned on a terminal, tab-separated for a program.

use comfy_table::{Attribute, Cell, Color, ContentArrangement};

/// A table with a header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Two columns, a name and its value.
    pub(crate) fn pairs() -> Self {
        Self::default()
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub(crate) fn pair(&mut self, name: &str, value: impl std::fmt::Display) {
        self.rows.push(vec![name.to_owned(), value.to_string()]);
    }

    /// A pair, where there is a value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.pair(name, value);
        }
    }

    pub(crate) fn render(&self, on_terminal: bool, colours: bool) -> String {
        if on_terminal { self.aligned(colours) } else { self.separated() }
    }

    fn separated(&self) -> String {
        let header = Some(&self.header).filter(|header| !header.is_empty());
        let plain = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace(['\t', '\n'], " ")).collect();
            format!("{}\n", cells.join("\t"))
        };
        header.into_iter().chain(&self.rows).map(plain).collect()
    }

    fn aligned(&self, colours: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !self.header.is_empty() {
            table.set_header(self.header.iter().map(|name| {
                let cell = Cell::new(name);
                if colours { cell.add_attribute(Attribute::Bold) } else { cell }
            }));
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|text| cell(text, colours)));
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// The words that a reader looks for are coloured; colour never carries what the word does not.
fn cell(text: &str, colours: bool) -> Cell {
    let cell = Cell::new(text);
    let colour = match text {
        "succeeded" | "ok" | "leader" => Color::Green,
        "failed" | "deadline_exceeded" | "lost" | "FAILED" | "gone" => Color::Red,
        "running" | "stopping" => Color::Cyan,
        "cancelled" | "backing_off" | "delayed" | "draining" => Color::Yellow,
        _ => return cell,
    };
    if colours { cell.fg(colour) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn piped_rows_are_one_line_each() {
        let mut table = Table::new(["ID", "NAME"]);
        table.row(["1".into(), "a\tb\nc".into()]);
        assert_eq!(table.render(false, false), "ID\tNAME\n1\ta b c\n");
    }

    #[test]
    fn a_terminal_without_colours_gets_no_escape() {
        let mut table = Table::pairs();
        table.pair("state", "succeeded");
        assert!(!table.render(true, false).contains('\u{1b}'));
    }
}
