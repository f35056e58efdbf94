//! `quorla node label`: labels that operators set.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use quorla_client::NodeLabels;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::key;
use crate::output::{Document, Output, Table, json, printed};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla node label n2 rack=7 zone=eu\n  quorla node label n2 rack-\n\n\
    What is set here lasts over restarts of the node and hides a label of the same name in its configuration; removed,\n\
    that shows again. Jobs that wait for a label start at once; what runs on a node stays there.";

#[derive(Debug, Args)]
pub(crate) struct Label {
    /// The node's name
    #[arg(value_name = "NODE")]
    node: String,
    /// Labels to set, `NAME=VALUE`, and to remove, `NAME-`
    #[arg(value_name = "LABEL", required = true, value_parser = change)]
    labels: Vec<Change>,
    /// The same key again is the same request
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Set(String, String),
    Remove(String),
}

pub(super) async fn run(label: Label, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let (mut set, mut remove) = (BTreeMap::new(), BTreeSet::new());
    for change in label.labels {
        match change {
            Change::Set(name, value) => drop(set.insert(name, value)),
            Change::Remove(name) => drop(remove.insert(name)),
        }
    }
    let connected = session.connect().await?;
    let labels = connected.client.label_node(&label.node, set, remove, label.idempotency_key).await?;
    printed(output, &document(&labels), Exit::OK)
}

fn document(labels: &NodeLabels) -> Document {
    let mut table = Table::new(["LABEL", "VALUE", "SET BY"]);
    for (name, value) in &labels.labels {
        let by = if labels.operator_labels.contains_key(name) { "operator" } else { "node" };
        table.row([name.clone(), value.clone(), by.to_owned()]);
    }
    Document { json: json(labels), table, ids: vec![labels.node.clone()] }
}

fn change(text: &str) -> Result<Change, String> {
    let refuse = || format!("{text:?} is neither NAME=VALUE nor NAME-");
    match (text.split_once('='), text.strip_suffix('-')) {
        (Some((name, value)), _) if !name.is_empty() => Ok(Change::Set(name.to_owned(), value.to_owned())),
        (None, Some(name)) if !name.is_empty() => Ok(Change::Remove(name.to_owned())),
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, change};

    #[test]
    fn labels_are_set_and_removed_as_people_write_them() {
        assert_eq!(change("a=b=c-"), Ok(Change::Set("a".into(), "b=c-".into())));
        assert_eq!(change("a="), Ok(Change::Set("a".into(), String::new())));
        assert_eq!(change("a-b-"), Ok(Change::Remove("a-b".into())));
        for text in ["a", "=b", "-", ""] {
            assert!(change(text).unwrap_err().contains("neither"), "{text}");
        }
    }
}
