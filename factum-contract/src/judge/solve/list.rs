//! Finds a list whose items meet rules by place, by count and by difference.
//!
//! What a list must break or contain becomes a demand on one item; the demands are tried at every place that can make a
//! difference, and places behind the tuples are all alike.

use serde_json::Value;

use super::super::graph::{Constant, Contains, ItemRules, Rule, RuleId};
use super::super::search::{Attempts, Search};
use super::{Literal, Solver};

/// Longest list that is built.
const ITEMS_MAX: u64 = 2_000;

/// Longest list of different items that is built; each is kept apart from all before it.
const DISTINCT_MAX: u64 = 300;

/// Most demands on single items.
const DEMANDS_MAX: u64 = 16;

/// What the rules come to.
#[derive(Debug, Clone, Default)]
struct Plan {
    rules: Vec<ItemRules>,
    broken: Vec<ItemRules>,
    min: u64,
    max: u64,
    contains: Vec<Contains>,
    contains_not: Vec<Contains>,
    is_distinct: bool,
    has_twins: bool,
}

/// Something that one item must be.
#[derive(Debug, Clone)]
enum Demand {
    /// It breaks these rules for its place.
    Breaks(ItemRules),
    /// It meets a rule; demands of one group go to different items.
    Meets { rule: RuleId, group: usize },
    /// It is the same as another item; the two places.
    Twins,
}

/// Demands with the rules that hold for all other items.
#[derive(Debug, Clone, Default)]
struct Case {
    demands: Vec<Demand>,
    /// Items outside the group do not meet the rule.
    others: Vec<(usize, RuleId)>,
}

/// Where demands went.
#[derive(Debug, Clone)]
struct Places {
    literals: Vec<Vec<Literal>>,
    groups: Vec<Vec<usize>>,
    twins: Option<(usize, usize)>,
}

impl Solver<'_> {
    pub(super) fn list(&mut self, atoms: &[Literal]) -> Search<Value> {
        let plan = self.list_plan(atoms);
        let mut attempts = Attempts::default();
        let is_contradiction = plan.min > plan.max || (plan.is_distinct && plan.has_twins);
        if is_contradiction {
            return Search::Empty;
        }
        for case in self.list_cases(&plan, &mut attempts) {
            if case.demands.len() as u64 > DEMANDS_MAX {
                attempts.skip("lists would have to contain very many different items");
                continue;
            }
            let longest =
                plan.rules.iter().chain(&plan.broken).map(|rules| rules.first.len()).max().unwrap_or(0);
            let count = longest + case.demands.len() + usize::from(plan.has_twins);
            let places = Places {
                literals: vec![Vec::new(); count],
                groups: vec![Vec::new(); plan.groups()],
                twins: None,
            };
            let attempt = self.place(&plan, &case, 0, places);
            if let Some(found) = attempts.take(attempt) {
                return Search::Found(found);
            }
        }
        attempts.end()
    }

    fn list_plan(&self, atoms: &[Literal]) -> Plan {
        let mut plan = Plan { max: u64::MAX, ..Plan::default() };
        for atom in atoms {
            match (self.graph.get(atom.rule), atom.is_met) {
                (Rule::Items(rules), true) => plan.rules.push(rules.clone()),
                (Rule::Items(rules), false) => plan.broken.push(rules.clone()),
                (Rule::ItemsMin(min), true) => plan.min = plan.min.max(*min),
                (Rule::ItemsMin(min), false) => plan.max = plan.max.min(min.saturating_sub(1)),
                (Rule::ItemsMax(max), true) => plan.max = plan.max.min(*max),
                (Rule::ItemsMax(max), false) => plan.min = plan.min.max(max.saturating_add(1)),
                (Rule::Contains(contains), true) => plan.contains.push(contains.clone()),
                (Rule::Contains(contains), false) => plan.contains_not.push(contains.clone()),
                (Rule::Distinct, true) => plan.is_distinct = true,
                (Rule::Distinct, false) => plan.has_twins = true,
                _ => {}
            }
        }
        plan
    }

    /// Every way of how many items of each kind there are.
    fn list_cases(&mut self, plan: &Plan, attempts: &mut Attempts) -> Vec<Case> {
        let mut first = Case::default();
        first.demands.extend(plan.broken.iter().cloned().map(Demand::Breaks));
        first.demands.extend(plan.has_twins.then_some(Demand::Twins));
        let mut cases = vec![first];
        let mut all = Vec::new();
        all.extend(plan.contains.iter().map(|contains| (contains.item, counts_met(contains, attempts))));
        all.extend(
            plan.contains_not.iter().map(|contains| (contains.item, counts_broken(contains, attempts))),
        );
        for (group, (rule, counts)) in all.into_iter().enumerate() {
            let extended = cases.iter().flat_map(|case| {
                counts.iter().map(move |(count, is_exact)| {
                    let mut case = case.clone();
                    case.demands.extend((0..*count).map(|_| Demand::Meets { rule, group }));
                    case.others.extend(is_exact.then_some((group, rule)));
                    case
                })
            });
            cases = extended.collect();
        }
        cases
    }

    fn place(&mut self, plan: &Plan, case: &Case, index: usize, places: Places) -> Search<Value> {
        self.steps += 1;
        if self.steps > super::STEPS_MAX {
            return Search::unknown("there are too many cases");
        }
        let Some(demand) = case.demands.get(index) else {
            return self.build_list(plan, case, &places);
        };
        let mut attempts = Attempts::default();
        let count = places.literals.len();
        match demand {
            Demand::Breaks(rules) => {
                for at in 0..count {
                    let literal = Literal::broken(rules.at(at));
                    let attempt = self.place_at(plan, case, index, &places, at, literal, None);
                    if let Some(found) = attempts.take(attempt) {
                        return Search::Found(found);
                    }
                }
            }
            Demand::Meets { rule, group } => {
                // Demands of a group are alike, so only rising places are tried.
                let from = places.groups[*group].last().map_or(0, |last| last + 1);
                for at in from..count {
                    let literal = Literal::met(*rule);
                    let attempt = self.place_at(plan, case, index, &places, at, literal, Some(*group));
                    if let Some(found) = attempts.take(attempt) {
                        return Search::Found(found);
                    }
                }
            }
            Demand::Twins => {
                for second in 1..count {
                    for first in 0..second {
                        let next = Places { twins: Some((first, second)), ..places.clone() };
                        let attempt = self.place(plan, case, index + 1, next);
                        if let Some(found) = attempts.take(attempt) {
                            return Search::Found(found);
                        }
                    }
                }
            }
        }
        attempts.end()
    }

    #[allow(clippy::too_many_arguments, reason = "one step of a recursion, with all that it carries along")]
    fn place_at(
        &mut self,
        plan: &Plan,
        case: &Case,
        index: usize,
        places: &Places,
        at: usize,
        literal: Literal,
        group: Option<usize>,
    ) -> Search<Value> {
        if at as u64 >= plan.max {
            return Search::Empty;
        }
        let mut places = places.clone();
        places.literals[at].push(literal);
        if let Some(group) = group {
            places.groups[group].push(at);
        }
        let mut goal: Vec<Literal> = plan.rules.iter().map(|rules| Literal::met(rules.at(at))).collect();
        goal.extend(&places.literals[at]);
        if self.solve(goal) == Search::Empty {
            return Search::Empty;
        }
        self.place(plan, case, index + 1, places)
    }

    fn build_list(&mut self, plan: &Plan, case: &Case, places: &Places) -> Search<Value> {
        let used =
            places.literals.iter().rposition(|literals| !literals.is_empty()).map_or(0, |last| last + 1);
        let used = used.max(places.twins.map_or(0, |(_, second)| second + 1));
        let length = plan.min.max(used as u64);
        if length > plan.max {
            return Search::Empty;
        }
        if length > if plan.is_distinct { DISTINCT_MAX } else { ITEMS_MAX } {
            return Search::unknown("lists would have to be very long");
        }
        let mut goals: Vec<Vec<Literal>> =
            (0..length as usize).map(|at| item_goal(plan, case, places, at)).collect();
        if let Some((first, second)) = places.twins {
            let both: Vec<Literal> = goals[first].iter().chain(&goals[second]).copied().collect();
            goals[first].clone_from(&both);
            goals[second] = both;
        }
        let is_uniform = goals.windows(2).all(|pair| pair[0] == pair[1]);
        let mut items: Vec<Value> = Vec::new();
        let mut attempts = Attempts::default();
        for goal in &goals {
            match self.solve(goal.clone()) {
                Search::Found(item) => items.push(item),
                Search::Empty => return Search::Empty,
                Search::Unknown(why) => {
                    attempts.take(Search::<Value>::Unknown(why));
                }
            }
        }
        if items.len() < goals.len() {
            return attempts.end();
        }
        if plan.is_distinct {
            self.make_distinct(&goals, is_uniform)
        } else {
            Search::Found(Value::Array(items))
        }
    }

    /// Picks different items one after the other; where all places are alike, running out proves that there are too few.
    fn make_distinct(&mut self, goals: &[Vec<Literal>], is_uniform: bool) -> Search<Value> {
        let mut items: Vec<Value> = Vec::new();
        for goal in goals {
            let mut goal = goal.clone();
            let taken = items.iter().map(Constant::new).collect();
            let taken = self.graph.add(Rule::Values(taken));
            goal.push(Literal::broken(taken));
            match self.solve(goal) {
                Search::Found(item) => items.push(item),
                Search::Empty if is_uniform => return Search::Empty,
                Search::Empty => {
                    return Search::unknown("it is not known whether there are enough different items");
                }
                Search::Unknown(why) => return Search::Unknown(why),
            }
        }
        Search::Found(Value::Array(items))
    }
}

impl Plan {
    fn groups(&self) -> usize {
        self.contains.len() + self.contains_not.len()
    }
}

fn item_goal(plan: &Plan, case: &Case, places: &Places, at: usize) -> Vec<Literal> {
    let mut goal: Vec<Literal> = plan.rules.iter().map(|rules| Literal::met(rules.at(at))).collect();
    goal.extend(places.literals.get(at).into_iter().flatten());
    for (group, rule) in &case.others {
        if !places.groups[*group].contains(&at) {
            goal.push(Literal::broken(*rule));
        }
    }
    goal.sort_unstable();
    goal.dedup();
    goal
}

/// How many items may meet the rule, and whether no others do.
fn counts_met(contains: &Contains, attempts: &mut Attempts) -> Vec<(u64, bool)> {
    match contains.max {
        None => vec![(contains.min, false)],
        Some(max) => exactly(contains.min, max, attempts),
    }
}

/// The same for a rule that must be broken: too few, or too many.
fn counts_broken(contains: &Contains, attempts: &mut Attempts) -> Vec<(u64, bool)> {
    let mut counts = match contains.min {
        0 => Vec::new(),
        min => exactly(0, min - 1, attempts),
    };
    counts.extend(contains.max.map(|max| (max.saturating_add(1), false)));
    counts
}

fn exactly(from: u64, to: u64, attempts: &mut Attempts) -> Vec<(u64, bool)> {
    if to > DEMANDS_MAX {
        attempts.skip("lists would have to contain very many different items");
    }
    (from..=to.min(DEMANDS_MAX)).map(|count| (count, true)).collect()
}
