//! Places the boxes and lines of a drawing in columns, from left to right.
//!
//! The layered method: lines that would close a circle are turned round, boxes go into the column behind all that lead
//! to them, columns are ordered so that few lines cross, and boxes are moved towards what they are joined to. Every
//! step goes by the order in which things were added, so the same graph is always drawn in the same way.

/// Most boxes of one drawing: more cannot be read.
pub(super) const NODES_MAX: usize = 150;

/// A box.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) label: String,
    /// A second line.
    pub(super) note: Option<String>,
    pub(super) class: &'static str,
    pub(super) href: Option<String>,
}

/// A line between two boxes.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) class: &'static str,
    pub(super) label: Option<String>,
    /// Whether it leads back too.
    pub(super) is_both: bool,
}

/// Boxes and lines, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
}

impl Graph {
    /// Adds a box; answers its number.
    pub(super) fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Adds a line, unless there is one of the kind; a box is never joined to itself.
    pub(super) fn join(&mut self, from: usize, to: usize, class: &'static str, label: Option<String>) {
        let is_there = self
            .edges
            .iter()
            .any(|edge| (edge.from, edge.to, edge.class) == (from, to, class) && edge.label == label);
        if from != to && !is_there {
            self.edges.push(Edge { from, to, class, label, is_both: false });
        }
    }

    /// Makes one line of two that lead there and back.
    pub(super) fn fold(&mut self) {
        let mut folded: Vec<Edge> = Vec::new();
        for edge in self.edges.drain(..) {
            match folded.iter_mut().find(|other| (other.from, other.to) == (edge.to, edge.from)) {
                Some(back) => back.is_both = true,
                None => folded.push(edge),
            }
        }
        self.edges = folded;
    }
}

/// Where a box stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where a line runs, from its box to the next column and on; always from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// Beginning and end of each stretch between columns.
    pub(super) stretches: Vec<((f64, f64), (f64, f64))>,
    /// Whether the line leads from right to left.
    pub(super) is_turned: bool,
}

/// A graph with places.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) places: Vec<Place>,
    pub(super) runs: Vec<Run>,
}

const LETTER_WIDTH: f64 = 7.3;
const LETTERS_MAX: usize = 44;
const PADDING: f64 = 24.0;
const GAP_ACROSS: f64 = 56.0;
const GAP_DOWN: f64 = 14.0;
const MARGIN: f64 = 4.0;
const SWEEPS: usize = 12;

/// A label, cut where it would be too long for a box.
pub(super) fn cut(label: &str) -> String {
    if label.chars().count() <= LETTERS_MAX {
        return label.to_owned();
    }
    let start: String = label.chars().take(LETTERS_MAX - 1).collect();
    format!("{start}…")
}

/// A box, or the place in a column that a long line passes through.
struct Item {
    height: f64,
    before: Vec<usize>,
    after: Vec<usize>,
    y: f64,
}

/// Places a graph.
pub(super) fn place(graph: &Graph) -> Placed {
    let turned = turn_circles(graph);
    let forward: Vec<(usize, usize)> = graph
        .edges
        .iter()
        .zip(&turned)
        .map(|(edge, turned)| if *turned { (edge.to, edge.from) } else { (edge.from, edge.to) })
        .collect();
    let columns = columns(graph.nodes.len(), &forward);
    let mut items: Vec<Item> = graph
        .nodes
        .iter()
        .map(|node| {
            let height = if node.note.is_some() { 46.0 } else { 32.0 };
            Item { height, before: Vec::new(), after: Vec::new(), y: 0.0 }
        })
        .collect();
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); columns.iter().max().map_or(0, |last| last + 1)];
    columns.iter().enumerate().for_each(|(node, column)| layers[*column].push(node));
    let mut chains = Vec::new();
    for (from, to) in &forward {
        let mut chain = vec![*from];
        for layer in layers.iter_mut().take(columns[*to]).skip(columns[*from] + 1) {
            items.push(Item { height: 8.0, before: Vec::new(), after: Vec::new(), y: 0.0 });
            layer.push(items.len() - 1);
            chain.push(items.len() - 1);
        }
        chain.push(*to);
        for pair in chain.windows(2) {
            items[pair[0]].after.push(pair[1]);
            items[pair[1]].before.push(pair[0]);
        }
        chains.push(chain);
    }
    let layers = ordered(layers, &items);
    level(&layers, &mut items);
    measure(graph, &layers, &items, &columns, &chains, &turned)
}

/// Which lines must be turned round, so that there are no circles: those that lead back to where a walk came from.
fn turn_circles(graph: &Graph) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    fn walk(node: usize, graph: &Graph, states: &mut [State], turned: &mut [bool]) {
        states[node] = State::Open;
        for (index, edge) in graph.edges.iter().enumerate().filter(|(_, edge)| edge.from == node) {
            match states[edge.to] {
                State::New => walk(edge.to, graph, states, turned),
                State::Open => turned[index] = true,
                State::Done => {}
            }
        }
        states[node] = State::Done;
    }
    let (mut states, mut turned) = (vec![State::New; graph.nodes.len()], vec![false; graph.edges.len()]);
    let is_first = |node: &usize| graph.edges.iter().all(|edge| edge.to != *node);
    let (first, other): (Vec<usize>, Vec<usize>) = (0..graph.nodes.len()).partition(is_first);
    for node in first.into_iter().chain(other) {
        if states[node] == State::New {
            walk(node, graph, &mut states, &mut turned);
        }
    }
    turned
}

/// Each box behind all that lead to it; one that nothing leads to directly before what it leads to.
fn columns(count: usize, forward: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; count];
    // A line without circles has at most as many steps as there are boxes.
    for _ in 0..count {
        let mut has_changed = false;
        for (from, to) in forward {
            if columns[*to] <= columns[*from] {
                columns[*to] = columns[*from] + 1;
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    for node in 0..count {
        let nearest = forward.iter().filter(|(from, _)| *from == node).map(|(_, to)| columns[*to]).min();
        if let (Some(nearest), true) = (nearest, forward.iter().all(|(_, to)| *to != node)) {
            columns[node] = nearest - 1;
        }
    }
    columns
}

/// Columns in an order with few crossings: each box goes to the middle of its neighbours, there and back.
fn ordered(mut layers: Vec<Vec<usize>>, items: &[Item]) -> Vec<Vec<usize>> {
    let mut best = layers.clone();
    let mut best_crossings = crossings(&layers, items);
    for sweep in 0..SWEEPS {
        let is_down = sweep % 2 == 0;
        let indices: Vec<usize> = if is_down {
            (1..layers.len()).collect()
        } else {
            (0..layers.len().saturating_sub(1)).rev().collect()
        };
        for index in indices {
            let beside = if is_down { &layers[index - 1] } else { &layers[index + 1] };
            let places = positions(beside, items.len());
            let mut keyed: Vec<(f64, usize)> = layers[index]
                .iter()
                .enumerate()
                .map(|(place, item)| {
                    let near = if is_down { &items[*item].before } else { &items[*item].after };
                    (mean(near.iter().map(|other| places[*other])).unwrap_or(place as f64), *item)
                })
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            layers[index] = keyed.into_iter().map(|(_, item)| item).collect();
        }
        let found = crossings(&layers, items);
        if found < best_crossings {
            (best, best_crossings) = (layers.clone(), found);
        }
    }
    best
}

fn positions(layer: &[usize], count: usize) -> Vec<f64> {
    let mut places = vec![0.0; count];
    layer.iter().enumerate().for_each(|(place, item)| places[*item] = place as f64);
    places
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

fn crossings(layers: &[Vec<usize>], items: &[Item]) -> usize {
    let mut found = 0;
    for pair in layers.windows(2) {
        let places = positions(&pair[1], items.len());
        let ends: Vec<Vec<f64>> =
            pair[0].iter().map(|item| items[*item].after.iter().map(|to| places[*to]).collect()).collect();
        for (index, upper) in ends.iter().enumerate() {
            for lower in &ends[index + 1..] {
                found +=
                    upper.iter().map(|end| lower.iter().filter(|other| *other < end).count()).sum::<usize>();
            }
        }
    }
    found
}

/// Moves every box up and down towards its neighbours, without passing the next one.
fn level(layers: &[Vec<usize>], items: &mut [Item]) {
    for layer in layers {
        let mut y = 0.0;
        for item in layer {
            items[*item].y = y + items[*item].height / 2.0;
            y += items[*item].height + GAP_DOWN;
        }
    }
    for sweep in 0..SWEEPS {
        let is_down = sweep % 2 == 0;
        let indices: Vec<usize> =
            if is_down { (0..layers.len()).collect() } else { (0..layers.len()).rev().collect() };
        for index in indices {
            let layer = &layers[index];
            let wanted: Vec<f64> = layer
                .iter()
                .map(|item| {
                    let item = &items[*item];
                    let near = if is_down { &item.before } else { &item.after };
                    let near = if near.is_empty() { &item.after } else { near };
                    mean(near.iter().map(|other| items[*other].y)).unwrap_or(item.y)
                })
                .collect();
            let heights: Vec<f64> = layer.iter().map(|item| items[*item].height).collect();
            for (item, y) in layer.iter().zip(apart(&wanted, &heights)) {
                items[*item].y = y;
            }
        }
    }
}

/// The places nearest to those wanted at which nothing overlaps: neighbours that want the same place share their mean.
fn apart(wanted: &[f64], heights: &[f64]) -> Vec<f64> {
    let mut offsets = vec![0.0; wanted.len()];
    for index in 1..wanted.len() {
        offsets[index] = offsets[index - 1] + (heights[index - 1] + heights[index]) / 2.0 + GAP_DOWN;
    }
    // Blocks of neighbours with the sum of what they want and their number.
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        blocks.push((wanted - offset, 1.0));
        while let [.., before, last] = blocks.as_slice()
            && before.0 / before.1 > last.0 / last.1
        {
            let joined = (before.0 + last.0, before.1 + last.1);
            blocks.truncate(blocks.len() - 2);
            blocks.push(joined);
        }
    }
    let mut places = Vec::with_capacity(wanted.len());
    for (sum, count) in blocks {
        let mut left = count;
        while left > 0.5 {
            places.push(sum / count + offsets[places.len()]);
            left -= 1.0;
        }
    }
    places
}

fn measure(
    graph: &Graph,
    layers: &[Vec<usize>],
    items: &[Item],
    columns: &[usize],
    chains: &[Vec<usize>],
    turned: &[bool],
) -> Placed {
    let width_of = |node: &Node| {
        let note = node.note.as_deref().map_or(0, |note| note.chars().count());
        let letters = node.label.chars().count().max(note).min(LETTERS_MAX);
        letters as f64 * LETTER_WIDTH + PADDING
    };
    let widths: Vec<f64> = layers
        .iter()
        .map(|layer| {
            let boxes = layer.iter().filter_map(|item| graph.nodes.get(*item));
            boxes.map(width_of).fold(0.0, f64::max)
        })
        .collect();
    let mut lefts = Vec::new();
    let mut x = MARGIN;
    for width in &widths {
        lefts.push(x);
        x += width + GAP_ACROSS;
    }
    let top = items.iter().map(|item| item.y - item.height / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = items.iter().map(|item| item.y + item.height / 2.0).fold(0.0, f64::max);
    let y_of = |item: usize| (items[item].y - top + MARGIN).round();
    let places = (0..graph.nodes.len())
        .map(|node| {
            let (column, height) = (columns[node], items[node].height);
            Place { x: lefts[column], y: y_of(node) - height / 2.0, width: widths[column], height }
        })
        .collect();
    let runs = chains
        .iter()
        .zip(turned)
        .map(|(chain, is_turned)| {
            let first = columns[chain[0]];
            let stretches = chain.windows(2).enumerate().map(|(step, pair)| {
                let column = first + step;
                ((lefts[column] + widths[column], y_of(pair[0])), (lefts[column + 1], y_of(pair[1])))
            });
            Run { stretches: stretches.collect(), is_turned: *is_turned }
        })
        .collect();
    let height = if graph.nodes.is_empty() { 0.0 } else { (bottom - top + 2.0 * MARGIN).ceil() };
    Placed { width: (x - GAP_ACROSS + MARGIN).max(0.0), height, places, runs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(count: usize, lines: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::default();
        for number in 0..count {
            graph.add(Node { label: format!("box {number}"), note: None, class: "", href: None });
        }
        lines.iter().for_each(|(from, to)| graph.join(*from, *to, "", None));
        graph
    }

    #[test]
    fn boxes_follow_what_leads_to_them_and_never_overlap() {
        let placed = place(&graph(6, &[(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (4, 3), (3, 5)]));
        let places = &placed.places;
        assert!(places[0].x < places[1].x && places[1].x < places[3].x && places[3].x < places[5].x);
        assert_eq!(places[4].x, places[1].x, "directly before what it leads to");
        for (index, one) in places.iter().enumerate() {
            assert!(one.x >= 0.0 && one.y >= 0.0);
            assert!(one.x + one.width <= placed.width && one.y + one.height <= placed.height);
            for other in &places[index + 1..] {
                let is_apart = one.y + one.height < other.y || other.y + other.height < one.y;
                assert!(one.x != other.x || is_apart, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_circle_has_one_line_that_is_turned() {
        let placed = place(&graph(3, &[(0, 1), (1, 2), (2, 0)]));
        assert_eq!(placed.runs.iter().filter(|run| run.is_turned).count(), 1);
        let mut there_and_back = graph(2, &[(0, 1), (1, 0)]);
        there_and_back.fold();
        assert_eq!(there_and_back.edges.len(), 1);
        assert!(there_and_back.edges[0].is_both);
    }

    #[test]
    fn lines_cross_no_more_than_they_must() {
        let placed = place(&graph(6, &[(0, 5), (1, 4), (2, 3)]));
        for run in &placed.runs {
            let ((_, from), (_, to)) = run.stretches[0];
            assert_eq!(from, to, "straight lines: {placed:?}");
        }
    }

    #[test]
    fn the_same_graph_is_placed_in_the_same_way() {
        let lines: Vec<(usize, usize)> = (0..60).map(|n| (n * 7 % 30, n * 11 % 31)).collect();
        assert_eq!(place(&graph(31, &lines)), place(&graph(31, &lines)));
        assert_eq!(place(&Graph::default()).places, []);
    }
}
