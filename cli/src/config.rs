//! `quorla config`: what a node would read, without starting one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorla_node::config::{Config, Problems, Sources};
use serde_json::json;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, printed};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration as a whole and report every problem at once
    #[command(
        after_help = "Examples:\n  quorla config validate cluster.toml\n  quorla config validate - < cluster.toml"
    )]
    Validate(Validate),
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The file; `-` reads standard input
    #[arg(default_value = "cluster.toml")]
    file: PathBuf,
    /// Leave out the QUORLA__SECTION__KEY variables of this environment
    #[arg(long)]
    file_only: bool,
}

pub(crate) fn run(command: &ConfigCommand, output: &Output) -> Result<Exit, Fault> {
    let ConfigCommand::Validate(arguments) = command;
    let name = arguments.file.display().to_string();
    match load(arguments)? {
        Ok(config) => {
            let mut table = Table::pairs();
            table.pair(&name, "ok");
            let json = json!({"file": name, "valid": true, "node": config.node.name, "problems": []});
            printed(output, &Document { json, table, ids: vec![config.node.name] }, Exit::OK)
        }
        Err(problems) => report(&name, &problems, output),
    }
}

fn load(arguments: &Validate) -> Result<Result<Config, Problems>, Fault> {
    if arguments.file == Path::new("-") {
        let text =
            std::io::read_to_string(std::io::stdin()).map_err(|error| Fault::other("read standard input", error))?;
        return Ok(Config::parse(&text, Path::new("standard input")));
    }
    let file = Some(arguments.file.clone());
    let sources = match arguments.file_only {
        true => Sources { file, ..Sources::default() },
        false => Sources::of_process(file, Vec::new()),
    };
    Ok(Config::load(&sources))
}

fn report(name: &str, problems: &Problems, output: &Output) -> Result<Exit, Fault> {
    let mut table = Table::new(["WHERE", "KEY", "CODE", "PROBLEM"]);
    let mut rows = Vec::new();
    for problem in problems.iter() {
        let key = problem.key.clone().unwrap_or_default();
        let (origin, code) = (problem.origin.to_string(), problem.code.as_str());
        rows.push(json!({"origin": origin, "key": problem.key, "code": code, "message": problem.message}));
        table.row([origin, key, code.to_owned(), problem.message.clone()]);
    }
    let ids = problems.iter().filter_map(|problem| problem.key.clone()).collect();
    let count = rows.len();
    output.document(&Document { json: json!({"file": name, "valid": false, "problems": rows}), table, ids })?;
    Err(Fault::new(
        Exit::USAGE,
        "config_invalid",
        format!("validate {name}: it has {count} problem{}", if count == 1 { "" } else { "s" }),
    )
    .hint("The sample cluster.toml documents every key."))
}
