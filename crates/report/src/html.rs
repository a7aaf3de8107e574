//! A document as one HTML file that needs nothing else: no network, no script.

use std::io::Write;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::cell::{Cell, duration, grouped};
use crate::document::{Block, Document, Section};
use crate::figure::{Figure, Layer, Marks, NARROW, WIDE};
use crate::palette::Ink;
use crate::table::Table;
use crate::{Citation, ReportError};

/// Writes the page.
pub(crate) fn write(document: &Document, out: &mut dyn Write) -> Result<(), ReportError> {
    let sections = parts(document);
    let sections = sections.map(|(at, s)| section(s, at)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = document.citations.iter().map(|c| c.search.as_str()).collect();
    let title = names.join(" and ");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · peng report" }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(dark_figures())) }
            }
            body {
                a.skip href="#content" { "Skip to the figures" }
                header {
                    h1 { (title) }
                    p.kind { "Report: " (document.title) }
                    @if !document.highlights.is_empty() {
                        dl.tiles { @for (value, what) in &document.highlights { div { dt { (what) } dd { (value) } } } }
                    }
                    @for citation in &document.citations { (cite(citation, names.len() > 1)) }
                    @if sections.len() > 2 { (contents(document)) }
                }
                main #content { @for section in &sections { (section) } }
                footer { (closing(document)) }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())?;
    Ok(())
}

fn dark_figures() -> String {
    format!("@media(prefers-color-scheme:dark){{{}}}", Ink::dark_rules())
}

/// The sections that have something to show, with their places.
fn parts(document: &Document) -> impl Iterator<Item = (usize, &Section)> {
    document.sections.iter().enumerate().filter(|(_, section)| section.blocks.iter().any(Block::is_on_a_page))
}

fn contents(document: &Document) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul { @for (at, section) in parts(document) {
                li { a href={ "#s" (at) } { (section.heading) } }
            } }
        }
    }
}

fn cite(citation: &Citation, named: bool) -> Markup {
    let ended = format!("{} of {}", grouped(citation.ended), grouped(citation.jobs));
    let took = citation.finished_at.map(|at| (at - citation.created_at).num_milliseconds() as f64 / 1e3);
    html! {
        dl.cite {
            @if named { div.long { dt { "Search" } dd { strong { (citation.search) } } } }
            div { dt { "State" } dd { (citation.state) @if let Some(s) = took.filter(|s| *s >= 1.0) { " after " (duration(s)) } } }
            div { dt { "Engine" } dd { (citation.engine) } }
            div { dt { "Jobs ended" } dd { (ended) } }
            div { dt { "Full training" } dd { (citation.max_epochs) " epochs, evaluated " (every(citation.interval)) } }
            div { dt { "Submitted with" } dd { "peng " (citation.version) } }
            div { dt { "Read" } dd {
                time datetime=(citation.as_of.to_rfc3339()) { (citation.as_of.format("%Y-%m-%d %H:%M:%S UTC")) }
            } }
            @if let Some(filter) = &citation.filter { div.long { dt { "Only jobs" } dd { (filter) } } }
            div.long { dt { "Spec (SHA-256)" } dd { code { (citation.spec_hash) } } }
        }
    }
}

/// How often there is a point.
fn every(interval: f64) -> String {
    if interval == 1.0 { "every epoch".to_owned() } else { format!("every {interval} epochs") }
}

fn closing(document: &Document) -> Markup {
    let cited = document.citations.iter().map(|c| {
        format!(
            "search {}, spec {}, engine {}, {} of {} jobs ended, read {} by peng {}",
            c.search,
            c.spec_hash.get(..12).unwrap_or(&c.spec_hash),
            c.engine,
            c.ended,
            c.jobs,
            c.as_of.format("%Y-%m-%d %H:%M:%S UTC"),
            c.report_version
        )
    });
    html! { p { "Cite as: " (cited.collect::<Vec<_>>().join("; ")) ". Times are the database's." } }
}

fn section(section: &Section, at: usize) -> Result<Markup, ReportError> {
    let blocks = section.blocks.iter().map(block).collect::<Result<Vec<_>, _>>()?;
    let id = format!("s{at}");
    Ok(html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (section.heading) }
            @for block in &blocks { (block) }
        }
    })
}

fn block(block: &Block) -> Result<Markup, ReportError> {
    Ok(match block {
        Block::Note(text) => html! { p.note { (quoted(text)) } },
        Block::Table(table) => grid(table),
        Block::Plain(_) | Block::Data(_) => html! {},
        Block::Figure(figure) => drawn(figure)?,
    })
}

/// What stands between backticks, as code.
fn quoted(text: &str) -> Markup {
    let parts = text.split('`').enumerate();
    html! { @for (at, part) in parts { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// Columns in which no row has a value are left out.
fn grid(table: &Table) -> Markup {
    let shown: Vec<usize> = (0..table.columns.len()).filter(|&c| table.shows(c)).collect();
    html! {
        div.scroll role="region" tabindex="0" aria-label=(table.caption) {
            table {
                caption { span { (table.caption) } }
                thead { tr { @for &c in &shown {
                    th scope="col" class=[table.columns[c].numeric.then_some("n")] { (table.columns[c].heading) }
                } } }
                tbody { @for row in &table.rows { tr { @for &c in &shown {
                    (field(&row[c], table.columns[c].numeric))
                } } } }
            }
        }
    }
}

fn field(cell: &Cell, numeric: bool) -> Markup {
    match cell {
        Cell::Bar(share) => {
            let percent = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
            html! { td { span.bar aria-hidden="true" { i style={ "width:" (percent) "%" } {} } } }
        }
        Cell::Text(text) if text.len() > 24 => html! { td.t { (text) } },
        _ => html! { td class=(if numeric { "n" } else { "w" }) { (cell.shown()) } },
    }
}

/// Drawn twice, for a desk and for the hand; the style sheet shows one.
fn drawn(figure: &Figure) -> Result<Markup, ReportError> {
    let title = format!("figure-{}", figure.key);
    let svg = |size, class: &str| {
        let attributes = format!("<svg class=\"{class}\" role=\"img\" aria-labelledby=\"{title}\" ");
        figure.draw(size, false).map(|svg| PreEscaped(svg.replacen("<svg ", &attributes, 1)))
    };
    let (wide, narrow) = (svg(WIDE, "wide")?, svg(NARROW, "narrow")?);
    Ok(html! {
        figure {
            h3 id=(title) { (figure.title) }
            ul.legend { @for (name, layer) in figure.legend() { li { (swatch(layer)) (name) } } }
            (wide) (narrow)
            figcaption { (quoted(&figure.caption)) }
            @if !figure.numbers.rows.is_empty() {
                details { summary { "Numbers: " (figure.numbers.caption) } (grid(&figure.numbers)) }
            }
        }
    })
}

/// The mark of a layer, for the legend.
fn swatch(layer: &Layer) -> Markup {
    let ink = layer.ink.hex();
    let mark = match layer.marks {
        Marks::Lines(_) => html! { line x1="1" y1="7" x2="25" y2="7" stroke=(ink) stroke-width="2.5" {} },
        Marks::Dashes(_) => {
            html! { line x1="1" y1="7" x2="25" y2="7" stroke=(ink) stroke-width="1.5" stroke-dasharray="5 4" {} }
        }
        Marks::Dots(_) => html! { circle cx="13" cy="7" r="4" fill=(ink) {} },
        Marks::Rings(_) => html! { circle cx="13" cy="7" r="4" fill="none" stroke=(ink) stroke-width="2" {} },
        Marks::Crosses(_) => html! { path d="M9 3 17 11M17 3 9 11" stroke=(ink) stroke-width="2" {} },
        Marks::Bars(_) => html! { rect x="6" y="1" width="14" height="12" fill=(ink) {} },
        Marks::Whiskers(_) => html! { line x1="13" y1="1" x2="13" y2="13" stroke=(ink) stroke-width="2" {} },
    };
    html! { svg viewBox="0 0 26 14" aria-hidden="true" { (mark) } }
}
