//! What operators load into Prometheus and Grafana asks only for what a live cluster exposes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use quorla_client::JobRequest;
use quorla_tests::eventually::eventually;
use quorla_tests::http;
use quorla_tests::trial::{Trial, settings};
use serde_json::Value;

/// What a cluster exposes only after something that this test does not do.
const SELDOM: [&str; 3] =
    ["quorla_raft_snapshot_build_seconds", "quorla_raft_snapshot_install_seconds", "quorla_actor_restarts_total"];
/// What Prometheus itself puts on every series, and on the buckets of a histogram.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

/// Label names by metric.
type Exposed = BTreeMap<String, BTreeSet<String>>;

#[tokio::test]
async fn dashboard_and_alerts_ask_for_what_a_cluster_exposes() {
    let trial = Trial::start(settings(3)).await;
    trial.client.run(JobRequest::new(["true"])).await.unwrap();
    trial.client.list(quorla_client::ListQuery::default()).await.unwrap();
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let alerts = std::fs::read_to_string(ops.join("prometheus/alerts.yml")).unwrap();
    let dashboard = std::fs::read_to_string(ops.join("grafana/quorla.json")).unwrap();
    let queries =
        [queries(serde_saphyr::from_str(&alerts).unwrap()), queries(serde_json::from_str(&dashboard).unwrap())];
    assert!(queries.iter().all(|queries| queries.len() > 10), "{queries:?}");
    // What became of a job is measured a moment after it ended.
    let exposed = eventually("the job's end is measured", async || {
        Some(exposed(&trial).await).filter(|exposed| exposed.contains_key("quorla_job_seconds_count"))
    });
    let exposed = exposed.await;
    let missing: Vec<String> = queries.iter().flatten().flat_map(|query| unknown(query, &exposed)).collect();
    assert!(missing.is_empty(), "{missing:#?} is not among {exposed:#?}");
    trial.stop().await;
}

#[test]
fn a_query_for_what_is_not_exposed_is_noticed() {
    let exposed = Exposed::from([("quorla_jobs_ended_total".to_owned(), BTreeSet::from(["state".to_owned()]))]);
    for (query, expected) in [
        ("sum by (state) (rate(quorla_jobs_ended_total[$__rate_interval]))", &[][..]),
        ("sum by (outcome) (quorla_jobs_ended_total)", &["the label outcome"]),
        ("quorla_jobs_ended_total{queue=\"a\"} and on (node) up", &["the label queue", "the label node"]),
        ("max(quorla_jobs_lost)", &["the metric quorla_jobs_lost"]),
    ] {
        let found = unknown(query, &exposed);
        assert_eq!(found.len(), expected.len(), "{query}: {found:?}");
        expected.iter().for_each(|words| assert!(found.iter().any(|one| one.contains(words)), "{query}: {found:?}"));
    }
}

/// The value of every `expr` in the document.
fn queries(document: Value) -> Vec<String> {
    match document {
        Value::Object(fields) => fields
            .into_iter()
            .flat_map(|(name, value)| match value {
                Value::String(query) if name == "expr" => vec![query],
                value => queries(value),
            })
            .collect(),
        Value::Array(values) => values.into_iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

/// What all nodes expose together.
async fn exposed(trial: &Trial) -> Exposed {
    let mut exposed = Exposed::new();
    for node in trial.cluster.nodes() {
        let ready = node.ready().expect("the node was ready");
        let text = http::get(&ready.http, "/metrics").await.unwrap().body;
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let series = line.rsplit_once(' ').expect("a series has a value").0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
            exposed.entry(name.to_owned()).or_default().extend(labels);
        }
    }
    exposed
}

/// What a query asks for and nobody exposes, in words.
fn unknown(query: &str, exposed: &Exposed) -> Vec<String> {
    let plain = query.replace("$__rate_interval", "5m");
    let parsed = parser::parse(&plain).unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut asked = Asked::default();
    let Ok(_) = walk_expr(&mut asked, &parsed);
    let known: BTreeSet<&String> = asked.metrics.iter().filter_map(|name| exposed.get(name)).flatten().collect();
    let seldom = |name: &String| SELDOM.iter().any(|seldom| name.starts_with(seldom));
    let is_seldom = asked.metrics.iter().any(seldom);
    let metrics = asked.metrics.iter().filter(|name| !exposed.contains_key(*name) && !seldom(name) && *name != "up");
    let labels = asked
        .labels
        .iter()
        .filter(|label| !known.contains(label) && !is_seldom && !LABELS_OF_PROMETHEUS.contains(&label.as_str()));
    let metrics = metrics.map(|name| format!("{query}: the metric {name}"));
    metrics.chain(labels.map(|label| format!("{query}: the label {label}"))).collect()
}

/// The metrics and labels of one query.
#[derive(Default)]
struct Asked {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Asked {
    fn select(&mut self, selector: &VectorSelector) {
        self.metrics.extend(selector.name.clone());
        self.labels.extend(selector.matchers.matchers.iter().map(|matcher| matcher.name.clone()));
    }

    fn group(&mut self, modifier: Option<&LabelModifier>) {
        if let Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) = modifier {
            self.labels.extend(labels.labels.iter().cloned());
        }
    }
}

impl ExprVisitor for Asked {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Self::Error> {
        match expression {
            Expr::VectorSelector(selector) => self.select(selector),
            Expr::MatrixSelector(range) => self.select(&range.vs),
            Expr::Aggregate(aggregate) => self.group(aggregate.modifier.as_ref()),
            Expr::Binary(binary) => {
                self.group(binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref()));
            }
            _ => {}
        }
        Ok(true)
    }
}
