use super::look::{HEIGHT, WIDTH};
use super::{Chart, Look};
use crate::text::clean_line;
use maud::{Escaper, html};
use std::fmt::Write as _;

/// Height that kuva leaves free below a legend, cut off.
const BELOW_LEGEND: f64 = 22.0;

/// Gives a drawing a view box (so that it scales), a name for screen readers, and a word where it is empty.
pub(super) fn finish(chart: &Chart<'_>, svg: &str, empty: bool) -> String {
    let mut name = String::new();
    let plain = [chart.title, chart.y_label, "by", chart.x_label].map(clean_line).join(" ");
    let _ = write!(Escaper::new(&mut name), "{}", plain.trim());

    let svg = svg.strip_prefix("<svg ").unwrap_or(svg);
    let (head, body) = svg.split_once('>').unwrap_or((svg, ""));
    let height = if empty { HEIGHT } else { HEIGHT - BELOW_LEGEND };
    let head = head.replace(&format!(r#"height="{HEIGHT}""#), &format!(r#"height="{height}""#));
    let head = match chart.look {
        Look::Document => head,
        // HTML knows the element.
        Look::Page => head.replace(r#"xmlns="http://www.w3.org/2000/svg" "#, ""),
    };
    let body = name_clip(body.strip_suffix("</svg>").unwrap_or(body));
    let note = if empty {
        html! { text x=(WIDTH / 2.0) y="170" text-anchor="middle" font-size="15" { "no values" } }
            .into_string()
    } else {
        String::new()
    };
    format!(
        r#"<svg role="img" aria-label="{name}" viewBox="0 0 {WIDTH} {height}" {head}><title>{name}</title>{body}{note}</svg>"#
    )
}

/// kuva numbers the clip path of each drawing of a process. It is named by what is drawn, so that the same chart is
/// the same text and different charts can share a page.
fn name_clip(body: &str) -> String {
    let Some((_, rest)) = body.split_once(r#"<clipPath id="kuva-clip-"#) else { return body.to_owned() };
    let number = rest.split('"').next().unwrap_or_default();
    let attribute = |name: &str| (format!(r#"id="{name}""#), format!("url(#{name})"));
    let rename = |body: &str, from: &str, to: &str| {
        let ((id, url), (new_id, new_url)) = (attribute(from), attribute(to));
        body.replace(&id, &new_id).replace(&url, &new_url)
    };
    let plain = rename(body, &format!("kuva-clip-{number}"), "clip");
    let name = format!("clip-{:016x}", fnv1a(plain.as_bytes()));
    rename(&plain, "clip", &name)
}

/// The FNV-1a hash of 64 bits: small, and the same everywhere.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
