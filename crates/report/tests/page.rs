//! The HTML page: one file, readable without a network, by keyboard and by screen reader; and in a browser, where
//! Chromium is installed.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod made_up;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use report::{Filter, Output, Report, Style, replay};
use testing::TestDatabase;

fn page() -> String {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 60);
    let mut out = Vec::new();
    report::html([conn, &mut database.connect()], "one", &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The values of an attribute, in order.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_page_needs_nothing_else() {
    let html = page();
    assert!(!html.contains("<script"), "no program");
    let elsewhere = html.replace("http://www.w3.org/2000/svg", "");
    for address in ["http://", "https://", "url(", "@import", "<link", "<img"] {
        assert!(!elsewhere.contains(address), "{address}");
    }
    for target in attributes(&html, "href") {
        assert!(target.starts_with('#'), "{target}");
    }
}

#[test]
fn the_page_can_be_read_aloud_and_by_keyboard() {
    let html = page();
    let mut ids = attributes(&html, "id");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is there once");
    for label in attributes(&html, "aria-labelledby") {
        assert!(ids.contains(&label), "{label} names nothing");
    }
    for link in attributes(&html, "href") {
        assert!(ids.contains(&&link[1..]), "{link} leads nowhere");
    }
    let count = |what: &str| html.matches(what).count();
    assert_eq!(count("<figure>"), count("<figcaption>"), "each figure is explained");
    assert_eq!(count("role=\"img\""), 2 * count("<figure>"), "each is drawn wide and narrow, with a name");
    assert_eq!(count("<table>"), count("<caption>"));
    assert_eq!(
        count("<table>"),
        count("class=\"scroll\" role=\"region\" tabindex=\"0\""),
        "keys scroll each table"
    );
    assert_eq!(count("<h1>"), 1);
    assert!(html.contains("<html lang=\"en\">") && html.contains("prefers-color-scheme:dark"));
    assert_eq!(count("<figure>"), 7, "curves, scatter, ranks, stops, two fronts, calibration");
}

#[test]
fn names_from_outside_cannot_become_markup() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    made_up::search(conn, "one", 20);
    conn.batch_execute("UPDATE architecture SET summary = '<script>alert(1)</script> & \"x\"'").unwrap();
    let mut out = Vec::new();
    report::html([conn, &mut database.connect()], "one", &mut out).unwrap();
    let html = String::from_utf8(out).unwrap();
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp;"));
}

#[test]
fn every_report_is_written_in_every_form() {
    let database = TestDatabase::new();
    let [conn, other] = &mut [database.connect(), database.connect()];
    made_up::search(conn, "one", 60);
    made_up::search(conn, "two", 40);
    let all = Filter::default();
    let written = |report: &dyn Fn(Output, &mut Vec<u8>)| {
        Output::ALL.map(|(_, output)| {
            let mut out = Vec::new();
            report(output, &mut out);
            String::from_utf8(out).unwrap()
        })
    };
    let request = replay::Request {
        engines: vec![predictor::Settings::default()],
        orders: 1,
        seed: 1,
        workers: 1,
        warm_start: None,
        cost: false,
    };
    let reports = [
        ("summary", written(&to(&report::summary(conn, "one", &all, 1).unwrap()))),
        ("savings", written(&to(&report::savings(conn, "one", &all, 1).unwrap()))),
        ("ranking", written(&to(&report::ranking(conn, "one", &all, 1).unwrap()))),
        ("calibration", written(&to(&report::calibration(conn, "one", &all, 1).unwrap()))),
        ("pareto", written(&to(&report::pareto(conn, "one", &all).unwrap()))),
        ("compare", written(&to(&report::compare([conn, other], "one", "two", &all).unwrap()))),
        ("workers", written(&to(&report::workers(conn, "one", &all).unwrap()))),
        ("replay", written(&to(&report::replay(conn, "one", &all, &request).unwrap()))),
        ("tradeoff", written(&to(&report::tradeoff(conn, "one", &all, &request).unwrap()))),
        ("job", written(&to(&report::job(conn, 7).unwrap()))),
        ("job without a curve", written(&to(&report::job(conn, 2).unwrap()))),
        ("page", written(&to(&report::page([conn, other], "one", &all, 1).unwrap()))),
    ];
    for (name, [table, json, csv, html]) in reports {
        assert!(table.contains("engine peng") && table.lines().count() > 8, "{name}: {table}");
        assert!(json.starts_with('{') && json.contains("\"spec_hash\""), "{name}: {json}");
        let mut rows = csv::Reader::from_reader(csv.as_bytes());
        let headers = rows.headers().unwrap().clone();
        assert_eq!(headers.get(1), Some("spec_hash"), "{name}");
        assert_eq!(headers.iter().collect::<BTreeSet<_>>().len(), headers.len(), "{name}: {headers:?}");
        assert!(rows.records().all(|row| row.unwrap()[0].starts_with("one")), "{name}");
        assert!(html.starts_with("<!DOCTYPE html>"), "{name}");
    }
}

fn to(report: &impl Report) -> impl Fn(Output, &mut Vec<u8>) + '_ {
    |output, out| report.write(output, Style::default(), out).unwrap()
}

/// What a browser makes of the page: see the end of [`probe`].
#[test]
fn chromium_shows_the_page_on_a_desk_and_in_the_hand() {
    let Some(chromium) = ["chromium", "chromium-browser"].into_iter().find(|name| on_path(name)) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "chromium is not on PATH: `ops/setup.sh --with-test-tools` installs it"
        );
        println!("skipped: chromium is not installed");
        return;
    };
    let html = page();
    for (width, drawn) in [(1280, "wide"), (390, "narrow")] {
        let seen = probe(chromium, &html, width);
        let value = |key: &str| attributes(&seen, key).first().copied().unwrap_or_default().to_owned();
        assert_eq!(value("data-drawn"), format!("{drawn} 7"), "at {width} pixels: {seen:.300}");
        let (inner, content): (i32, i32) =
            (value("data-inner").parse().unwrap(), value("data-content").parse().unwrap());
        assert!(content <= inner, "at {width} pixels the page is {content} wide and must be pushed sideways");
        assert_eq!(value("data-small"), "0", "no figure has text below 10 pixels at {width}");
        assert_eq!(value("data-over"), "0", "no label lies on another or is cut off at {width}");
        let whole = if width > 1000 { "12" } else { "3" };
        assert_eq!(
            value(&format!("data-pushed-{whole}")),
            "0",
            "a table of {whole} columns is cut at {width}"
        );
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The page as the browser has it, with what a probe has seen written on its first element.
fn probe(chromium: &str, html: &str, width: u32) -> String {
    const PROBE: &str = "<script>addEventListener('load',()=>{const d=document.documentElement,\
        seen=[...document.querySelectorAll('figure>svg')].filter(s=>s.getBoundingClientRect().height>100),\
        kinds=[...new Set(seen.map(s=>s.getAttribute('class')))];\
        d.setAttribute('data-drawn',kinds.join('+')+' '+seen.length);\
        d.setAttribute('data-inner',innerWidth);d.setAttribute('data-content',d.scrollWidth);\
        const inside=(a,b)=>a.left>=b.left-1&&a.right<=b.right+1&&a.top>=b.top-1&&a.bottom<=b.bottom+1,\
        apart=(a,b)=>a.right<=b.left+1||b.right<=a.left+1||a.bottom<=b.top+1||b.bottom<=a.top+1;\
        d.setAttribute('data-over',seen.flatMap(s=>{const of=s.getBoundingClientRect(),\
        r=[...s.querySelectorAll('text')].map(t=>t.getBoundingClientRect());\
        return r.filter((a,i)=>!inside(a,of)||r.slice(i+1).some(b=>!apart(a,b)))}).length);\
        for(const n of [3,12])d.setAttribute('data-pushed-'+n,[...document.querySelectorAll('main>section>.scroll')].filter(s=>\
        s.querySelectorAll('th').length<=n&&s.scrollWidth>s.clientWidth+1).length);\
        d.setAttribute('data-small',seen.flatMap(s=>[...s.querySelectorAll('text')].filter(t=>\
        t.getAttribute('font-size')*s.getBoundingClientRect().width/s.viewBox.baseVal.width<10)).length)})</script>";
    let folder = std::env::temp_dir().join(format!("peng-browser-{}-{width}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("page.html");
    // An outer window may not be as narrow as a hand: the page is shown in a frame of that width.
    let inner =
        html.replace("</body>", &format!("{PROBE}</body>")).replace('&', "&amp;").replace('"', "&quot;");
    let collect = "onload=\"const f=this.contentDocument.documentElement;for(const a of f.attributes)\
                   document.documentElement.setAttribute(a.name,a.value)\"";
    let outer = format!(
        "<!DOCTYPE html><html><body><iframe width=\"{width}\" height=\"900\" {collect} srcdoc=\"{inner}\"></iframe></body></html>"
    );
    std::fs::write(&file, outer).unwrap();
    let seen = dump(chromium, &file, &folder.join("profile"));
    std::fs::remove_dir_all(&folder).ok();
    seen.split_once("<body").map_or(seen.clone(), |(head, _)| head.to_owned())
}

/// Runs the browser for at most a minute.
fn dump(chromium: &str, file: &Path, profile: &Path) -> String {
    let out = PathBuf::from(format!("{}.out", file.display()));
    let mut child = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--window-size=1400,1000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("chromium did not end within a minute");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::read_to_string(out).unwrap()
}
