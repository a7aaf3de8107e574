//! A specification is understood or refused with file, line, key, what was found and what is allowed.

use search::Spec;

const GOOD: &str = r#"name = "fashion-1"
[data]
set = "fashion-mnist"
train = 6000
validation = 2000
[space]
kind = "random-cnn"
[strategy]
kind = "random"
seed = 1
[budget]
jobs = 24
max_epochs = 20
interval = 1.0
[predictor]
engine = "peng"
mode = "terminate"
keep = 0.10
risk = 0.01
audit = 0.10
[training]
optimiser = "sgd"
schedule = "cosine"
"#;

#[test]
fn the_example_of_the_readme_is_understood_and_survives_storing() {
    let spec = Spec::parse(GOOD, "f.toml").unwrap();
    assert_eq!(Spec::from_json(&spec.to_json()).unwrap(), spec);
    let renamed = Spec::parse(&GOOD.replace("fashion-1", "fashion-2"), "f.toml").unwrap();
    assert_eq!(spec.hash(), renamed.hash(), "the name is not part of the hash");
    let other = Spec::parse(&GOOD.replace("keep = 0.10", "keep = 0.2"), "f.toml").unwrap();
    assert_ne!(spec.hash(), other.hash());
    let first =
        Spec::parse(&GOOD.replace("[training]", "[search]\npriority = 5\n[training]"), "f.toml").unwrap();
    assert_eq!(spec.hash(), first.hash(), "what is trained is the same, whose turn it is may change");
    assert_eq!(spec.to_json(), first.to_json());
}

#[test]
fn each_fault_is_named_with_its_place() {
    for (from, to, expected) in [
        ("train = 6000", "tran = 6000", "f.toml:4: unknown key `data.tran` (did you mean `train`?)"),
        ("keep = 0.10", "kep = 0.10", "f.toml:18: unknown key `predictor.kep` (did you mean `keep`?)"),
        ("[training]", "[trainig]", "f.toml:21: unknown key `trainig` (did you mean `training`?)"),
        (
            "train = 6000",
            "train = \"many\"",
            "f.toml:4: `data.train`: invalid type: string \"many\", expected u32",
        ),
        ("keep = 0.10", "keep = 1.5", "f.toml:18: `predictor.keep` is 1.5: expected above 0 and at most 1"),
        (
            "max_epochs = 20",
            "max_epochs = 20.5",
            "f.toml:13: `budget.max_epochs` is 20.5: expected a multiple of the interval (1)",
        ),
        ("jobs = 24", "jobs = 0", "f.toml:12: `budget.jobs` is 0: expected 1 to"),
        ("jobs = 24\n", "", "f.toml:11: `budget.jobs` is missing"),
        (
            "\"fashion-mnist\"",
            "\"fashion-minst\"",
            "f.toml:3: `data.set` is \"fashion-minst\" (did you mean `fashion-mnist`?)",
        ),
        (
            "kind = \"random-cnn\"",
            "kind = \"random-cn\"",
            "f.toml:7: `space.kind` is \"random-cn\" (did you mean `random-cnn`?)",
        ),
        (
            "kind = \"random\"",
            "kind = \"random\"\nsed = 2",
            "f.toml:10: unknown key `strategy.sed` (did you mean `seed`?)",
        ),
        (
            "[training]",
            "[search]\npriority = 40000\n[training]",
            "f.toml:22: `search.priority` is 40000: expected -32768 to 32767",
        ),
        (
            "[training]",
            "[search]\nmax_running = 0\n[training]",
            "f.toml:22: `search.max_running` is 0: expected 1 or more; left out for no limit",
        ),
        (
            "[training]",
            "[search]\npriorty = 1\n[training]",
            "f.toml:22: unknown key `search.priorty` (did you mean `priority`?)",
        ),
        ("fashion-1", "fashion 1", "f.toml:1: `name` is \"fashion 1\": expected 1 to 100 letters"),
        ("train = 6000", "train = 59000", "f.toml:4: `data.train` is 59000: expected 1 to 58000"),
        ("[data]", "[data", "f.toml: TOML parse error at line 2"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = Spec::parse(&GOOD.replacen(from, to, 1), "f.toml").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{to}\n  expected {expected}\n  found    {error}");
    }
}

/// The documentation shows every key of every table, at its default.
#[test]
fn the_documentation_shows_the_defaults() {
    let page = include_str!("../../../docs/specification.md");
    let blocks: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(toml, _)| toml)
        .collect();
    let parts = ["name =", "[budget]", "[search]", "[data]", "[training]"].map(|start| {
        let found = blocks.iter().find(|block| block.starts_with(start));
        *found.unwrap_or_else(|| panic!("no block `{start}`"))
    });
    let kinds = |table: &str| {
        let start = format!("[{table}]\n");
        blocks.iter().copied().filter(|block| block.starts_with(&start)).collect::<Vec<_>>()
    };
    let (spaces, strategies) = (kinds("space"), kinds("strategy"));
    assert_eq!((spaces.len(), strategies.len()), (3, 3));
    for (space, strategy) in spaces.into_iter().zip(strategies) {
        let kind = |block: &str| block.lines().nth(1).unwrap().to_owned();
        let [top, budget, search, data, training] = parts;
        let whole =
            Spec::parse(&[top, budget, search, data, space, strategy, training].concat(), "docs").unwrap();
        // Only what has no default.
        let least = format!(
            "name = 'first'\n[data]\nset = 'fashion-mnist'\n[space]\n{}\n[strategy]\n{}\n[budget]\njobs = 100\nmax_epochs = 20",
            kind(space),
            kind(strategy)
        );
        let least = Spec::parse(&least, "least").unwrap();
        assert_eq!(whole, least, "{space}{strategy}");
        for (table, text) in [
            ("budget", budget),
            ("data", data),
            ("space", space),
            ("strategy", strategy),
            ("training", training),
        ] {
            for key in least.to_json()[table].as_object().unwrap().keys() {
                let shown = text.lines().any(|line| {
                    line.trim_start_matches("# ").starts_with(&format!("{key} ="))
                        || line == format!("[{table}.{key}]")
                });
                assert!(shown, "[{table}] `{key}` is not shown");
            }
        }
    }
}
