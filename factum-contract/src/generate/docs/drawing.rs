//! Draws a graph as SVG that stands in the page: coloured by the page's style, its boxes links.

use std::fmt::Write as _;

use super::graph::{self, Edge, Graph, Node, Place, Run};
use super::html::Html;

/// Widest drawing that is made smaller where the screen is narrow, rather than moved.
const FITS_MAX: f64 = 1300.0;

/// A drawing with a name for those who cannot see it; nothing for no boxes, and a sentence for too many.
pub(super) fn draw(graph: &Graph, label: &str) -> Html {
    if graph.nodes.is_empty() {
        return Html::default();
    }
    if graph.nodes.len() > graph::NODES_MAX {
        let text = format!("{} boxes would be too many for one drawing.", graph.nodes.len());
        return Html::trusted(format!("<p class=\"hint\">{}</p>", Html::text(&text)));
    }
    let placed = graph::place(graph);
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<div class=\"drawing\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><svg class=\"{fits}\" width=\"{w}\" \
         height=\"{h}\" viewBox=\"0 0 {w} {h}\">",
        Html::text(label),
        fits = if placed.width <= FITS_MAX { "fits" } else { "" },
        w = number(placed.width),
        h = number(placed.height),
    );
    for (edge, run) in graph.edges.iter().zip(&placed.runs) {
        line(&mut svg, graph, edge, run);
    }
    for (node, place) in graph.nodes.iter().zip(&placed.places) {
        one_box(&mut svg, node, place);
    }
    svg.push_str("</svg></div>");
    Html::trusted(svg)
}

fn line(svg: &mut String, graph: &Graph, edge: &Edge, run: &Run) {
    let mut path = String::new();
    for (index, ((x1, y1), (x2, y2))) in run.stretches.iter().enumerate() {
        let word = if index == 0 { "M" } else { "L" };
        let middle = f64::midpoint(*x1, *x2);
        let numbers = [*x1, *y1, middle, *y1, middle, *y2, *x2, *y2].map(number);
        let [x1, y1, m1, n1, m2, n2, x2, y2] = numbers;
        let _ = write!(path, "{word}{x1} {y1}C{m1} {n1} {m2} {n2} {x2} {y2}");
    }
    let title = format!("{} → {}", graph.nodes[edge.from].label, graph.nodes[edge.to].label);
    let _ =
        write!(svg, "<g class=\"{}\"><title>{}</title><path d=\"{path}\"/>", edge.class, Html::text(&title));
    let (Some((first, _)), Some((_, last))) = (run.stretches.first(), run.stretches.last()) else { return };
    if !run.is_turned || edge.is_both {
        tip(svg, *last, -7.0);
    }
    if run.is_turned || edge.is_both {
        tip(svg, *first, 7.0);
    }
    if let (Some(label), Some(((x1, y1), (x2, y2)))) = (&edge.label, run.stretches.first()) {
        let (x, y) = (f64::midpoint(*x1, *x2), f64::midpoint(*y1, *y2) - 4.0);
        let (x, y, label) = (number(x), number(y), Html::text(label));
        let _ = write!(svg, "<text class=\"note\" text-anchor=\"middle\" x=\"{x}\" y=\"{y}\">{label}</text>");
    }
    svg.push_str("</g>");
}

fn tip(svg: &mut String, (x, y): (f64, f64), back: f64) {
    let [x, back, upper, lower, y] = [x, x + back, y - 4.0, y + 4.0, y].map(number);
    let _ = write!(svg, "<path class=\"tip\" d=\"M{back} {upper}L{x} {y}L{back} {lower}Z\"/>");
}

fn one_box(svg: &mut String, node: &Node, place: &Place) {
    let (x, middle) = (place.x + place.width / 2.0, place.y + place.height / 2.0);
    let baseline = if node.note.is_some() { middle - 3.0 } else { middle + 4.0 };
    let _ = write!(svg, "<g class=\"{}\">", node.class);
    if let Some(href) = &node.href {
        let _ = write!(svg, "<a href=\"{}\">", Html::text(href));
    }
    if graph::cut(&node.label) != node.label {
        let _ = write!(svg, "<title>{}</title>", Html::text(&node.label));
    }
    let numbers = [place.x, place.y, place.width, place.height].map(number);
    let [left, top, width, height] = numbers;
    let radius =
        if matches!(node.class, "event" | "command" | "event here" | "command here") { 16 } else { 6 };
    let _ = write!(
        svg,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>\
         <text text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
        number(x),
        number(baseline),
        Html::text(&graph::cut(&node.label)),
    );
    if let Some(note) = &node.note {
        let (x, y, note) = (number(x), number(middle + 14.0), Html::text(&graph::cut(note)));
        let _ = write!(svg, "<text class=\"note\" text-anchor=\"middle\" x=\"{x}\" y=\"{y}\">{note}</text>");
    }
    if node.href.is_some() {
        svg.push_str("</a>");
    }
    svg.push_str("</g>");
}

/// A coordinate with at most one digit behind the point.
fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // Minus nothing is nothing.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_boxes_are_links() {
        let mut graph = Graph::default();
        let href = Some("a\".html".to_owned());
        let one = graph.add(Node { label: "<b>&".into(), note: Some("\"n\"".into()), class: "event", href });
        let two = graph.add(Node { label: "x".repeat(80), note: None, class: "", href: None });
        graph.join(one, two, "undo", Some("<30m>".into()));
        let drawn = draw(&graph, "a \"label\"").into_string();
        assert!(
            !drawn.contains("<b>") && !drawn.contains("<30m>") && drawn.contains("a&quot;.html"),
            "{drawn}"
        );
        assert!(drawn.contains("…</text>"), "{drawn}");
        assert!(draw(&Graph::default(), "none").is_empty());
    }
}
