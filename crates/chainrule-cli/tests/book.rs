//! The pages hang together: the book lists every one, and every link leads somewhere.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The addresses of links and pictures outside of code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        let outside = line.split('`').step_by(2);
        for text in outside.filter(|_| !code) {
            found.extend(
                text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(to, _)| to.into()),
            );
        }
    }
    found
}

#[test]
fn every_link_of_every_page_leads_to_a_file() {
    let root = root();
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "recipes/README.md"]
            .map(Into::into)
            .into();
    pages.extend(docs().into_iter().map(|name| Path::new("docs").join(name)));
    let mut seen = 0;
    for page in pages {
        let text =
            std::fs::read_to_string(root.join(&page)).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or("");
            let folder = root.join(page.parent().unwrap());
            assert!(file.is_empty() || folder.join(file).exists(), "{page:?}: {link} leads nowhere");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} links");
}

#[test]
fn the_book_lists_every_page_once() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let mut listed = links(&summary);
    listed.sort();
    let pages: Vec<String> = docs().into_iter().filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed, pages);
    let book = std::fs::read_to_string(root().join("book.toml")).unwrap();
    assert_eq!(book.parse::<toml::Table>().unwrap()["book"]["src"].as_str(), Some("docs"));
}

/// The pages, sorted.
fn docs() -> Vec<String> {
    let names = std::fs::read_dir(root().join("docs")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    pages.sort();
    pages
}
