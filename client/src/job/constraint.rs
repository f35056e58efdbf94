//! Which nodes may run a job, by their labels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One condition on a node's label. A label that a node lacks satisfies only `NotEquals`.
///
/// ```
/// use quorla_client::{Constraint, LabelRule};
///
/// let constraint: Constraint = "zone in (a, b)".parse()?;
/// assert_eq!(constraint.rule, LabelRule::In(vec!["a".into(), "b".into()]));
/// # Ok::<(), quorla_client::ParseConstraintError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The label's name.
    pub label: String,
    /// What it must be.
    pub rule: LabelRule,
}

/// What a label must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelRule {
    /// Exactly this value.
    Equals(String),
    /// Absent, or another value.
    NotEquals(String),
    /// One of these values.
    In(Vec<String>),
    /// Present, whatever its value.
    Exists,
}

/// Text that is no constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {text:?} as a constraint: write label=value, label!=value, 'label in (a, b)' or 'label exists'")]
pub struct ParseConstraintError {
    text: String,
}

impl FromStr for Constraint {
    type Err = ParseConstraintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (label, rule) = read(text.trim()).ok_or_else(|| ParseConstraintError { text: text.to_owned() })?;
        Ok(Self { label, rule })
    }
}

fn read(text: &str) -> Option<(String, LabelRule)> {
    if let Some(label) = text.strip_suffix(" exists") {
        return Some((name(label)?, LabelRule::Exists));
    }
    if let Some((label, value)) = text.split_once("!=") {
        return Some((name(label)?, LabelRule::NotEquals(value.trim().to_owned())));
    }
    if let Some((label, value)) = text.split_once('=') {
        return Some((name(label)?, LabelRule::Equals(value.trim().to_owned())));
    }
    let (label, values) = text.split_once(" in ")?;
    let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    (!values.iter().any(String::is_empty)).then_some((name(label)?, LabelRule::In(values)))
}

fn name(text: &str) -> Option<String> {
    let name = text.trim();
    let plain = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "=!(),".contains(c));
    plain.then(|| name.to_owned())
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = &self.label;
        match &self.rule {
            LabelRule::Equals(value) => write!(f, "{label}={value}"),
            LabelRule::NotEquals(value) => write!(f, "{label}!={value}"),
            LabelRule::In(values) => write!(f, "{label} in ({})", values.join(", ")),
            LabelRule::Exists => write!(f, "{label} exists"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Constraint;

    #[test]
    fn each_form_reads_back_as_written() {
        for text in ["zone=a", "zone!=a", "zone in (a, b)", "gpu exists"] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_constraint_is_refused() {
        for text in ["", "zone", "=a", "a b=c", "zone in a", "zone in ()", " exists"] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
    }
}
