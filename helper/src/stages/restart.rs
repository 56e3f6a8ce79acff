//! Nodes are restarted a few at a time: whom to tell next, who is up again, and when it is enough. Pure.

use std::collections::VecDeque;

use super::status::{NodeStatus, State};

/// Who is not up again after so many seconds does not come up.
pub const PATIENCE: u64 = 900;
/// Who is up has what is its own so many seconds later.
const SETTLED: u64 = 60;

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is up, and runs what it should, after so many seconds.
    Up(u64),
    /// It is not.
    Failed(String),
}

/// A run. Nodes are known by their place in the order of the site.
#[derive(Debug)]
pub struct Rounds {
    waiting: VecDeque<usize>,
    /// With the time at which each was told.
    away: Vec<(usize, u64)>,
    batch: usize,
    max_failures: usize,
    failures: usize,
}

impl Rounds {
    /// A run over `nodes`, of which `batch` are away at a time, until `max_failures` have failed.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = usize>, batch: usize, max_failures: usize) -> Self {
        Self { waiting: nodes.into_iter().collect(), away: Vec::new(), batch, max_failures, failures: 0 }
    }

    /// Whom to tell now; nobody when enough are away, or enough have failed.
    pub fn next_node(&mut self) -> Option<usize> {
        let goes_on = self.away.len() < self.batch && !self.is_enough();
        goes_on.then(|| self.waiting.pop_front()).flatten()
    }

    /// It was told.
    pub fn told(&mut self, node: usize, now: u64) {
        self.away.push((node, now));
    }

    /// It could not be told.
    pub fn failed(&mut self) {
        self.failures += 1;
    }

    /// What became of those that are away.
    pub fn look(&mut self, nodes: &[NodeStatus], now: u64) -> Vec<(usize, Outcome)> {
        let ended: Vec<(usize, Outcome)> =
            self.away.iter().filter_map(|(node, told)| Some((*node, outcome(&nodes[*node], *told, now)?))).collect();
        self.away.retain(|(node, _)| ended.iter().all(|(other, _)| other != node));
        self.failures += ended.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count();
        ended
    }

    /// How many failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// Who was not told any more.
    #[must_use]
    pub fn left(&self) -> &VecDeque<usize> {
        &self.waiting
    }

    /// Whether nobody is told any more.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.failures >= self.max_failures
    }

    /// Whether nobody is away, and nobody is told any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.away.is_empty() && (self.waiting.is_empty() || self.is_enough())
    }
}

/// What became of a node that was told to reboot; `None` as long as that is not clear.
fn outcome(node: &NodeStatus, told: u64, now: u64) -> Option<Outcome> {
    let changes = node.changes();
    match node.since.filter(|since| node.state == State::Up && *since > told) {
        Some(since) if changes.is_empty() => Some(Outcome::Up(since - told)),
        Some(since) if now >= since + SETTLED => {
            Some(Outcome::Failed(format!("is up, and a reboot would still change: {}", changes.join(", "))))
        }
        None if now >= told + PATIENCE => {
            Some(Outcome::Failed(format!("is not up again after {PATIENCE} s; look at its console")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fetched::Fetched;
    use crate::site::Root;
    use crate::stages::status::Boots;

    fn node(state: State, since: u64, overlay: Fetched) -> NodeStatus {
        NodeStatus {
            name: "n".to_owned(),
            state,
            since: Some(since),
            kernel: None,
            image: None,
            generation: None,
            overlay: Some(overlay),
            sent: None,
            boots: Some(Boots { kernel: String::new(), image: String::new(), root: Root::Head, line_since: 0 }),
        }
    }

    fn up(since: u64) -> NodeStatus {
        node(State::Up, since, Fetched::Current)
    }

    #[test]
    fn a_few_are_away_at_a_time_until_all_are_up_again() {
        let mut rounds = Rounds::new([0, 1, 2], 2, 1);
        for wanted in [Some(0), Some(1), None] {
            let told = rounds.next_node();
            assert_eq!(told, wanted);
            told.into_iter().for_each(|node| rounds.told(node, 100));
        }
        // The first is still the boot before.
        let mut nodes = [up(50), node(State::Booting, 130, Fetched::Current), up(40)];
        assert_eq!(rounds.look(&nodes, 140), []);
        nodes[0] = up(150);
        assert_eq!(rounds.look(&nodes, 160), [(0, Outcome::Up(50))]);
        assert_eq!(rounds.next_node(), Some(2));
        rounds.told(2, 160);
        assert!(!rounds.is_over());
        (nodes[1], nodes[2]) = (up(170), up(200));
        assert_eq!(rounds.look(&nodes, 210).len(), 2);
        assert!(rounds.is_over() && rounds.failures() == 0 && rounds.left().is_empty());
    }

    #[test]
    fn after_the_first_failure_nobody_is_told_any_more_and_who_is_away_is_waited_for() {
        let mut rounds = Rounds::new([0, 1, 2], 2, 1);
        rounds.next_node();
        rounds.told(0, 100);
        rounds.next_node();
        rounds.failed();
        assert_eq!(rounds.next_node(), None);
        assert!(!rounds.is_over());
        assert_eq!(rounds.look(&[up(150), up(0), up(0)], 160), [(0, Outcome::Up(50))]);
        assert!(rounds.is_over());
        assert_eq!((rounds.failures(), rounds.left().len()), (1, 1));
    }

    #[test]
    fn who_does_not_come_up_or_not_as_it_should_has_failed() {
        let behind = |since| node(State::Up, since, Fetched::Behind(vec!["hosts".to_owned()]));
        assert_eq!(outcome(&behind(150), 100, 209), None);
        let Some(Outcome::Failed(why)) = outcome(&behind(150), 100, 210) else { panic!() };
        assert_eq!(why, "is up, and a reboot would still change: 1 file");
        let silent = node(State::Silent, 90, Fetched::Current);
        assert_eq!(outcome(&silent, 100, 100 + PATIENCE - 1), None);
        let Some(Outcome::Failed(why)) = outcome(&silent, 100, 100 + PATIENCE) else { panic!() };
        assert!(why.contains("not up again after 900 s"), "{why}");
    }
}
