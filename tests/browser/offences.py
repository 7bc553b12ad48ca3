"""What offends on a page: for a screen reader, for a keyboard, for eyes that need contrast, on a narrow screen."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

#: What a screen reader and a keyboard need of any page; each returns what offends.
BASICS = {
    "one h1": "[...document.querySelectorAll('h1')].length === 1 ? [] : ['h1']",
    "a title": "document.title.endsWith('z4j') ? [] : [document.title]",
    "a language": "document.documentElement.lang ? [] : ['lang']",
    "names of controls": """[...document.querySelectorAll('a, button, summary, input:not([type=hidden]), textarea')]
        .filter(e => e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.labels?.length
            || e.getAttribute('aria-labelledby')))
        .map(e => e.outerHTML.slice(0, 120))""",
    "unique ids": """[...document.querySelectorAll('[id]')].map(e => e.id)
        .filter((id, at, all) => all.indexOf(id) !== at)""",
    "references": """[...document.querySelectorAll('[aria-labelledby], [aria-describedby], [for]')]
        .flatMap(e => ['aria-labelledby', 'aria-describedby', 'for'].flatMap(n => (e.getAttribute(n) ?? '').split(' ')))
        .filter(id => id && !document.getElementById(id))""",
    "headings in order": """[...document.querySelectorAll('main :is(h1, h2, h3)')].map(e => +e.tagName[1])
        .filter((level, at, all) => at && level > all[at - 1] + 1)""",
    "names of tables": """[...document.querySelectorAll('main table')].filter(e => !e.caption && !e.ariaLabel)
        .map(e => e.outerHTML.slice(0, 120))""",
    "no sideways scroll": "[document.documentElement.scrollWidth].filter(width => width > innerWidth)",
}


def contrast(page: Page) -> list[str]:
    """Words whose contrast with what lies behind them is below 4.5."""
    return page.evaluate("""() => {
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const rgba = (colour) => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
        const behind = (element) => {
            for (let e = element; e; e = e.parentElement) {
                const colour = rgba(getComputedStyle(e).backgroundColor);
                if (colour[3] > 250) return colour;
            }
            return rgba('white');
        };
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const bad = new Set();
        while (walker.nextNode()) {
            const e = walker.currentNode.parentElement;
            const text = walker.currentNode.data.trim(), style = getComputedStyle(e);
            if (!text || !e.checkVisibility() || e.closest('[aria-disabled], .sr, svg')) continue;
            if (parseFloat(style.fontSize) < 1) continue;
            const [a, b] = [light(rgba(style.color)), light(behind(e))].sort((x, y) => y - x);
            const ratio = (a + 0.05) / (b + 0.05);
            if (ratio < 4.5) bad.add(`${ratio.toFixed(2)} ${e.className} ${text.slice(0, 30)}`);
        }
        return [...bad];
    }""")


def offences(page: Page) -> dict[str, list[str]]:
    found = {name: page.evaluate(script) for name, script in BASICS.items()}
    found["contrast"] = contrast(page)
    return {name: what for name, what in found.items() if what}


def serious(page: Page, *, colours: bool) -> list[str]:
    """What axe calls serious or worse; of colours it thinks long, and `contrast` looks at them too."""
    rules = {"color-contrast": {"enabled": colours}}
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False, "rules": rules})
    bad = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in bad]
